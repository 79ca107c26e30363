/** What the rules say about the figures that a workload gives: problems where the cluster could not work, findings where it works worse. Pure. */
import type { ClusterFigures, Expected, NodeFigures } from "./cluster-figures";
import { budgetReason, reservedConnections } from "./connections";
import type { Finding } from "./finding";
import { largestWorker } from "./hardware";
import { carriedConnections, leastWorkMemMiB, memorySettings, mostRamGiB, neededRamGiB } from "./memory";
import { autovacuumWorkers } from "./planned-settings";
import type { Problem } from "./problem";
import { checkGrowth, checkSpread, mostShards, saasShards } from "./shards";
import { leastDiskGiB } from "./storage";
import { gibibyte, grouped, roundUp } from "./units";
import type { Numbers } from "./workload";

/** Why the cluster could not work, each with the field of the workload that it is about. */
export function planProblems(expected: Expected, figures: ClusterFigures): readonly Problem[] {
  const { numbers } = expected;
  return [
    ...budgetProblems(numbers, figures),
    ...memoryProblems(numbers, figures),
    ...clientProblems(numbers, expected.clients),
    ...coordinatorProblems(numbers, figures.coordinator),
    ...diskProblems(expected, figures.workers.value),
    ...shardProblems(figures.shardCount.value, figures.workers.value),
  ];
}

/** A given max_connections against what the queries need. One query has to fit in any case. */
function budgetProblems(numbers: Numbers, { load, worker }: ClusterFigures): readonly Problem[] {
  const maxConnections = numbers.get("maxConnections");
  if (maxConnections === undefined) return [];
  const reason = budgetReason({ ...load, maxConnections: worker.maxConnections.value }, reservedConnections);
  if (reason === undefined) return [];
  const others = ["concurrentQueries", "shardCount", "workers"].filter((path) => numbers.has(path));
  const against = others.length === 0 ? "" : ` (contradicts ${others.join(", ")})`;
  return [{ path: "maxConnections", reason: `${reason}${against}` }];
}

/** More connections than the RAM carries: of a given worker, or of the largest one that the rules choose. */
function memoryProblems(numbers: Numbers, { load, worker, byRule: { totals } }: ClusterFigures): readonly Problem[] {
  const { clients, queries, shards, workers } = load;
  if (worker.ram.value >= mostRamGiB) {
    const reason = `${grouped(worker.ram.value)} GiB are more than one server can use (${grouped(mostRamGiB)} GiB); take more workers, or check the units`;
    return [{ path: "ramPerWorker", reason }];
  }
  const connections = worker.maxConnections.value;
  const isGiven = numbers.has("ramPerWorker");
  const limit = isGiven ? worker.ram.value : Math.max(largestWorker.ramGiB, totals.ramGiB / workers);
  const carried = carriedConnections(limit, worker.cores.value);
  if (connections <= carried) return [];
  const free = Math.max(0, carried - reservedConnections - (clients - queries));
  const most = Math.floor((free * workers) / shards);
  const causes = ["maxConnections", "shardCount", "concurrentQueries", "peakClients"].filter((path) =>
    numbers.has(path),
  );
  const needed = numbers.has("maxConnections")
    ? `maxConnections ${grouped(connections)}`
    : `${grouped(clients)} clients, of which ${grouped(queries)} at once query ${grouped(shards)} shards on ${grouped(workers)} workers, need ${grouped(connections)} connections per worker`;
  const ways = [
    ...(most > 0 ? [`at most ${grouped(most)} concurrentQueries`] : []),
    ...(free > 0 ? [`at most ${grouped(Math.floor((free * workers) / queries))} shards`] : []),
    "more workers",
    "fewer clients through a connection pooler",
  ].join(", ");
  const reason = `${needed}, ${isGiven ? "ramPerWorker" : "the largest worker"} with ${grouped(Math.floor(limit))} GiB carries ${grouped(carried)}; take ${ways}`;
  return [{ path: causes[0] ?? "ramPerWorker", reason }];
}

/** Clients that the coordinator would turn away. */
function clientProblems(numbers: Numbers, clients: number): readonly Problem[] {
  const given = numbers.get("coordinatorMaxConnections");
  const least = clients + reservedConnections;
  if (given === undefined || given >= least) return [];
  const reason = `${grouped(given)} are fewer than ${grouped(clients)} clients (peakClients) and the reserve of ${reservedConnections} need; take at least ${grouped(least)}, or fewer clients through a connection pooler`;
  return [{ path: "coordinatorMaxConnections", reason }];
}

function coordinatorProblems(numbers: Numbers, { ram, needs }: NodeFigures): readonly Problem[] {
  const isGiven = numbers.has("coordinatorRam");
  const limit = isGiven ? ram.value : largestWorker.ramGiB;
  const carried = carriedConnections(limit, needs.cores);
  if (needs.connections <= carried) return [];
  const isAsked = numbers.has("coordinatorMaxConnections");
  const path = isGiven ? "coordinatorRam" : isAsked ? "coordinatorMaxConnections" : "peakClients";
  const needed = isAsked
    ? `coordinatorMaxConnections is ${grouped(needs.connections)}`
    : `the clients need ${grouped(needs.connections)} (peakClients and the reserve)`;
  const reason = `${limit} GiB of a coordinator carry ${grouped(carried)} connections, ${needed}; take at least ${neededRamGiB(needs)} GiB as coordinatorRam, or fewer clients through a connection pooler`;
  return [{ path, reason }];
}

function diskProblems({ numbers, dataBytes }: Expected, workers: number): readonly Problem[] {
  const bytes = numbers.get("diskPerWorker");
  const least = leastDiskGiB(dataBytes, workers);
  if (bytes === undefined || bytes / gibibyte >= least) return [];
  const reason = `${Math.floor(bytes / gibibyte)} GiB do not hold today's data: dataSize over ${workers} workers, with the tenth that Citus keeps free, needs ${grouped(roundUp(least))} GiB`;
  return [{ path: "diskPerWorker", reason }];
}

/** More than Citus takes, by the rule for cores; or too few, where either number is given. */
function shardProblems(shards: number, workers: number): readonly Problem[] {
  if (shards > mostShards) {
    const reason = `the rule takes ${grouped(shards)}, Citus has at most ${grouped(mostShards)}; set shardCount, or take fewer cores`;
    return [{ path: "shardCount", reason }];
  }
  if (shards >= workers) return [];
  const reason = `${shards} shards leave some of the ${workers} workers without data; take at least ${workers} shards, or set workers`;
  return [{ path: "shardCount", reason }];
}

/** What works and is worth knowing: less than the rules ask for, an uneven spread, a count that blocks growth. */
export function planFindings(expected: Expected, figures: ClusterFigures): readonly Finding[] {
  const [shards, workers] = [figures.shardCount.value, figures.workers.value];
  return [
    ...checkSpread(shards, workers, "shardCount"),
    ...checkGrowth(shards, workers, expected.growth, expected.planYears),
    ...workMemFindings(figures),
    ...workerFindings(expected.numbers, figures),
    ...hardwareFindings(expected, figures),
    ...shardFindings(expected, figures),
    ...tenantFindings(expected.numbers.get("tenants"), shards),
  ];
}

function workMemFindings({ worker: { cores, ram, maxConnections }, byRule }: ClusterFigures): readonly Finding[] {
  const wantedMiB = byRule.workMemMiB;
  const { workMem: plannedMiB } = memorySettings(ram.value, {
    connections: maxConnections.value,
    cores: cores.value,
    autovacuumWorkers: autovacuumWorkers(cores.value),
  });
  if (wantedMiB <= leastWorkMemMiB || plannedMiB >= wantedMiB) return [];
  const reason = `sorts and hashes of a shard would like ${grouped(wantedMiB)} MiB, work_mem is ${grouped(plannedMiB)} MiB: they use the disk; fewer concurrentQueries, more shards or more RAM would let them stay in memory`;
  return [{ severity: "hint", path: "explainAnalyze", reason }];
}

const warnWhere = (less: boolean, path: string, reason: () => string): readonly Finding[] =>
  less ? [{ severity: "warning", path, reason: reason() }] : [];

/** A given number of workers beside the one that the rules take. Where their machines are given too, these are told about. */
function workerFindings(numbers: Numbers, { workers, byRule }: ClusterFigures): readonly Finding[] {
  const wanted = byRule.workers;
  const areGiven = ["coresPerWorker", "ramPerWorker", "diskPerWorker"].some((path) => numbers.has(path));
  if (workers.value === wanted.value || areGiven) return [];
  const asked = Number.isFinite(wanted.value) ? `${grouped(wanted.value)} workers` : "more than 1,024 workers";
  const reason = `${grouped(workers.value)} are given, the rule takes ${asked}: ${wanted.because.rule}`;
  return [{ severity: workers.value < wanted.value ? "warning" : "hint", path: "workers", reason }];
}

function hardwareFindings({ kind }: Expected, { workers, worker, byRule }: ClusterFigures): readonly Finding[] {
  const { cores, ram, disk, maxConnections } = worker;
  const { totals, connections } = byRule;
  const allCores = workers.value * cores.value;
  const allRam = workers.value * ram.value;
  return [
    ...warnWhere(
      allCores < totals.cores.value,
      "coresPerWorker",
      () =>
        `${workers.value} workers × ${cores.value} cores are ${allCores}, the rule asks for ${totals.cores.value}: ${totals.cores.because.rule}`,
    ),
    ...warnWhere(
      kind !== "custom" && allRam < Math.floor(totals.ramGiB),
      "ramPerWorker",
      () =>
        `${workers.value} workers × ${ram.value} GiB are ${allRam} GiB, the rule asks for ${roundUp(totals.ramGiB)} GiB: ${totals.ramRule}`,
    ),
    ...warnWhere(
      maxConnections.value < connections.value,
      "maxConnections",
      () =>
        `${maxConnections.value} per worker are fewer than the ${connections.value} that clients and queries can hold: some wait; take ${connections.value}, or fewer peakClients`,
    ),
    ...warnWhere(
      disk.value < byRule.disk.value,
      "diskPerWorker",
      () =>
        `${disk.value} GiB hold today's data, the rule asks for ${byRule.disk.value} GiB: ${byRule.disk.because.rule}`,
    ),
  ];
}

function shardFindings({ kind }: Expected, { workers, worker, shardCount }: ClusterFigures): readonly Finding[] {
  const shards = shardCount.value;
  const allCores = workers.value * worker.cores.value;
  if (kind === "analytics")
    return warnWhere(
      shards < allCores,
      "shardCount",
      () =>
        `${shards} shards keep ${shards} of ${allCores} worker cores busy; at least one shard per core gives full parallelism, 2 × or 4 × is usual`,
    );
  if (kind !== "saas" || (shards >= saasShards.small && shards <= saasShards.larger[1])) return [];
  const reason = `${shards} shards are outside of the usual 32 to 128 for many tenants: more cost each query, fewer limit growth`;
  return [{ severity: "hint", path: "shardCount", reason }];
}

function tenantFindings(tenants: number | undefined, shards: number): readonly Finding[] {
  if (tenants === undefined || tenants >= shards) return [];
  const reason = `${tenants} tenants fill at most ${tenants} of ${shards} shards, since each lies in one`;
  return [{ severity: "hint", path: "tenants", reason }];
}
