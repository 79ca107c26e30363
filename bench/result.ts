/** From figures to a verdict: medians, spread, bars, the table for people and the line for programs. Pure. */
import { figureText, type Bar, type Runs } from "./measure";

/** One bar with what was measured. */
export type Judged = Bar & {
  /** The quotient of the medians, or the median itself where there is no peer. */
  readonly ratio: number;
  readonly passed: boolean;
};

/** What a measurement found. Plain JSON. */
export interface Result {
  readonly name: string;
  readonly unit: string;
  /** A side's unit is there where it is another one. */
  readonly sides: Readonly<
    Record<string, { readonly median: number; readonly runs: readonly number[]; readonly unit?: string }>
  >;
  /** The figure that the first bar judges. */
  readonly ratio: number;
  /** The first bar's limit. */
  readonly bar: number;
  /** Every bar is kept. */
  readonly passed: boolean;
  /** Largest (maximum − minimum) ÷ median of a side: 0.1 means that runs differ by a tenth. */
  readonly spread: number;
  readonly bars: readonly Judged[];
  readonly machine: object;
  /** UTC, ISO 8601. */
  readonly date: string;
}

/** The middle figure; of two middle ones their mean. @throws when there is none */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((one, other) => one - other);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  if (low === undefined || high === undefined) throw new Error("a median needs at least one figure");
  return (low + high) / 2;
}

/** (maximum − minimum) ÷ median. */
export function spread(figures: readonly number[]): number {
  const middle = median(figures);
  return middle === 0 ? 0 : (Math.max(...figures) - Math.min(...figures)) / middle;
}

/** @throws when the bar names a side that was not measured */
export function judge(bar: Bar, runs: Runs): Judged {
  const medianOf = (side: string) => {
    const figures = runs[side];
    if (figures === undefined)
      throw new Error(`the bar names the side "${side}"; measured: ${Object.keys(runs).join(", ")}`);
    return median(figures);
  };
  const ratio = medianOf(bar.side) / (bar.peer === undefined ? 1 : medianOf(bar.peer));
  return { ...bar, ratio, passed: "atMost" in bar ? ratio <= bar.atMost : ratio >= bar.atLeast };
}

const limitOf = (bar: Bar) => ("atMost" in bar ? bar.atMost : bar.atLeast);

/** Everything about one measurement. Figures are rounded to what they can mean. */
export function resultOf(
  measured: {
    readonly name: string;
    readonly unit: string;
    readonly units?: Readonly<Record<string, string>>;
    readonly bars: readonly [Bar, ...Bar[]];
    readonly runs: Runs;
  },
  circumstances: { readonly machine: object; readonly date: Date },
): Result {
  const [first, ...others] = measured.bars;
  const headline = judge(first, measured.runs);
  const bars = [headline, ...others.map((bar) => judge(bar, measured.runs))];
  return {
    name: measured.name,
    unit: measured.unit,
    sides: Object.fromEntries(
      Object.entries(measured.runs).map(([side, runs]) => [
        side,
        {
          median: rounded(median(runs)),
          runs: runs.map(rounded),
          ...(measured.units?.[side] === undefined ? {} : { unit: measured.units[side] }),
        },
      ]),
    ),
    ratio: rounded(headline.ratio),
    bar: limitOf(headline),
    passed: bars.every(({ passed }) => passed),
    spread: rounded(Math.max(...Object.values(measured.runs).map(spread))),
    bars: bars.map((bar) => ({ ...bar, ratio: rounded(bar.ratio) })),
    machine: circumstances.machine,
    date: circumstances.date.toISOString(),
  };
}

const rounded = (figure: number) => Math.round(figure * 1000) / 1000;

/** A table of the sides, and a line per bar. */
export function resultText({ sides, unit, bars }: Result): string {
  const rows = Object.entries(sides).map(([name, { median: middle, runs, unit: own = unit }]) => [
    name,
    `${figureText(middle)} ${own}`,
    `${figureText(Math.min(...runs))} – ${figureText(Math.max(...runs))}`,
    String(runs.length),
  ]);
  return [
    table(["side", "median", "range", "runs"], rows),
    "",
    ...bars.map((bar) => barText(bar, sides[bar.side]?.unit ?? unit)),
  ].join("\n");
}

function barText(bar: Judged, unit: string): string {
  const { side, peer, ratio } = bar;
  const verdict = bar.passed ? "kept" : "MISSED";
  const direction = "atMost" in bar ? "at most" : "at least";
  return peer === undefined
    ? `${verdict}: ${side} is ${figureText(ratio)} ${unit}, the bar is ${direction} ${figureText(limitOf(bar))} ${unit}`
    : `${verdict}: ${side} is ${ratio.toFixed(2)} × ${peer}, the bar is ${direction} ${limitOf(bar).toFixed(2)} ×`;
}

/** Rows under their titles, columns as wide as their longest text. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...[titles, ...rows].map((row) => row[column]?.length ?? 0));
  return [titles, ...rows]
    .map((row) => `  ${row.map((cell, at) => cell.padEnd(width(at))).join("   ")}`.trimEnd())
    .join("\n");
}
