/** getTenants: the busiest tenants, by load. Reads citus_stat_tenants, which asks every node. Citus 13.0 or newer; the nodes count while
 *  citus.stat_tenants_track is "all". Source: https://docs.citusdata.com/en/stable/admin_guide/table_management.html */
import type * as pulumi from "@pulumi/pulumi";
import { limitOf, listed, outputOf, reading, type Limit, type Listed } from "../engine/reading";
import type { Connection } from "../engine/session";
import { sql } from "../engine/sql";

/** What one tenant asked of one node. A period is citus.stat_tenants_period, 60 seconds by default. */
export interface TenantLoad {
  /** Value of the distribution column. */
  readonly tenant: string;
  /** Colocation group of its tables. */
  readonly colocationId: number;
  /** Node that did the work; absent when it has left since. */
  readonly host?: string;
  /** TCP port of that node. */
  readonly port?: number;
  /** SELECT statements in the present period. */
  readonly readsInThisPeriod: number;
  /** SELECT statements in the period before. */
  readonly readsInLastPeriod: number;
  /** All statements in the present period. */
  readonly queriesInThisPeriod: number;
  /** All statements in the period before. */
  readonly queriesInLastPeriod: number;
  /** Processor time in the present period. Unit: seconds. */
  readonly cpuSecondsInThisPeriod: number;
  /** Processor time in the period before. Unit: seconds. */
  readonly cpuSecondsInLastPeriod: number;
  /** Citus' own measure of load, by which the list is ordered: each statement adds to it, and each period halves it. */
  readonly score: number;
}

/** Tenants, the busiest first. */
export const readSql = (limit: number) => sql`
  SELECT tenant_attribute AS tenant, colocation_id AS "colocationId", nodename AS host, nodeport AS port,
         read_count_in_this_period AS "readsInThisPeriod", read_count_in_last_period AS "readsInLastPeriod",
         query_count_in_this_period AS "queriesInThisPeriod", query_count_in_last_period AS "queriesInLastPeriod",
         cpu_usage_in_this_period AS "cpuSecondsInThisPeriod", cpu_usage_in_last_period AS "cpuSecondsInLastPeriod",
         score::float8 AS score, (count(*) OVER ())::int AS total
    FROM citus_stat_tenants(true) LEFT JOIN pg_dist_node USING (nodeid)
   ORDER BY citus_stat_tenants.score DESC, tenant_attribute COLLATE "C", nodeid LIMIT ${limit}`;

/**
 * Tenants by load, the busiest first. Empty where no node counts them: `citus.stat_tenants_track` is "none" by default.
 * @throws Error when the server cannot be reached, has no citus there, or the role is neither superuser nor member of pg_monitor
 */
export async function getTenants(connection: Connection, args: Limit = {}): Promise<Listed<TenantLoad>> {
  const limit = limitOf(args);
  return await reading("the tenants of", connection, async (session) => listed(await session.query(readSql(limit))));
}

/** {@link getTenants} for Outputs. */
export function getTenantsOutput(
  connection: pulumi.Input<Connection>,
  args?: pulumi.Input<Limit>,
): pulumi.Output<Listed<TenantLoad>> {
  return outputOf(getTenants, connection, args);
}
