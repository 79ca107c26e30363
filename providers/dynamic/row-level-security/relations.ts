/** Row-level security as each node has it: the table itself and every shard of it that lies there, read by one statement on all nodes.
 *  Calls column_to_column_name and shard_name; reads pg_policy, pg_class and pg_dist_*. */
import { literal, sql, type Sql } from "../engine/sql";

/** One policy of a relation. */
export interface Policy {
  readonly name: string;
  /** Permissive policies open rows; restrictive ones take some of these away. */
  readonly permissive: boolean;
  /** `*` for every command, else `r`, `a`, `w` or `d`, as pg_policy has it. */
  readonly command: string;
  /** Roles that it is for, sorted; "public" stands for every role. */
  readonly roles: readonly string[];
  /** Condition on rows that are there, as the server writes it; null where there is none. */
  readonly using: string | null;
  /** Condition on rows that are written; null where `using` serves for both. */
  readonly check: string | null;
}

/** What row-level security of one relation is. */
export interface Definition {
  readonly enabled: boolean;
  /** Is its owner bound as well? */
  readonly forced: boolean;
  readonly policies: readonly Policy[];
}

/** Relations of one node that are alike. */
export interface Alike {
  /** Where it was seen: `public.events_102008 of 10.0.0.5:5432 and 3 more`. */
  readonly where: string;
  /** Null where the node lacks the shard that its metadata promises. */
  readonly definition: Definition | null;
}

/** The table, as the first node knows it, and what is alike on all of them. */
export interface TableOnNodes {
  /** The distribution column, or null where the table is not distributed by one. */
  readonly column: string | null;
  /** Type of that column, without its length. */
  readonly type: string | null;
  /** Is a value of that type the same text in every session? */
  readonly steadyText: boolean;
  readonly owner: string;
  /** Does the owner see every row, forced or not: as superuser, by BYPASSRLS or as one of the admins? */
  readonly ownerSeesAll: boolean;
  readonly relations: readonly Alike[];
}

// Types whose text follows a setting of the session (dates, floats, bytea …) would name other roles in other sessions.
const steadyTypes = ["int2", "int4", "int8", "text", "varchar", "bpchar", "name", "uuid"];

const list = (texts: readonly string[]): Sql => ({
  parts: ["ARRAY[", ...texts.flatMap((text, index) => [index === 0 ? "" : ", ", ...literal(text).parts]), "]::text[]"],
});

// shard_name leaves out the schema public, whatever the path.
/** What every node is asked. CASE sets the path before anything is written out, so that names come with their schema. */
export const nodeSql = (i: { readonly schema: string; readonly table: string; readonly admins: readonly string[] }) =>
  sql`SELECT CASE WHEN set_config('search_path', '', true) = '' THEN (
    SELECT jsonb_build_object('column', a.attname, 'type', format_type(a.atttypid, -1),
             'steadyText', coalesce(base.typtype = 'e' OR base.typname = ANY (${list(steadyTypes)}) AND base.typnamespace = 'pg_catalog'::regnamespace, false),
             'owner', o.rolname, 'ownerSeesAll', o.rolsuper OR o.rolbypassrls OR EXISTS (
               SELECT FROM pg_roles r WHERE r.rolname = ANY (${list(i.admins)}) AND pg_has_role(o.oid, r.oid, 'USAGE')),
             'relations', (SELECT jsonb_agg(alike) FROM (
               SELECT min(name) AS name, count(*) AS count, definition FROM (
                 SELECT coalesce(c.oid::regclass::text, relation.name) AS name, CASE WHEN c.oid IS NOT NULL THEN jsonb_build_object('enabled', c.relrowsecurity, 'forced', c.relforcerowsecurity, 'policies', coalesce((
                          SELECT jsonb_agg(jsonb_build_object('name', polname, 'permissive', polpermissive, 'command', polcmd,
                                   'roles', ARRAY(SELECT coalesce(rolname, 'public') FROM unnest(polroles) AS role LEFT JOIN pg_roles r ON r.oid = role
                                                   ORDER BY coalesce(rolname, 'public') COLLATE "C"),
                                   'using', pg_get_expr(polqual, polrelid), 'check', pg_get_expr(polwithcheck, polrelid)) ORDER BY polname COLLATE "C")
                            FROM pg_policy WHERE polrelid = c.oid), '[]')) END AS definition
                   FROM (SELECT t.oid, t.oid::regclass::text AS name
                         UNION ALL
                         SELECT coalesce(to_regclass(name), to_regclass('public.' || name)), name FROM (
                           SELECT shard_name(s.logicalrelid, s.shardid) AS name FROM pg_dist_shard s
                             JOIN pg_dist_placement USING (shardid) JOIN pg_dist_local_group USING (groupid) WHERE s.logicalrelid = t.oid) shard
                        ) relation LEFT JOIN pg_class c ON c.oid = relation.oid
               ) one GROUP BY definition) alike))::text
      FROM pg_class t JOIN pg_roles o ON o.oid = t.relowner LEFT JOIN pg_dist_partition d ON d.logicalrelid = t.oid
      LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = column_to_column_name(d.logicalrelid, d.partkey)
      LEFT JOIN pg_type own ON own.oid = a.atttypid LEFT JOIN pg_type base ON base.oid = coalesce(nullif(own.typbasetype, 0), own.oid)
     WHERE t.oid = to_regclass(format('%I.%I', ${literal(i.schema)}::text, ${literal(i.table)}::text))) END`;

interface Answer extends Omit<TableOnNodes, "relations"> {
  readonly relations: readonly {
    readonly name: string;
    readonly count: number;
    readonly definition: Definition | null;
  }[];
}

/** The table and its shards, from what every active node answers to `nodeSql`; undefined where no node has the table. Pure. */
export function tableOnNodes(texts: Readonly<Record<string, string>>): TableOnNodes | undefined {
  const answers = Object.entries(texts)
    .filter(([, answer]) => answer !== "")
    .map(([node, answer]) => ({ node, ...(JSON.parse(answer) as Answer) }));
  const [first] = answers;
  if (first === undefined) return undefined;
  const relations = answers.flatMap(({ node, relations: alike }) =>
    alike.map(({ name, count, definition }) => ({
      where: `${name} of ${node}${count === 1 ? "" : ` and ${String(count - 1)} more`}`,
      definition,
    })),
  );
  return { ...first, relations };
}
