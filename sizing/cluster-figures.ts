/** Workload → hardware → shards → connections → memory → storage: every figure of a plan, each from the ones above it. Pure. */
import { coordinatorConnections, sharedPool, workerConnections, type Load } from "./connections";
import { given, type Figure, type FigureUnit } from "./figure";
import {
  coordinatorCores,
  coordinatorRam,
  coresPerWorker,
  largestWorker,
  ramPerWorker,
  workerCount,
  workerTotals,
  type Totals,
} from "./hardware";
import { leastWorkMemMiB, neededRamGiB, type MemoryNeeds } from "./memory";
import type { Problem } from "./problem";
import { analyticsShardCount, plannedShardBytes, saasShardCount } from "./shards";
import { coordinatorDisk, maxWalGiB, workerDisk } from "./storage";
import { gibibyte, grouped, mebibyte, roundUp } from "./units";
import type { Numbers, Workload } from "./workload";

const defaultPlanYears = 3;

/** The workload as the rules take it, defaults filled in. */
export interface Expected {
  readonly kind: Workload["kind"];
  readonly numbers: Numbers;
  readonly dataBytes: number;
  /** 0.4 for 40 % in a year. */
  readonly growth: number;
  readonly planYears: number;
  readonly clients: number;
  readonly queries: number;
}

/** Fills in what a workload leaves out. */
export function expectedOf(kind: Workload["kind"], numbers: Numbers): Expected {
  const queries = numbers.get("concurrentQueries") ?? 1;
  return {
    kind,
    numbers,
    dataBytes: numbers.get("dataSize") ?? 0,
    growth: numbers.get("growthPerYear") ?? 0,
    planYears: numbers.get("planYears") ?? defaultPlanYears,
    clients: numbers.get("peakClients") ?? queries,
    queries,
  };
}

/** One role's machine, and what its memory is shared among. */
export interface NodeFigures {
  readonly cores: Figure;
  readonly ram: Figure;
  readonly disk: Figure;
  readonly maxConnections: Figure;
  /** At least this much memory is needed. */
  readonly needs: MemoryNeeds;
}

/** All figures, and the ones of the rules that given figures are checked against. */
export interface ClusterFigures {
  readonly workers: Figure;
  readonly shardCount: Figure;
  readonly worker: NodeFigures;
  readonly coordinator: NodeFigures;
  readonly sharedPool: Figure;
  readonly load: Load;
  readonly byRule: {
    readonly totals: Totals;
    /** Its value is infinite where no number of workers is enough. */
    readonly workers: Figure;
    readonly disk: Figure;
    readonly connections: Figure;
    /** What sorts and hashes of a shard would like to have. */
    readonly workMemMiB: number;
  };
}

/** What the user gives wins over the rule. */
type OrGiven = (path: string, unit: FigureUnit, rule: () => Figure) => Figure;

/** Every figure, or why no cluster is large enough. */
export function clusterFigures(expected: Expected): ClusterFigures | Problem {
  const { kind, numbers, dataBytes, growth, clients, queries } = expected;
  const orGiven: OrGiven = (path, unit, rule) => {
    const value = numbers.get(path);
    if (value === undefined) return rule();
    return given(unit === "GiB" ? Math.floor(value / gibibyte) : value, unit, path);
  };
  const totals = workerTotals(kind, numbers);
  const byRule = workerCount(totals, dataBytes, numbers);
  const workers = orGiven("workers", "workers", () => byRule);
  if (!Number.isFinite(workers.value)) return { path: "workers", reason: tooLarge(totals, dataBytes) };
  const cores = orGiven("coresPerWorker", "cores", () => coresPerWorker(totals, workers.value));
  const shardsFor = (expectedGrowth: number) =>
    orGiven("shardCount", "shards", () => shardsByRule(expected, workers.value, cores.value, expectedGrowth));
  const shardCount = shardsFor(growth);
  const load = { clients, queries, shards: shardCount.value, workers: workers.value };
  const connections = workerConnections(load);
  const maxConnections = orGiven("maxConnections", "connections", () => connections);
  const needs = {
    connections: maxConnections.value,
    cores: cores.value,
    workMemMiB: leastWorkMemMiB,
    cachedMiB: cachedMiB(expected, workers.value),
  };
  const workMemMiB = wantedWorkMemMiB(numbers, shardCount.value);
  // What sorts and hashes would like to have counts up to the largest worker; beyond it they use the disk.
  const wishedGiB = Math.min(largestWorker.ramGiB, neededRamGiB({ ...needs, workMemMiB }));
  const ram = orGiven("ramPerWorker", "GiB", () =>
    ramPerWorker(totals, workers.value, Math.max(neededRamGiB(needs), wishedGiB)),
  );
  const disk = workerDisk({
    dataBytes,
    growth,
    workers: workers.value,
    shardBytes: plannedShardBytes(dataBytes, shardsFor(0).value),
    walGiB: maxWalGiB((ram.value * 1024) / 4),
  });
  return {
    workers,
    shardCount,
    worker: { cores, ram, disk: orGiven("diskPerWorker", "GiB", () => disk), maxConnections, needs },
    coordinator: coordinatorFigures(clients, cores.value, ram.value, orGiven),
    sharedPool: sharedPool(maxConnections.value),
    load,
    byRule: { totals, workers: byRule, disk, connections, workMemMiB },
  };
}

function coordinatorFigures(clients: number, workerCores: number, workerRamGiB: number, orGiven: OrGiven): NodeFigures {
  const maxConnections = orGiven("coordinatorMaxConnections", "connections", () => coordinatorConnections(clients));
  const cores = orGiven("coordinatorCores", "cores", () => coordinatorCores(workerCores));
  const needs = {
    connections: maxConnections.value,
    cores: cores.value,
    workMemMiB: leastWorkMemMiB,
    cachedMiB: 0,
  };
  const ram = orGiven("coordinatorRam", "GiB", () => coordinatorRam(cores.value, workerRamGiB, neededRamGiB(needs)));
  const disk = orGiven("coordinatorDisk", "GiB", () => coordinatorDisk(maxWalGiB((ram.value * 1024) / 4)));
  return { cores, ram, disk, maxConnections, needs };
}

function shardsByRule({ kind, dataBytes, planYears }: Expected, workers: number, cores: number, growth: number) {
  return kind === "analytics"
    ? analyticsShardCount(workers, cores, growth)
    : saasShardCount(dataBytes, workers, growth, planYears);
}

const tooLarge = ({ cores, ramGiB }: Totals, dataBytes: number) =>
  `${grouped(cores.value)} cores, ${grouped(roundUp(ramGiB))} GiB RAM and ${grouped(roundUp(dataBytes / gibibyte))} GiB data need more than 1,024 workers of the largest size; check the units, or set workers`;

/** Sorts and hashes of one shard: what EXPLAIN ANALYZE showed, spread over the shards; at least PostgreSQL's default. */
function wantedWorkMemMiB(numbers: Numbers, shards: number): number {
  const bytes = (numbers.get("explainAnalyze.memory") ?? 0) + (numbers.get("explainAnalyze.disk") ?? 0);
  return Math.max(leastWorkMemMiB, roundUp(bytes / mebibyte / shards));
}

function cachedMiB({ kind, numbers, dataBytes }: Expected, workers: number): number {
  return kind === "analytics" ? (numbers.get("workingSet") ?? dataBytes) / mebibyte / workers : 0;
}
