/** Real PostgreSQL servers for tests of kinds: set up by the project's own host scripts, TLS only, removed at the end. */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stepText } from "../../components/hosts/shell";
import {
  hbaFile,
  identFile,
  nodeConninfo,
  nodeSettings,
  settingsFile,
} from "../../components/node-configuration/files";
import type { Connection } from "../../providers/dynamic/engine/session";
import { makeAuthority, type Authority } from "./authority";
import { serversOf } from "./tools";

/** One running server. */
export interface TestServer {
  readonly key: string;
  readonly host: string;
  readonly port: number;
  /** As the operator: superuser postgres. */
  readonly connection: (database?: string) => Connection;
  /** Stops it at once, as a crash would. */
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
}

/** Running servers, not yet joined to a cluster. */
export interface TestServers {
  readonly authority: Authority;
  readonly folder: string;
  readonly servers: Readonly<Record<string, TestServer>>;
  /** The server, which the test knows to be there. */
  readonly get: (key: string) => TestServer;
  readonly remove: () => Promise<void>;
}

const host = "127.0.0.1";

// Below the range from which systems give ports to connections and to servers that name none (Linux: from 32768):
// one of those could take a port between its choice and its use.
// Every lane of scripts/suites.mjs has its own, for the same reason.
const portCount = 1_500;
const firstPort = 20_000 + (Number(process.env["TEST_LANE"] ?? 0) % 8) * portCount;
const givenPorts = new Set<number>();

/** Ports that nobody listens on, none of them given before in this run. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = firstPort + Math.floor(Math.random() * portCount);
    if (givenPorts.has(port) || !(await isFree(port))) continue;
    givenPorts.add(port);
    ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const listener = createServer();
  return await new Promise((resolve) => {
    listener.once("error", () => resolve(false));
    listener.listen(port, host, () => listener.close(() => resolve(true)));
  });
}

/** Runs a composed script as a host would. @throws what it wrote, when it fails */
export async function runScript(text: string, word = "create"): Promise<string> {
  return await new Promise((resolve, reject) => {
    const child = spawn("bash", ["-s", word], { stdio: ["pipe", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(out.trim());
      else reject(new Error(`the script ended with ${String(code)}: ${err}`));
    });
    child.stdin.end(text);
  });
}

/** Starts one server per key, all at once. `loginRoles` are known to pg_ident.conf. */
export async function startServers(
  keys: readonly string[],
  options: {
    readonly loginRoles?: readonly string[];
    readonly settings?: Readonly<Record<string, string | number>>;
    /** Log in from this machine with a password, not a certificate. */
    readonly passwordRoles?: readonly string[];
    /** Which of the installed PostgreSQL. @default "postgres" */
    readonly postgres?: "postgres" | "standIn";
  } = {},
): Promise<TestServers> {
  const folder = mkdtempSync(join(tmpdir(), "citus-test-"));
  // The servers' user must be able to pass.
  chmodSync(folder, 0o755);
  const { bin, user: osUser } = serversOf(options.postgres);
  const authority = await makeAuthority();
  const operator = await authority.issue("operator");
  const ports = await freePorts(keys.length);
  const prelude = (key: string) => ({
    files: ["components/hosts/server.sh", "components/hosts/local.sh"],
    values: { KEY: key, FOLDER: folder, OS_USER: osUser, PG_BIN: bin, POSTGRES_VERSION: "" },
  });
  const script = (key: string, files: readonly string[], values: Readonly<Record<string, string>>) =>
    runScript(stepText(prelude(key), { files, values }));
  const remove = async () => {
    await Promise.all(
      keys.map((key) => script(key, ["components/hosts/delete-local-host.sh"], { DELETE_DATA: "yes" })),
    );
    rmSync(folder, { recursive: true, force: true });
  };
  const ident = (postgresVersion: number) =>
    identFile({ osUser, loginRoles: [...(options.loginRoles ?? [])], postgresVersion });
  const start = async (key: string, port: number): Promise<TestServer> => {
    const own = await authority.issue(`node:${key}`, host);
    await script(key, ["components/hosts/data-folder.sh", "components/hosts/create-local-host.sh"], {});
    const configure = () =>
      authority.revocationList().then((list) =>
        script(key, ["components/node-configuration/server-files.sh", "components/node-configuration/configure.sh"], {
          ADDRESS: host,
          PORT: String(port),
          SETTINGS: settingsFile(
            nodeSettings({
              address: host,
              port,
              preload: ["pg_stat_statements"],
              settings: { fsync: "off", ...options.settings },
            }),
          ),
          HBA: [
            ...(options.passwordRoles ?? []).map(
              (role) => `hostssl all "${role.replaceAll('"', '""')}" ${host}/32 scram-sha-256`,
            ),
            hbaFile({ osUser, nodes: [host], operatorNetworks: [host], clientNetworks: [], certificateRoles: [] }),
          ].join("\n"),
          IDENT: ident(16),
          IDENT_15: ident(15),
          NODE_CONNINFO: nodeConninfo,
          CA: authority.certificate,
          CERTIFICATE: own.certificate,
          PRIVATE_KEY: own.privateKey,
          REVOCATION_LIST: list,
        }),
      );
    await configure();
    return {
      key,
      host,
      port,
      connection: (database = "postgres") => ({
        host,
        port,
        database,
        user: "postgres",
        tls: { ca: authority.certificate, cert: operator.certificate, key: operator.privateKey },
      }),
      stop: async () => {
        await script(key, ["components/hosts/delete-local-host.sh"], { DELETE_DATA: "no" });
      },
      start: async () => {
        await configure();
      },
    };
  };
  try {
    const started = await Promise.all(keys.map((key, index) => start(key, ports[index] ?? 0)));
    const servers = Object.fromEntries(started.map((server) => [server.key, server]));
    const get = (key: string) => {
      const server = servers[key];
      if (server === undefined) throw new Error(`the test started no server "${key}"`);
      return server;
    };
    return { authority, folder, servers, get, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
