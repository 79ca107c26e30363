/** What a measurement is: sides measured by turns, beside a named peer, against a bar. And the loop that runs one. */
import type { Scene } from "./scene";

/** One thing that is measured. */
export interface Side {
  /** As the table and the bars call it: "pulumi up". */
  readonly name: string;
  /** One run; gives its figure in its unit. What it does around the measured part, such as cleaning up, does not count. */
  readonly run: () => Promise<number>;
}

/** What has to hold for the medians. */
export type Bar = {
  /** Name of the side that is judged. */
  readonly side: string;
  /** Name of the side that it is divided by. @default - none: the figure of the side itself is judged */
  readonly peer?: string;
} & (
  | {
      /** The quotient, or the figure in its unit, is at most this: times, bytes. */
      readonly atMost: number;
    }
  | {
      /** It is at least this: transactions per second. */
      readonly atLeast: number;
    }
);

/** One measurement: `npm run bench <name>`. */
export interface Bench {
  /** One line: what is compared with what. */
  readonly compares: string;
  /** Unit of the figures: "s", "bytes", "MiB", "tps". */
  readonly unit: string;
  /** Units of sides that have another one, by their names. */
  readonly units?: Readonly<Record<string, string>>;
  /** It makes separate hosts, for which it gets namespaces of its own. @default false */
  readonly onHosts?: true;
  /** Runs of each side. */
  readonly rounds: number;
  /** The first one is the headline. */
  readonly bars: readonly [Bar, ...Bar[]];
  /** Prepares what all runs share; what it makes is removed through the scene. */
  readonly prepare: (scene: Scene) => Promise<readonly Side[]>;
}

/** Figures of each side in the order of their runs, by its name. */
export type Runs = Readonly<Record<string, readonly number[]>>;

/** Runs every side once per round, so that a busy moment of the machine hits all of them. @throws when interrupted */
export async function measure(bench: Bench, scene: Scene, rounds = bench.rounds): Promise<Runs> {
  const sides = await bench.prepare(scene);
  const runs: Record<string, number[]> = Object.fromEntries(sides.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, run } of sides) {
      scene.goOn();
      const figure = await run();
      scene.say(`  ${round}/${rounds}  ${name}: ${figureText(figure)} ${bench.units?.[name] ?? bench.unit}`);
      runs[name]?.push(figure);
    }
  }
  return runs;
}

/** Seconds that `work` takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** Three digits that mean something; whole numbers from 100 on. */
export const figureText = (figure: number) =>
  Math.abs(figure) >= 100 ? figure.toFixed(0) : figure.toFixed(Math.abs(figure) >= 10 ? 1 : 2);
