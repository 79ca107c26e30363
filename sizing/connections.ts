/** The connection budget: concurrent queries × shards ≤ workers × max_connections, solved for each side, and what nodes accept. Pure.
 *  Citus: max_shared_pool_size, max_adaptive_executor_pool_size, max_cached_conns_per_worker. */
import { sources, type Figure } from "./figure";
import { grouped, roundDown } from "./units";

/** What one side of the budget is. */
export interface Budget {
  readonly queries: number;
  readonly shards: number;
  readonly workers: number;
  readonly maxConnections: number;
}

/** What connections are needed for. */
export interface Load {
  /** Sessions on the coordinator at the same time. */
  readonly clients: number;
  /** How many of them query all shards at once. */
  readonly queries: number;
  readonly shards: number;
  readonly workers: number;
}

/** Connections that the queries open: one per shard. */
export const neededConnections = ({ queries, shards }: Pick<Budget, "queries" | "shards">): number => queries * shards;

/** Connections that all workers together accept. */
export const acceptedConnections = ({ workers, maxConnections }: Pick<Budget, "workers" | "maxConnections">): number =>
  workers * maxConnections;

/** Does every query find its connections? */
export const fitsBudget = (budget: Budget): boolean => neededConnections(budget) <= acceptedConnections(budget);

/** Given the shards: how many queries over all of them may run at once. */
export const allowedQueries = (budget: Omit<Budget, "queries">): number =>
  roundDown(acceptedConnections(budget) / budget.shards);

/** Given the queries: how many shards they may have. */
export const allowedShards = (budget: Omit<Budget, "shards">): number =>
  roundDown(acceptedConnections(budget) / budget.queries);

/** Given both: the least `max_connections` of each worker. */
export const requiredConnections = ({ queries, shards, workers }: Omit<Budget, "maxConnections">): number =>
  Math.ceil((queries * shards) / workers);

/**
 * The budget that is not kept, and every way to keep it; undefined when it is kept. Reads after a path.
 * `reserved` connections of each worker are for others; the article's rule knows none.
 */
export function budgetReason(budget: Budget, reserved = 0): string | undefined {
  const free = { ...budget, maxConnections: Math.max(0, budget.maxConnections - reserved) };
  if (fitsBudget(free)) return undefined;
  const { queries, shards, workers } = budget;
  const [most, fewest] = [allowedQueries(free), allowedShards(free)];
  const ways = [
    `raise max_connections to ${grouped(requiredConnections(budget) + reserved)} on each of the ${grouped(workers)} workers`,
    ...(most > 0 ? [`lower the queries to ${grouped(most)}`] : []),
    ...(fewest > 0 ? [`lower the shards to ${grouped(fewest)}`] : []),
  ];
  const accepted = `the workers accept ${grouped(acceptedConnections(free))}${reserved > 0 ? ` besides ${reserved} reserved on each` : ""}`;
  return `${grouped(shards)} shards × ${grouped(queries)} queries need ${grouped(neededConnections(budget))} connections, ${accepted}; ${ways.join(", or ")}`;
}

/**
 * Connections of each node besides clients and distributed queries: superuser_reserved_connections (3), the maintenance daemon and
 * 2PC recovery of Citus, four moves at once, monitoring. Our choice, 2026-11-23.
 */
export const reservedConnections = 20;

/** max_connections of the coordinator. */
export function coordinatorConnections(clients: number): Figure {
  return {
    value: clients + reservedConnections,
    unit: "connections",
    because: {
      rule: "one per client, and a reserve for the superuser, Citus, moves and monitoring",
      inputs: { clients, reserve: reservedConnections },
      source: sources.ours,
    },
  };
}

/**
 * max_connections of a worker: every session of the coordinator keeps one connection to it (citus.max_cached_conns_per_worker);
 * sessions that run a query over all shards have one per shard of the worker instead.
 */
export function workerConnections(load: Load): Figure {
  const { clients, queries, shards, workers } = load;
  return {
    value: clients - queries + requiredConnections(load) + reservedConnections,
    unit: "connections",
    because: {
      rule: "concurrent queries × shards ≤ workers × max_connections; one more per other session, and the reserve",
      inputs: { clients, queries, shards, workers, reserve: reservedConnections },
      source: `${sources.shardCount}; reserve: ${sources.ours}`,
    },
  };
}

/** citus.max_shared_pool_size of the coordinator: queries wait for a connection then, instead of failing at a worker that has none left. */
export function sharedPool(maxConnections: number): Figure {
  return {
    value: Math.max(1, maxConnections - reservedConnections),
    unit: "connections",
    because: {
      rule: "max_connections of a worker less the reserve: beyond it queries wait instead of failing",
      inputs: { "max_connections of a worker": maxConnections, reserve: reservedConnections },
      source: sources.ours,
    },
  };
}

/** Queries over all shards that may run at once. */
export function possibleQueries(shards: number, workers: number, maxConnections: number): Figure {
  return {
    value: allowedQueries({ shards, workers, maxConnections: Math.max(0, maxConnections - reservedConnections) }),
    unit: "queries",
    because: {
      rule: "workers × (max_connections − reserve) ÷ shards, rounded down",
      inputs: { workers, max_connections: maxConnections, reserve: reservedConnections, shards },
      source: sources.shardCount,
    },
  };
}
