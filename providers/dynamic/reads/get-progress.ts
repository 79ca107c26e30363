/** getProgress: the cluster's background jobs, and the shards that move at this moment. Reads pg_dist_background_job, pg_dist_background_task and
 *  get_rebalance_progress, which asks every node. Citus 13.0 or newer. Source: https://docs.citusdata.com/en/stable/develop/api_udf.html */
import type * as pulumi from "@pulumi/pulumi";
import { limitOf, listed, outputOf, reading, type Limit, type Listed } from "../engine/reading";
import type { Connection } from "../engine/session";
import { sql } from "../engine/sql";

/** One background job, such as a rebalance. */
export interface BackgroundJob {
  /** Number of the job, for `citus_job_wait` and `citus_job_cancel`. */
  readonly jobId: number;
  /** "finished", "cancelled" and "failed" are its ends. */
  readonly state: "scheduled" | "running" | "finished" | "cancelling" | "cancelled" | "failing" | "failed";
  /** What it is, such as "rebalance". */
  readonly type: string;
  /** Citus' words for it. */
  readonly description: string;
  /** UTC, ISO 8601; absent before it began. */
  readonly startedAt?: string;
  /** UTC, ISO 8601; absent before its end. */
  readonly finishedAt?: string;
  /** Tasks that it consists of; a task moves one shard with its colocated ones. */
  readonly tasks: number;
  /** Tasks that are done. */
  readonly tasksDone: number;
  /** Attempts beyond the first, of all tasks: Citus repeats a task up to 32 times before the job fails. */
  readonly retries: number;
  /** What the task that was tried most often said last; absent where none failed. */
  readonly message?: string;
}

/** One shard on its way. */
export interface ShardMove {
  /** Schema of the table. */
  readonly schema: string;
  /** Name of the table. */
  readonly table: string;
  /** Number of the shard. */
  readonly shardId: number;
  /** Node that it comes from. */
  readonly sourceHost: string;
  /** TCP port of that node. */
  readonly sourcePort: number;
  /** Node that it goes to. */
  readonly targetHost: string;
  /** TCP port of that node. */
  readonly targetPort: number;
  /** Where it is: it waits, it moves, it is done. */
  readonly progress: "waiting" | "moving" | "done";
  /** Citus' words for the step, such as "Copying Data"; absent while it waits. */
  readonly status?: string;
  /** Size at the source. Unit: bytes. */
  readonly sourceBytes: number;
  /** What has arrived at the target. Unit: bytes. */
  readonly targetBytes: number;
}

/** What the cluster is doing. */
export interface Progress {
  /** Background jobs, the newest first. */
  readonly jobs: Listed<BackgroundJob>;
  /** Moves at this moment, whoever started them. */
  readonly moves: Listed<ShardMove>;
}

const time = (column: "started_at" | "finished_at") =>
  sql`to_char(${{ parts: [column] }} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** Jobs, the newest first. */
export const jobsSql = (limit: number) => sql`
  SELECT job_id::float8 AS "jobId", state::text AS state, job_type::text AS type, description, ${time("started_at")} AS "startedAt",
         ${time("finished_at")} AS "finishedAt", coalesce(tasks, 0) AS tasks, coalesce(done, 0) AS "tasksDone", coalesce(retries, 0) AS retries,
         message, (count(*) OVER ())::int AS total
    FROM pg_dist_background_job
    LEFT JOIN (SELECT job_id, count(*)::int AS tasks, (count(*) FILTER (WHERE status = 'done'))::int AS done, sum(coalesce(retry_count, 0))::int AS retries,
                      (array_agg(message ORDER BY retry_count DESC NULLS LAST) FILTER (WHERE retry_count > 0))[1] AS message
                 FROM pg_dist_background_task GROUP BY 1) counted USING (job_id)
   ORDER BY job_id DESC LIMIT ${limit}`;

/** Moves by table and shard. */
export const movesSql = (limit: number) => sql`
  SELECT ns.nspname AS schema, c.relname AS "table", shardid::float8 AS "shardId", sourcename AS "sourceHost", sourceport AS "sourcePort",
         targetname AS "targetHost", targetport AS "targetPort", (ARRAY['waiting', 'moving', 'done'])[progress + 1] AS progress, status,
         coalesce(source_shard_size, 0)::float8 AS "sourceBytes", coalesce(target_shard_size, 0)::float8 AS "targetBytes",
         (count(*) OVER ())::int AS total
    FROM get_rebalance_progress() JOIN pg_class c ON c.oid = table_name JOIN pg_namespace ns ON ns.oid = c.relnamespace
   ORDER BY ns.nspname, c.relname, shardid LIMIT ${limit}`;

/**
 * Background jobs and moves of the connection's database, each list within the limit. The coordinator has to be asked: jobs are its own.
 * @throws Error when the server cannot be reached or has no citus there
 */
export async function getProgress(connection: Connection, args: Limit = {}): Promise<Progress> {
  const limit = limitOf(args);
  return await reading("the progress of", connection, async (session) => ({
    jobs: listed(await session.query<BackgroundJob & { total: number }>(jobsSql(limit))),
    moves: listed(await session.query<ShardMove & { total: number }>(movesSql(limit))),
  }));
}

/** {@link getProgress} for Outputs. */
export function getProgressOutput(
  connection: pulumi.Input<Connection>,
  args?: pulumi.Input<Limit>,
): pulumi.Output<Progress> {
  return outputOf(getProgress, connection, args);
}
