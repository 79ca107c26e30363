/** Would the server take this text as the value of that setting? Follows parse_int, parse_real, parse_bool and config_enum_lookup_by_name.
 *  Source: https://github.com/postgres/postgres/blob/REL_17_STABLE/src/backend/utils/misc/guc.c */
import type { KnownSetting, SettingUnit } from "./known-settings";
import { listElements } from "./setting-list";

// Units in bytes and in milliseconds. Upper and lower case matter to the server.
const bytes: Readonly<Record<string, number>> = { B: 1, kB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 };
const milliseconds: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Why the server would refuse the value, or undefined. Reads after the setting's name. Without a version the narrowest range counts. */
export function settingValueProblem(setting: KnownSetting, value: string, postgresVersion = 0): string | undefined {
  switch (setting.type) {
    case "bool":
      return settingBoolean(value) === undefined ? `must be on or off, got ${JSON.stringify(value)}` : undefined;
    case "enum":
      return enumProblem(setting.values, value);
    case "int":
    case "real":
      return numberProblem(setting, value, postgresVersion);
    case "string":
      return textProblem(setting.name, value);
  }
}

/** Would the server read both texts as one value? Text that it refuses is compared as it is. */
export function sameSettingValue(setting: KnownSetting, one: string, other: string): boolean {
  return one === other || meaning(setting, one) === meaning(setting, other);
}

function meaning(setting: KnownSetting, value: string): string | number | boolean {
  switch (setting.type) {
    case "bool":
      return settingBoolean(value) ?? value;
    case "enum":
      return enumValue(setting.values, value) ?? value;
    case "int":
    case "real":
      return settingNumber(setting, value) ?? value;
    case "string": {
      const elements = listElements(setting.name, value);
      return elements === undefined ? value : JSON.stringify(elements);
    }
  }
}

/** The boolean that the server reads: on, off, 1, 0 and every start of true, false, yes, no, in any case; undefined for other text. */
export function settingBoolean(value: string): boolean | undefined {
  const word = value.toLowerCase();
  if (word === "") return undefined;
  if (["on", "1"].includes(word) || "true".startsWith(word) || "yes".startsWith(word)) return true;
  if (["off", "of", "0"].includes(word) || "false".startsWith(word) || "no".startsWith(word)) return false;
  return undefined;
}

function enumProblem(values: readonly string[], value: string): string | undefined {
  if (enumValue(values, value) !== undefined) return undefined;
  return `must be one of ${values.map((known) => (known === "" ? '""' : known)).join(", ")}, got ${JSON.stringify(value)}`;
}

/** The listed value that the server reads, or undefined. */
function enumValue(values: readonly string[], value: string): string | undefined {
  const word = value.toLowerCase();
  const listed = values.find((known) => known.toLowerCase() === word);
  if (listed !== undefined) return listed;
  // Spellings that the server accepts and does not list.
  const isSwitch = values.includes("on") && values.includes("off");
  if (isSwitch && ["true", "yes", "1"].includes(word)) return "on";
  if (isSwitch && ["false", "no", "0"].includes(word)) return "off";
  return values.includes("debug2") && word === "debug" ? "debug2" : undefined;
}

/** The number that the server reads, in the setting's own unit; undefined for text that is none. */
export function settingNumber(setting: KnownSetting, value: string): number | undefined {
  const read = readNumber(setting, value);
  return typeof read === "number" ? read : undefined;
}

/** The number in the setting's own unit, or why the text is none. */
function readNumber({ type, unit }: KnownSetting, value: string): number | string {
  const parsed = /^\s*([+-]?(?:0[xX][\da-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))\s*(\S*)\s*$/.exec(value);
  if (parsed === null) return "must be a number";
  const [, digits = "", suffix = ""] = parsed;
  // strtol takes a leading zero as octal and stops before an 8 or 9.
  if (type === "int" && /^[+-]?0\d*[89]\d*$/.test(digits)) return "must not begin with 0";
  const factor = unitFactor(unit, suffix);
  if (typeof factor === "string") return factor;
  const exact = numberOf(digits, type) * factor;
  return type === "int" ? roundHalfToEven(exact) : exact;
}

function numberProblem(setting: KnownSetting, value: string, postgresVersion: number): string | undefined {
  const { name, unit } = setting;
  const number = readNumber(setting, value);
  if (typeof number === "string") return `${number}, got ${JSON.stringify(value)}`;
  const { newerRange } = setting;
  const range = newerRange !== undefined && postgresVersion >= newerRange.first ? newerRange : setting.range;
  if (range !== undefined && (number < range.min || number > range.max)) {
    const counted = unit === undefined ? "" : `, counted in ${unit}`;
    return `must be ${range.min} to ${range.max}${counted}, got ${JSON.stringify(value)}`;
  }
  const reason = numberRules[name]?.(number);
  return reason === undefined ? undefined : `${reason}, got ${JSON.stringify(value)}`;
}

// Buffers of SLRU caches; what the server checks besides the range (check hooks in PostgreSQL 17 and Citus 13).
const sixteens = (number: number) => (number % 16 === 0 ? undefined : "must be a multiple of 16");
const numberRules: Readonly<Record<string, (number: number) => string | undefined>> = {
  commit_timestamp_buffers: sixteens,
  multixact_member_buffers: sixteens,
  multixact_offset_buffers: sixteens,
  notify_buffers: sixteens,
  serializable_buffers: sixteens,
  subtransaction_buffers: sixteens,
  transaction_buffers: sixteens,
  vacuum_buffer_usage_limit: (number) => (number === 0 || number >= 128 ? undefined : "must be 0 or at least 128 kB"),
  io_max_concurrency: (number) => (number === 0 ? "must be -1 or at least 1" : undefined),
  "citus.distributed_deadlock_detection_factor": (number) =>
    number === -1 || number > 1 ? undefined : "must be -1 or above 1",
};

/** strtol takes a leading zero as octal (file modes), strtod does not. */
function numberOf(digits: string, type: KnownSetting["type"]): number {
  const octal = /^([+-]?)0([0-7]+)$/.exec(digits);
  if (type === "int" && octal !== null) return parseInt(`${octal[1] ?? ""}${octal[2] ?? ""}`, 8);
  const [, sign = "", size = ""] = /^([+-]?)(.*)$/.exec(digits) ?? [];
  return sign === "-" ? -Number(size) : Number(size);
}

/** As rint does. */
function roundHalfToEven(number: number): number {
  const below = Math.floor(number);
  if (number - below !== 0.5) return Math.round(number);
  return below % 2 === 0 ? below : below + 1;
}

/** What one written unit is in the setting's own unit, or what is wrong with it. */
function unitFactor(unit: SettingUnit | undefined, suffix: string): number | string {
  if (suffix === "") return 1;
  if (unit === undefined) return "is a plain number without a unit";
  const family = unit in milliseconds ? milliseconds : bytes;
  const written = family[suffix];
  if (written === undefined) return `must be in ${Object.keys(family).join(", ")} (case matters)`;
  return written / (unit === "8kB" ? 8 * 2 ** 10 : (family[unit] ?? 1));
}

function textProblem(name: string, value: string): string | undefined {
  if ((name === "TimeZone" || name === "log_timezone") && /^[A-Za-z_]+\/[\w+/-]+$/.test(value) && !isTimeZone(value)) {
    return `must be a time zone such as UTC or Europe/Berlin, got ${JSON.stringify(value)}`;
  }
  return undefined;
}

function isTimeZone(name: string): boolean {
  try {
    // The server also has these two trees of the same zones, which JavaScript does not know.
    new Intl.DateTimeFormat("en", { timeZone: name.replace(/^(posix|right)\//, "") });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
