/** What rights are given on: how the objects are found in the catalogs of one node, what is held there, and the statement that gives or takes it.
 *  Pure text: all of it also travels to other nodes. Reads pg_class, pg_proc, pg_namespace, pg_database, pg_default_acl; pg_dist_shard and shard_name. */
import { checkObjectName } from "../../../sizing/names";
import type { Problem } from "../../../sizing/problem";
import { compile, ident, literal, sql, type Sql } from "../engine/sql";

/** One database, schema, or objects of one kind in a schema: those named, or all that are there, without those of extensions. */
export type GrantTarget =
  | { readonly type: "database"; readonly name: string }
  | { readonly type: "schema"; readonly name: string }
  /** Tables, views and foreign tables; of a distributed table, its shards, too. */
  | { readonly type: "tables"; readonly schema: string; readonly names?: readonly string[] }
  | { readonly type: "sequences"; readonly schema: string; readonly names?: readonly string[] }
  /** Functions and procedures; a name stands for every one that is so called, whatever its arguments. */
  | { readonly type: "functions"; readonly schema: string; readonly names?: readonly string[] }
  /** What `owner` (default: the connecting role) makes later, in one schema or in all. */
  | {
      readonly type: "defaults";
      readonly of: "tables" | "sequences" | "functions" | "schemas";
      readonly owner?: string;
      readonly schema?: string;
    };

// As PostgreSQL names them; "ALL" would mean something else in another version.
const rightsOf = {
  database: ["CREATE", "CONNECT", "TEMPORARY"],
  schema: ["CREATE", "USAGE"],
  tables: ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"],
  sequences: ["USAGE", "SELECT", "UPDATE"],
  functions: ["EXECUTE"],
  schemas: ["CREATE", "USAGE"],
} as const;

/** The rights that there are on a target. */
export const rightsOn = (target: GrantTarget): readonly string[] =>
  rightsOf[target.type === "defaults" ? target.of : target.type];

const fieldsOf: Readonly<Record<GrantTarget["type"], readonly string[]>> = {
  database: ["name"],
  schema: ["name"],
  tables: ["schema", "names"],
  sequences: ["schema", "names"],
  functions: ["schema", "names"],
  defaults: ["of", "owner", "schema"],
};

/** Everything wrong with a target, as a program without a type check may hand it over. */
export function targetProblems(target: GrantTarget): readonly Problem[] {
  const value: Readonly<Record<string, unknown>> = { ...target };
  const fields = Object.entries(fieldsOf).find(([type]) => type === value["type"])?.[1];
  if (fields === undefined)
    return [
      {
        path: "type",
        reason: `must be one of ${Object.keys(fieldsOf).join(", ")}, got ${JSON.stringify(value["type"])}`,
      },
    ];
  const strange = Object.keys(value).filter((name) => name !== "type" && !fields.includes(name));
  const name = (path: string, text: unknown): readonly Problem[] => {
    const reason = typeof text === "string" ? checkObjectName(text) : "must be a name";
    return reason === undefined ? [] : [{ path, reason }];
  };
  const { names } = value;
  const listed = Array.isArray(names) ? names.map((one: unknown) => one) : [];
  return [
    ...strange.map((path) => ({ path, reason: `means nothing for type "${target.type}"; leave it out` })),
    ...["name", "schema"]
      .filter((field) => fields.includes(field) && (target.type !== "defaults" || value[field] !== undefined))
      .flatMap((field) => name(field, value[field])),
    ...(value["owner"] === undefined ? [] : name("owner", value["owner"])),
    ...(names !== undefined && listed.length === 0
      ? [{ path: "names", reason: "must have at least one name; leave it out for all there are" }]
      : []),
    ...listed.flatMap((one, index) =>
      listed.indexOf(one) < index
        ? [{ path: `names[${index}]`, reason: `${JSON.stringify(one)} is there twice` }]
        : name(`names[${index}]`, one),
    ),
    ...(target.type === "defaults" && !["tables", "sequences", "functions", "schemas"].includes(target.of)
      ? [
          {
            path: "of",
            reason: `must be "tables", "sequences", "functions" or "schemas", got ${JSON.stringify(target.of)}`,
          },
        ]
      : []),
    ...(target.type === "defaults" && target.of === "schemas" && target.schema !== undefined
      ? [{ path: "schema", reason: "must be left out: schemas lie in no schema" }]
      : []),
  ];
}

/** A target in words, part of the resource's id: names of objects are left out, since they may change. */
export function targetText(target: GrantTarget, database: string): string {
  if (target.type === "database") return `database ${target.name}`;
  if (target.type === "schema") return `schema ${database}.${target.name}`;
  if (target.type !== "defaults") return `${target.type} in ${database}.${target.schema}`;
  const place = target.schema === undefined ? database : `${database}.${target.schema}`;
  return `later ${target.of} of ${target.owner ?? "the connecting role"} in ${place}`;
}

/** The names that were asked for, or undefined for all there are. */
export function namesOf(target: GrantTarget): readonly string[] | undefined {
  if (target.type === "database" || target.type === "schema") return [target.name];
  return target.type === "defaults" ? [everything] : target.names;
}

// Default privileges have no object; they stand under this name.
const everything = "defaults";
/** The name by which everybody is meant: no role can have it. */
export const everybody = "public";

const inSchema = (column: string, schema: string): Sql =>
  sql`${word(column)} = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ${literal(schema)})`;
const word = (text: string): Sql => ({ parts: [text] });
const among = (column: string, names: readonly string[] | undefined): Sql =>
  names === undefined ? sql`` : sql`AND ${word(column)} IN (${list(names.map(literal))})`;
const list = (pieces: readonly Sql[]): Sql => ({
  parts: pieces.flatMap(({ parts }, index) => (index === 0 ? parts : [", ", ...parts])),
});
const ownByExtension = (catalog: string, oid: string): Sql =>
  sql`AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = ${literal(`pg_catalog.${catalog}`)}::pg_catalog.regclass AND objid = ${word(oid)} AND deptype = 'e')`;

function relations(schema: string, kinds: readonly string[], acl: string, names: readonly string[] | undefined): Sql {
  return sql`
    SELECT c.relname AS name, coalesce(c.relacl, pg_catalog.acldefault(${literal(acl)}, c.relowner)) AS acl, c.relowner AS owner,
           c.oid::pg_catalog.regclass::text AS object
      FROM pg_catalog.pg_class c WHERE ${inSchema("c.relnamespace", schema)} AND c.relkind IN (${list(kinds.map(literal))})
       ${among("c.relname", names)} ${ownByExtension("pg_class", "c.oid")}`;
}

// Shards are tables of their own. A worker shows them to other nodes; their names are cut where they are long.
const shards = (schema: string, names: readonly string[] | undefined): Sql => sql`
    SELECT t.relname, coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)), c.relowner, c.oid::pg_catalog.regclass::text
      FROM pg_catalog.pg_dist_shard s JOIN pg_catalog.pg_class t ON t.oid = s.logicalrelid
      JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(pg_catalog.shard_name(s.logicalrelid, s.shardid, false))
     WHERE ${inSchema("t.relnamespace", schema)} ${among("t.relname", names)}`;

const defaultTypes = { tables: "r", sequences: "S", functions: "f", schemas: "n" } as const;

/** Objects of the target on the node that runs it: name, acl, owner, and the object as a statement names it. */
function objectsSql(target: GrantTarget, names: readonly string[] | undefined): Sql {
  switch (target.type) {
    case "database":
      return sql`SELECT datname AS name, coalesce(datacl, pg_catalog.acldefault('d', datdba)) AS acl, datdba AS owner, pg_catalog.quote_ident(datname) AS object
        FROM pg_catalog.pg_database WHERE datname = ${literal(target.name)}`;
    case "schema":
      return sql`SELECT nspname AS name, coalesce(nspacl, pg_catalog.acldefault('n', nspowner)) AS acl, nspowner AS owner, pg_catalog.quote_ident(nspname) AS object
        FROM pg_catalog.pg_namespace WHERE nspname = ${literal(target.name)}`;
    case "tables":
      return sql`${relations(target.schema, ["r", "p", "v", "m", "f"], "r", names)} UNION ALL ${shards(target.schema, names)}`;
    case "sequences":
      return relations(target.schema, ["S"], "s", names);
    case "functions":
      return sql`SELECT p.proname AS name, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) AS acl, p.proowner AS owner,
             p.oid::pg_catalog.regprocedure::text AS object
        FROM pg_catalog.pg_proc p WHERE ${inSchema("p.pronamespace", target.schema)} ${among("p.proname", names)} ${ownByExtension("pg_proc", "p.oid")}`;
    case "defaults": {
      const objectType = literal(defaultTypes[target.of]);
      const owner = target.owner === undefined ? sql`current_user` : literal(target.owner);
      const schema =
        target.schema === undefined
          ? sql`SELECT 0::oid AS oid`
          : sql`SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ${literal(target.schema)}`;
      // Of one schema, they are added to those of all.
      const none =
        target.schema === undefined
          ? sql`pg_catalog.acldefault(CASE ${objectType} WHEN 'S' THEN 's' ELSE ${objectType} END::"char", r.oid)`
          : sql`NULL::aclitem[]`;
      return sql`SELECT ${literal(everything)} AS name, coalesce(d.defaclacl, ${none}) AS acl, r.oid AS owner, '' AS object
        FROM pg_catalog.pg_roles r CROSS JOIN (${schema}) n
        LEFT JOIN pg_catalog.pg_default_acl d ON d.defaclrole = r.oid AND d.defaclnamespace = n.oid AND d.defaclobjtype = ${objectType}
       WHERE r.rolname = ${owner}`;
    }
  }
}

/**
 * The rights that a role holds on each name, as one JSON value: `{ "orders": ["SELECT", "INSERT*"] }`, a star for those that it may pass on.
 * Only what the owner or the connecting role gave: that of others is theirs. A right counts where every object of the name has it.
 */
export function heldSql(target: GrantTarget, role: string, names: readonly string[] | undefined): Sql {
  const grantee =
    role === everybody ? sql`0` : sql`(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ${literal(role)})`;
  return sql`
    WITH objects AS (${objectsSql(target, names)}),
         counted AS (SELECT name, count(*) AS n FROM objects GROUP BY name),
         held AS (SELECT o.name, a.privilege_type AS privilege, bool_and(a.grantable) AS grantable, count(*) AS n
                    FROM objects o, LATERAL (SELECT privilege_type, bool_or(is_grantable) AS grantable FROM pg_catalog.aclexplode(o.acl)
                                              WHERE grantee = ${grantee}
                                                AND grantor IN (o.owner, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user))
                                              GROUP BY 1) a GROUP BY 1, 2)
    SELECT coalesce(json_object_agg(name, rights), '{}')::text AS held
      FROM (SELECT c.name, coalesce(array_agg(h.privilege || CASE WHEN h.grantable THEN '*' ELSE '' END ORDER BY h.privilege)
                                      FILTER (WHERE h.privilege IS NOT NULL), '{}') AS rights
              FROM counted c LEFT JOIN held h ON h.name = c.name AND h.n = c.n GROUP BY 1) r`;
}

/** Rights to give or to take on names of a target. */
export interface GrantStep {
  readonly verb: "grant" | "grant with grant option" | "revoke" | "revoke grant option";
  readonly privileges: readonly string[];
  /** Undefined for all there are. */
  readonly names?: readonly string[];
}

const nouns = {
  database: "DATABASE",
  schema: "SCHEMA",
  tables: "TABLE",
  sequences: "SEQUENCE",
  functions: "ROUTINE",
} as const;

/** One step as one statement, on the objects that the node which runs it has. With `locally` nobody else is told. */
export function stepSql(target: GrantTarget, role: string, step: GrantStep, locally: boolean): Sql {
  const who = role === everybody ? sql`PUBLIC` : ident(role);
  const what = word(step.privileges.join(", "));
  const isGrant = step.verb.startsWith("grant");
  const on = target.type === "defaults" ? word(target.of.toUpperCase()) : word(nouns[target.type]);
  const schema =
    target.type === "defaults" && target.schema !== undefined ? sql`IN SCHEMA ${ident(target.schema)} ` : sql``;
  const owner =
    target.type === "defaults" && target.owner !== undefined ? sql`FOR ROLE ${ident(target.owner)} ` : sql``;
  const prefix = target.type === "defaults" ? sql`ALTER DEFAULT PRIVILEGES ${owner}${schema}` : sql``;
  const verb = isGrant ? sql`GRANT` : step.verb === "revoke" ? sql`REVOKE` : sql`REVOKE GRANT OPTION FOR`;
  const start = compile(sql`${prefix}${verb} ${what} ON ${on} `).text;
  const end = compile(
    sql` ${isGrant ? sql`TO` : sql`FROM`} ${who}${step.verb === "grant with grant option" ? sql` WITH GRANT OPTION` : sql``}`,
  ).text;
  const setting = locally ? sql`PERFORM pg_catalog.set_config('citus.enable_ddl_propagation', 'off', true);` : sql``;
  const body = sql`DECLARE o text; BEGIN ${setting} FOR o IN SELECT object FROM (${objectsSql(target, step.names)}) objects LOOP
    EXECUTE ${literal(start)} || o || ${literal(end)}; END LOOP; END`;
  return sql`DO ${literal(compile(body).text)}`;
}
