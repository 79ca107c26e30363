/** How a role's statements reach every node: by direct connections where the nodes are named, else through Citus, which replays roles from the
 *  coordinator in the database that made them. Calls run_command_on_all_nodes and citus_unmark_object_distributed; reads pg_authid,
 *  pg_auth_members, pg_dist_object. Citus 13.0 or newer. */
import type { Context } from "../engine/kind";
import { onAllNodes, onEach, tellNobodySql, valueOnNodes, type ServerAddress } from "../engine/server";
import { silence, type Connection, type Session } from "../engine/session";
import { ident, literal, sql, type Sql } from "../engine/sql";
import type { RoleRow } from "./attributes";

/** The role, and how its nodes are reached. */
export interface Reach {
  readonly name: string;
  readonly connection: Connection;
  readonly nodes?: Readonly<Record<string, ServerAddress>>;
}

// Roles belong to the server; this database is on every one.
const maintenance = "postgres";

/** A role's row as JSON, with its verifier only where that is compared. Without parameters, since it also travels as a text. */
export const rowSql = (name: string, withVerifier: boolean) => sql`
  SELECT json_build_object('login', rolcanlogin, 'inherit', rolinherit, 'superuser', rolsuper, 'connectionLimit', rolconnlimit,
           'validUntil', CASE WHEN coalesce(rolvaliduntil, 'infinity') = 'infinity' THEN 'infinity'
                              ELSE to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END,
           'verifier', ${withVerifier ? sql`rolpassword` : sql`NULL`},
           'memberOf', ARRAY(SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1))
    FROM pg_authid r WHERE rolname = ${literal(name)}`;

// Where the cluster has it off, it is on for these statements. Only SET LOCAL is passed on to the other nodes, so that their logs are silent, too.
const everywhereSql: readonly Sql[] = [
  sql`SET LOCAL citus.enable_ddl_propagation = on`,
  sql`SET LOCAL citus.enable_create_role_propagation = on`,
  sql`SET LOCAL citus.enable_alter_role_propagation = on`,
  sql`SET LOCAL citus.propagate_set_commands = 'local'`,
  ...Object.entries(silence).map(([name, value]) => sql`SET LOCAL ${ident(name)} = ${literal(value)}`),
];

export const existsSql = (name: string) => sql`SELECT FROM pg_roles WHERE rolname = ${name}`;
const citusSql = sql`SELECT FROM pg_extension WHERE extname = 'citus'`;
export const knownSql = (name: string) => sql`
  SELECT FROM pg_dist_object JOIN pg_authid ON oid = objid WHERE classid = 'pg_authid'::regclass AND rolname = ${name}`;

/** A role that gives what only superusers have, of those to become a member of. */
export const powerfulSql = (roles: readonly string[]) => sql`
  SELECT p.rolname AS name FROM pg_roles p WHERE p.rolname = ANY (${roles})
     AND EXISTS (SELECT FROM pg_roles s WHERE s.rolsuper AND pg_has_role(p.oid, s.oid, 'MEMBER'))`;

/** The role on every node, by the node's key or, through Citus, its `host:port`; undefined where it is missing. */
export async function roleOnNodes(
  { name, connection, nodes }: Reach,
  context: Context,
  withVerifier: boolean,
): Promise<Readonly<Record<string, RoleRow | undefined>>> {
  const texts = await valueOnNodes(context, { connection, nodes, database: maintenance }, rowSql(name, withVerifier));
  // The statement above is the only source of these texts.
  return Object.fromEntries(
    Object.entries(texts).map(([node, text]) => [node, text === "" ? undefined : (JSON.parse(text) as RoleRow)]),
  );
}

/** What is said to nodes. */
export interface RoleStatements {
  /** Roles to become a member of, which may not be superusers. */
  readonly memberOf: readonly string[];
  /** What is run on a server, whether the role exists there or not. */
  readonly run: (exists: boolean) => readonly Sql[];
  /** Through Citus: makes the role on nodes that lack it while the coordinator has it; Citus passes no change on to those. */
  readonly makeMissing?: Sql;
}

/** Runs statements where they reach every node. @throws what a server or a node refuses; of a server, all or none of the statements are in force */
export async function changeRole(
  { name, connection, nodes }: Reach,
  context: Context,
  { memberOf, run: statements, makeMissing }: RoleStatements,
): Promise<void> {
  const run = async (session: Session, before: readonly Sql[], refuse?: (exists: boolean) => Promise<void>) => {
    await refusePowerful(session, memberOf);
    const exists = (await session.query(existsSql(name))).length > 0;
    await refuse?.(exists);
    await session.unlogged(async () => {
      for (const statement of [...before, ...statements(exists)]) await session.query(statement);
    });
  };
  if (nodes !== undefined) {
    await onEach(context, connection, nodes, maintenance, (session) => run(session, [tellNobodySql(true)]));
    return;
  }
  await context.connect(connection, async (session) => {
    await run(session, everywhereSql, async (exists) => {
      if (!exists) return;
      // Citus passes statements on for roles that this database made, and is silent about the others.
      if ((await session.query(knownSql(name))).length === 0)
        throw new Error(
          `Citus does not pass changes of it on from the database "${connection.database}", since it was made elsewhere; connect to the database that made it, or name every node in \`nodes\``,
        );
      if (makeMissing !== undefined) await onAllNodes(session, makeMissing);
    });
  });
}

async function refusePowerful(session: Session, memberOf: readonly string[]): Promise<void> {
  if (memberOf.length === 0) return;
  const [powerful] = await session.query<{ name: string }>(powerfulSql(memberOf));
  if (powerful !== undefined)
    throw new Error(
      `"${powerful.name}" is a superuser or a member of one, and so would be its members; leave it out of memberOf`,
    );
}

const databasesSql = sql`SELECT datname AS name FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1`;
const dangling = sql`classid = 'pg_authid'::regclass AND NOT EXISTS (SELECT FROM pg_authid WHERE oid = objid)`;
const danglingSql = sql`
  SELECT FROM pg_dist_object WHERE ${dangling} AND (SELECT groupid FROM pg_dist_local_group) = 0`;
const unmarkSql = sql`
  SELECT count(citus_unmark_object_distributed(classid, objid, objsubid)) FROM pg_dist_object WHERE ${dangling}`;

/**
 * Citus remembers a role in each database where something of it was distributed, and forgets it only in the one that drops it. A row
 * that is left stops every later node: `invalid role OID`. So it is taken out of all databases of the coordinator, on every node.
 */
export async function forgetDroppedRoles(connection: Connection, context: Context): Promise<void> {
  const databases = await context.connect({ ...connection, database: maintenance }, (session) =>
    session.query<{ name: string }>(databasesSql),
  );
  for (const { name } of databases) {
    await context.connect({ ...connection, database: name }, async (session) => {
      if ((await session.query(citusSql)).length === 0 || (await session.query(danglingSql)).length === 0) return;
      await onAllNodes(session, unmarkSql);
    });
  }
}
