/** What is known about each setting: type, unit, range, values, when a change is in force. Read from known-settings-table.ts once. */
import { knownSettingsTable } from "./known-settings-table";

/** Units that a setting's plain number may be in. */
export type SettingUnit = "B" | "kB" | "8kB" | "MB" | "ms" | "s" | "min";

/** Smallest and largest number that a setting takes. */
export interface SettingRange {
  readonly min: number;
  readonly max: number;
}

/** One setting of PostgreSQL or Citus. */
export interface KnownSetting {
  /** Spelled as the server spells it, upper case included (`DateStyle`). */
  readonly name: string;
  /** What its value is. */
  readonly type: "bool" | "int" | "real" | "enum" | "string";
  /** Unit of a number written without one; undefined for plain numbers and everything else. */
  readonly unit?: SettingUnit;
  /** Smallest and largest number, in `unit`; undefined where it is no number. */
  readonly range?: SettingRange;
  /** Another range from a PostgreSQL major on. */
  readonly newerRange?: SettingRange & { readonly first: number };
  /** Values of an enum; empty for other types. */
  readonly values: readonly string[];
  /** When a change is in force: after a restart, a reload, in new connections, in a session; `fixed` ones cannot be set in a file. */
  readonly inForce: "restart" | "reload" | "connection" | "session" | "fixed";
  /** First and last PostgreSQL major that knows it; undefined means every supported one (for `citus.*`: every one with Citus). */
  readonly majors?: {
    /** The first one. */
    readonly first: number;
    /** The last one. */
    readonly last: number;
  };
  /** The server's built-in value, in `unit`; empty for fixed settings. */
  readonly builtIn: string;
}

/** Every known setting by its name. */
export const knownSettings: ReadonlyMap<string, KnownSetting> = new Map(
  knownSettingsTable
    .trim()
    .split("\n")
    .map(settingOf)
    .map((setting) => [setting.name, setting]),
);

function settingOf(line: string): KnownSetting {
  const [name = "", type = "", unit = "", domain = "", inForce = "", majors = "", builtIn = ""] = line.split("|");
  const isNumber = type === "int" || type === "real";
  const [range, newer] = isNumber ? domain.split(";") : [];
  const [first, last = first] = majors.split("-").map(Number);
  return {
    name,
    type: oneOf(["bool", "int", "real", "enum", "string"], type),
    unit: unit === "" ? undefined : oneOf<SettingUnit>(["B", "kB", "8kB", "MB", "ms", "s", "min"], unit),
    range: range === undefined ? undefined : rangeOf(range),
    newerRange: newer === undefined ? undefined : { first: parseInt(newer), ...rangeOf(newer.replace(/^\d+:/, "")) },
    values: type === "enum" ? domain.split(",") : [],
    inForce: oneOf(["restart", "reload", "connection", "session", "fixed"], inForce),
    majors: majors === "" || first === undefined || last === undefined ? undefined : { first, last },
    builtIn,
  };
}

function rangeOf(text: string): SettingRange {
  const [min = NaN, max = NaN] = text.split("..").map(Number);
  return { min, max };
}

function oneOf<Word extends string>(words: readonly Word[], text: string): Word {
  const word = words.find((candidate) => candidate === text);
  if (word === undefined) throw new Error(`known-settings-table.ts: "${text}" is none of ${words.join(", ")}`);
  return word;
}
