/** What a cluster's workload means for its hosts and settings. What the user writes wins over the plan and is checked by its rules. Pure. */
import { appliedSettings, checkOwnSettings, numberOf, type RoleSettings } from "../sizing/applied-plan";
import type { Finding } from "../sizing/finding";
import { tryPlan, type ClusterPlan } from "../sizing/plan";
import { figureText, planFigures, reasonText, wrapped } from "../sizing/plan-text";
import { describeProblems, type Problem } from "../sizing/problem";
import { checkSpread } from "../sizing/shards";
import { onSharedMachine } from "../sizing/shared-machine";
import { shown } from "../sizing/units";
import type { Workload } from "../sizing/workload";
import type { HostTarget } from "./hosts/host";

/** The arguments of a cluster that its plan follows from. */
export interface ClusterPlanArgs {
  readonly hosts: Pick<HostTarget, "nodes" | "sharedMachine">;
  readonly workload?: Workload;
  readonly settings?: Readonly<Record<string, string>>;
  readonly coordinatorSettings?: Readonly<Record<string, string>>;
  readonly workerSettings?: Readonly<Record<string, string>>;
  readonly coordinatorHoldsShards?: boolean;
}

/** What the component does with a workload. */
export interface PlannedCluster {
  /** Undefined without a workload, or where there are problems. */
  readonly plan?: ClusterPlan;
  /** Settings of each role: the user's own over the planned ones. */
  readonly settings: RoleSettings;
  /** Why the cluster could not work. Paths as the user wrote them. */
  readonly problems: readonly Problem[];
  /** What works, and worse than asked for. */
  readonly warnings: readonly Finding[];
  /** What is worth knowing. */
  readonly hints: readonly Finding[];
}

/** The plan for these hosts and settings. */
export function clusterPlan(args: ClusterPlanArgs): PlannedCluster {
  const { hosts, workload } = args;
  const own = ownSettings(args);
  if (workload === undefined) return { settings: own, problems: [], warnings: [], hints: [] };
  const figures = givenFigures(args, own);
  const contradictions = figures.flatMap((figure) => contradiction(workload, figure));
  const result = planFor(workload, figures);
  if ("problems" in result || contradictions.length > 0) {
    const found = "problems" in result ? result.problems : [];
    return {
      settings: own,
      problems: [...contradictions, ...found.map((one) => asWritten(one, figures))],
      warnings: [],
      hints: [],
    };
  }
  const { sharedMachine, nodes } = hosts;
  const plan =
    sharedMachine === undefined ? result.plan : onSharedMachine(result.plan, sharedMachine, Object.keys(nodes).length);
  const findings = settingFindings(args, plan, own);
  const told = [...moreWorkers(plan, holders(args)), ...plan.findings.map((one) => asWritten(one, figures))];
  const isError = ({ severity }: Finding) => severity === "error";
  return {
    plan,
    settings: appliedSettings(plan, own),
    problems: findings.filter(isError),
    warnings: [
      ...told.filter(({ severity }) => severity === "warning"),
      ...findings.filter((finding) => !isError(finding)),
    ],
    hints: told.filter(({ severity }) => severity === "hint"),
  };
}

/**
 * The map of workers wins over the rule. Where it has as many as the rule takes or more, the plan stays that of the rule: a worker that is added
 * is one more of the same machines, and changes no setting of those that run.
 */
function planFor(workload: Workload, figures: readonly GivenFigure[]): ReturnType<typeof tryPlan> {
  // What is no map of fields is told as it is.
  if (typeof workload !== "object") return tryPlan(workload);
  const { workers, ...given } = Object.fromEntries(figures.map(({ field, value }) => [field, value]));
  const byRule = tryPlan({ ...workload, ...given });
  if ("plan" in byRule && byRule.plan.workers.value <= (workers ?? 0)) return byRule;
  return tryPlan({ ...workload, ...given, workers });
}

function moreWorkers({ workers, shardCount }: ClusterPlan, count: number): readonly Finding[] {
  if (count <= workers.value) return [];
  const reason = `has ${count} that hold shards, the rule takes ${workers.value}: they are more of the same machines`;
  return [
    { severity: "hint", path: "hosts.workers", reason },
    ...checkSpread(shardCount.value, count, "hosts.workers"),
  ];
}

function ownSettings({ settings, coordinatorSettings, workerSettings }: ClusterPlanArgs): RoleSettings {
  return { coordinator: { ...settings, ...coordinatorSettings }, worker: { ...settings, ...workerSettings } };
}

/** A number outside of the workload that the plan has to take. */
interface GivenFigure {
  /** Field of the workload. */
  readonly field: "workers" | "maxConnections" | "coordinatorMaxConnections" | "shardCount";
  readonly value: number;
  /** Where the user wrote it. */
  readonly path: string;
}

function givenFigures(args: ClusterPlanArgs, own: RoleSettings): readonly GivenFigure[] {
  const setting = (role: keyof RoleSettings, name: string, field: GivenFigure["field"]): readonly GivenFigure[] => {
    const value = numberOf(own[role], name);
    const ofRole = `${role}Settings` as const;
    const path = args[ofRole]?.[name] === undefined ? "settings" : ofRole;
    return value === undefined ? [] : [{ field, value, path: `${path}.${name}` }];
  };
  return [
    { field: "workers", value: holders(args), path: "hosts.workers" },
    ...setting("worker", "max_connections", "maxConnections"),
    ...setting("coordinator", "max_connections", "coordinatorMaxConnections"),
    ...setting("coordinator", "citus.shard_count", "shardCount"),
  ];
}

/** Nodes that carry what the plan gives to workers. */
function holders({ hosts, coordinatorHoldsShards }: ClusterPlanArgs): number {
  const workers = Object.values(hosts.nodes).filter(({ role }) => role === "worker").length;
  return Math.max(1, workers + (coordinatorHoldsShards === true ? 1 : 0));
}

function contradiction(workload: Workload, { field, value, path }: GivenFigure): readonly Problem[] {
  const asked: unknown = workload[field];
  if (asked === undefined || asked === null || asked === value) return [];
  const reason = `is ${shown(asked)}, and ${path} ${field === "workers" ? "has" : "is"} ${value}; keep one of the two, or make them equal`;
  return [{ path: `workload.${field}`, reason }];
}

/** The path where the user wrote what the rule calls by its field. */
function asWritten<Told extends Problem>(told: Told, figures: readonly GivenFigure[]): Told {
  const figure = figures.find(({ field }) => field === told.path);
  if (figure !== undefined) return { ...told, path: figure.path };
  return told.path === "hosts" ? told : { ...told, path: told.path === "" ? "workload" : `workload.${told.path}` };
}

function settingFindings(args: ClusterPlanArgs, plan: ClusterPlan, own: RoleSettings): readonly Finding[] {
  const { concurrentQueries, peakClients } = args.workload ?? {};
  return checkOwnSettings(plan, own, { concurrentQueries, peakClients }, args.hosts.sharedMachine).map((finding) => ({
    ...finding,
    path: pathOf(args, finding.path),
  }));
}

/** `work_mem` → `workerSettings.work_mem`, where the user wrote it there. */
function pathOf(args: ClusterPlanArgs, name: string): string {
  const maps = ["coordinatorSettings", "workerSettings", "settings"] as const;
  const map = maps.find((each) => args[each]?.[name] !== undefined);
  return map === undefined ? name : `${map}.${name}`;
}

/** The plan as a preview prints it: figures with their reasons, hints, and what the settings of nodes come from. */
export function previewText(plan: ClusterPlan, hints: readonly Finding[]): string {
  return [
    "the plan for the workload:",
    ...Object.entries(planFigures(plan)).map(
      ([name, figure]) => `${name}: ${figureText(figure)}\n${reasonText(figure.because, false)}`,
    ),
    ...hints.map((hint) => wrapped(`hint: ${describeProblems([hint])}`)),
    "the reason of every setting is in the output `plan`",
  ].join("\n");
}
