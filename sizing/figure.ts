/** A number of a plan together with where it comes from. Every figure of a plan has this shape. */

import { grouped } from "./units";

/** Why a figure is what it is. Plain data. */
export interface Because {
  /** The rule in words, rounding included. */
  readonly rule: string;
  /** What the rule was applied to, by name. */
  readonly inputs: Readonly<Record<string, number | string>>;
  /** Who says so: a section of the article, a manual, a measurement with its date, or "our choice". */
  readonly source: string;
}

/** Units of figures. */
export type FigureUnit = "workers" | "cores" | "GiB" | "shards" | "connections" | "queries";

/** One number of a plan. */
export interface Figure {
  /** Whole, in `unit`. */
  readonly value: number;
  /** What the value counts. */
  readonly unit: FigureUnit;
  /** Where it comes from. */
  readonly because: Because;
}

/** A figure that the user wrote: it wins over every rule, and the rules check it. */
export function given(value: number, unit: FigureUnit, path: string): Figure {
  return { value, unit, because: { rule: "as given", inputs: { [path]: value }, source: "the user" } };
}

/** One line: `rule (workers = 2, data = 326 GiB)`. The unit of an input stands in its name: `data (GiB)`. */
export function ruleText({ rule, inputs }: Because): string {
  const used = Object.entries(inputs).map(([input, value]) => {
    const [, name = input, unit = ""] = /^(.*) \(([^)]*)\)$/.exec(input) ?? [];
    return `${name} = ${typeof value === "number" ? grouped(value) : value}${unit === "" ? "" : ` ${unit}`}`;
  });
  return `${rule}${used.length === 0 ? "" : ` (${used.join(", ")})`}`;
}

/** One line: `rule (workers = 2) – source`. */
export const becauseText = (because: Because): string => `${ruleText(because)} – ${because.source}`;

/** Where rules come from. The article is Microsoft's "Manage your Citus cluster", dated 2026-02-11. */
export const sources = {
  shardCount: 'article "Manage your Citus cluster" (2026-02-11), shard count',
  hardware: 'article "Manage your Citus cluster" (2026-02-11), initial hardware size',
  rebalance: 'article "Manage your Citus cluster" (2026-02-11), rebalance shards',
  citus: "Citus 13.2, default of the setting",
  resource: "PostgreSQL manual, resource consumption (2026-11)",
  wal: "PostgreSQL manual, write ahead log (2026-11)",
  kernel: "PostgreSQL manual, managing kernel resources (2026-11)",
  measured: "measured on Citus 13.2.2 and PostgreSQL 15 (2026-11-23)",
  ours: "our choice (2026-11-23)",
} as const;
