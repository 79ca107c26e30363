/** checkCluster: the rules of a plan against a cluster that exists. Facts come from one read of the live cluster, or by hand. Pure. */
import { allowedQueries, budgetReason, reservedConnections } from "./connections";
import type { Finding } from "./finding";
import { memoryShares, worstCaseMiB } from "./memory";
import { checkSpread } from "./shards";
import { grouped } from "./units";

/** One node as it is. */
export interface NodeFacts {
  /** How findings name it: "10.0.0.5:5432". */
  readonly name: string;
  /** May it hold shards of distributed tables? */
  readonly holdsShards: boolean;
  /** max_connections. Unit: connections. */
  readonly maxConnections: number;
  /** shared_buffers. Unit: MiB. @default - not known, not checked; so for all below */
  readonly sharedBuffersMiB?: number;
  /** work_mem. Unit: MiB. @default - not known */
  readonly workMemMiB?: number;
  /** maintenance_work_mem. Unit: MiB. @default - not known */
  readonly maintenanceWorkMemMiB?: number;
  /** autovacuum_max_workers. Unit: processes. @default - not known */
  readonly autovacuumWorkers?: number;
  /** wal_level: "replica", "logical" or "minimal". @default - not known */
  readonly walLevel?: string;
  /** max_prepared_transactions. @default - not known */
  readonly maxPreparedTransactions?: number;
  /** max_worker_processes. @default - not known */
  readonly maxWorkerProcesses?: number;
  /** max_logical_replication_workers. @default - not known */
  readonly maxLogicalReplicationWorkers?: number;
  /** Cores of the machine, which no setting tells. @default - not known */
  readonly cores?: number;
  /** RAM of the machine, which no setting tells. Unit: GiB. @default - not known */
  readonly ramGiB?: number;
}

/** Distributed tables that share their shards' places. */
export interface ColocationFacts {
  /** One of its tables, as findings name it. */
  readonly table: string;
  /** Shards of each of them. */
  readonly shards: number;
}

/** A cluster that exists. */
export interface ClusterFacts {
  /** The coordinator, with what is set there only. */
  readonly coordinator: NodeFacts & {
    /** citus.max_shared_pool_size in force; −1 means without limit. Unit: connections. @default - not known */
    readonly sharedPool?: number;
    /** citus.max_background_task_executors. @default - not known */
    readonly backgroundTaskExecutors?: number;
  };
  /** Without the coordinator. */
  readonly workers: readonly NodeFacts[];
  /** One entry per colocation group of hash-distributed tables. */
  readonly colocationGroups: readonly ColocationFacts[];
  /** Queries over all shards that are to run at once. @default - the findings say how many may */
  readonly concurrentQueries?: number;
  /** Client sessions at the same time. @default - not checked */
  readonly peakClients?: number;
}

/** What the rules say, errors first. Empty: nothing to say. */
export function checkCluster(facts: ClusterFacts): readonly Finding[] {
  const order = ["error", "warning", "hint"];
  const nodes = [facts.coordinator, ...facts.workers];
  const findings = [
    ...holders(facts).findings,
    ...alike(facts.colocationGroups).flatMap((group) => checkGroup(group, facts)),
    ...checkClients(facts),
    ...checkPool(facts),
    ...checkExecutors(facts),
    ...nodes.flatMap(checkNode),
  ];
  return findings.sort((one, other) => order.indexOf(one.severity) - order.indexOf(other.severity));
}

const warning = (path: string, reason: string): Finding => ({ severity: "warning", path, reason });

function holders({ coordinator, workers }: ClusterFacts): {
  readonly nodes: readonly NodeFacts[];
  readonly findings: readonly Finding[];
} {
  const nodes = [coordinator, ...workers].filter(({ holdsShards }) => holdsShards);
  if (nodes.length > 0) return { nodes, findings: [] };
  const reason = "no node holds shards, so no distributed table can be made; add a worker";
  return { nodes, findings: [{ severity: "error", path: "workers", reason }] };
}

// More names than that say less.
const mostNames = 3;

/** Groups of as many shards get the same findings: told once, with the names of the first ones. */
function alike(groups: readonly ColocationFacts[]): readonly ColocationFacts[] {
  const counts = [...new Set(groups.map(({ shards }) => shards))];
  return counts.map((shards) => {
    const names = groups.filter((group) => group.shards === shards).map(({ table }) => table);
    const others = names.length - mostNames;
    return { shards, table: `${names.slice(0, mostNames).join(", ")}${others > 0 ? ` and ${others} more` : ""}` };
  });
}

function checkGroup({ table, shards }: ColocationFacts, facts: ClusterFacts): readonly Finding[] {
  const { nodes } = holders(facts);
  if (nodes.length === 0) return [];
  // The node with the fewest connections fills first.
  const maxConnections = Math.min(...nodes.map((node) => node.maxConnections));
  const budget = { shards, workers: nodes.length, maxConnections };
  const queries = facts.concurrentQueries ?? 1;
  const reason = budgetReason({ ...budget, queries });
  const cores = nodes.every((node) => node.cores !== undefined)
    ? nodes.reduce((sum, node) => sum + (node.cores ?? 0), 0)
    : undefined;
  return [
    ...(reason === undefined
      ? facts.concurrentQueries === undefined
        ? [hint(table, `${grouped(allowedQueries(budget))} queries over all ${grouped(shards)} shards may run at once`)]
        : []
      : [{ severity: "error" as const, path: table, reason }]),
    ...checkSpread(shards, nodes.length, table),
    ...(cores !== undefined && shards < cores
      ? [
          hint(
            table,
            `${grouped(shards)} shards keep at most ${grouped(shards)} of ${grouped(cores)} worker cores busy with one query`,
          ),
        ]
      : []),
  ];
}

const hint = (path: string, reason: string): Finding => ({ severity: "hint", path, reason });

function checkClients({ coordinator, peakClients }: ClusterFacts): readonly Finding[] {
  if (peakClients === undefined || peakClients <= coordinator.maxConnections) return [];
  const reason = `${grouped(peakClients)} clients need as many connections, ${coordinator.name} accepts ${grouped(coordinator.maxConnections)}; raise max_connections, which needs a restart, or use a connection pooler`;
  return [{ severity: "error", path: "coordinator", reason }];
}

/** A pool larger than a worker accepts lets queries fail there instead of waiting. */
function checkPool({ coordinator: { sharedPool }, workers }: ClusterFacts): readonly Finding[] {
  const smaller = workers.filter(({ maxConnections }) => sharedPool === -1 || (sharedPool ?? 0) > maxConnections);
  if (sharedPool === undefined || smaller.length === 0) return [];
  const least = Math.min(...smaller.map(({ maxConnections }) => maxConnections));
  const size = sharedPool === -1 ? "is without limit" : `is ${grouped(sharedPool)}`;
  const names = [...new Set(smaller.map(({ name }) => name))];
  const reason = `${size} on the coordinator, ${names.join(", ")} accept${names.length === 1 ? "s" : ""} as few as ${grouped(least)} connections: queries fail there instead of waiting; set it to ${grouped(Math.max(1, least - reservedConnections))}, or raise max_connections of the workers`;
  return [warning("citus.max_shared_pool_size", reason)];
}

/** Without free worker processes a rebalance never starts. */
function checkExecutors({ coordinator }: ClusterFacts): readonly Finding[] {
  const {
    backgroundTaskExecutors: executors,
    maxWorkerProcesses: processes,
    maxLogicalReplicationWorkers,
  } = coordinator;
  if (executors === undefined || processes === undefined) return [];
  // The maintenance daemon and the monitor of the queue.
  const needed = executors + (maxLogicalReplicationWorkers ?? 0) + 2;
  if (processes >= needed) return [];
  const reason = `is ${processes} on the coordinator, ${executors} background task executors, ${maxLogicalReplicationWorkers ?? 0} logical replication workers and the daemons of Citus need ${needed}: a rebalance may never start; raise it, which needs a restart`;
  return [warning("max_worker_processes", reason)];
}

function checkNode(node: NodeFacts): readonly Finding[] {
  const { name, walLevel, maxPreparedTransactions, maxConnections } = node;
  return [
    ...(walLevel !== undefined && walLevel !== "logical" && node.holdsShards
      ? [
          warning(
            "wal_level",
            `is ${walLevel} on ${name}: shards move only with writes blocked; set logical, which needs a restart`,
          ),
        ]
      : []),
    ...(maxPreparedTransactions !== undefined && maxPreparedTransactions < maxConnections
      ? [
          warning(
            "max_prepared_transactions",
            `is ${maxPreparedTransactions} on ${name}, below max_connections ${maxConnections}: commits over several nodes may fail; set at least ${maxConnections}, which needs a restart`,
          ),
        ]
      : []),
    ...checkMemory(node),
  ];
}

function checkMemory(node: NodeFacts): readonly Finding[] {
  const { name, ramGiB, sharedBuffersMiB, workMemMiB, maintenanceWorkMemMiB, autovacuumWorkers, maxConnections } = node;
  if (ramGiB === undefined || sharedBuffersMiB === undefined || workMemMiB === undefined) return [];
  const usable = Math.floor(ramGiB * 1024 * (1 - memoryShares.reserve));
  const worst = Math.ceil(
    worstCaseMiB(
      { sharedBuffers: sharedBuffersMiB, workMem: workMemMiB, maintenanceWorkMem: maintenanceWorkMemMiB ?? 0 },
      { connections: maxConnections, cores: node.cores ?? 0, autovacuumWorkers: autovacuumWorkers ?? 0 },
    ),
  );
  if (sharedBuffersMiB > usable)
    return [
      {
        severity: "error",
        path: "shared_buffers",
        reason: `is ${grouped(sharedBuffersMiB)} MiB on ${name}, which has ${ramGiB} GiB of RAM`,
      },
    ];
  if (worst <= usable) return [];
  const reason = `is ${workMemMiB} MiB on ${name}: with ${grouped(maxConnections)} connections at their worst ${grouped(worst)} MiB of RAM are used, ${grouped(usable)} MiB are there besides a reserve; lower work_mem or max_connections`;
  return [warning("work_mem", reason)];
}
