/** getMetadataDigest: one text that stands for all of Citus' metadata, the same on every node that is in sync. Reads pg_dist_node, pg_dist_partition,
 *  pg_dist_shard, pg_dist_placement, pg_dist_colocation, pg_dist_schema and pg_dist_object by run_command_on_all_nodes. Citus 13.0 or newer.
 *  Source: https://docs.citusdata.com/en/stable/develop/api_metadata.html */
import { createHash } from "node:crypto";
import type * as pulumi from "@pulumi/pulumi";
import { outputOf, reading } from "../engine/reading";
import type { Connection } from "../engine/session";
import { onAllNodesSql, type NodeAnswer } from "./all-nodes";

/** Digests of the parts; where two nodes differ, the part says where to look. SHA-256, hexadecimal. */
export interface MetadataParts {
  /** pg_dist_node, without what a node knows of itself alone (`metadatasynced`). */
  readonly nodes: string;
  /** pg_dist_partition: which tables, by which column. */
  readonly tables: string;
  /** pg_dist_shard: their ranges. */
  readonly shards: string;
  /** pg_dist_placement: where they lie. */
  readonly placements: string;
  /** pg_dist_colocation: which belong together. */
  readonly colocationGroups: string;
  /** pg_dist_schema: distributed schemas. */
  readonly schemas: string;
  /** pg_dist_object: roles, schemas, extensions, functions and others that Citus keeps on every node. */
  readonly objects: string;
}

/** The digest of one node. */
export interface NodeDigest {
  /** Node that was asked. */
  readonly host: string;
  /** TCP port of that node. */
  readonly port: number;
  /** Its digest; absent when it did not answer. */
  readonly digest?: string;
  /** Parts in which it differs from the node that was asked first; empty where it is in sync. */
  readonly differs: readonly (keyof MetadataParts)[];
  /** Why there is no digest; absent where there is one. */
  readonly reason?: string;
}

/** The metadata of a cluster in one text. */
export interface MetadataDigest {
  /** Digest of the coordinator's metadata: of all parts. SHA-256, hexadecimal. Another one after any change of metadata. */
  readonly digest: string;
  /** Digests of its parts. */
  readonly parts: MetadataParts;
  /** Every active node, the coordinator first. */
  readonly nodes: readonly NodeDigest[];
  /** Did every one of them answer with the same digest? */
  readonly inSync: boolean;
}

// Relations by their names, since each node has numbers of its own for them; a row as JSON, so that no two rows look the same.
const partQueries: Readonly<Record<keyof MetadataParts, string>> = {
  nodes: `SELECT jsonb_build_array(nodeid, groupid, nodename, nodeport, noderack, noderole, nodecluster, isactive, hasmetadata, shouldhaveshards)
            FROM pg_catalog.pg_dist_node`,
  tables: `SELECT jsonb_build_array(nspname, relname, partmethod, repmodel, colocationid, autoconverted,
                    CASE WHEN partkey IS NOT NULL THEN pg_catalog.column_to_column_name(logicalrelid, partkey) END)
             FROM pg_catalog.pg_dist_partition JOIN pg_catalog.pg_class c ON c.oid = logicalrelid JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace`,
  shards: `SELECT jsonb_build_array(nspname, relname, shardid, shardstorage, shardminvalue, shardmaxvalue)
             FROM pg_catalog.pg_dist_shard JOIN pg_catalog.pg_class c ON c.oid = logicalrelid JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace`,
  placements: "SELECT jsonb_build_array(shardid, groupid, shardstate) FROM pg_catalog.pg_dist_placement",
  colocationGroups: `SELECT jsonb_build_array(colocationid, shardcount, replicationfactor, pg_catalog.format_type(distributioncolumntype, NULL), collname)
                       FROM pg_catalog.pg_dist_colocation LEFT JOIN pg_catalog.pg_collation c ON c.oid = distributioncolumncollation`,
  schemas: `SELECT jsonb_build_array(nspname, colocationid) FROM pg_catalog.pg_dist_schema JOIN pg_catalog.pg_namespace n ON n.oid = schemaid`,
  objects: `SELECT jsonb_build_array((o).type, (o).object_names, (o).object_args, distribution_argument_index, colocationid, force_delegation)
              FROM (SELECT pg_catalog.pg_identify_object_as_address(classid, objid, objsubid) AS o, distribution_argument_index, colocationid, force_delegation
                      FROM pg_catalog.pg_dist_object) objects`,
};

/** What one node computes: one JSON object, a digest per part. */
export const nodeText = `SELECT pg_catalog.json_build_object(${Object.entries(partQueries)
  .map(
    ([name, query]) => `'${name}', (SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
  coalesce(pg_catalog.string_agg(line::text, E'\\n' ORDER BY line::text COLLATE "C"), ''), 'UTF8')), 'hex') FROM (${query}) AS rows (line))`,
  )
  .join(", ")})`;

const partNames = Object.keys(partQueries) as readonly (keyof MetadataParts)[];

const digestOf = (parts: MetadataParts) =>
  createHash("sha256")
    .update(partNames.map((name) => `${name} ${parts[name]}\n`).join(""))
    .digest("hex");

/** The nodes' answers as one result. Pure. @throws Error when the first of them, the coordinator, did not answer */
export function metadataDigest(answers: readonly NodeAnswer[]): MetadataDigest {
  const [first] = answers;
  if (first?.success !== true) throw new Error(`the coordinator does not answer itself: ${first?.result.trim() ?? ""}`);
  const parts = JSON.parse(first.result) as MetadataParts;
  const nodes = answers.map(({ host, port, success, result }): NodeDigest => {
    if (!success) return { host, port, differs: [], reason: result.trim() };
    const own = JSON.parse(result) as MetadataParts;
    return { host, port, digest: digestOf(own), differs: partNames.filter((name) => own[name] !== parts[name]) };
  });
  const digest = digestOf(parts);
  return { digest, parts, nodes, inSync: nodes.every((node) => node.digest === digest) };
}

/**
 * The digest of the cluster's metadata, and of every active node beside it. Equal digests mean equal metadata: nodes, tables, shards and their places.
 * Data, sizes, statistics, settings and privileges are not part of it.
 * @throws Error when the server cannot be reached or has no citus there; a node that does not answer is told in `nodes`
 */
export async function getMetadataDigest(connection: Connection): Promise<MetadataDigest> {
  return await reading("the metadata of", connection, async (session) =>
    metadataDigest(await session.query<NodeAnswer>(onAllNodesSql(nodeText))),
  );
}

/** {@link getMetadataDigest} for Outputs. */
export function getMetadataDigestOutput(connection: pulumi.Input<Connection>): pulumi.Output<MetadataDigest> {
  return outputOf(getMetadataDigest, connection);
}
