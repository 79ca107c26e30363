/** Where the time of an `up` goes, from what the engine says. Pure. */
import { figureText } from "./measure";
import { median, table } from "./result";
import type { Moment } from "./stack";

/** One stage of forming a cluster. Unit: seconds since the start of the CLI. */
export interface Stage {
  readonly name: string;
  /** Start of its first step. */
  readonly begin: number;
  /** End of its last step. */
  readonly end: number;
  /** Sum of its steps, which run side by side. */
  readonly work: number;
}

/** Stages in the order of their first steps. What comes before the first and after the last step is the engine's. */
export function stagesOf(moments: readonly Moment[]): readonly Stage[] {
  const begun = new Map<string, number>();
  const stages = new Map<string, { begin: number; end: number; work: number }>();
  let first: number | undefined;
  let last = 0;
  for (const { at, event } of moments) {
    const before = event.resourcePreEvent?.metadata;
    const after = event.resOutputsEvent?.metadata;
    if (before !== undefined) {
      first ??= at;
      begun.set(before.urn, at);
    }
    const begin = after === undefined ? undefined : begun.get(after.urn);
    const name = after === undefined ? undefined : stageOf(after.type, after.urn);
    if (begin === undefined || name === undefined) continue;
    const stage = stages.get(name) ?? { begin, end: at, work: 0 };
    stages.set(name, { begin: Math.min(stage.begin, begin), end: at, work: stage.work + at - begin });
    last = at;
  }
  const end = moments.at(-1)?.at ?? 0;
  const engine = (name: string, from: number, to: number) => ({ name, begin: from, end: to, work: to - from });
  return [
    engine("engine starts", 0, first ?? end),
    ...[...stages].map(([name, stage]) => ({ name, ...stage })),
    engine("engine ends", last, end),
  ];
}

/** The stage of a resource; components have none, since they are made of their children. */
function stageOf(type: string, urn: string): string | undefined {
  if (type.startsWith("tls:")) return "certificates";
  const kind = /^pulumi-nodejs:dynamic\/citus:(\w+)$/.exec(type)?.[1];
  if (kind !== undefined) return kind;
  if (!type.startsWith("command:")) return undefined;
  const name = urn.slice(urn.lastIndexOf("::") + 2);
  if (name.includes("-hosts-")) return "hosts (initdb)";
  if (name.includes("-nodes-")) return "nodes (files, start)";
  if (name.includes("-fencing-")) return "fencing";
  return "client files";
}

/** Medians over all runs, under that title. */
export function stageTable(title: string, runs: readonly (readonly Stage[])[]): string {
  const of = (name: string, figure: "begin" | "end" | "work") =>
    figureText(median(runs.flatMap((stages) => stages.filter((stage) => stage.name === name)).map((s) => s[figure])));
  const names = [...new Set(runs.flatMap((stages) => stages.map(({ name }) => name)))];
  const rows = names.map((name) => [name, of(name, "begin"), of(name, "end"), of(name, "work")]);
  return `\n${table([title, "begins", "ends", "sum of its steps"], rows)}`;
}
