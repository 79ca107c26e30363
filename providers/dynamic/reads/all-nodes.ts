/** One statement asked of every active node, through the coordinator: read functions that look at each node use it. Calls run_command_on_all_nodes. */
import { sql, type Sql } from "../engine/sql";

/** What one node said. */
export interface NodeAnswer {
  /** As the coordinator dials it; "localhost" for a coordinator without an address. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** False when it did not answer, or refused. */
  readonly success: boolean;
  /** The one value of the statement as text, or the reason. */
  readonly result: string;
}

/** Asks all nodes for the one value of that statement, which takes no parameters; the coordinator's answer comes first. */
export const onAllNodesSql = (text: string): Sql => sql`
  SELECT coalesce(nodename, 'localhost') AS host, coalesce(nodeport, current_setting('port')::int) AS port, success, result
    FROM run_command_on_all_nodes(${text}) LEFT JOIN pg_dist_node USING (nodeid) ORDER BY coalesce(groupid, 0) <> 0, 1, 2`;
