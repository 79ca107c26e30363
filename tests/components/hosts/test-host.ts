/** A local host for tests: the scripts of the package run through bash exactly as the shell would run them, without Pulumi. */
import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { stepText, type ResolvedPart } from "../../../components/hosts/shell";
import {
  hbaFile,
  identFile,
  nodeConninfo,
  nodeSettings,
  settingsFile,
  type Settings,
} from "../../../components/node-configuration/files";
import type { Authority, Issued } from "../../support/authority";
import { freePorts } from "../../support/servers";
import { serversOf, toolPath } from "../../support/tools";

/** How a script ended. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const isRoot = process.getuid?.() === 0;

/** Who runs the scripts: root and the user that it chooses, or the plain user alone. */
export type Caller = "root" | "plain";

/** What a node of a test is configured with. */
export interface TestConfiguration {
  readonly authority: Authority;
  readonly certificate: Issued;
  readonly revocationList: string;
  readonly settings?: Settings;
  /** Addresses of other nodes. */
  readonly peers?: readonly string[];
  readonly preload?: readonly string[];
  readonly withCitus?: boolean;
}

const serverFiles = "components/node-configuration/server-files.sh";

/** One folder and one server in it. */
export class TestHost {
  readonly key = "a";
  readonly osUser: string;
  readonly folder: string;

  constructor(
    readonly port: number,
    readonly caller: Caller,
  ) {
    this.osUser = serversOf().user;
    // Short, since sockets lie in it.
    this.folder = mkdtempSync(join(tmpdir(), "citus-"));
    chmodSync(this.folder, 0o755);
    if (caller === "plain" && isRoot) chownSync(this.folder, idOf(this.osUser, "-u"), idOf(this.osUser, "-g"));
  }

  get data(): string {
    return join(this.folder, this.key, "data");
  }

  /** Values of the prelude. */
  get values(): Readonly<Record<string, string>> {
    return {
      KEY: this.key,
      FOLDER: this.folder,
      OS_USER: this.osUser,
      PG_BIN: toolPath("postgres"),
      POSTGRES_VERSION: "",
    };
  }

  script(onCreate: Parameters<typeof stepText>[1], onDelete?: ResolvedPart): string {
    return stepText(
      { files: ["components/hosts/server.sh", "components/hosts/local.sh"], values: this.values },
      onCreate,
      onDelete,
    );
  }

  run(
    text: string,
    word: "create" | "delete" = "create",
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Ran> {
    return runBash(text, word, this.caller === "plain" && isRoot ? this.osUser : undefined, environment);
  }

  hostScript(deleteData = false): string {
    return this.script(
      { files: ["components/hosts/data-folder.sh", "components/hosts/create-local-host.sh"], values: {} },
      { files: ["components/hosts/delete-local-host.sh"], values: { DELETE_DATA: deleteData ? "yes" : "no" } },
    );
  }

  hba(peers: readonly string[] = []): string {
    return hbaFile({
      osUser: this.osUser,
      nodes: ["127.0.0.1", ...peers],
      operatorNetworks: ["127.0.0.1"],
      clientNetworks: ["127.0.0.1"],
      certificateRoles: [],
    });
  }

  configureScript({
    authority,
    certificate,
    revocationList,
    settings = {},
    peers = [],
    preload = [],
    withCitus = false,
  }: TestConfiguration): string {
    const all = nodeSettings({ address: "127.0.0.1", port: this.port, preload, settings });
    // Without Citus on the machine everything else is the same.
    const used = withCitus ? all : { ...all, shared_preload_libraries: preload.join(", ") };
    const ident = (postgresVersion: number) => identFile({ osUser: this.osUser, loginRoles: ["app"], postgresVersion });
    return this.script({
      files: [serverFiles, "components/node-configuration/configure.sh"],
      values: {
        ADDRESS: "127.0.0.1",
        PORT: String(this.port),
        SETTINGS: settingsFile(used),
        HBA: this.hba(peers),
        IDENT: ident(16),
        IDENT_15: ident(15),
        NODE_CONNINFO: nodeConninfo,
        CA: authority.certificate,
        CERTIFICATE: certificate.certificate,
        PRIVATE_KEY: certificate.privateKey,
        REVOCATION_LIST: revocationList,
      },
      asServer: true,
    });
  }

  fenceScript(revocationList: string, revokedSerials: readonly string[], peers: readonly string[] = []): string {
    return this.script({
      files: [serverFiles, "components/node-configuration/fence.sh"],
      values: { HBA: this.hba(peers), REVOCATION_LIST: revocationList, REVOKED_SERIALS: revokedSerials.join(" ") },
      asServer: true,
    });
  }

  /** Runs SQL as postgres over the socket. */
  async sql(statement: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(
      this.script({ files: ["tests/components/hosts/run-sql.sh"], values: { STATEMENT: statement } }),
    );
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  read(file: string): string {
    return readFileSync(join(this.data, file), "utf8");
  }

  get log(): string {
    return readFileSync(join(this.folder, this.key, "server.log"), "utf8");
  }

  /** How often the server became ready. */
  get starts(): number {
    return this.log.split("database system is ready to accept connections").length - 1;
  }

  async remove(): Promise<void> {
    await this.run(this.hostScript(true), "delete");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function idOf(user: string, option: "-u" | "-g"): number {
  const line =
    readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((entry) => entry.startsWith(`${user}:`)) ?? "";
  return Number(line.split(":")[option === "-u" ? 2 : 3]);
}

/** Runs the text with `bash -s <word>`, as another user if one is given. */
export function runBash(
  text: string,
  word: string,
  user?: string,
  environment: Readonly<Record<string, string>> = {},
  started?: (pid: number) => void,
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const words = user === undefined ? [] : ["-u", user, "--", "bash"];
    const bash = spawn(user === undefined ? "bash" : "runuser", [...words, "-s", word], {
      env: { ...process.env, ...environment },
      detached: true,
    });
    let stdout = "";
    let stderr = "";
    bash.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    bash.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    bash.stdin.on("error", () => undefined);
    bash.on("error", reject);
    bash.on("close", (code) => {
      resolve({ code, stdout: stdout.trimEnd(), stderr });
    });
    if (bash.pid !== undefined) started?.(bash.pid);
    bash.stdin.end(text);
  });
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** The serial number of the certificate that the server shows, as PostgreSQL clients see it. */
export function servedSerial(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const plain = connectTcp(port, "127.0.0.1");
    plain.on("error", reject);
    plain.on("connect", () => {
      // SSLRequest of PostgreSQL's protocol.
      plain.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
    });
    plain.once("data", () => {
      const secure = connectTls({ socket: plain, rejectUnauthorized: false }, () => {
        const { serialNumber } = secure.getPeerCertificate();
        secure.destroy();
        resolve(serialNumber.toLowerCase());
      });
      secure.on("error", reject);
    });
  });
}
