/** Sizes, times and growth as users write them, with their unit; read into plain numbers whose unit is in the name. Rounding is explicit. */

/** Bytes: decimal kB, MB, GB, TB (powers of 1000) or binary KiB, MiB, GiB, TiB (powers of 1024). "64 GiB", "250GB", "1.5 TB". */
export type Size = `${number}${"" | " "}${keyof typeof bytesPerUnit}`;
/** "800 ms", "1.5 s", "2 min", "1 h". */
export type Duration = `${number}${"" | " "}${keyof typeof millisecondsPerUnit}`;
/** "40%". */
export type Percent = `${number}%`;

const bytesPerUnit = {
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;
const millisecondsPerUnit = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 } as const;

/** What a text means, or why it means nothing. The reason reads after the path. */
export type Read = { readonly value: number } | { readonly reason: string };

/** Bytes of a size above zero. */
export function readSize(text: unknown): Read {
  return readUnit(text, bytesPerUnit, "a size such as 64 GiB");
}

/** Milliseconds of a time above zero. */
export function readDuration(text: unknown): Read {
  return readUnit(text, millisecondsPerUnit, "a time such as 800 ms");
}

// More in a year is a slip, such as 150 for 150 %.
const mostPercent = 1000;

/** The factor of a percentage: 0.4 for "40%". */
export function readPercent(text: unknown): Read {
  const expected = `must be a percentage from 0% to ${mostPercent}%, such as 40%`;
  const number = typeof text === "string" ? /^(\d+(?:\.\d+)?) ?%$/.exec(text.trim())?.[1] : undefined;
  return number === undefined || Number(number) > mostPercent
    ? { reason: `${expected}, got ${shown(text)}` }
    : { value: Number(number) / 100 };
}

function readUnit(text: unknown, units: Readonly<Record<string, number>>, example: string): Read {
  const expected = `must be ${example} (${Object.keys(units).join(", ")})`;
  if (typeof text === "number") return { reason: `${expected}; ${String(text)} has no unit` };
  const [, number, unit = ""] = /^([\d.]+) ?([A-Za-z]*)$/.exec(typeof text === "string" ? text.trim() : "") ?? [];
  if (number === undefined || !/^\d+(\.\d+)?$/.test(number)) return { reason: `${expected}, got ${shown(text)}` };
  if (unit === "") return { reason: `${expected}; ${shown(text)} has no unit` };
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (factor === undefined) return { reason: `${expected}; ${JSON.stringify(unit)} is none of these units` };
  const value = Number(number) * factor;
  return value > 0 ? { value } : { reason: `${expected} above zero, got ${shown(text)}` };
}

/** A value of any type as it can be printed in a message. */
export function shown(value: unknown): string {
  return typeof value === "string" || (typeof value === "object" && value !== null)
    ? JSON.stringify(value)
    : String(value);
}

export const mebibyte: number = 2 ** 20;
export const gibibyte: number = 2 ** 30;

// Decimal fractions are not exact in binary: 1.1 / 0.1 is 11.000000000000002 and still means 11.
const noise = 1e-9;

/** The next whole number; what is above one by rounding noise only stays there. */
export function roundUp(number: number): number {
  return Math.ceil(number - noise * Math.max(1, Math.abs(number)));
}

/** The whole number below; what is below one by rounding noise only counts as that one. */
export function roundDown(number: number): number {
  return Math.floor(number + noise * Math.max(1, Math.abs(number)));
}

/** "1,500": digits in groups, for text that people read. */
export function grouped(number: number): string {
  // Not String: it writes large numbers with an exponent.
  return BigInt(Math.trunc(number))
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}
