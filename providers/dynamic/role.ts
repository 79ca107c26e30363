/** Role: one role on every node: its attributes, password and memberships. By direct connections where the nodes are named, so that databases can
 *  belong to it before the nodes are joined; else through Citus from the coordinator, which replays it on nodes added later.
 *  Calls CREATE, ALTER and DROP ROLE, GRANT and REVOKE of roles; reads pg_authid, pg_auth_members. Citus 13.0 or newer.
 *  Sources: https://www.postgresql.org/docs/current/sql-createrole.html, https://docs.citusdata.com/en/stable/develop/reference_ddl.html */
import type * as pulumi from "@pulumi/pulumi";
import { checkExistingRoleName, checkRoleName } from "../../sizing/names";
import type { Problem } from "../../sizing/problem";
import type { Context, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { checkOnDelete } from "./engine/rules";
import { oddOne, type ServerMap } from "./engine/server";
import type { Connection } from "./engine/session";
import { ident, sql } from "./engine/sql";
import { makeMissingSql, momentProblem, planRole, roleStatements, sameMoment, type RoleRow } from "./role/attributes";
import { tryLogin } from "./role/login";
import { changeRole, forgetDroppedRoles, roleOnNodes } from "./role/nodes";
import {
  defaultIterations,
  fits,
  iterationsOf,
  iterationsProblem,
  makeVerifier,
  passwordProblem,
  verifierProblem,
} from "./role/scram";

/**
 * What a role is. It never becomes a superuser, and is never given CREATEDB, CREATEROLE, REPLICATION or BYPASSRLS: databases and roles that it
 * made would be on one node only, and the others lead around every right. What an existing role has of these is left as it is.
 * Its settings are made by `Settings`, its rights by `Grant`.
 */
export interface RoleArgs {
  /**
   * The coordinator, as a superuser. Without `nodes`: in the database with citus from which the role is managed, always the same one, since
   * Citus passes changes on from the database that made a role. Changing it runs no statement.
   */
  connection: pulumi.Input<Connection>;
  /**
   * Every node, the coordinator included, by its stable key; each is told directly. Adding one creates the role there; taking one out leaves
   * the role there. @default - every node that Citus knows, through the coordinator, and those added later
   */
  nodes?: pulumi.Input<ServerMap>;
  /** Name, 1 to 63 bytes, not reserved. Changing it replaces the resource. */
  name: pulumi.Input<string>;
  /** May it open sessions? Changing it updates the role on every node. @default - true for a role that is made */
  login?: pulumi.Input<boolean>;
  /** Does it have the rights of the roles that it is a member of, without SET ROLE? Changing it updates the role. @default - true for a role that is made */
  inherit?: pulumi.Input<boolean>;
  /** Most sessions at once on each node, 0 for none, -1 for no limit. Range: -1 to 2147483647. Changing it updates the role. @default - -1 for a role that is made */
  connectionLimit?: pulumi.Input<number>;
  /** Until when its password is good, with a zone: "2030-01-31T00:00:00Z", or "infinity". Changing it updates the role. @default - "infinity" for a role that is made */
  validUntil?: pulumi.Input<string>;
  /**
   * Password. Only a SCRAM-SHA-256 verifier of it, made here, reaches the servers; it is never in their logs. Range: 1 to 4096 bytes, no line
   * breaks. Changing it changes the verifier on every node at once: each node takes the old password until it takes the new one, never neither,
   * and sessions go on. A role has one password: where clients cannot change at that moment, give two roles the membership of a third
   * and change one at a time. Taking it out takes the password away. @default - none: certificates only
   */
  password?: pulumi.Input<string>;
  /** SCRAM-SHA-256 verifier instead of a password, as pg_authid.rolpassword holds it, for those who keep no password here. Changing it updates the role. @default - none */
  verifier?: pulumi.Input<string>;
  /** Rounds of hashing of the verifier that is made. Range: 4096 to 100000, the most that node-postgres accepts. Changing it makes a new one. @default 4096 */
  scramIterations?: pulumi.Input<number>;
  /** Roles that it is a member of; they must exist. Taking one out takes back what this resource gave, never what was there before. @default [] */
  memberOf?: pulumi.Input<readonly pulumi.Input<string>[]>;
  /** What a delete does: leave the role on every node, or drop it where it owns nothing. @default "keep" */
  onDelete?: pulumi.Input<"keep" | "drop">;
}

/** What is read back. */
export interface RoleState {
  /** Memberships that this resource gave; only these are ever taken back. */
  readonly granted: readonly string[];
}

type Inputs = Resolved<RoleArgs>;

export const deleteSql = (i: Pick<Inputs, "name">) => sql`DROP ROLE IF EXISTS ${ident(i.name)}`;

// Whoever is a member of one reads and runs what the server's own user may.
const likeSuperuser = ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"];

function memberOfProblems(roles: readonly string[]): readonly Problem[] {
  return roles.flatMap((role, index) => {
    const path = `[${String(index)}]`;
    const reason = likeSuperuser.includes(role)
      ? `"${role}" opens the server's files and programs, as only a superuser should`
      : roles.indexOf(role) < index
        ? `"${role}" is there twice`
        : checkExistingRoleName(role);
    return reason === undefined ? [] : [{ path, reason }];
  });
}

function checkRole(i: Inputs): readonly Problem[] {
  const both = i.password !== undefined && i.verifier !== undefined;
  return [
    ...(both ? [{ path: "verifier", reason: "must be left out beside a password" }] : []),
    ...(i.scramIterations !== undefined && i.password === undefined
      ? [{ path: "scramIterations", reason: "counts for a password only; leave it out" }]
      : []),
    ...(i.memberOf?.includes(i.name) === true ? [{ path: "memberOf", reason: `"${i.name}" is the role itself` }] : []),
  ];
}

const wantsVerifier = (i: Inputs) => i.password !== undefined || i.verifier !== undefined;
const present = (rows: Readonly<Record<string, RoleRow | undefined>>): Readonly<Record<string, RoleRow>> =>
  Object.fromEntries(Object.entries(rows).flatMap(([key, row]) => (row === undefined ? [] : [[key, row]])));

/** What every node shall hold: a verifier that is there and fits, so that nothing changes, or a new one. */
async function wantedVerifier(i: Inputs, rows: readonly RoleRow[]): Promise<string | undefined> {
  const { password, scramIterations: iterations } = i;
  if (password === undefined) return i.verifier;
  for (const { verifier } of rows) {
    if (verifier === null || (iterations !== undefined && iterationsOf(verifier) !== iterations)) continue;
    if (await fits(password, verifier)) return verifier;
  }
  return await makeVerifier(password, iterations ?? defaultIterations);
}

const another = "another one";

/** What takes the place of a secret that a node does not have: it is compared, and never shown. */
async function seenSecret(i: Inputs, row: RoleRow): Promise<string | undefined> {
  if (i.password !== undefined) {
    return row.verifier !== null && (await fits(i.password, row.verifier)) ? i.password : another;
  }
  return row.verifier === i.verifier ? i.verifier : another;
}

async function read(i: Inputs, context: Context, state?: RoleState) {
  const all = await roleOnNodes(i, context, wantsVerifier(i));
  const rows = present(all);
  if (Object.keys(rows).length === 0) return undefined;
  const superuser = superuserText(rows);
  if (superuser !== undefined) {
    // A refresh goes on with the other resources.
    if (state === undefined) throw new Error(superuser);
    context.info(`Role "${i.name}": ${superuser}`);
  }
  const missing = Object.keys(all).filter((key) => rows[key] === undefined);
  if (missing.length > 0) context.info(`Role "${i.name}" is missing on ${missing.join(", ")}`);
  const secrets = Object.fromEntries(
    wantsVerifier(i)
      ? await Promise.all(Object.entries(rows).map(async ([key, row]) => [key, await seenSecret(i, row)] as const))
      : [],
  );
  const secret = oddOne(
    secrets,
    (one) => one,
    (one) => one !== another,
  );
  const is =
    <Value>(asked: Value | undefined) =>
    (value: Value) =>
      asked === undefined || value === asked;
  const seen = {
    login: oddOne(rows, ({ login }) => login, is(i.login)),
    inherit: oddOne(rows, ({ inherit }) => inherit, is(i.inherit)),
    connectionLimit: oddOne(rows, ({ connectionLimit }) => connectionLimit, is(i.connectionLimit)),
    validUntil: oddOne(rows, ({ validUntil }) => sameMoment(validUntil, i.validUntil), is(i.validUntil)),
    ...(i.password === undefined
      ? { verifier: secret }
      : {
          password: secret,
          scramIterations: oddOne(rows, ({ verifier }) => iterationsOf(verifier ?? "") ?? 0, is(i.scramIterations)),
        }),
    memberOf: oddOne(
      rows,
      (row) => (i.memberOf ?? []).filter((role) => row.memberOf.includes(role)),
      (roles) => roles.length === (i.memberOf ?? []).length,
    ),
  };
  const entries = Object.entries<{ readonly value?: unknown; readonly node?: string } | undefined>(seen);
  return {
    inputs: {
      ...Object.fromEntries(entries.map(([name, one]) => [name, one?.value])),
      ...(i.nodes === undefined && missing.length === 0
        ? {}
        : { nodes: Object.fromEntries(Object.entries(i.nodes ?? {}).filter(([key]) => rows[key] !== undefined)) }),
    },
    state: { granted: state?.granted ?? [] },
    // Where the nodes are named, those that lack it are missing from the map.
    complete: i.nodes !== undefined || missing.length === 0,
    where: Object.fromEntries(entries.flatMap(([name, one]) => (one?.node === undefined ? [] : [[name, one.node]]))),
  };
}

function superuserText(rows: Readonly<Record<string, RoleRow>>): string | undefined {
  const node = Object.keys(rows).find((key) => rows[key]?.superuser === true);
  return node === undefined
    ? undefined
    : `it is a superuser on node "${node}"; take that away there (ALTER ROLE … NOSUPERUSER) or use another name`;
}

async function apply(i: Inputs, context: Context, old?: Inputs & Partial<RoleState>): Promise<RoleState> {
  const all = await roleOnNodes(i, context, wantsVerifier(i));
  const there = present(all);
  const superuser = superuserText(there);
  if (superuser !== undefined) throw new Error(superuser);
  const verifier = await wantedVerifier(i, Object.values(there));
  const change = planRole(i, Object.values(all), verifier, old);
  context.begin();
  await changeRole(i, context, {
    memberOf: change.grant,
    run: (exists) => roleStatements(i.name, change, exists),
    ...(Object.values(all).includes(undefined) ? { makeMissing: makeMissingSql(i.name, i) } : {}),
  });
  await tryLogin(i, context);
  return { granted: change.granted };
}

export const role: Kind<Inputs, RoleState> = {
  type: "Role",
  fields: {
    connection: { onChange: "store", secret: true },
    nodes: { onChange: "update" },
    name: { onChange: "replace", check: checkRoleName },
    login: { onChange: "update" },
    inherit: { onChange: "update" },
    connectionLimit: {
      onChange: "update",
      check: (value) =>
        Number.isInteger(value) && value >= -1 && value <= 2_147_483_647
          ? undefined
          : `must be a whole number from -1 (no limit) to 2147483647, got ${String(value)}`,
    },
    validUntil: { onChange: "update", check: momentProblem },
    password: { onChange: "update", secret: true, check: passwordProblem },
    verifier: { onChange: "update", secret: true, check: verifierProblem },
    scramIterations: { onChange: "update", check: iterationsProblem },
    memberOf: { onChange: "update", check: memberOfProblems },
    onDelete: {
      onChange: "store",
      check: checkOnDelete,
    },
  },
  outputs: ["granted"],
  check: checkRole,
  hints: {
    "2BP01":
      "give what it owns to another role first (REASSIGN OWNED) and take its rights back (DROP OWNED), on every node and in every database",
    "42704": "create the roles of memberOf first and list them in dependsOn",
    "42883":
      "connect to a database with citus, or name every node in `nodes`; else the role would be on this server only",
  },
  mends: ["nodes"],
  id: (i) => i.name,
  lock: (i) => i.connection,
  read,
  create: (i, context) => apply(i, context),
  update: (i, context, old) => apply(i, context, old),
  keeps: (i) =>
    i.onDelete === "drop" ? undefined : `kept the role "${i.name}" on every node; onDelete: "drop" drops it`,
  delete: async (i, context) => {
    if (Object.keys(present(await roleOnNodes(i, context, false))).length > 0)
      await changeRole(i, context, { memberOf: [], run: (exists) => (exists ? [deleteSql(i)] : []) });
    await forgetDroppedRoles(i.connection, context);
  },
};

/** One role on every node. See {@link RoleArgs}. */
export class Role extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = role;
  declare readonly name: pulumi.Output<string>;

  constructor(name: string, args: RoleArgs, opts?: pulumi.CustomResourceOptions) {
    super(role, name, args, opts);
  }
}
