/** Checks the settings that a user asks for: known names, values that the server takes, nothing that would break the cluster.
 *  Pure; what is known comes from known-settings.ts. Why some are refused: https://docs.citusdata.com/en/stable/develop/api_guc.html and DESIGN §6. */
import { knownSettings } from "./known-settings";
import { editDistance, nearest } from "./nearest";
import type { Problem } from "./problem";
import { listElements, listProblem } from "./setting-list";
import { sameSettingValue, settingBoolean, settingValueProblem } from "./setting-value";
import { refusedSettings, settingConflicts, type SettingScope } from "./refused-settings";

export { listElements, type SettingScope };

/** Settings by name. Text is spelled as in postgresql.conf without quotes; numbers are in the setting's own unit. */
export type SettingValues = Readonly<Record<string, string | number | boolean>>;

/** What else the settings depend on. */
export interface SettingsContext {
  /** Libraries that are preloaded besides citus, or "any" where nobody knows. Settings of their own (`pg_stat_statements.track`) are accepted. @default [] */
  readonly preload?: readonly string[] | "any";
  /** What gets the settings: a server, or sessions in a database or of a role, which cannot have what only a server has. @default "server" */
  readonly scope?: SettingScope;
  /** PostgreSQL major of the nodes; a setting that it does not know is refused. @default - any supported major may know it */
  readonly postgresVersion?: number;
}

/** Everything wrong with the settings, in their order; the path of each is `path.name`. */
export function checkSettings(
  settings: SettingValues,
  path: string,
  context: SettingsContext = {},
): readonly Problem[] {
  const texts = Object.entries(settings).map(([name, value]): [string, string | undefined] => [
    name,
    settingText(value),
  ]);
  const each = texts.flatMap(([name, text]) => {
    const reason = problemOf(name, text, context);
    return reason === undefined ? [] : [{ path: `${path}.${name}`, reason }];
  });
  // Rules across settings make sense only for values that are right by themselves.
  return each.length > 0 ? each : settingConflicts(new Map(texts.map(([name, text]) => [name, text ?? ""])), path);
}

/** As it is written to a configuration file; undefined for what programs without a type check may hand over. */
export function settingText(value: unknown): string | undefined {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : undefined;
  return typeof value === "string" ? value : undefined;
}

/** Would the server read both texts as one value of that setting: other units, other spellings of on and off, other blanks in a list? */
export function sameSetting(name: string, one: string, other: string): boolean {
  const setting = knownSettings.get(name);
  return setting === undefined ? one === other : sameSettingValue(setting, one, other);
}

/** When a change for a whole server is in force; a setting of a library that nobody knows is taken for one that a reload is enough for. */
export function settingInForce(name: string): "restart" | "reload" | "connection" {
  const inForce = knownSettings.get(name)?.inForce;
  return inForce === "restart" || inForce === "connection" ? inForce : "reload";
}

function problemOf(
  name: string,
  text: string | undefined,
  { preload = [], postgresVersion, scope = "server" }: SettingsContext,
): string | undefined {
  const setting = knownSettings.get(name);
  if (setting === undefined && !ownedByLibrary(name, preload)) return unknownName(name);
  if (text === undefined) return "must be text, a finite number, true or false";
  // A line of postgresql.conf cannot hold them, and no setting needs one.
  if (/[\p{Cc}\p{Surrogate}]/u.test(text)) return "must not hold control characters or broken Unicode";
  if (setting === undefined) return undefined;
  if (setting.inForce === "fixed") return "cannot be set in the configuration of a server";
  const { majors } = setting;
  if (postgresVersion !== undefined && majors !== undefined) {
    if (postgresVersion < majors.first)
      return `needs PostgreSQL ${majors.first} or newer, the nodes have ${postgresVersion}`;
    if (postgresVersion > majors.last)
      return `exists up to PostgreSQL ${majors.last}, the nodes have ${postgresVersion}`;
  }
  if (scope !== "server" && setting.inForce !== "session")
    return `cannot be set for a ${scope}; set it for the servers`;
  return (
    refusedSettings.get(name)?.(text, settingBoolean(text), scope) ??
    settingValueProblem(setting, text, postgresVersion) ??
    listProblem(name, text)
  );
}

// Libraries whose settings do not start with the library's own name.
const settingPrefixes: Readonly<Record<string, string>> = {
  pg_cron: "cron",
  pg_squeeze: "squeeze",
  pg_partman_bgw: "pg_partman_bgw",
};

function ownedByLibrary(name: string, preload: readonly string[] | "any"): boolean {
  if (preload === "any") return /^\w+\.\w+$/.test(name) && !isOurs(name);
  const libraries = preload.map((library) => library.replace(/^.*\//, ""));
  const prefixes = ["plpgsql", ...libraries.map((library) => settingPrefixes[library] ?? library)];
  // citus has its own full list.
  return /^\w+\.\w+$/.test(name) && prefixes.some((prefix) => prefix !== "citus" && name.startsWith(`${prefix}.`));
}

// The library of Citus itself and the columnar storage that comes with it.
const ourPrefixes = ["citus", "columnar"];

/** Is the prefix one of ours, but for a slip? */
function isOurs(name: string): boolean {
  const [library = ""] = name.split(".");
  return ourPrefixes.some((prefix) => editDistance(library, prefix) <= 2);
}

/** Names of settings of Citus are also compared without their prefix, since leaving it out is the likely slip. */
function unknownName(name: string): string {
  const reason = "is not a setting of PostgreSQL or Citus";
  if (name.includes(".") && !isOurs(name)) return `${reason}; if it belongs to a library, name that in \`preload\``;
  const names = [...knownSettings.keys()];
  const bare = names.map((known) => known.replace(/^\w+\./, ""));
  const meant = nearest(name, names) ?? names[bare.indexOf(nearest(name.replace(/^[^.]+\./, ""), bare) ?? "")];
  return meant === undefined ? reason : `${reason}; did you mean "${meant}"?`;
}
