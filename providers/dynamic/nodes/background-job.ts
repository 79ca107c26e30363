/** Shard moves as a background job of the cluster: start one, show how far it is, end one that gets nowhere. Shared by drains and rebalances.
 *  Calls citus_rebalance_start, citus_job_status, citus_job_cancel, citus_shard_sizes; reads pg_dist_background_job and _task. Citus 13.2 or newer.
 *  Source: https://docs.citusdata.com/en/stable/develop/api_udf.html */
import { setTimeout as delay } from "node:timers/promises";
import type { Context } from "../engine/kind";
import type { Session } from "../engine/session";
import { sql } from "../engine/sql";

/** How shards travel: with writes going on (`auto`, needs a replica identity), the same without checking it, or with writes blocked. */
export type TransferMode = "auto" | "force_logical" | "block_writes";

const transferModes: readonly string[] = ["auto", "force_logical", "block_writes"];

/** Why the value is no transfer mode. */
export const checkTransferMode = (value: string) =>
  transferModes.includes(value) ? undefined : `must be one of ${transferModes.join(", ")}, got "${value}"`;

/** Why the value is no time limit for a job. Unit: seconds. */
export const checkJobSeconds = (value: number) =>
  Number.isInteger(value) && value >= 60 && value <= 604_800
    ? undefined
    : `must be 60 to 604800 seconds, got ${String(value)}`;

/** Time for a job where none is given: four hours. Unit: seconds. */
export const defaultJobSeconds = 14_400;

const pollMilliseconds = 500;
// Citus retries a failing move 32 times, half an hour in all; after 5 s and 20 s more nothing new is learned.
const hopelessRetries = 3;
const measureSeconds = 300;

/** Condition on `pg_class c`: updates and deletes of its rows cannot be replicated, which `auto` moves need. */
export const lacksIdentity = sql`c.relreplident <> 'f'
     AND NOT (c.relreplident = 'd' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
     AND NOT (c.relreplident = 'i' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident))`;

/** The rebalance or drain that runs in this database; Citus allows one at a time. */
export const runningJobSql = sql`
  SELECT job_id::text AS id FROM pg_dist_background_job
   WHERE job_type = 'rebalance' AND state NOT IN ('finished', 'cancelled', 'failed') ORDER BY job_id DESC LIMIT 1`;

/** What a job is started with. */
export interface JobStart {
  /** Empties the nodes that may hold no shards, instead of levelling the others. @default false */
  readonly drainOnly?: boolean;
  /** Name in `pg_dist_rebalance_strategy`. @default - the one that is marked as default there */
  readonly strategy?: string;
  readonly transferMode: TransferMode;
  /** Copies several reference tables at a time. @default true */
  readonly parallelTransferReferenceTables?: boolean;
  /** Moves several shards of one colocation group at a time. @default true */
  readonly parallelTransferColocatedShards?: boolean;
}

/** Gives the job's id; NULL when there is nothing to move. */
export const startSql = (i: JobStart) => sql`
  SELECT citus_rebalance_start(rebalance_strategy => ${i.strategy ?? null}::text::name, drain_only => ${i.drainOnly ?? false},
         shard_transfer_mode => ${i.transferMode}::text::citus.shard_transfer_mode,
         parallel_transfer_reference_tables => ${i.parallelTransferReferenceTables ?? true},
         parallel_transfer_colocated_shards => ${i.parallelTransferColocatedShards ?? true})::text AS id`;

interface Job {
  readonly state: string;
  readonly done: number;
  readonly total: number;
  /** The most that any task was tried again. */
  readonly retried: number;
  readonly message: string | null;
  readonly seconds: number;
}

const jobSql = (id: string) => sql`
  SELECT state::text, coalesce((details->'task_state_counts'->>'done')::int, 0) AS done,
         (SELECT coalesce(sum(value::int), 0)::int FROM jsonb_each_text(details->'task_state_counts')) AS total,
         (SELECT coalesce(max((t->>'retried')::int), 0) FROM jsonb_array_elements(details->'tasks') t) AS retried,
         (SELECT string_agg(DISTINCT t->>'message', ' · ') FROM jsonb_array_elements(details->'tasks') t WHERE t->>'message' <> '') AS message,
         coalesce(extract(epoch FROM clock_timestamp() - started_at), 0)::float AS seconds
    FROM citus_job_status(${id}::bigint, true)`;

// A task names one shard of its colocation group; the others of the same range go with it.
const sizesSql = (id: string) => sql`
  SELECT t.task_id::text AS task, coalesce(sum(size), 0)::float AS bytes
    FROM pg_dist_background_task t
    JOIN pg_dist_shard named ON named.shardid = substring(t.command FROM 'citus_move_shard_placement\\((\\d+)')::bigint
    JOIN pg_dist_partition p ON p.logicalrelid = named.logicalrelid
    JOIN pg_dist_partition peer ON peer.logicalrelid = p.logicalrelid OR (p.colocationid <> 0 AND peer.colocationid = p.colocationid)
    JOIN pg_dist_shard s ON s.logicalrelid = peer.logicalrelid
         AND s.shardminvalue IS NOT DISTINCT FROM named.shardminvalue AND s.shardmaxvalue IS NOT DISTINCT FROM named.shardmaxvalue
    LEFT JOIN (SELECT shard_id, max(size) AS size FROM citus_shard_sizes() GROUP BY 1) sizes ON sizes.shard_id = s.shardid
   WHERE t.job_id = ${id}::bigint GROUP BY 1`;
const doneSql = (id: string) => sql`
  SELECT task_id::text AS task FROM pg_dist_background_task WHERE job_id = ${id}::bigint AND status = 'done'`;

/** How one wait is told to the user. */
export interface JobWait {
  /** What goes on: `draining node "a"`. */
  readonly doing: string;
  /** Who waits for a job that another run started, and what it must do then: `node "a" must wait`. */
  readonly waits: string;
  /** When the patience ends. Unit: milliseconds since 1970. */
  readonly deadline: number;
  /** Argument that the deadline came from. */
  readonly limit: string;
  /** What a job that was ended from outside leaves, and the next step. */
  readonly afterEnd: string;
  /** The same for a job that this run cancels. */
  readonly afterCancel: string;
}

const isOver = ({ state }: Job) => ["finished", "cancelled", "failed"].includes(state);

/** Waits for a job that this run did not start. It is never cancelled, and how it ends does not matter: the caller looks at what is left. */
export async function awaitOtherJob(session: Session, context: Context, id: string, wait: JobWait): Promise<void> {
  const progress = await progressOf(session, id);
  for (;;) {
    const [job] = await session.query<Job>(jobSql(id));
    if (job === undefined || isOver(job)) return;
    if (job.retried >= hopelessRetries || Date.now() > wait.deadline) {
      throw new Error(
        `${wait.waits}: job ${id}, a rebalance that this run did not start, ` +
          `${job.retried >= hopelessRetries ? `fails again and again: ${job.message ?? ""}` : `is still running (${wait.limit})`}. ` +
          `Mend the cause, or end it with SELECT citus_rebalance_stop(), and run again`,
      );
    }
    context.progress(`waiting for job ${id} before ${wait.doing}: ${await progress(job)}`);
    await delay(pollMilliseconds);
  }
}

/** Waits for the job that this run started, and cancels it once it is hopeless or its time is over. @throws unless it finishes */
export async function followJob(session: Session, context: Context, id: string, wait: JobWait): Promise<void> {
  const progress = await progressOf(session, id);
  for (;;) {
    const [job] = await session.query<Job>(jobSql(id));
    if (job === undefined || job.state === "finished") return;
    const reason = job.message ?? "see SELECT * FROM citus_job_status(" + id + ")";
    if (isOver(job)) throw new Error(`${wait.doing} stopped: job ${id} was ${job.state}: ${reason}. ${wait.afterEnd}`);
    if (job.retried >= hopelessRetries || Date.now() > wait.deadline) {
      await session.query(sql`SELECT citus_job_cancel(${id}::bigint)`);
      const why =
        Date.now() > wait.deadline ? `its time is over (${wait.limit})` : `a move failed ${String(job.retried)} times`;
      throw new Error(`${wait.doing} stopped, job ${id} is cancelled: ${why}: ${reason}. ${wait.afterCancel}`);
    }
    context.progress(`${wait.doing}: ${await progress(job)} (job ${id})`);
    await delay(pollMilliseconds);
  }
}

/** Sizes are asked once: nobody wants every poll to visit all nodes. */
async function progressOf(session: Session, id: string): Promise<(job: Job) => Promise<string>> {
  const sizes = await session.query<{ task: string; bytes: number }>(sizesSql(id), { timeoutSeconds: measureSeconds });
  const bytes = new Map(sizes.map((row) => [row.task, row.bytes]));
  const total = sizes.reduce((sum, row) => sum + row.bytes, 0);
  return async (job) => {
    const done = await session.query<{ task: string }>(doneSql(id));
    const moved = done.reduce((sum, { task }) => sum + (bytes.get(task) ?? 0), 0);
    return progressText({ ...job, movedBytes: moved, totalBytes: total });
  };
}

/** How far a job is: moves, bytes, and the time left as soon as two moves tell their pace. */
export function progressText(job: {
  readonly done: number;
  readonly total: number;
  readonly movedBytes: number;
  readonly totalBytes: number;
  /** Since the job began. */
  readonly seconds: number;
}): string {
  const moves = `${String(job.done)} of ${String(job.total)} moves done`;
  const size = job.totalBytes > 0 ? `, ${bytesText(job.movedBytes)} of ${bytesText(job.totalBytes)}` : "";
  if (job.done < 2 || job.done >= job.total) return moves + size;
  // A small move costs as much as a middling one, a big one its bytes: the slower of both paces.
  const byMoves = job.done / job.total;
  const byBytes = job.totalBytes > 0 ? job.movedBytes / job.totalBytes : byMoves;
  const share = byBytes > 0 ? Math.min(byMoves, byBytes) : byMoves;
  return `${moves}${size}, about ${durationText((job.seconds * (1 - share)) / share)} left`;
}

const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A size with its unit, powers of 1024. */
export function bytesText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${value >= 10 || power === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[power] ?? ""}`;
}

function durationText(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds).toFixed(0)} s`;
  if (seconds < 6_000) return `${Math.ceil(seconds / 60).toFixed(0)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
