/** Checks the settings that a user asks for: known names, values that the server takes, nothing that would break the cluster.
 *  Pure; what is known comes from known-settings.ts. Why some are refused: https://docs.citusdata.com/en/stable/develop/api_guc.html and DESIGN §6. */
import { knownSettings } from "./known-settings";
import { editDistance, nearest } from "./nearest";
import type { Problem } from "./problem";
import { settingBoolean, settingValueProblem } from "./setting-value";
import { refusedSettings, settingConflicts } from "./refused-settings";

/** Settings by name. Text is spelled as in postgresql.conf without quotes; numbers are in the setting's own unit. */
type SettingValues = Readonly<Record<string, string | number | boolean>>;

/** What else the settings depend on. */
export interface SettingsContext {
  /** Libraries that are preloaded besides citus. Settings of their own (`pg_stat_statements.track`) are accepted. @default [] */
  readonly preload?: readonly string[];
  /** PostgreSQL major of the nodes; a setting that it does not know is refused. @default - any supported major may know it */
  readonly postgresVersion?: number;
}

/** Everything wrong with the settings, in their order; the path of each is `path.name`. */
export function checkSettings(
  settings: SettingValues,
  path: string,
  context: SettingsContext = {},
): readonly Problem[] {
  const texts = Object.entries(settings).map(([name, value]): [string, string | undefined] => [name, textOf(value)]);
  const each = texts.flatMap(([name, text]) => {
    const reason = problemOf(name, text, context);
    return reason === undefined ? [] : [{ path: `${path}.${name}`, reason }];
  });
  // Rules across settings make sense only for values that are right by themselves.
  return each.length > 0 ? each : settingConflicts(new Map(texts.map(([name, text]) => [name, text ?? ""])), path);
}

/** As it is written to the configuration file; undefined for what programs without a type check may hand over. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : undefined;
  return typeof value === "string" ? value : undefined;
}

function problemOf(
  name: string,
  text: string | undefined,
  { preload = [], postgresVersion }: SettingsContext,
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
  return refusedSettings.get(name)?.(text, settingBoolean(text)) ?? settingValueProblem(setting, text, postgresVersion);
}

// Libraries whose settings do not start with the library's own name.
const settingPrefixes: Readonly<Record<string, string>> = {
  pg_cron: "cron",
  pg_squeeze: "squeeze",
  pg_partman_bgw: "pg_partman_bgw",
};

function ownedByLibrary(name: string, preload: readonly string[]): boolean {
  const libraries = preload.map((library) => library.replace(/^.*\//, ""));
  const prefixes = ["plpgsql", ...libraries.map((library) => settingPrefixes[library] ?? library)];
  // citus has its own full list.
  return /^\w+\.\w+$/.test(name) && prefixes.some((prefix) => prefix !== "citus" && name.startsWith(`${prefix}.`));
}

// The library of Citus itself and the columnar storage that comes with it.
const ourPrefixes = ["citus", "columnar"];

/** Names of settings of Citus are also compared without their prefix, since leaving it out is the likely slip. */
function unknownName(name: string): string {
  const reason = "is not a setting of PostgreSQL or Citus";
  const [, library] = /^([^.]+)\./.exec(name) ?? [];
  if (library !== undefined && ourPrefixes.every((prefix) => editDistance(library, prefix) > 2))
    return `${reason}; if it belongs to a library, name that in \`preload\``;
  const names = [...knownSettings.keys()];
  const bare = names.map((known) => known.replace(/^\w+\./, ""));
  const meant = nearest(name, names) ?? names[bare.indexOf(nearest(name.replace(/^[^.]+\./, ""), bare) ?? "")];
  return meant === undefined ? reason : `${reason}; did you mean "${meant}"?`;
}
