/** planCluster: a workload's figures, checked, with the settings that follow from them. Pure: the same workload gives the same plan. */
import { clusterFigures, expectedOf, type ClusterFigures, type NodeFigures } from "./cluster-figures";
import { possibleQueries } from "./connections";
import type { Figure } from "./figure";
import type { Finding } from "./finding";
import type { GrowthBasis } from "./growth";
import { operatingSystemSettings, type OperatingSystemSettings } from "./operating-system";
import { planFindings, planProblems } from "./plan-checks";
import { plannedSettings, type PlannedSettings } from "./planned-settings";
import { describeProblems, type Problem } from "./problem";
import { readWorkload, type Workload } from "./workload";

/** One role's machine and its settings. */
export interface NodePlan {
  /** Cores. */
  readonly cores: Figure;
  /** RAM, in GiB. */
  readonly ram: Figure;
  /** Disk, in GiB. */
  readonly disk: Figure;
  /** max_connections. */
  readonly maxConnections: Figure;
  /** Settings of PostgreSQL and Citus. */
  readonly settings: PlannedSettings;
  /** For a machine of its own; {@link onSharedMachine} leaves it as it is, since nothing is written there. */
  readonly operatingSystem: OperatingSystemSettings;
}

/** A cluster for a workload: plain data, every figure with its reason. */
export interface ClusterPlan {
  /** As the workload names it. */
  readonly kind: Workload["kind"];
  /** Number of workers. */
  readonly workers: Figure;
  /** Shards of each distributed table. */
  readonly shardCount: Figure;
  /** Each of the workers. */
  readonly worker: NodePlan;
  /** The coordinator. */
  readonly coordinator: NodePlan;
  /** citus.max_shared_pool_size of the coordinator. */
  readonly sharedPool: Figure;
  /** Queries over all shards that may run at once. */
  readonly possibleQueries: Figure;
  /** For {@link growthPlan}. */
  readonly growth: GrowthBasis;
  /** Unit: years. */
  readonly planYears: number;
  /** What the rules say about the plan; none is an error. */
  readonly findings: readonly Finding[];
}

/** Everything that is wrong with a workload, what only shows while planning included. Empty: it can be planned. */
export function checkWorkload(workload: unknown): readonly Problem[] {
  const result = tryPlan(workload);
  return "problems" in result ? result.problems : [];
}

/** The cluster for this workload. @throws Error with every problem of the workload */
export function planCluster(workload: Workload): ClusterPlan {
  const result = tryPlan(workload);
  if ("problems" in result) throw new Error(`the workload cannot be planned:\n${describeProblems(result.problems)}`);
  return result.plan;
}

/** The plan, or everything that is wrong with the workload. Takes anything, since files and untyped programs hold anything. */
export function tryPlan(workload: unknown): { readonly plan: ClusterPlan } | { readonly problems: readonly Problem[] } {
  const read = readWorkload(workload);
  if ("problems" in read) return read;
  const expected = expectedOf(read.kind, read.numbers);
  const figures = clusterFigures(expected);
  if ("reason" in figures) return { problems: [figures] };
  const problems = planProblems(expected, figures);
  if (problems.length > 0) return { problems };
  const { workers, shardCount, worker, coordinator } = figures;
  return {
    plan: {
      kind: expected.kind,
      workers,
      shardCount,
      worker: nodePlan("worker", worker, expected.kind, figures),
      coordinator: nodePlan("coordinator", coordinator, expected.kind, figures),
      sharedPool: figures.sharedPool,
      possibleQueries: possibleQueries(shardCount.value, workers.value, worker.maxConnections.value),
      growth: {
        workers: workers.value,
        shards: shardCount.value,
        dataBytes: expected.dataBytes,
        growthPerYear: expected.growth,
      },
      planYears: expected.planYears,
      findings: planFindings(expected, figures),
    },
  };
}

function nodePlan(
  role: "worker" | "coordinator",
  { cores, ram, disk, maxConnections }: NodeFigures,
  kind: Workload["kind"],
  { workers, shardCount, worker, sharedPool }: ClusterFigures,
): NodePlan {
  const needs = {
    kind,
    role,
    cores: cores.value,
    ramGiB: ram.value,
    maxConnections: maxConnections.value,
    cluster: {
      workers: workers.value,
      coresPerWorker: worker.cores.value,
      shards: shardCount.value,
      sharedPool: sharedPool.value,
    },
  };
  return {
    cores,
    ram,
    disk,
    maxConnections,
    settings: plannedSettings(needs),
    operatingSystem: operatingSystemSettings(needs),
  };
}
