/** The nodes that get settings, and how each is told: dialled directly where the nodes are named, else by the coordinator. */
import type { Context } from "../engine/kind";
import { onAllNodes, onEach, type ServerAddress } from "../engine/server";
import type { Connection, Session } from "../engine/session";
import type { Sql } from "../engine/sql";

/** The arguments that say which nodes get the settings. */
export interface NodeSelection {
  readonly connection: Connection;
  readonly nodes?: Readonly<Record<string, ServerAddress>>;
  readonly node?: string;
}

/**
 * Runs the statements on every node, all nodes side by side, and gives the `result` of the last one by node: by its key where nodes are
 * named, else by `host:port`. With `only`, named nodes that are not among these are left alone.
 * @throws what failed, with its node
 */
export async function onNodes(
  { connection, nodes, node }: NodeSelection,
  context: Context,
  statements: readonly Sql[],
  only?: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  if (node !== undefined)
    return { [node]: await context.connect(connection, (session) => runAll(session, statements)) };
  if (nodes === undefined) return await context.connect(connection, (session) => runEverywhere(session, statements));
  const some = Object.fromEntries(Object.entries(nodes).filter(([key]) => only?.includes(key) ?? true));
  return await onEach(context, connection, some, connection.database, (session) => runAll(session, statements));
}

async function runAll(session: Session, statements: readonly Sql[]): Promise<string> {
  let last = "";
  for (const statement of statements) {
    const [row] = await session.query<{ result?: unknown }>(statement);
    last = typeof row?.result === "string" ? row.result : "";
  }
  return last;
}

async function runEverywhere(session: Session, statements: readonly Sql[]): Promise<Readonly<Record<string, string>>> {
  let last: Readonly<Record<string, string>> = {};
  for (const statement of statements) last = await onAllNodes(session, statement);
  return last;
}
