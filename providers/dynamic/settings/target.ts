/** What gets settings, and the statements that read and change them. Pure. Every statement is free of parameters, so that Citus can pass it on.
 *  Sources: https://www.postgresql.org/docs/current/sql-altersystem.html, sql-alterdatabase.html, sql-alterrole.html */
import { listElements, settingText, type SettingScope, type SettingValues } from "../../../sizing/settings";
import { ident, literal, sql, type Sql } from "../engine/sql";
import { reloadSql } from "./reload";

/** The arguments that say what gets the settings. */
export interface Target {
  readonly node?: string;
  readonly database?: string;
  readonly role?: string;
}

/** A change of settings by name: values to set, names to reset. */
export interface SettingChange {
  readonly set: SettingValues;
  readonly reset: readonly string[];
}

/** What the settings belong to. */
export function scopeOf({ database, role }: Target): SettingScope {
  if (role !== undefined) return "role";
  return database === undefined ? "server" : "database";
}

/** The target in words, the same for the same target. */
export function targetText({ node, database, role }: Target): string {
  if (role !== undefined) return database === undefined ? `role ${role}` : `role ${role} in database ${database}`;
  if (database !== undefined) return `database ${database}`;
  return node === undefined ? "cluster" : `node ${node}`;
}

const joined = (pieces: readonly Sql[], separator: string): Sql => ({
  parts: pieces.flatMap(({ parts }, index) => (index === 0 ? parts : [separator, ...parts])),
});
const texts = (values: readonly string[]) => sql`ARRAY[${joined(values.map(literal), ", ")}]::text[]`;
const lower = (names: readonly string[]) => texts(names.map((name) => name.toLowerCase()));

/**
 * One JSON object: `value` and `failed` by the lower-case name of every setting that the target has of its own. `failed` says that the
 * running server cannot take the value from its file.
 */
export function readSql(target: Target, names: readonly string[]): Sql {
  const entries = scopeOf(target) === "server" ? ofServer(names) : ofSessions(target, names);
  return sql`SELECT coalesce(json_object_agg(name, json_build_object('value', value, 'failed', failed)), '{}')::text AS result FROM (${entries}) entry`;
}

// The names of settings are the same in any case.
const ofServer = (names: readonly string[]) => sql`
  SELECT lower(name) AS name, setting AS value, error IS NOT NULL AS failed
    FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' AND lower(name) = ANY (${lower(names)})`;

function ofSessions({ database, role }: Target, names: readonly string[]): Sql {
  // Nothing belongs to a name that is not there: NULL equals nothing, and 0 stands for all.
  const ofDatabase =
    database === undefined ? sql`0` : sql`(SELECT oid FROM pg_database WHERE datname = ${literal(database)})`;
  const ofRole = role === undefined ? sql`0` : sql`(SELECT oid FROM pg_roles WHERE rolname = ${literal(role)})`;
  return sql`
  SELECT lower(split_part(setting, '=', 1)) AS name, substr(setting, strpos(setting, '=') + 1) AS value, false AS failed
    FROM pg_db_role_setting, unnest(setconfig) setting
   WHERE setdatabase = ${ofDatabase} AND setrole = ${ofRole} AND lower(split_part(setting, '=', 1)) = ANY (${lower(names)})`;
}

/** The statements of a change on one node, to be run in this order. */
export function changeSql(target: Target, { set, reset }: SettingChange): readonly Sql[] {
  const clauses = [
    ...Object.entries(set).map(
      ([name, value]) => sql`SET ${ident(name)} TO ${valueSql(name, settingText(value) ?? "")}`,
    ),
    ...reset.map((name) => sql`RESET ${ident(name)}`),
  ];
  const proofs = loadSql(set);
  if (scopeOf(target) === "server") {
    return [...proofs, ...clauses.map((clause) => sql`ALTER SYSTEM ${clause}`), reloadSql];
  }
  const statements = [...proofs, ...clauses.map((clause) => sql`${alterSql(target)} ${clause}`)].map(
    (statement) => sql`${statement};`,
  );
  // Each node is told by itself. Passed on by Citus as well, the same row would be changed by two sessions at once.
  const body = sql`BEGIN SET LOCAL citus.enable_ddl_propagation = off; ${joined(statements, " ")} END`;
  return [sql`DO ${literal(textOf(body))}`];
}

/** A library that cannot be loaded would end every new session. */
function loadSql(set: SettingValues): readonly Sql[] {
  const text = settingText(set["session_preload_libraries"]) ?? "";
  return (listElements("session_preload_libraries", text) ?? []).map((library) => sql`LOAD ${literal(library)}`);
}

function alterSql({ database, role }: Target): Sql {
  if (role === undefined) return sql`ALTER DATABASE ${ident(database ?? "")}`;
  return database === undefined
    ? sql`ALTER ROLE ${ident(role)}`
    : sql`ALTER ROLE ${ident(role)} IN DATABASE ${ident(database)}`;
}

function valueSql(name: string, text: string): Sql {
  const elements = listElements(name, text) ?? [text];
  return elements.length === 0 ? literal("") : joined(elements.map(literal), ", ");
}

/** The text of a statement that has no parameter. */
const textOf = ({ parts }: Sql) => parts.filter((part) => typeof part === "string").join("");
