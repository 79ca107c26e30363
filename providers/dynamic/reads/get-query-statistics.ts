/** getQueryStatistics: the distributed statements that took the most time. Reads citus_query_stats and pg_stat_statements of the node that is asked.
 *  Citus 13.0 or newer; needs the extension pg_stat_statements, and citus.stat_statements_track = "all".
 *  Source: https://docs.citusdata.com/en/stable/develop/api_metadata.html */
import type * as pulumi from "@pulumi/pulumi";
import { limitOf, listed, outputOf, reading, type Limit, type Listed } from "../engine/reading";
import type { Connection } from "../engine/session";
import { ident, sql } from "../engine/sql";

/** One statement of one role, constants taken out. */
export interface QueryStatistics {
  /** PostgreSQL's number of the statement. A text, since it has 64 bits. */
  readonly queryId: string;
  /** Role that ran it. */
  readonly role: string;
  /** Its text with $1, $2 … for constants, at most 1,000 characters. */
  readonly query: string;
  /** How Citus ran it, such as "adaptive" or "insert-select". */
  readonly executor: string;
  /** How often it ran. */
  readonly calls: number;
  /** Number of tenants that it ran for; 0 where it never went to one shard alone. */
  readonly tenants: number;
  /** Time of all its calls. Unit: seconds. */
  readonly totalSeconds: number;
  /** Time of one call in the mean. Unit: seconds. */
  readonly meanSeconds: number;
  /** Rows that it gave or changed, in all calls. */
  readonly rowsInTotal: number;
}

const statementCharacters = 1_000;

/** Schema of the extension, for a query whose search path is empty. */
export const schemaSql = sql`
  SELECT nspname AS schema FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'pg_stat_statements'`;

/** Statements of this database, the longest in total first. */
// The view citus_stat_statements would look for pg_stat_statements in the search path.
export const readSql = (schema: string, limit: number) => sql`
  SELECT queryid::text AS "queryId", pg_get_userbyid(userid) AS role, query, citus_executor_name(executor::int) AS executor,
         counted.calls::float8 AS calls, tenants, seconds AS "totalSeconds", seconds / greatest(timed.calls, 1) AS "meanSeconds",
         "rowsInTotal", (count(*) OVER ())::int AS total
    FROM (SELECT queryid, userid, dbid, min(executor) AS executor, sum(calls) AS calls, count(DISTINCT partition_key)::int AS tenants
            FROM citus_query_stats() GROUP BY 1, 2, 3) counted
    JOIN (SELECT queryid, userid, dbid, left(min(query), ${statementCharacters}) AS query, sum(calls)::float8 AS calls,
                 sum(total_exec_time)::float8 / 1000 AS seconds, sum(rows)::float8 AS "rowsInTotal"
            FROM ${ident(schema)}.pg_stat_statements GROUP BY 1, 2, 3) timed USING (queryid, userid, dbid)
   WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
   ORDER BY seconds DESC, "queryId", role LIMIT ${limit}`;

/**
 * Distributed statements of this database, the longest in total first. Empty while `citus.stat_statements_track` is "none", as by default.
 * @throws Error when the server cannot be reached, or has no citus or no pg_stat_statements there
 */
export async function getQueryStatistics(connection: Connection, args: Limit = {}): Promise<Listed<QueryStatistics>> {
  const limit = limitOf(args);
  return await reading(
    "the query statistics of",
    connection,
    async (session) => {
      const [extension] = await session.query<{ schema: string }>(schemaSql);
      if (extension === undefined)
        throw new Error("it has no pg_stat_statements; make that extension there, with its library preloaded");
      return listed(await session.query(readSql(extension.schema, limit)));
    },
    { "55000": "add pg_stat_statements to shared_preload_libraries, after citus, and restart the node" },
  );
}

/** {@link getQueryStatistics} for Outputs. The result is secret, since statements of users may hold values in comments or names. */
export function getQueryStatisticsOutput(
  connection: pulumi.Input<Connection>,
  args?: pulumi.Input<Limit>,
): pulumi.Output<Listed<QueryStatistics>> {
  return outputOf(getQueryStatistics, connection, args, "secret");
}
