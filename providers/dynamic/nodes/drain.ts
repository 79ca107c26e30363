/** Moves every shard away from leaving nodes: one background job of the cluster for all of them, so that a killed run finds it again.
 *  Calls citus_set_node_property, citus_rebalance_start(drain_only), citus_cleanup_orphaned_resources, citus_check_cluster_node_health.
 *  Source: https://docs.citusdata.com/en/stable/develop/api_udf.html */
import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../engine/kind";
import type { Session } from "../engine/session";
import { sql } from "../engine/sql";
import {
  awaitOtherJob,
  followJob,
  lacksIdentity,
  runningJobSql,
  startSql,
  type JobWait,
  type TransferMode,
} from "./background-job";
import { addressText, type NodeRow } from "./plan";

/** A node that leaves, under the key that users know. */
export interface LeavingNode {
  readonly key: string;
  readonly row: NodeRow;
}

/** What limits a drain. */
export interface DrainLimits {
  readonly transferMode: TransferMode;
  /** Seconds for all moves together. */
  readonly timeoutSeconds: number;
}

const pollMilliseconds = 500;
const cleanupSeconds = 120;

const groups = (leaving: readonly LeavingNode[]) => leaving.map(({ row }) => row.groupId);
const names = (leaving: readonly LeavingNode[]) => leaving.map(({ key }) => `"${key}"`).join(", ");

// Reference tables stay: every node has a copy of them.
const placementsSql = (leaving: readonly LeavingNode[]) => sql`
  SELECT count(*)::int AS count
    FROM pg_dist_placement JOIN pg_dist_shard USING (shardid) JOIN pg_dist_partition USING (logicalrelid)
   WHERE groupid = ANY (${groups(leaving)}) AND NOT (partmethod = 'n' AND repmodel = 't')`;

// Tables without a replica identity among those that have shards to move (leaf tables: a partitioned parent has none).
const withoutIdentitySql = (leaving: readonly LeavingNode[]) => sql`
  SELECT DISTINCT format('%I.%I', n.nspname, c.relname) AS relation
    FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE p.partmethod IN ('h', 'n') AND p.repmodel <> 't' AND c.relkind = 'r' AND ${lacksIdentity}
     AND EXISTS (SELECT FROM pg_dist_shard s JOIN pg_dist_placement m USING (shardid)
                  WHERE s.logicalrelid = p.logicalrelid AND m.groupid = ANY (${groups(leaving)}))
   ORDER BY 1`;

const targetsSql = (leaving: readonly LeavingNode[]) => sql`
  SELECT count(*)::int AS count FROM pg_dist_node
   WHERE isactive AND noderole = 'primary' AND shouldhaveshards AND NOT groupid = ANY (${groups(leaving)})`;

// Nodes that stay, hold shards and may not hold any: a drain takes them along.
const othersSql = (leaving: readonly LeavingNode[]) => sql`
  SELECT nodename || ':' || nodeport AS node, count(*)::int AS count
    FROM pg_dist_placement JOIN pg_dist_shard USING (shardid) JOIN pg_dist_partition USING (logicalrelid) JOIN pg_dist_node USING (groupid)
   WHERE NOT shouldhaveshards AND noderole = 'primary' AND NOT groupid = ANY (${groups(leaving)})
     AND NOT (partmethod = 'n' AND repmodel = 't')
   GROUP BY 1 ORDER BY 1`;

// Between nodes that leave and nodes that may take their shards, in both directions: a move dials either way, by its mode.
const blockedSql = (leaving: readonly LeavingNode[]) => sql`
  SELECT source.nodename || ':' || source.nodeport AS "from", target.nodename || ':' || target.nodeport AS "to"
    FROM citus_check_cluster_node_health()
    JOIN pg_dist_node source ON (source.nodename, source.nodeport) = (from_nodename, from_nodeport)
    JOIN pg_dist_node target ON (target.nodename, target.nodeport) = (to_nodename, to_nodeport)
   WHERE result IS NOT TRUE
     AND (source.groupid = ANY (${groups(leaving)}) AND target.shouldhaveshards AND NOT target.groupid = ANY (${groups(leaving)})
       OR target.groupid = ANY (${groups(leaving)}) AND source.shouldhaveshards AND NOT source.groupid = ANY (${groups(leaving)}))
   ORDER BY 1, 2`;

const cleanupRowsSql = (leaving: readonly LeavingNode[]) => sql`
  SELECT count(*)::int AS count FROM pg_dist_cleanup WHERE node_group_id = ANY (${groups(leaving)})`;

async function placements(session: Session, leaving: readonly LeavingNode[]): Promise<number> {
  const [row] = await session.query<{ count: number }>(placementsSql(leaving));
  return row?.count ?? 0;
}

/** Why the shards cannot leave, before anything is changed. */
async function refuseHopeless(session: Session, leaving: readonly LeavingNode[], mode: TransferMode): Promise<void> {
  const count = await placements(session, leaving);
  if (count === 0) return;
  const [targets] = await session.query<{ count: number }>(targetsSql(leaving));
  if ((targets?.count ?? 0) === 0) {
    throw new Error(
      `node ${names(leaving)} holds ${String(count)} shards and no other node may hold shards; add a worker, or give the coordinator shouldHaveShards: true, before removing the last one`,
    );
  }
  const others = await session.query<{ node: string; count: number }>(othersSql(leaving));
  if (others.length > 0) {
    const list = others.map(({ node, count }) => `${node} (${String(count)} shards)`).join(", ");
    throw new Error(
      `draining node ${names(leaving)} would also empty ${list}: Citus drains every node that has shouldHaveShards: false. ` +
        `Set it to true there for this run`,
    );
  }
  const blocked = await session.query<{ from: string; to: string }>(blockedSql(leaving));
  if (blocked.length > 0) {
    const pairs = blocked.map(({ from, to }) => `${from} cannot reach ${to}`).join("; ");
    throw new Error(
      `node ${names(leaving)} cannot be drained: ${pairs}. Check that both run and the network between them. A node that joins after a failed run that ` +
        `was to remove another is not let in by that one, whose access rules are not written any more: put the leaving one back and run, take it out in the next run`,
    );
  }
  if (mode !== "auto") return;
  const tables = (await session.query<{ relation: string }>(withoutIdentitySql(leaving))).map(
    ({ relation }) => relation,
  );
  if (tables.length > 0) {
    throw new Error(
      `node ${names(leaving)} cannot be drained: ${tables.join(", ")} has no replica identity, so updates and deletes would fail while its shards move. ` +
        `Give it a primary key, or run ALTER TABLE … REPLICA IDENTITY FULL, or set transferMode to "block_writes" (writes wait during each move); then run again`,
    );
  }
}

/** Empties the leaving nodes: afterwards they have no shard and no cleanup record. Nothing is lost when it fails; the next run continues. */
export async function drain(
  session: Session,
  context: Context,
  leaving: readonly LeavingNode[],
  limits: DrainLimits,
): Promise<void> {
  await refuseHopeless(session, leaving, limits.transferMode);
  const wait: JobWait = {
    doing: `draining node ${names(leaving)}`,
    waits: `node ${names(leaving)} must wait`,
    deadline: Date.now() + limits.timeoutSeconds * 1_000,
    limit: "drainTimeoutSeconds",
    afterEnd: "The node stays; mend the cause and run again",
    afterCancel:
      "The node stays with the shards that are left; mend the cause and run again, it continues there. " +
      "To keep the node after all, put it back and run pulumi up --refresh",
  };
  const running = await session.query<{ id: string }>(runningJobSql);
  // Another rebalance, or the drain of a killed run: both must end first, and may already do our work.
  for (const { id } of running) await awaitOtherJob(session, context, id, wait);
  // Every node is told of the property, so that a node that is down could never leave; without shards there is nothing to keep away.
  for (const { row } of (await placements(session, leaving)) === 0 ? [] : leaving) {
    await session.query(sql`SELECT citus_set_node_property(${row.host}, ${row.port}, 'shouldhaveshards', false)`);
  }
  while ((await placements(session, leaving)) > 0) {
    const [job] = await session.query<{ id: string | null }>(
      startSql({ drainOnly: true, transferMode: limits.transferMode }),
    );
    if (job === undefined || job.id === null)
      throw new Error(
        `node ${names(leaving)} still holds shards, but Citus plans no move for them; see SELECT * FROM get_rebalance_table_shards_plan(drain_only => true)`,
      );
    await followJob(session, context, job.id, wait);
  }
  await cleanUp(session, context, leaving);
}

async function cleanUp(session: Session, context: Context, leaving: readonly LeavingNode[]): Promise<void> {
  const deadline = Date.now() + cleanupSeconds * 1_000;
  for (;;) {
    await session.query(sql`CALL pg_catalog.citus_cleanup_orphaned_resources()`, { timeoutSeconds: cleanupSeconds });
    const [left] = await session.query<{ count: number }>(cleanupRowsSql(leaving));
    const count = left?.count ?? 0;
    if (count === 0) return;
    if (Date.now() > deadline) {
      // A record that outlives its node makes the node's return impossible (citusdata/citus#7333).
      throw new Error(
        `${leaving.map(({ row }) => addressText(row)).join(", ")}: ${String(count)} moved shards could not be dropped there within ${String(cleanupSeconds)} seconds (pg_dist_cleanup); end the sessions that use them and run again`,
      );
    }
    context.progress(`dropping what was moved away from ${names(leaving)}: ${String(count)} left`);
    await delay(pollMilliseconds);
  }
}
