/** What a role is on one node, and what has to be said to make it what was asked for. Pure. */
import { compile, ident, literal, sql, type Sql } from "../engine/sql";

/** A role as one node has it. */
export interface RoleRow {
  readonly login: boolean;
  readonly inherit: boolean;
  readonly superuser: boolean;
  readonly connectionLimit: number;
  /** ISO 8601 in UTC with milliseconds, or "infinity". */
  readonly validUntil: string;
  /** As pg_authid holds it, or null where there is none or nobody asked for it. */
  readonly verifier: string | null;
  /** Roles that it is a member of, itself. */
  readonly memberOf: readonly string[];
}

/** What was asked for: every argument may be left out. */
export interface WantedRole {
  readonly login?: boolean;
  readonly inherit?: boolean;
  readonly connectionLimit?: number;
  readonly validUntil?: string;
  readonly password?: string;
  readonly verifier?: string;
  readonly memberOf?: readonly string[];
}

/** What is to be done on every node. */
export interface RoleChange {
  /** Options of CREATE ROLE, where it is missing. */
  readonly create: readonly Sql[];
  /** Options of ALTER ROLE, where it exists. */
  readonly alter: readonly Sql[];
  /** Roles to become a member of. */
  readonly grant: readonly string[];
  /** Roles to be no member of any more. */
  readonly revoke: readonly string[];
  /** Memberships that this resource has given, and may take back. */
  readonly granted: readonly string[];
}

const forEver = "infinity";

/**
 * Compares what was asked for with what the nodes have. An argument that is left out stays as it is; one that was given before and is
 * left out now goes back to PostgreSQL's default. Memberships that were there before are neither counted as given nor taken back.
 */
export function planRole(
  wanted: WantedRole,
  /** Of every node, undefined where it is missing. */
  rows: readonly (RoleRow | undefined)[],
  /** The verifier that every node shall hold, for the password that was asked for. */
  verifier: string | undefined,
  old: WantedRole & { readonly granted?: readonly string[] } = {},
): RoleChange {
  const withDefault = <Value>(now: Value | undefined, before: Value | undefined, byDefault: Value) =>
    now ?? (before === undefined ? undefined : byDefault);
  const login = withDefault(wanted.login, old.login, true);
  const inherit = withDefault(wanted.inherit, old.inherit, true);
  const limit = withDefault(wanted.connectionLimit, old.connectionLimit, -1);
  const validUntil = withDefault(wanted.validUntil, old.validUntil, forEver);
  const hadPassword = old.password !== undefined || old.verifier !== undefined;
  const options = [
    ...(inherit === undefined ? [] : [inherit ? sql`INHERIT` : sql`NOINHERIT`]),
    ...(limit === undefined ? [] : [connectionLimit(limit)]),
    ...(validUntil === undefined ? [] : [sql`VALID UNTIL ${literal(validUntil)}`]),
  ];
  const password = verifier === undefined ? (hadPassword ? [sql`PASSWORD NULL`] : []) : [passwordSql(verifier)];
  // A verifier that is there already is not sent again.
  const isThere = verifier !== undefined && rows.every((row) => row?.verifier === verifier);
  const memberOf = wanted.memberOf ?? [];
  const given = old.granted ?? [];
  const added = memberOf.filter((role) => !rows.some((row) => row?.memberOf.includes(role) === true));
  return {
    create: [loginSql(login ?? true), ...options, ...(verifier === undefined ? [] : password)],
    alter: [...(login === undefined ? [] : [loginSql(login)]), ...options, ...(isThere ? [] : password)],
    grant: memberOf,
    revoke: given.filter((role) => !memberOf.includes(role)),
    granted: memberOf.filter((role) => given.includes(role) || added.includes(role)),
  };
}

const loginSql = (login: boolean) => (login ? sql`LOGIN` : sql`NOLOGIN`);
const passwordSql = (verifier: string) => sql`PASSWORD ${literal(verifier)}`;
// A number of our own: the statement takes no parameters.
const connectionLimit = (limit: number): Sql => ({ parts: [`CONNECTION LIMIT ${String(Math.trunc(limit))}`] });

/** The statements that bring one node there. */
export function roleStatements(name: string, change: RoleChange, exists: boolean): readonly Sql[] {
  const options = exists ? change.alter : change.create;
  const together: Sql = { parts: options.flatMap(({ parts }) => [" ", ...parts]) };
  return [
    ...(exists
      ? options.length === 0
        ? []
        : [sql`ALTER ROLE ${ident(name)}${together}`]
      : [sql`CREATE ROLE ${ident(name)}${together}`]),
    ...change.grant.map((role) => sql`GRANT ${ident(role)} TO ${ident(name)}`),
    ...(exists ? change.revoke.map((role) => sql`REVOKE ${ident(role)} FROM ${ident(name)}`) : []),
  ];
}

/** Makes the role where it is missing and tells nobody; what it is follows. Holds no secret, since it travels as a text. */
export const makeMissingSql = (name: string, { login }: Pick<WantedRole, "login">) => {
  const isMissing = sql`NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${literal(name)})`;
  const locally = sql`PERFORM pg_catalog.set_config('citus.enable_create_role_propagation', 'off', true)`;
  const make = sql`CREATE ROLE ${ident(name)} ${loginSql(login ?? true)}`;
  return sql`DO ${literal(compile(sql`BEGIN IF ${isMissing} THEN ${locally}; ${make}; END IF; END`).text)}`;
};

/** Why the moment is refused, or undefined. Without a zone it would mean another moment on each server. */
export function momentProblem(text: string): string | undefined {
  if (text === forEver) return undefined;
  const shape = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const [, year, month, day] = (shape ?? []).map(Number);
  const isDay =
    year !== undefined &&
    month !== undefined &&
    day !== undefined &&
    new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
  if (isDay && !Number.isNaN(Date.parse(text))) return undefined;
  return `must be a moment with its zone, such as "2030-01-31T00:00:00Z", or "infinity", got ${JSON.stringify(text)}`;
}

/** The moment as it was asked for where both are the same, so that another spelling is no difference. */
export function sameMoment(there: string, asked: string | undefined): string {
  if (asked === undefined || asked === there) return there;
  return Date.parse(asked) === Date.parse(there) ? asked : there;
}
