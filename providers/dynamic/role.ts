/** Role: one role on every node, made by direct connections, so that databases can belong to it before the nodes are joined.
 *  Calls CREATE, ALTER and DROP ROLE; reads pg_roles. Citus replays it on other nodes only once it owns something there.
 *  Source: https://www.postgresql.org/docs/current/sql-createrole.html */
import type * as pulumi from "@pulumi/pulumi";
import { checkRoleName } from "../../sizing/names";
import type { Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { onEach, type ServerMap } from "./engine/server";
import type { Connection } from "./engine/session";
import { ident, sql } from "./engine/sql";

/** What a role is. It never gets more than these attributes: no superuser, no role or database creation. */
export interface RoleArgs {
  /** The coordinator, as a superuser. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /** Every node, the coordinator included, by its stable key. Adding one creates the role there; taking one out leaves the role there. */
  nodes: pulumi.Input<ServerMap>;
  /** Name, 1 to 63 bytes, not reserved. Changing it replaces the resource. */
  name: pulumi.Input<string>;
  /** May it open sessions? It authenticates by its certificate. Changing it updates the role on every node. @default true */
  login?: pulumi.Input<boolean>;
  /** What a delete does: leave the role on every node, or drop it where it owns nothing. @default "keep" */
  onDelete?: pulumi.Input<"keep" | "drop">;
}

type Inputs = Resolved<RoleArgs>;
type State = object;

const canLogin = (i: Pick<Inputs, "login">) => i.login ?? true;

export const readSql = (i: Pick<Inputs, "name">) =>
  sql`SELECT rolcanlogin AS login, rolsuper AS superuser FROM pg_roles WHERE rolname = ${i.name}`;
export const createSql = (i: Inputs) => sql`CREATE ROLE ${ident(i.name)} ${canLogin(i) ? sql`LOGIN` : sql`NOLOGIN`}`;
export const alterSql = (i: Inputs) => sql`ALTER ROLE ${ident(i.name)} ${canLogin(i) ? sql`LOGIN` : sql`NOLOGIN`}`;
export const deleteSql = (i: Pick<Inputs, "name">) => sql`DROP ROLE IF EXISTS ${ident(i.name)}`;

// A database without citus: nothing is propagated, each node is told once.
const maintenance = "postgres";

interface Row {
  readonly login: boolean;
  readonly superuser: boolean;
}

export const role: Kind<Inputs, State> = {
  type: "Role",
  fields: {
    connection: { onChange: "store", secret: true },
    nodes: { onChange: "update" },
    name: { onChange: "replace", check: checkRoleName },
    login: { onChange: "update" },
    onDelete: {
      onChange: "store",
      check: (value) => (["keep", "drop"].includes(value) ? undefined : `must be "keep" or "drop", got "${value}"`),
    },
  },
  outputs: [],
  hints: { "2BP01": "give what it owns to another role first (REASSIGN OWNED), on every node and in every database" },
  mends: ["nodes"],
  id: (i) => i.name,
  lock: (i) => i.connection,

  read: async (i, context, state) => {
    const rows = await onEach(
      context,
      i.connection,
      i.nodes,
      maintenance,
      async (session) => (await session.query<Row>(readSql(i)))[0],
    );
    const found = Object.values(rows).filter((row) => row !== undefined);
    if (found.length === 0) return undefined;
    const superuser = Object.keys(rows).find((key) => rows[key]?.superuser === true);
    if (superuser !== undefined) {
      const text = `it is a superuser on node "${superuser}"; take that away there (ALTER ROLE … NOSUPERUSER) or use another name`;
      // A refresh goes on with the other resources.
      if (state === undefined) throw new Error(text);
      context.info(`Role "${i.name}": ${text}`);
    }
    const nodes = Object.fromEntries(Object.entries(i.nodes).filter(([key]) => rows[key] !== undefined));
    return {
      inputs: { nodes, login: (found.find(({ login }) => login !== canLogin(i)) ?? found[0])?.login },
      state: {},
    };
  },
  create: async (i, context) => {
    await onEach(context, i.connection, i.nodes, maintenance, async (session) => {
      const [row] = await session.query<Row>(readSql(i));
      if (row === undefined) await session.query(createSql(i));
    });
    return {};
  },
  update: async (i, context) => {
    await role.create(i, context);
    await onEach(context, i.connection, i.nodes, maintenance, (session) => session.query(alterSql(i)));
    return {};
  },
  keeps: (i) =>
    i.onDelete === "drop" ? undefined : `kept the role "${i.name}" on every node; onDelete: "drop" drops it`,
  delete: async (i, context) => {
    await onEach(context, i.connection, i.nodes, maintenance, (session) => session.query(deleteSql(i)));
  },
};

/** One role on every node. See {@link RoleArgs}. */
export class Role extends DynamicResource {
  declare readonly name: pulumi.Output<string>;

  constructor(name: string, args: RoleArgs, opts?: pulumi.CustomResourceOptions) {
    super(role, name, args, opts);
  }
}
