/** A plan as a cluster gets it: settings that the user writes win over planned ones, and are checked by the rules of clusters that exist. Pure. */
import { checkCluster, type ClusterFacts, type NodeFacts } from "./check-cluster";
import type { Finding } from "./finding";
import { knownSettings } from "./known-settings";
import type { ClusterPlan } from "./plan";
import { settingNumber, settingValueProblem } from "./setting-value";
import type { SharedMachine } from "./shared-machine";

/** Settings by name, as in postgresql.conf without quotes. */
export type SettingTexts = Readonly<Record<string, string>>;

/** Settings of both roles. */
export interface RoleSettings {
  readonly coordinator: SettingTexts;
  readonly worker: SettingTexts;
}

/** The plan's settings under those that the user writes. */
export function appliedSettings(plan: ClusterPlan, own: RoleSettings): RoleSettings {
  const of = (role: keyof RoleSettings) => ({
    ...Object.fromEntries(Object.entries(plan[role].settings).map(([name, { value }]) => [name, value])),
    ...own[role],
  });
  return { coordinator: of("coordinator"), worker: of("worker") };
}

/** What the rules say because of the user's own settings: what they would say of the plan alone is left out. */
export function checkOwnSettings(
  plan: ClusterPlan,
  own: RoleSettings,
  expected: Pick<ClusterFacts, "concurrentQueries" | "peakClients">,
  machine?: SharedMachine,
): readonly Finding[] {
  const texts = (applied: RoleSettings) =>
    new Map(
      checkCluster({ ...factsOf(plan, applied, machine), ...expected }).map((finding) => [
        `${finding.path}: ${finding.reason}`,
        finding,
      ]),
    );
  const planned = texts(appliedSettings(plan, { coordinator: {}, worker: {} }));
  return [...texts(appliedSettings(plan, own))].filter(([text]) => !planned.has(text)).map(([, finding]) => finding);
}

/** The planned cluster as if it existed. */
function factsOf(plan: ClusterPlan, { coordinator, worker }: RoleSettings, machine?: SharedMachine): ClusterFacts {
  return {
    coordinator: {
      ...nodeFacts("the coordinator", plan, "coordinator", coordinator, machine),
      sharedPool: sharedPoolOf(coordinator),
      backgroundTaskExecutors: numberOf(coordinator, "citus.max_background_task_executors"),
    },
    workers: Array.from({ length: plan.workers.value }, () =>
      nodeFacts("each worker", plan, "worker", worker, machine),
    ),
    colocationGroups: [{ table: "citus.shard_count", shards: plan.shardCount.value }],
  };
}

function nodeFacts(
  name: string,
  plan: ClusterPlan,
  role: keyof RoleSettings,
  settings: SettingTexts,
  machine: SharedMachine = { cores: plan[role].cores.value, ramGiB: plan[role].ram.value },
): NodeFacts {
  return {
    name,
    holdsShards: role === "worker",
    maxConnections: numberOf(settings, "max_connections") ?? plan[role].maxConnections.value,
    sharedBuffersMiB: mebibytesOf(settings, "shared_buffers"),
    workMemMiB: mebibytesOf(settings, "work_mem"),
    maintenanceWorkMemMiB: mebibytesOf(settings, "maintenance_work_mem"),
    autovacuumWorkers: numberOf(settings, "autovacuum_max_workers"),
    walLevel: settings["wal_level"],
    maxPreparedTransactions: numberOf(settings, "max_prepared_transactions"),
    maxWorkerProcesses: numberOf(settings, "max_worker_processes"),
    maxLogicalReplicationWorkers: numberOf(settings, "max_logical_replication_workers"),
    ...machine,
  };
}

/** The number that the server reads, in the setting's own unit; undefined where it would refuse the text. */
export function numberOf(settings: SettingTexts, name: string): number | undefined {
  const [setting, text] = [knownSettings.get(name), settings[name]];
  if (setting === undefined || text === undefined || settingValueProblem(setting, text) !== undefined) return undefined;
  return settingNumber(setting, text);
}

const mebibytesPerUnit: Readonly<Record<string, number>> = { kB: 1 / 1024, "8kB": 1 / 128, MB: 1 };

function mebibytesOf(settings: SettingTexts, name: string): number | undefined {
  const number = numberOf(settings, name);
  return number === undefined
    ? undefined
    : Math.round(number * (mebibytesPerUnit[knownSettings.get(name)?.unit ?? ""] ?? 0));
}

/** 0 stands for max_connections. */
function sharedPoolOf(coordinator: SettingTexts): number | undefined {
  const pool = numberOf(coordinator, "citus.max_shared_pool_size");
  return pool === 0 ? numberOf(coordinator, "max_connections") : pool;
}
