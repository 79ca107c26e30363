/** May a server go? Its other databases may belong to clusters whose nodes nobody drains. */
import type { Context } from "../engine/kind";
import { at } from "../engine/server";
import type { Connection } from "../engine/session";
import { sql } from "../engine/sql";
import { answers } from "./arrival";
import type { LeavingNode } from "./drain";

// Any database of a server can list the others.
const maintenance = "postgres";

/**
 * Refuses to let servers go that carry part of another database: with the server, its shards would be gone.
 * `managed` are the databases whose own Nodes resources drain the same servers.
 */
export async function refuseForgottenDatabases(
  context: Context,
  connection: Connection,
  leaving: readonly LeavingNode[],
  managed: readonly string[],
): Promise<void> {
  const forgotten: string[] = [];
  for (const { key, row } of leaving) {
    // One that is down cannot be asked; what it alone holds, Citus itself refuses to remove.
    if (!(await answers(context, connection, row))) continue;
    const databases = await context.connect(at(connection, row, maintenance), (session) =>
      session.query<{ name: string }>(sql`
        SELECT datname AS name FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> ALL (${[...managed, connection.database]})`),
    );
    for (const { name } of databases) {
      const belongs = await context.connect(at(connection, row, name), async (session) => {
        const [citus] = await session.query(sql`SELECT FROM pg_extension WHERE extname = 'citus'`);
        if (citus === undefined) return false;
        const [group] = await session.query<{ id: number }>(sql`SELECT groupid AS id FROM pg_dist_local_group`);
        return (group?.id ?? 0) !== 0;
      });
      if (belongs) forgotten.push(`database "${name}" on node "${key}"`);
    }
  }
  if (forgotten.length === 0) return;
  throw new Error(
    `${forgotten.join(", ")} is part of a cluster that is not managed here, and its shards would go with the server. ` +
      `Put the database back into the program, or drain and remove the node there by hand, then run again`,
  );
}
