/** Moves every shard away from leaving nodes: one background job of the cluster for all of them, so that a killed run finds it again.
 *  Calls citus_set_node_property, citus_rebalance_start(drain_only), citus_job_cancel, citus_cleanup_orphaned_resources.
 *  Source: https://docs.citusdata.com/en/stable/develop/api_udf.html */
import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../engine/kind";
import type { Session } from "../engine/session";
import { sql } from "../engine/sql";
import { addressText, type NodeRow } from "./plan";

/** How shards travel: with writes going on (`auto`, needs a replica identity), the same without checking it, or with writes blocked. */
export type TransferMode = "auto" | "force_logical" | "block_writes";

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
// Citus retries a failing move 32 times, half an hour in all; after 5 s and 20 s more nothing new is learned.
const hopelessRetries = 3;

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
   WHERE p.partmethod IN ('h', 'n') AND p.repmodel <> 't' AND c.relkind = 'r' AND c.relreplident <> 'f'
     AND EXISTS (SELECT FROM pg_dist_shard s JOIN pg_dist_placement m USING (shardid)
                  WHERE s.logicalrelid = p.logicalrelid AND m.groupid = ANY (${groups(leaving)}))
     AND NOT (c.relreplident = 'd' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
     AND NOT (c.relreplident = 'i' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident))
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

const runningJobSql = sql`
  SELECT job_id::text AS id FROM pg_dist_background_job
   WHERE job_type = 'rebalance' AND state NOT IN ('finished', 'cancelled', 'failed') ORDER BY job_id DESC LIMIT 1`;

const startSql = (mode: TransferMode) => sql`
  SELECT citus_rebalance_start(drain_only => true, shard_transfer_mode => ${mode}::text::citus.shard_transfer_mode,
         parallel_transfer_reference_tables => true, parallel_transfer_colocated_shards => true)::text AS id`;

interface Job {
  readonly state: string;
  readonly done: number;
  readonly total: number;
  /** The most that any task was tried again. */
  readonly retried: number;
  readonly message: string | null;
}

const jobSql = (id: string) => sql`
  SELECT state::text, coalesce((details->'task_state_counts'->>'done')::int, 0) AS done,
         (SELECT coalesce(sum(value::int), 0)::int FROM jsonb_each_text(details->'task_state_counts')) AS total,
         (SELECT coalesce(max((t->>'retried')::int), 0) FROM jsonb_array_elements(details->'tasks') t) AS retried,
         (SELECT string_agg(DISTINCT t->>'message', ' · ') FROM jsonb_array_elements(details->'tasks') t WHERE t->>'message' <> '') AS message
    FROM citus_job_status(${id}::bigint, true)`;

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
  const deadline = Date.now() + limits.timeoutSeconds * 1_000;
  const running = await session.query<{ id: string }>(runningJobSql);
  // Another rebalance, or the drain of a killed run: both must end first, and may already do our work.
  for (const { id } of running) await awaitOther(session, context, id, leaving, deadline);
  // Every node is told of the property, so that a node that is down could never leave; without shards there is nothing to keep away.
  for (const { row } of (await placements(session, leaving)) === 0 ? [] : leaving) {
    await session.query(sql`SELECT citus_set_node_property(${row.host}, ${row.port}, 'shouldhaveshards', false)`);
  }
  while ((await placements(session, leaving)) > 0) {
    const [job] = await session.query<{ id: string | null }>(startSql(limits.transferMode));
    if (job === undefined || job.id === null)
      throw new Error(
        `node ${names(leaving)} still holds shards, but Citus plans no move for them; see SELECT * FROM get_rebalance_table_shards_plan(drain_only => true)`,
      );
    await follow(session, context, job.id, leaving, deadline);
  }
  await cleanUp(session, context, leaving);
}

/** A job that this run did not start is never cancelled; how it ends does not matter, since ours follows. */
async function awaitOther(
  session: Session,
  context: Context,
  id: string,
  leaving: readonly LeavingNode[],
  deadline: number,
): Promise<void> {
  for (;;) {
    const [job] = await session.query<Job>(jobSql(id));
    if (job === undefined || ["finished", "cancelled", "failed"].includes(job.state)) return;
    if (job.retried >= hopelessRetries || Date.now() > deadline) {
      throw new Error(
        `node ${names(leaving)} must wait: job ${id}, a rebalance that this run did not start, ` +
          `${job.retried >= hopelessRetries ? `fails again and again: ${job.message ?? ""}` : "is still running (drainTimeoutSeconds)"}. ` +
          `Mend the cause, or end it with SELECT citus_rebalance_stop(), and run again`,
      );
    }
    context.progress(
      `waiting for job ${id} before draining ${names(leaving)}: ${String(job.done)} of ${String(job.total)} moves done`,
    );
    await delay(pollMilliseconds);
  }
}

async function follow(
  session: Session,
  context: Context,
  id: string,
  leaving: readonly LeavingNode[],
  deadline: number,
): Promise<void> {
  for (;;) {
    const [job] = await session.query<Job>(jobSql(id));
    if (job === undefined || job.state === "finished") return;
    const reason = job.message ?? "see SELECT * FROM citus_job_status(" + id + ")";
    if (["cancelled", "failed"].includes(job.state)) {
      throw new Error(
        `draining node ${names(leaving)} stopped: job ${id} was ${job.state}: ${reason}. The node stays; mend the cause and run again`,
      );
    }
    if (job.retried >= hopelessRetries || Date.now() > deadline) {
      await session.query(sql`SELECT citus_job_cancel(${id}::bigint)`);
      const why =
        Date.now() > deadline ? "its time is over (drainTimeoutSeconds)" : `a move failed ${String(job.retried)} times`;
      throw new Error(
        `draining node ${names(leaving)} stopped, job ${id} is cancelled: ${why}: ${reason}. ` +
          `The node stays with the shards that are left; mend the cause and run again, it continues there. ` +
          `To keep the node after all, put it back and run pulumi up --refresh`,
      );
    }
    context.progress(`draining ${names(leaving)}: ${String(job.done)} of ${String(job.total)} moves done (job ${id})`);
    await delay(pollMilliseconds);
  }
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
