/** Plan → settings of PostgreSQL and Citus for each role, each with its reason and with what a change needs. Pure.
 *  Names and ranges are those of known-settings.ts; what the cluster itself needs (TLS, ports, preloads) belongs to its components. */
import { sources, type Because } from "./figure";
import { knownSettings } from "./known-settings";
import { memorySettings } from "./memory";
import { maxWalGiB, mostMovesPerNode } from "./storage";
import type { Workload } from "./workload";

/** One setting of one role. */
export interface PlannedSetting {
  /** As in postgresql.conf, without quotes. */
  readonly value: string;
  /** When a change is in force. */
  readonly inForce: "restart" | "reload" | "connection" | "session";
  /** Why it has that value. */
  readonly because: Because;
}

/** Settings by PostgreSQL's own names. */
export type PlannedSettings = Readonly<Record<string, PlannedSetting>>;

/** What the settings of a node follow from. */
export interface SettingsNeeds {
  readonly kind: Workload["kind"];
  readonly role: "coordinator" | "worker";
  readonly cores: number;
  readonly ramGiB: number;
  readonly maxConnections: number;
  /** The same on every node. */
  readonly cluster: {
    readonly workers: number;
    readonly coresPerWorker: number;
    readonly shards: number;
    readonly sharedPool: number;
  };
}

// The article's example of a server that moves shards side by side.
const leastWorkerProcesses = 32;
// Default of Citus 13.2 for citus.max_adaptive_executor_pool_size.
const defaultPool = 16;
// PostgreSQL's defaults for slots and senders: room for standbys and backups besides moves.
const defaultSlots = 10;
// PostgreSQL's defaults for autovacuum: three workers share a cost limit of 200.
const defaultAutovacuum = { workers: 3, costLimit: 200 } as const;

/** Moves at once on one node: one per two cores, 2 to 4. A move of any size takes 6 s, most of them waiting, so that one core carries two. */
export const movesPerNode = (cores: number): number => Math.min(mostMovesPerNode, Math.max(2, Math.floor(cores / 2)));

/** autovacuum_max_workers: one per two cores, 3 to 8. Each table is as many tables as it has shards on the node. */
export const autovacuumWorkers = (cores: number): number =>
  Math.min(8, Math.max(defaultAutovacuum.workers, Math.floor(cores / 2)));

/** Connections that one query opens to one worker at most. */
export const executorPool = (shards: number, workers: number, coresPerWorker: number): number =>
  Math.min(Math.ceil(shards / workers), Math.max(defaultPool, coresPerWorker));

type Entry = readonly [name: string, value: string | number, because: Because];

/** Every setting of a node of that role. */
export function plannedSettings(needs: SettingsNeeds): PlannedSettings {
  const settings: Record<string, PlannedSetting> = {};
  for (const rule of rules[needs.role]) {
    for (const [name, value, reason] of rule(needs))
      settings[name] = { value: String(value), inForce: inForce(name), because: reason };
  }
  return settings;
}

function inForce(name: string): PlannedSetting["inForce"] {
  const setting = knownSettings.get(name);
  if (setting === undefined || setting.inForce === "fixed")
    throw new Error(`${name} is no setting that can be planned`);
  return setting.inForce;
}

const because = (rule: string, inputs: Because["inputs"], source: string): Because => ({ rule, inputs, source });

function connectionSettings({ maxConnections }: SettingsNeeds): readonly Entry[] {
  const inputs = { max_connections: maxConnections };
  return [
    ["max_connections", maxConnections, because("the figure of this plan", inputs, "this plan")],
    [
      "max_prepared_transactions",
      2 * maxConnections,
      because("2 × max_connections, as Citus itself takes when it is left out", inputs, sources.citus),
    ],
  ];
}

function memory({ ramGiB, cores, maxConnections }: SettingsNeeds): readonly Entry[] {
  const workers = autovacuumWorkers(cores);
  const shares = memorySettings(ramGiB, { connections: maxConnections, cores, autovacuumWorkers: workers });
  const ram = { "RAM (GiB)": ramGiB };
  return [
    ["shared_buffers", `${shares.sharedBuffers}MB`, because("25 % of RAM", ram, sources.resource)],
    [
      "effective_cache_size",
      `${shares.effectiveCacheSize}MB`,
      because(
        "75 % of RAM; only tells the planner",
        ram,
        "wiki.postgresql.org, Tuning Your PostgreSQL Server (2026-11)",
      ),
    ],
    [
      "work_mem",
      `${shares.workMem}MB`,
      because(
        "RAM less reserve, shared_buffers, maintenance and 10 MiB per session; ÷ sessions ÷ hash_mem_multiplier 2; 4 to 1024 MiB",
        { ...ram, max_connections: maxConnections, "parallel workers": cores },
        `${sources.measured}; ${sources.resource}`,
      ),
    ],
    [
      "maintenance_work_mem",
      `${shares.maintenanceWorkMem}MB`,
      because(
        "an eighth of RAM ÷ (autovacuum workers + 1), at most 1 GiB",
        { ...ram, autovacuum_max_workers: workers },
        sources.ours,
      ),
    ],
  ];
}

function parallelism({ kind, role, cores, cluster }: SettingsNeeds): readonly Entry[] {
  const executors = role === "coordinator" ? backgroundExecutors(cluster) : 0;
  const apply = applyWorkers(cluster.coresPerWorker);
  const needed = cores + executors + apply + 8;
  // Every core of a worker has a shard of its own to read already.
  const perGather = kind === "analytics" && role === "worker" ? 0 : Math.min(2, Math.floor(cores / 2));
  return [
    [
      "max_worker_processes",
      Math.max(leastWorkerProcesses, needed),
      because(
        "parallel workers + background task executors + apply workers + 8 for the daemons of Citus and PostgreSQL, at least 32",
        { cores, executors, "apply workers": apply },
        sources.rebalance,
      ),
    ],
    ["max_parallel_workers", cores, because("one per core", { cores }, sources.resource)],
    [
      "max_parallel_workers_per_gather",
      perGather,
      perGather === 0 && kind === "analytics"
        ? because("0: a query reads a shard per core already", { cores }, sources.shardCount)
        : because("half of the cores, at most PostgreSQL's default of 2", { cores }, sources.resource),
    ],
  ];
}

function writeAheadLog({ ramGiB }: SettingsNeeds): readonly Entry[] {
  const sharedBuffersMiB = (ramGiB * 1024) / 4;
  const walGiB = maxWalGiB(sharedBuffersMiB);
  const inputs = { "RAM (GiB)": ramGiB };
  return [
    ["wal_level", "logical", because("shards move by logical replication while writes go on", {}, sources.rebalance)],
    [
      "max_wal_size",
      `${walGiB}GB`,
      because(
        "as large as shared_buffers, 4 to 64 GiB: checkpoints far apart write fewer full pages",
        inputs,
        sources.wal,
      ),
    ],
    ["min_wal_size", "1GB", because("files are kept for the next peak instead of made anew", {}, sources.wal)],
    ["checkpoint_timeout", "15min", because("checkpoints far apart write fewer full pages", {}, sources.wal)],
  ];
}

function autovacuum({ cores }: SettingsNeeds): readonly Entry[] {
  const workers = autovacuumWorkers(cores);
  const { workers: stock, costLimit } = defaultAutovacuum;
  return [
    [
      "autovacuum_max_workers",
      workers,
      because("one per two cores, 3 to 8: every shard is a table of its own", { cores }, sources.ours),
    ],
    [
      "autovacuum_vacuum_cost_limit",
      Math.ceil((costLimit * workers) / stock),
      because(
        "200 for every three workers, since they share it: more workers must not make each slower",
        { autovacuum_max_workers: workers },
        "PostgreSQL manual, automatic vacuuming (2026-11)",
      ),
    ],
  ];
}

/** Each move has one apply worker per owner of tables on its target; what a failed move leaves stays until it is cleaned up. */
const applyWorkers = (coresPerWorker: number): number => 4 * movesPerNode(coresPerWorker);

function backgroundExecutors({ workers, coresPerWorker }: SettingsNeeds["cluster"]): number {
  const each = movesPerNode(coresPerWorker);
  // A move takes part of two nodes. 1000: the setting's upper end.
  return Math.min(1000, Math.max(each, Math.floor((each * workers) / 2)));
}

function moves({ cluster }: SettingsNeeds): readonly Entry[] {
  const each = movesPerNode(cluster.coresPerWorker);
  const apply = applyWorkers(cluster.coresPerWorker);
  const inputs = { "moves at once per node": each };
  const slots = because(
    "PostgreSQL's default of 10 for standbys and backups, and four for each move at once",
    inputs,
    sources.ours,
  );
  return [
    ["max_wal_senders", defaultSlots + apply, slots],
    ["max_replication_slots", defaultSlots + apply, slots],
    [
      "max_logical_replication_workers",
      apply,
      because("four for each move at once: one per owner of tables", inputs, sources.ours),
    ],
  ];
}

/** Only the coordinator starts moves. */
function rebalance({ cluster }: SettingsNeeds): readonly Entry[] {
  const each = movesPerNode(cluster.coresPerWorker);
  const inputs = { "moves at once per node": each };
  return [
    [
      "citus.max_background_task_executors_per_node",
      each,
      because(
        "one move at once per two cores of a worker, 2 to 4",
        { "cores per worker": cluster.coresPerWorker },
        sources.rebalance,
      ),
    ],
    [
      "citus.max_background_task_executors",
      backgroundExecutors(cluster),
      because(
        "moves at once per node × workers ÷ 2, since a move concerns two",
        { ...inputs, workers: cluster.workers },
        sources.rebalance,
      ),
    ],
  ];
}

function executor({ cluster: { shards, workers, coresPerWorker, sharedPool } }: SettingsNeeds): readonly Entry[] {
  return [
    ["citus.shard_count", shards, because("the figure of this plan", { shards }, "this plan")],
    [
      "citus.max_shared_pool_size",
      sharedPool,
      because("the figure of this plan", { "shared pool": sharedPool }, "this plan"),
    ],
    [
      "citus.max_adaptive_executor_pool_size",
      executorPool(shards, workers, coresPerWorker),
      because(
        "shards of one worker, at most the default of 16 or its cores: more connections than that share cores",
        { shards, workers, "cores per worker": coresPerWorker },
        sources.citus,
      ),
    ],
  ];
}

const onEachNode = [connectionSettings, memory, parallelism, writeAheadLog, autovacuum, moves];
const rules = { worker: onEachNode, coordinator: [...onEachNode, rebalance, executor] };
