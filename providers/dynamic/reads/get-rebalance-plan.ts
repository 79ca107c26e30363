/** getRebalancePlan: which shards a rebalance would move at this moment; moves nothing. Reads get_rebalance_table_shards_plan.
 *  Citus 13.0 or newer. Source: https://docs.citusdata.com/en/stable/develop/api_udf.html */
import type * as pulumi from "@pulumi/pulumi";
import { limitOf, listed, outputOf, reading, type Limit, type Listed } from "../engine/reading";
import type { Connection } from "../engine/session";
import { sql } from "../engine/sql";

/** How Citus is to plan. */
export interface GetRebalancePlanArgs extends Limit {
  /** Name in pg_dist_rebalance_strategy, such as "by_shard_count". @default - the cluster's default, "by_disk_size" as shipped */
  readonly strategy?: string;
  /** How far from the mean a node may be. Range: 0 to 1. @default - the strategy's own */
  readonly threshold?: number;
}

/** One shard that would move; its colocated shards move with it and have rows of their own. */
export interface PlannedMove {
  /** Schema of the table. */
  readonly schema: string;
  /** Name of the table. */
  readonly table: string;
  /** Number of the shard. */
  readonly shardId: number;
  /** Size with indexes and TOAST. Unit: bytes. Absent when its node did not answer. */
  readonly bytes?: number;
  /** Node that holds it. */
  readonly sourceHost: string;
  /** TCP port of that node. */
  readonly sourcePort: number;
  /** Node that it would go to. */
  readonly targetHost: string;
  /** TCP port of that node. */
  readonly targetPort: number;
}

const planSeconds = 300;

/** Moves in the order of Citus' plan. */
// The plan's own column shard_size is always 0.
export const readSql = ({ strategy, threshold }: GetRebalancePlanArgs, limit: number) => sql`
  SELECT ns.nspname AS schema, c.relname AS "table", shardid::float8 AS "shardId", sizes.bytes, sourcename AS "sourceHost", sourceport AS "sourcePort",
         targetname AS "targetHost", targetport AS "targetPort", (count(*) OVER ())::int AS total
    FROM get_rebalance_table_shards_plan(rebalance_strategy => ${strategy ?? null}::text::name, threshold => ${threshold ?? null}::real)
           WITH ORDINALITY AS plan (table_name, shardid, shard_size, sourcename, sourceport, targetname, targetport, position)
    JOIN pg_class c ON c.oid = table_name JOIN pg_namespace ns ON ns.oid = c.relnamespace
    LEFT JOIN (SELECT shard_id, max(size)::float8 AS bytes FROM citus_shard_sizes() GROUP BY 1) sizes ON sizes.shard_id = shardid
   ORDER BY position LIMIT ${limit}`;

/**
 * The moves of a rebalance that would start at this moment, in their order; empty when the shards are spread evenly.
 * @throws Error when the server cannot be reached, has no citus there, or knows no such strategy
 */
export async function getRebalancePlan(
  connection: Connection,
  args: GetRebalancePlanArgs = {},
): Promise<Listed<PlannedMove>> {
  const limit = limitOf(args);
  return await reading("the rebalance plan of", connection, async (session) =>
    listed(await session.query(readSql(args, limit), { timeoutSeconds: planSeconds })),
  );
}

/** {@link getRebalancePlan} for Outputs. */
export function getRebalancePlanOutput(
  connection: pulumi.Input<Connection>,
  args?: pulumi.Input<GetRebalancePlanArgs>,
): pulumi.Output<Listed<PlannedMove>> {
  return outputOf(getRebalancePlan, connection, args);
}
