/** AuthInfo: with which password or certificate nodes log in on each other as one role, for clusters that were not made here. One row in
 *  pg_dist_authinfo of every node, by direct connections: Citus carries none to other nodes. Citus 13.0 or newer.
 *  Source: https://docs.citusdata.com/en/stable/develop/api_metadata.html#connection-credentials-table */
import type * as pulumi from "@pulumi/pulumi";
import { checkExistingRoleName, checkHostAddress, checkPort } from "../../sizing/names";
import type { Problem } from "../../sizing/problem";
import { authInfoKeywords, authInfoText, authInfoValues, passwordProblem, valueProblem } from "./auth-info/conninfo";
import type { Context, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { checkOnDelete, equal } from "./engine/rules";
import { oddOne, onEach, type ServerAddress, type ServerMap } from "./engine/server";
import type { Connection } from "./engine/session";
import { sql, type Sql } from "./engine/sql";

/** Which connections between nodes: to any node that has no row of its own, of a node to itself by citus.local_hostname, or to one registered node. */
export type AuthInfoTarget = "any" | "loopback" | ServerAddress;

/**
 * How nodes log in on each other as a role. Connections that are open keep what they logged in with: sessions until they end, cached ones for up
 * to citus.max_cached_connection_lifetime (10 minutes). Servers keep the values in clear, for superusers to read; they are in physical backups,
 * not in a pg_dump. A cluster of `CitusCluster` needs none of it: its nodes log in by their own certificates.
 */
export interface AuthInfoArgs {
  /** The coordinator, in the database whose nodes talk to each other, as a superuser. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /**
   * Every node, the coordinator included, by its stable key; each is dialled directly with the same user. Adding one writes the row there; taking
   * one out leaves its row alone.
   */
  nodes: pulumi.Input<ServerMap>;
  /** Role as which nodes log in; it must exist on every node. Changing it replaces the resource. */
  role: pulumi.Input<string>;
  /**
   * Which connections: `"any"` (node id 0), `"loopback"` (node id -1), or to the node that pg_dist_node has at a host and port, which must be
   * registered; its id is looked up at each run, and another one than last time is drift. Changing it replaces the resource. @default "any"
   */
  target?: pulumi.Input<AuthInfoTarget>;
  /**
   * Password. Range: 1 to 4096 bytes, no line breaks. Changing it changes the row on every node; give the role the new one first
   * (`dependsOn`). @default - none
   */
  password?: pulumi.Input<string>;
  /** File of the client certificate, as every node sees it, readable for the server. Together with `sslkey`. Changing it changes the row on every node. @default - that of citus.node_conninfo */
  sslcert?: pulumi.Input<string>;
  /** File of its private key, mode 0600. Together with `sslcert`. Changing it changes the row on every node. @default - that of citus.node_conninfo */
  sslkey?: pulumi.Input<string>;
  /** What a delete does: leave the rows on every node, or delete them. @default "keep" */
  onDelete?: pulumi.Input<"keep" | "drop">;
}

/** What is read back. */
export interface AuthInfoState {
  /** The id that the rows carry: 0 for any node, -1 for loopback, else that of the node. */
  readonly nodeid: number;
}

type Inputs = Resolved<AuthInfoArgs>;
type Of = Pick<Inputs, "role" | "target">;

const nodeid = ({ target = "any" }: Pick<Inputs, "target">): Sql => {
  if (target === "any") return sql`0`;
  if (target === "loopback") return sql`-1`;
  return sql`(SELECT nodeid FROM pg_dist_node WHERE nodename = ${target.host} AND nodeport = ${target.port})`;
};

/** The id, null where the node is not registered, and the row, null where there is none. */
export const readSql = (i: Of) => sql`
  SELECT id AS nodeid, authinfo FROM (SELECT ${nodeid(i)} AS id) node LEFT JOIN pg_dist_authinfo a ON a.nodeid = id AND a.rolename = ${i.role}`;
export const writeSql = (i: Of, id: number, authinfo: string) => sql`
  INSERT INTO pg_dist_authinfo (nodeid, rolename, authinfo) VALUES (${id}, ${i.role}, ${authinfo})
  ON CONFLICT (rolename, nodeid) DO UPDATE SET authinfo = excluded.authinfo`;
/** The rows of these ids. */
export const deleteSql = (i: Of, ids: readonly number[]) =>
  sql`DELETE FROM pg_dist_authinfo WHERE rolename = ${i.role} AND nodeid = ANY (${ids}::int[])`;

interface Row {
  readonly nodeid: number | null;
  readonly authinfo: string | null;
}

const given = (i: Inputs) => authInfoKeywords.filter((keyword) => i[keyword] !== undefined);
const wanted = (i: Inputs) => Object.fromEntries(given(i).map((keyword) => [keyword, i[keyword]]));
const targetText = ({ target = "any" }: Pick<Inputs, "target">) =>
  typeof target === "string" ? target : `${target.host}:${String(target.port)}`;

// Takes the place of a value that a node does not have: values are compared, and never shown.
const another = "another one";

async function read(i: Inputs, context: Context) {
  const all = await onEach(
    context,
    i.connection,
    i.nodes,
    i.connection.database,
    async (session) => (await session.query<Row>(readSql(i)))[0],
  );
  const rows = Object.fromEntries(
    Object.entries(all).flatMap(([key, row]) =>
      row === undefined || row.nodeid === null || row.authinfo === null
        ? []
        : [[key, { nodeid: row.nodeid, authinfo: row.authinfo }]],
    ),
  );
  const [first] = Object.values(rows);
  if (first === undefined) return undefined;
  const odd = oddOne(
    rows,
    ({ authinfo }) => equal(authInfoValues(authinfo), wanted(i)),
    (fits) => fits,
  );
  const [shown = "password"] = given(i);
  return {
    inputs: {
      nodes: Object.fromEntries(Object.entries(i.nodes).filter(([key]) => rows[key] !== undefined)),
      ...wanted(i),
      ...(odd?.value === false ? { [shown]: another } : {}),
    },
    state: { nodeid: first.nodeid },
    where: odd?.node === undefined ? {} : { [shown]: odd.node },
  };
}

async function write(i: Inputs, context: Context, old?: Partial<AuthInfoState>): Promise<undefined> {
  context.begin();
  await onEach(context, i.connection, i.nodes, i.connection.database, async (session, key) => {
    const id = (await session.query<Row>(readSql(i)))[0]?.nodeid ?? null;
    if (id === null) {
      throw new Error(
        `${targetText(i)} is not registered in pg_dist_node of node "${key}"; register it first (Nodes) and list that in dependsOn, or use target "any"`,
      );
    }
    await session.unlogged(async () => {
      // A node that left and came back has another id; the row of the old one would lie there unseen.
      if (old?.nodeid !== undefined && old.nodeid !== id) await session.query(deleteSql(i, [old.nodeid]));
      await session.query(writeSql(i, id, authInfoText(wanted(i))));
    });
  });
  return undefined;
}

function targetProblems(target: AuthInfoTarget): string | readonly Problem[] {
  if (target === "any" || target === "loopback") return [];
  if (typeof target !== "object") return `must be "any", "loopback" or { host, port }, got ${JSON.stringify(target)}`;
  return [
    { path: "host", reason: checkHostAddress(target.host) },
    { path: "port", reason: checkPort(target.port) },
  ].flatMap(({ path, reason }) => (reason === undefined ? [] : [{ path, reason }]));
}

function checkInputs(i: Inputs): readonly Problem[] {
  if (given(i).length === 0) return [{ path: "password", reason: "give it, or sslcert and sslkey, or all three" }];
  const alone = (["sslcert", "sslkey"] as const).filter((name) => i[name] !== undefined);
  return alone.length === 1
    ? [{ path: alone[0] ?? "", reason: "needs both sslcert and sslkey: a certificate and its key go together" }]
    : [];
}

export const authInfo: Kind<Inputs, AuthInfoState> = {
  type: "AuthInfo",
  fields: {
    connection: { onChange: "store", secret: true },
    nodes: { onChange: "update" },
    role: { onChange: "replace", check: checkExistingRoleName },
    target: { onChange: "replace", check: targetProblems },
    password: { onChange: "update", secret: true, check: passwordProblem },
    sslcert: { onChange: "update", secret: true, check: valueProblem },
    sslkey: { onChange: "update", secret: true, check: valueProblem },
    onDelete: {
      onChange: "store",
      check: checkOnDelete,
    },
  },
  outputs: ["nodeid"],
  check: checkInputs,
  checkFrom: ["password", "sslcert", "sslkey"],
  hints: {
    "23514": "create the role on every node first and list it in dependsOn",
    "42501": "connect as a superuser: nobody else may see passwords of nodes",
    "42P01": "create citus in that database on every node first (Database)",
  },
  mends: ["nodes"],
  id: (i) => `${i.connection.database}.${i.role}.${targetText(i)}`,
  lock: (i) => i.connection,
  read,
  create: (i, context) => write(i, context),
  update: (i, context, old) => write(i, context, old),
  keeps: (i) =>
    i.onDelete === "drop"
      ? undefined
      : `kept how nodes log in as "${i.role}" (pg_dist_authinfo on every node); onDelete: "drop" deletes it`,
  delete: async (i, context, state) => {
    await onEach(context, i.connection, i.nodes, i.connection.database, async (session) => {
      const now = (await session.query<Row>(readSql(i)))[0]?.nodeid ?? null;
      // A run that failed half-way has left no id in state.
      const ids = [now, state.nodeid as number | undefined].filter((id) => id !== null && id !== undefined);
      await session.query(deleteSql(i, ids));
    });
  },
};

/** How nodes log in on each other as one role. See {@link AuthInfoArgs}. */
export class AuthInfo extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = authInfo;
  declare readonly role: pulumi.Output<string>;
  declare readonly nodeid: pulumi.Output<number>;

  constructor(name: string, args: AuthInfoArgs, opts?: pulumi.CustomResourceOptions) {
    super(authInfo, name, args, opts);
  }
}
