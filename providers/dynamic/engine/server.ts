/** Acting on several servers of one cluster with one identity: each is dialled directly, side by side. */
import type * as pulumi from "@pulumi/pulumi";
import { SqlError } from "./errors";
import type { Context } from "./kind";
import type { Connection, Session } from "./session";

/** Where a server listens. */
export interface ServerAddress {
  /** DNS name or IP address, as other nodes dial it and as its certificate names it. */
  readonly host: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
}

/** Servers by the stable key of their node, as users write them. */
export type ServerMap = Readonly<
  Record<string, pulumi.Input<{ host: pulumi.Input<string>; port: pulumi.Input<number> }>>
>;

/** The same identity at another server, with the name that this server's certificate carries. */
export function at(connection: Connection, { host, port }: ServerAddress, database: string): Connection {
  const { ca, cert, key } = connection.tls;
  const tls = { ca, ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
  return { ...connection, host, port, database, tls };
}

/** Runs `use` on every server at the same time and gives the results by key. Every failure is told, each with its node. */
export async function onEach<T>(
  context: Context,
  connection: Connection,
  servers: Readonly<Record<string, ServerAddress>>,
  database: string,
  use: (session: Session, key: string) => Promise<T>,
): Promise<Readonly<Record<string, T>>> {
  const keys = Object.keys(servers).sort();
  const results = await Promise.allSettled(
    Object.entries(servers)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, address]) => context.connect(at(connection, address, database), (session) => use(session, key))),
  );
  const failures = results.flatMap((result, index) =>
    result.status === "rejected" ? [{ key: keys[index] ?? "", reason: result.reason as unknown }] : [],
  );
  const [first, ...others] = failures;
  if (first !== undefined) {
    if (others.length === 0) throw first.reason;
    const text = ({ key, reason }: { key: string; reason: unknown }) =>
      `${key}: ${reason instanceof Error ? reason.message : String(reason)}`;
    const message = failures.map(text).join("; ");
    const codes = new Set(failures.map(({ reason }) => (reason instanceof SqlError ? reason.code : undefined)));
    // One code on all of them keeps its next step.
    if (codes.size > 1 || !(first.reason instanceof SqlError)) throw new Error(message, { cause: first.reason });
    const where = failures
      .map(({ key }) => servers[key])
      .flatMap((server) => (server === undefined ? [] : [`${server.host}:${String(server.port)}`]));
    throw new SqlError(message, first.reason.code, where.join(", "), false, { cause: first.reason });
  }
  return Object.fromEntries(
    results.flatMap((result, index) => (result.status === "fulfilled" ? [[keys[index] ?? "", result.value]] : [])),
  );
}
