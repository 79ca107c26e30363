/** getNodes: the nodes of a database as the node that is asked knows them. Reads pg_dist_node and pg_dist_placement; asks no other node.
 *  Citus 13.0 or newer. Source: https://docs.citusdata.com/en/stable/develop/api_metadata.html */
import type * as pulumi from "@pulumi/pulumi";
import { limitOf, listed, outputOf, reading, type Limit, type Listed } from "../engine/reading";
import type { Connection } from "../engine/session";
import { sql } from "../engine/sql";

/** One row of pg_dist_node. */
export interface ClusterNode {
  /** As other nodes dial it. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** The coordinator, or a node that holds shards. */
  readonly role: "coordinator" | "worker";
  /** "secondary" for a replica of a node, "unavailable" for a clone that is being made. */
  readonly nodeRole: "primary" | "secondary" | "unavailable";
  /** Does it take part in queries? */
  readonly active: boolean;
  /** May new shards come to it? */
  readonly shouldHaveShards: boolean;
  /** Does it have a copy of the metadata, so that clients may connect to it as well? */
  readonly hasMetadata: boolean;
  /** Is its copy of pg_dist_node up to date? Always false for a secondary. */
  readonly metadataSynced: boolean;
  /** Placements on it, of distributed and reference tables. */
  readonly placements: number;
  /** Number of the row; another one after the node was removed and added. */
  readonly nodeId: number;
  /** Number that placements name; 0 is the coordinator. A secondary shares its primary's. */
  readonly groupId: number;
}

/** The nodes, the coordinator first. */
export const readSql = (limit: number) => sql`
  SELECT nodename AS host, nodeport AS port, CASE WHEN groupid = 0 THEN 'coordinator' ELSE 'worker' END AS role, noderole::text AS "nodeRole",
         isactive AS active, shouldhaveshards AS "shouldHaveShards", hasmetadata AS "hasMetadata", metadatasynced AS "metadataSynced",
         CASE WHEN noderole = 'primary' THEN (SELECT count(*)::int FROM pg_dist_placement p WHERE p.groupid = n.groupid) ELSE 0 END AS placements,
         nodeid AS "nodeId", groupid AS "groupId", (count(*) OVER ())::int AS total
    FROM pg_dist_node n ORDER BY groupid <> 0, host, port LIMIT ${limit}`;

/**
 * The nodes of the connection's database, the coordinator first, then by host and port. Empty for a coordinator without workers that never got an address.
 * @throws Error when the server cannot be reached or has no citus there
 */
export async function getNodes(connection: Connection, args: Limit = {}): Promise<Listed<ClusterNode>> {
  const limit = limitOf(args);
  return await reading("the nodes of", connection, async (session) => listed(await session.query(readSql(limit))));
}

/** {@link getNodes} for Outputs. */
export function getNodesOutput(
  connection: pulumi.Input<Connection>,
  args?: pulumi.Input<Limit>,
): pulumi.Output<Listed<ClusterNode>> {
  return outputOf(getNodes, connection, args);
}
