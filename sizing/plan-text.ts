/** A plan as people read it: its figures by name, one line each, with or without the reasons. Pure. */
import { becauseText, ruleText, type Because, type Figure } from "./figure";
import type { OperatingSystemSettings } from "./operating-system";
import type { ClusterPlan } from "./plan";
import { grouped } from "./units";

/** Every figure of a plan but its settings, by name, in the order in which they follow from each other. */
export function planFigures(plan: ClusterPlan): Readonly<Record<string, Figure>> {
  const { coordinator, worker } = plan;
  return {
    workers: plan.workers,
    "cores per worker": worker.cores,
    "shard count": plan.shardCount,
    "max_connections per worker": worker.maxConnections,
    "RAM per worker": worker.ram,
    "disk per worker": worker.disk,
    "cores of the coordinator": coordinator.cores,
    "max_connections of the coordinator": coordinator.maxConnections,
    "RAM of the coordinator": coordinator.ram,
    "disk of the coordinator": coordinator.disk,
    "shared pool": plan.sharedPool,
    "queries over all shards at once": plan.possibleQueries,
  };
}

/** Settings of a role's operating system with their reasons, one after the other: `net.core.somaxconn = 4,096 connections`. */
export const operatingSystemLines = ({ kernel, unit }: OperatingSystemSettings, withSource = true): readonly string[] =>
  Object.entries({ ...kernel, ...unit }).map(
    ([name, setting]) =>
      `${name} = ${grouped(setting.value)} ${setting.unit}, ${setting.inForce === "at once" ? "at once" : "after a restart"}\n${reasonText(setting.because, withSource)}`,
  );

/** "64 shards", "32 GiB". */
export const figureText = ({ value, unit }: Figure): string => `${grouped(value)} ${unit}`;

/** Every figure but the settings, by name: `{ "shard count": "64 shards" }`. */
export function figureTexts(plan: ClusterPlan): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(planFigures(plan)).map(([name, figure]) => [name, figureText(figure)]));
}

// Terminals have 80 columns or more. Pulumi indents messages by four.
const lineLength = 76;

/** The words in lines of at most 76 characters; those after the first begin with `indent`. */
export function wrapped(text: string, indent = "    "): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    const longer = `${last ?? ""} ${word}`;
    if (last === undefined) lines.push(word);
    else if (longer.length > lineLength) lines.push(`${indent}${word}`);
    else lines[lines.length - 1] = longer;
  }
  return lines.join("\n");
}

/** What stands below a figure: its rule and its inputs, and the source unless it is left out. */
export function reasonText(because: Because, withSource = true): string {
  return wrapped(`    ${withSource ? becauseText(because) : ruleText(because)}`);
}
