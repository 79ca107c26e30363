/** getTables: the tables that Citus knows, how they are spread, and their sizes. Reads pg_dist_partition, pg_dist_colocation, pg_dist_schema,
 *  pg_dist_shard and citus_shard_sizes, which asks every node. Citus 13.0 or newer.
 *  Source: https://docs.citusdata.com/en/stable/develop/api_metadata.html */
import type * as pulumi from "@pulumi/pulumi";
import { limitOf, listed, outputOf, reading, type Limit, type Listed } from "../engine/reading";
import type { Connection } from "../engine/session";
import { sql } from "../engine/sql";

/** Which tables. */
export interface GetTablesArgs extends Limit {
  /** Only tables of this schema. @default - all */
  readonly schema?: string;
}

/** One table in Citus' metadata. */
export interface CitusTable {
  /** Schema of the table. */
  readonly schema: string;
  /** Name of the table. */
  readonly table: string;
  /** "distributed": spread by a column. "reference": copied to every node. "schema": whole, with its distributed schema. "local": on the coordinator. */
  readonly type: "distributed" | "reference" | "schema" | "local";
  /** Distribution column; absent where the table has none. */
  readonly distributionColumn?: string;
  /** Colocation group; 0 for a local table. */
  readonly colocationId: number;
  /** Number of shards. */
  readonly shards: number;
  /** Size of all placements with indexes and TOAST. Unit: bytes. Without nodes that did not answer. */
  readonly bytes: number;
  /** Role that owns it. */
  readonly owner: string;
  /** Access method, "heap" or "columnar"; absent for a partitioned table, whose partitions have theirs. */
  readonly accessMethod?: string;
}

/** Tables by schema and name. */
export const readSql = ({ schema }: GetTablesArgs, limit: number) => sql`
  SELECT ns.nspname AS schema, c.relname AS "table",
         CASE WHEN p.colocationid IN (SELECT colocationid FROM pg_dist_schema) THEN 'schema' WHEN partkey IS NOT NULL THEN 'distributed'
              WHEN repmodel = 't' THEN 'reference' WHEN p.colocationid = 0 THEN 'local' ELSE 'distributed' END AS type,
         CASE WHEN partkey IS NOT NULL THEN column_to_column_name(p.logicalrelid, partkey) END AS "distributionColumn",
         p.colocationid AS "colocationId", coalesce(held.shards, 0) AS shards, coalesce(held.bytes, 0) AS bytes,
         pg_get_userbyid(c.relowner) AS owner, amname AS "accessMethod", (count(*) OVER ())::int AS total
    FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid JOIN pg_namespace ns ON ns.oid = c.relnamespace
    LEFT JOIN pg_am ON pg_am.oid = c.relam
    LEFT JOIN (SELECT logicalrelid, count(DISTINCT shardid)::int AS shards, sum(size)::float8 AS bytes
                 FROM pg_dist_shard LEFT JOIN citus_shard_sizes() ON shard_id = shardid GROUP BY 1) held ON held.logicalrelid = p.logicalrelid
   WHERE ns.nspname = coalesce(${schema ?? null}, ns.nspname)
   ORDER BY ns.nspname, c.relname LIMIT ${limit}`;

/**
 * The tables that Citus knows, by schema and name. Tables of PostgreSQL alone are not among them.
 * @throws Error when the server cannot be reached or has no citus there
 */
export async function getTables(connection: Connection, args: GetTablesArgs = {}): Promise<Listed<CitusTable>> {
  const limit = limitOf(args);
  return await reading("the tables of", connection, async (session) =>
    listed(await session.query(readSql(args, limit))),
  );
}

/** {@link getTables} for Outputs. */
export function getTablesOutput(
  connection: pulumi.Input<Connection>,
  args?: pulumi.Input<GetTablesArgs>,
): pulumi.Output<Listed<CitusTable>> {
  return outputOf(getTables, connection, args);
}
