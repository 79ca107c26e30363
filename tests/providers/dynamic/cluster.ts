/** Servers for one suite of a kind: started before it, removed after it, and asked through the project's own sessions. */
import { spawn } from "node:child_process";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { database } from "../../../providers/dynamic/database";
import { provider } from "../../../providers/dynamic/engine/entry";
import type { ServerAddress } from "../../../providers/dynamic/engine/server";
import { connectTo, type Connection } from "../../../providers/dynamic/engine/session";
import type { TransferMode } from "../../../providers/dynamic/nodes/background-job";
import type { CoordinatorNode, FormerServer, WorkerNode } from "../../../providers/dynamic/nodes/plan";
import { reloadSql, untilLoaded } from "../../../providers/dynamic/settings/reload";
import { startServers, type TestServer, type TestServers } from "../../support/servers";
import { requires } from "../../support/tools";

/** Rows of any statement. */
export type Rows = readonly Readonly<Record<string, unknown>>[];

/** Running servers by key. */
export interface SuiteServers {
  readonly all: () => TestServers;
  readonly get: (key: string) => TestServer;
  readonly connection: (key: string, database?: string) => Connection;
  readonly address: (key: string) => ServerAddress;
  readonly addresses: (...keys: readonly string[]) => Readonly<Record<string, ServerAddress>>;
  readonly query: (key: string, database: string, text: string) => Promise<Rows>;
  /** Has these servers read their files: new sessions see it afterwards. */
  readonly reload: (...keys: readonly string[]) => Promise<void>;
  /** On every server, in the order of the keys. */
  readonly onEach: (database: string, text: string) => Promise<readonly Rows[]>;
}

/** Runs one statement as the operator. */
export async function query(connection: Connection, text: string): Promise<Rows> {
  return await connectTo(connection, "test", (session) => session.query<Record<string, unknown>>({ parts: [text] }));
}

const reload = (connection: Connection) =>
  connectTo(connection, "test", (session) =>
    untilLoaded(
      async (statement) => ({ it: (await session.query<{ result: string }>(statement))[0]?.result ?? "" }),
      () => session.query(reloadSql),
    ),
  );

/** Starts servers for the suite that calls it; skips the suite where PostgreSQL or this kind of Citus is missing. */
export function withServers(
  keys: readonly string[],
  options: Parameters<typeof startServers>[1] = {},
  citus: "citus" | "realCitus" = "citus",
): SuiteServers {
  let started: TestServers | undefined;
  before(async function () {
    requires(this, "postgres", citus);
    this.timeout(120_000);
    started = await startServers(keys, options);
  });
  after(async function () {
    this.timeout(120_000);
    await started?.remove();
  });
  const all = () => {
    if (started === undefined) throw new Error("the servers are not started yet");
    return started;
  };
  const address = (key: string) => ({ host: all().get(key).host, port: all().get(key).port });
  const connection = (key: string, database?: string) => all().get(key).connection(database);
  return {
    all,
    get: (key) => all().get(key),
    connection,
    address,
    addresses: (...some) => Object.fromEntries(some.map((key) => [key, address(key)])),
    query: (key, database, text) => query(connection(key, database), text),
    reload: async (...some) => {
      await Promise.all(some.map((key) => reload(connection(key))));
    },
    onEach: (database, text) => Promise.all(keys.map((key) => query(connection(key, database), text))),
  };
}

/** A cluster in the database "app", and what its resource takes. */
export interface SuiteCluster {
  readonly inputs: (...workers: readonly string[]) => NodesInputs;
  /** The database with citus on these servers; again after a worker has left. */
  readonly database: (...keys: readonly string[]) => Promise<void>;
  /** pg_dist_node as the coordinator has it. */
  readonly nodes: () => Promise<Rows>;
  /** Shards of distributed tables by the port of their node. */
  readonly shards: () => Promise<Readonly<Record<string, number>>>;
  /** Rows of a statement in "app". */
  readonly query: (key: string, text: string) => Promise<Rows>;
}

/** What the provider of Nodes takes. */
export interface NodesInputs {
  readonly connection: Connection;
  readonly coordinator: CoordinatorNode;
  readonly workers: Readonly<Record<string, WorkerNode>>;
  readonly former?: readonly FormerServer[];
  readonly managedDatabases?: readonly string[];
  readonly transferMode: TransferMode;
  readonly drainTimeoutSeconds: number;
}

/** Names of one cluster among the suite's servers. Moves block writes, which is ten times as fast. */
export function clusterOf(servers: SuiteServers, coordinator = "coordinator"): SuiteCluster {
  const ask = (key: string, text: string) => servers.query(key, "app", text);
  return {
    inputs: (...workers) => ({
      connection: servers.connection(coordinator, "app"),
      coordinator: servers.address(coordinator),
      workers: servers.addresses(...workers),
      transferMode: "block_writes",
      drainTimeoutSeconds: 600,
    }),
    database: async (...keys) => {
      const app = { connection: servers.connection(coordinator), nodes: servers.addresses(...keys), name: "app" };
      await provider(database).update("app", app, app);
    },
    nodes: () => ask(coordinator, "SELECT * FROM pg_dist_node ORDER BY nodeid"),
    shards: async () => {
      const rows = await ask(
        coordinator,
        `SELECT nodeport::text AS port, count(*)::int AS count FROM pg_dist_placement JOIN pg_dist_shard USING (shardid) JOIN pg_dist_partition USING (logicalrelid)
           JOIN pg_dist_node USING (groupid) WHERE partmethod = 'h' GROUP BY 1`,
      );
      return Object.fromEntries(rows.map(({ port, count }) => [String(port), Number(count)]));
    },
    query: ask,
  };
}

/** A second address of a server, for as long as `use` runs. */
export async function withForwarder<T>(target: ServerAddress, use: (address: ServerAddress) => Promise<T>): Promise<T> {
  const open: Socket[] = [];
  const listener = createServer((inner) => {
    const outer = connect(target.port, target.host);
    for (const [one, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      open.push(one);
      one.on("error", () => other.destroy());
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, target.host, resolve));
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port was given");
  try {
    return await use({ host: target.host, port: address.port });
  } finally {
    listener.close();
    for (const socket of open) socket.destroy();
  }
}

/** An operation of a kind in a process of its own, which a test can kill. */
export interface OperationElsewhere {
  /** Ends when the process ends; what it wrote. */
  readonly ended: Promise<string>;
  /** SIGKILL, and wait until it is gone. */
  readonly kill: () => Promise<void>;
}

// The arguments travel on standard input: they hold keys.
const elsewhere = `
const [, entry, kinds, kind, verb] = process.argv;
let text = "";
process.stdin.on("data", (chunk) => (text += chunk)).on("end", () => {
  const provider = require(entry).provider(Object.values(require(kinds)).find(({ type }) => type === kind));
  provider[verb](...JSON.parse(text)).then(() => console.log("done"), (error) => console.log(error.message));
});`;

/** Runs `verb` of the provider of a kind, as Pulumi's provider process would. */
export function operateElsewhere(
  kind: string,
  verb: "create" | "update",
  ...args: readonly unknown[]
): OperationElsewhere {
  const folder = join(__dirname, "..", "..", "..", "providers", "dynamic");
  const kinds = join(folder, `${kind.toLowerCase()}.js`);
  const child = spawn(process.execPath, ["-e", elsewhere, join(folder, "engine", "entry.js"), kinds, kind, verb], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  const ended = new Promise<string>((resolve) => child.on("close", () => resolve(out.trim())));
  child.stdin.end(JSON.stringify(args));
  return {
    ended,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
