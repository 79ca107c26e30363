/** One change of a cluster at a time: an advisory lock on the coordinator that names its owner. */
import { SqlError } from "./errors";
import { connectTo, placeOf, type Connection } from "./session";
import { sql } from "./sql";

// Advisory locks belong to a database, so every owner takes it in the one that is always there.
const lockDatabase = "postgres";
// "puci", the same in every release: two releases must exclude each other.
const lockKey = sql`${0x70756369}::int, 0`;
const longestWaitSeconds = 60;

const queues = new Map<string, Promise<unknown>>();

/**
 * Runs `use` while holding the cluster's lock. Changes of this process wait for each other without limit (each has its own deadline);
 * another process is waited for 60 seconds.
 * @throws SqlError that names the holder: its application name, process id and address
 */
export async function withClusterLock<T>(
  connection: Connection,
  owner: string,
  use: () => Promise<T>,
  waitSeconds = longestWaitSeconds,
): Promise<T> {
  const cluster = placeOf(connection);
  const before = queues.get(cluster) ?? Promise.resolve();
  const run = before.then(() => locked(connection, owner, use, waitSeconds));
  // The next one waits for the end of this one, good or bad.
  queues.set(
    cluster,
    run.catch(() => undefined),
  );
  return await run;
}

async function locked<T>(
  connection: Connection,
  owner: string,
  use: () => Promise<T>,
  waitSeconds: number,
): Promise<T> {
  return await connectTo({ ...connection, database: lockDatabase }, `pulumi-citus lock ${owner}`, async (session) => {
    await session.query(sql`SELECT set_config('lock_timeout', ${`${String(waitSeconds)}s`}, false)`);
    try {
      await session.transaction(() =>
        session.query(sql`SELECT pg_advisory_lock(${lockKey})`, { timeoutSeconds: waitSeconds + 5 }),
      );
    } catch (error) {
      if (error instanceof SqlError && error.code === "55P03") {
        throw new SqlError(await holder(connection, waitSeconds), error.code, session.server, false, { cause: error });
      }
      throw error;
    }
    try {
      return await use();
    } finally {
      // A session that is gone has let the lock go; what the work gave is the news.
      await session.query(sql`SELECT pg_advisory_unlock(${lockKey})`).catch(() => undefined);
    }
  });
}

async function holder(connection: Connection, waitSeconds: number): Promise<string> {
  const [row] = await connectTo({ ...connection, database: lockDatabase }, "pulumi-citus", (session) =>
    session.query<{ pid: number; application_name: string; address: string; since: string }>(sql`
      SELECT pid, application_name, coalesce(host(client_addr), 'a local socket') AS address, backend_start::text AS since
        FROM pg_locks JOIN pg_stat_activity USING (pid)
       WHERE locktype = 'advisory' AND classid = ${0x70756369}::oid AND objid = 0 AND granted`),
  );
  if (row === undefined)
    return `another change of this cluster ended after ${String(waitSeconds)} seconds of waiting; run it again`;
  return (
    `another change of this cluster is running: "${row.application_name}", process ${String(row.pid)} from ${row.address} ` +
    `since ${row.since}; waited ${String(waitSeconds)} seconds. Let it end, or end it with pg_terminate_backend(${String(row.pid)}), then run again`
  );
}
