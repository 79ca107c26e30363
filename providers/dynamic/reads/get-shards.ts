/** getShards: where every shard lies, and its size. Reads pg_dist_shard, pg_dist_placement and citus_shard_sizes, which asks every node.
 *  Citus 13.0 or newer. Source: https://docs.citusdata.com/en/stable/develop/api_metadata.html */
import type * as pulumi from "@pulumi/pulumi";
import { limitOf, listed, outputOf, reading, type Limit, type Listed } from "../engine/reading";
import type { Connection } from "../engine/session";
import { sql } from "../engine/sql";

/** Which shards. */
export interface GetShardsArgs extends Limit {
  /** Only tables of this schema. @default - all */
  readonly schema?: string;
  /** Only tables of this name. @default - all */
  readonly table?: string;
}

/** One placement of one shard. */
export interface ShardPlacement {
  /** Schema of the table. */
  readonly schema: string;
  /** Name of the table. */
  readonly table: string;
  /** Number of the shard; the table on the node is named `<table>_<shardId>`. */
  readonly shardId: number;
  /** Colocation group: shards of equal ranges lie on the same node. */
  readonly colocationId: number;
  /** Smallest hash value of its range; absent for a reference table and for tables of distributed schemas. */
  readonly minValue?: string;
  /** Largest hash value of its range. */
  readonly maxValue?: string;
  /** Node that holds it. */
  readonly host: string;
  /** TCP port of that node. */
  readonly port: number;
  /** Size with indexes and TOAST. Unit: bytes. Absent when its node did not answer. */
  readonly bytes?: number;
}

/** Placements by table, shard and node. */
export const readSql = ({ schema, table }: GetShardsArgs, limit: number) => sql`
  SELECT ns.nspname AS schema, c.relname AS "table", s.shardid::float8 AS "shardId", colocationid AS "colocationId",
         shardminvalue AS "minValue", shardmaxvalue AS "maxValue", nodename AS host, nodeport AS port, sizes.bytes, (count(*) OVER ())::int AS total
    FROM pg_dist_shard s JOIN pg_dist_partition USING (logicalrelid) JOIN pg_dist_placement USING (shardid)
    JOIN pg_dist_node n ON n.groupid = pg_dist_placement.groupid AND noderole = 'primary'
    JOIN pg_class c ON c.oid = s.logicalrelid JOIN pg_namespace ns ON ns.oid = c.relnamespace
    LEFT JOIN (SELECT shard_id, max(size)::float8 AS bytes FROM citus_shard_sizes() GROUP BY 1) sizes ON sizes.shard_id = s.shardid
   WHERE ns.nspname = coalesce(${schema ?? null}, ns.nspname) AND c.relname = coalesce(${table ?? null}, c.relname)
   ORDER BY ns.nspname, c.relname, s.shardid, nodename, nodeport LIMIT ${limit}`;

/**
 * One row per placement, by schema, table, shard and node; a reference table has one on every node.
 * @throws Error when the server cannot be reached or has no citus there
 */
export async function getShards(connection: Connection, args: GetShardsArgs = {}): Promise<Listed<ShardPlacement>> {
  const limit = limitOf(args);
  return await reading("the shards of", connection, async (session) =>
    listed(await session.query(readSql(args, limit))),
  );
}

/** {@link getShards} for Outputs. */
export function getShardsOutput(
  connection: pulumi.Input<Connection>,
  args?: pulumi.Input<GetShardsArgs>,
): pulumi.Output<Listed<ShardPlacement>> {
  return outputOf(getShards, connection, args);
}
