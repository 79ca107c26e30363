/** Servers for one suite of a kind: started before it, removed after it, and asked through the project's own sessions. */
import type { ServerAddress } from "../../../providers/dynamic/engine/server";
import { connectTo, type Connection } from "../../../providers/dynamic/engine/session";
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
  /** On every server, in the order of the keys. */
  readonly onEach: (database: string, text: string) => Promise<readonly Rows[]>;
}

/** Runs one statement as the operator. */
export async function query(connection: Connection, text: string): Promise<Rows> {
  return await connectTo(connection, "test", (session) => session.query<Record<string, unknown>>({ parts: [text] }));
}

/** Starts servers for the suite that calls it; skips the suite where PostgreSQL or Citus is missing. */
export function withServers(keys: readonly string[], options: Parameters<typeof startServers>[1] = {}): SuiteServers {
  let started: TestServers | undefined;
  before(async function () {
    requires(this, "postgres", "citus");
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
    onEach: (database, text) => Promise.all(keys.map((key) => query(connection(key, database), text))),
  };
}
