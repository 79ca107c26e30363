/** Acting on several servers of one cluster with one identity: each is dialled directly, side by side. */
import type * as pulumi from "@pulumi/pulumi";
import { SqlError } from "./errors";
import type { Context } from "./kind";
import type { Connection, Session } from "./session";
import { compile, sql, type Sql } from "./sql";

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
    // An error of ours names what it is about; a server's own words need the node.
    if (others.length === 0 && !(first.reason instanceof SqlError)) throw first.reason;
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

/**
 * For the rest of a session, or of a transaction: what it says concerns its own server only. Where the maintenance database has citus, too, each
 * node would otherwise tell the others what they are told directly.
 */
export const tellNobodySql = (inTransaction: boolean) => sql`
  SELECT set_config(name, 'off', ${inTransaction}::bool)
    FROM unnest(ARRAY['citus.enable_ddl_propagation', 'citus.enable_create_role_propagation', 'citus.enable_alter_role_propagation',
                      'citus.enable_create_database_propagation']) AS s (name)`;

/** What the nodes show: the value of the first, by key, that differs from what was asked for, with its name unless all show the same; else the first's. */
export function oddOne<Row, Value>(
  rows: Readonly<Record<string, Row>>,
  value: (row: Row) => Value,
  isAsked: (value: Value) => boolean,
): { readonly value: Value; readonly node?: string } | undefined {
  const seen = Object.entries(rows)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([node, row]) => ({ node, value: value(row) }));
  const one = seen.find((each) => !isAsked(each.value)) ?? seen[0];
  if (one === undefined) return undefined;
  const isEverywhere = seen.every((each) => JSON.stringify(each.value) === JSON.stringify(one.value));
  return isEverywhere || isAsked(one.value) ? { value: one.value } : one;
}

/**
 * The one value of a statement without parameters on every active node, in the session's database; the coordinator dials the nodes as the
 * session's role. By `host:port`, an empty text where there is no row or the value is null; by `own`, where given, what the session itself sees,
 * asked by `ownCommand`, by default the same.
 * @throws the first node that does not answer, with its reason
 */
export async function onAllNodes(
  session: Session,
  command: Sql,
  {
    own,
    ownCommand = command,
    timeoutSeconds,
  }: { readonly own?: string; readonly ownCommand?: Sql; readonly timeoutSeconds?: number } = {},
): Promise<Readonly<Record<string, string>>> {
  const { text } = compile(command);
  const here =
    own === undefined
      ? sql``
      : sql`SELECT ${own} AS node, true AS success, coalesce((${ownCommand})::text, '') AS result UNION ALL`;
  const rows = await session.query<{ node: string; success: boolean; result: string }>(
    sql`${here} SELECT coalesce(nodename || ':' || nodeport, 'the coordinator') AS node, success, result
      FROM run_command_on_all_nodes(${text}) LEFT JOIN pg_dist_node USING (nodeid)`,
    { timeoutSeconds },
  );
  const silent = rows.find(({ success }) => !success);
  if (silent !== undefined) throw new Error(`${silent.node} does not answer: ${silent.result}`);
  return Object.fromEntries(rows.map(({ node, result }) => [node, result]));
}

/** Which servers are asked: these by their keys, dialled directly in that database, else every active node through the coordinator. */
export interface Reach {
  readonly connection: Connection;
  readonly nodes?: Readonly<Record<string, ServerAddress>>;
  /** Where nodes are dialled. @default - the connection's */
  readonly database?: string;
  /** Through the coordinator: the name of what the session itself sees, beside the nodes. @default - left out */
  readonly own?: string;
}

const listSql = (statements: readonly Sql[]): Sql => ({
  parts: [
    "SELECT to_json(ARRAY[",
    ...statements.flatMap(({ parts }, index) => [index === 0 ? "(" : ", (", ...parts, ")::text"]),
    "])::text AS list",
  ],
});

// No node is called so.
const sessions = "the session's own";

const listOf = (text: string | undefined) => JSON.parse(text ?? "[]") as readonly (string | null)[];

/**
 * The one value of a statement without parameters on every server, by key or `host:port`, an empty text where there is no row or the value is
 * null. During a refresh, what other resources ask of the same servers at that moment goes along in one statement, whatever their kind.
 * @throws what a server or node refuses of this statement
 */
export async function valueOnNodes(
  context: Context,
  { connection, nodes, database = connection.database, own }: Reach,
  statement: Sql,
): Promise<Readonly<Record<string, string>>> {
  const key = nodes === undefined ? ["through", connection] : ["each", connection, nodes, database];
  const question = { statement, isOwn: own !== undefined };
  const { [sessions]: ofSession = "", ...ofNodes } = await context.together(key, question, async (questions) => {
    const all = listSql(questions.map((each) => each.statement));
    // All go along in one statement; the session is spared what nobody asks it.
    const ofItself = listSql(questions.map((each) => (each.isOwn ? each.statement : sql`SELECT NULL`)));
    const texts =
      nodes === undefined
        ? await context.connect(connection, (session) =>
            onAllNodes(session, all, { own: sessions, ownCommand: ofItself }),
          )
        : await onEach(context, connection, nodes, database, (session) => listIn(session, all));
    const lists = Object.entries(texts).map(([node, text]) => [node, listOf(text)] as const);
    return questions.map((_, index) => Object.fromEntries(lists.map(([node, list]) => [node, list[index] ?? ""])));
  });
  return own === undefined ? ofNodes : { ...ofNodes, [own]: ofSession };
}

/** The same on the connection's own server alone. */
export async function valueOf(context: Context, connection: Connection, statement: Sql): Promise<string> {
  return await context.together(["one", connection], statement, async (statements) => {
    const list = listOf(await context.connect(connection, (session) => listIn(session, listSql(statements))));
    return statements.map((_, index) => list[index] ?? "");
  });
}

const listIn = async (session: Session, statement: Sql) =>
  (await session.query<{ list: string }>(statement))[0]?.list ?? "[]";
