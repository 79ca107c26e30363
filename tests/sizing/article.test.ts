/** Every figure of the article "Manage your Citus cluster" (2026-02-11) about sizes, one row each with its section. */
import assert from "node:assert/strict";
import { allowedQueries, allowedShards, budgetReason, fitsBudget, requiredConnections } from "../../sizing/connections";
import { analyticsCores } from "../../sizing/hardware";
import { planCluster, type ClusterPlan } from "../../sizing";

const saas = (changes: object = {}) =>
  planCluster({
    kind: "saas",
    oldServer: { cores: 16, ram: "64 GiB" },
    dataSize: "50 GB",
    peakClients: 100,
    ...changes,
  });

const analytics = (changes: object = {}) =>
  planCluster({
    kind: "analytics",
    currentLatency: "16 s",
    desiredLatency: "1 s",
    dataSize: "50 GB",
    concurrentQueries: 4,
    ...changes,
  });

const coordinatorSetting = (plan: ClusterPlan, name: string) => plan.coordinator.settings[name]?.value;

const rows: readonly {
  readonly section: string;
  readonly says: string;
  readonly gives: () => unknown;
  readonly expected: unknown;
}[] = [
  {
    section: "shard count",
    says: "SaaS below 100 GB starts with 32",
    gives: () => saas({ dataSize: "50 GB" }).shardCount.value,
    expected: 32,
  },
  {
    section: "shard count",
    says: "SaaS just below 100 GB starts with 32",
    gives: () => saas({ dataSize: "99.999 GB" }).shardCount.value,
    expected: 32,
  },
  {
    section: "shard count",
    says: "SaaS from 100 GB on takes 64",
    gives: () => saas({ dataSize: "100 GB" }).shardCount.value,
    expected: 64,
  },
  {
    section: "shard count",
    says: "SaaS above 100 GB takes 64 or 128: 128 where growth needs it",
    gives: () => saas({ dataSize: "10 TB", growthPerYear: "300%", planYears: 4 }).shardCount.value,
    expected: 128,
  },
  {
    section: "shard count",
    says: "room to grow to as many workers as there are shards, 128 at most",
    gives: () => saas({ dataSize: "10 TB", growthPerYear: "900%", planYears: 5 }).shardCount.value,
    expected: 128,
  },
  {
    section: "shard count",
    says: "analytics starts with 2 × the worker cores",
    gives: () => analytics().shardCount.value,
    expected: 2 * 16,
  },
  {
    section: "shard count",
    says: "or 4 ×, so that later workers and cores find shards to take",
    gives: () => analytics({ growthPerYear: "10%" }).shardCount.value,
    expected: 4 * 16,
  },
  {
    section: "shard count",
    says: "full parallelism needs at least one shard per core on each node",
    gives: () => analytics({ shardCount: 8 }).findings.map(({ path, severity }) => `${severity} ${path}`),
    expected: ["warning shardCount"],
  },
  {
    section: "shard count",
    says: "max concurrent queries × shard count ≤ workers × max_connections: kept at equality",
    gives: () => fitsBudget({ queries: 10, shards: 32, workers: 4, maxConnections: 80 }),
    expected: true,
  },
  {
    section: "shard count",
    says: "… and broken by one more query",
    gives: () => fitsBudget({ queries: 11, shards: 32, workers: 4, maxConnections: 80 }),
    expected: false,
  },
  {
    section: "shard count",
    says: "… solved for the queries",
    gives: () => allowedQueries({ shards: 128, workers: 5, maxConnections: 300 }),
    expected: 11,
  },
  {
    section: "shard count",
    says: "… solved for the shards",
    gives: () => allowedShards({ queries: 40, workers: 5, maxConnections: 300 }),
    expected: 37,
  },
  {
    section: "shard count",
    says: "… solved for max_connections",
    gives: () => requiredConnections({ queries: 40, shards: 128, workers: 5 }),
    expected: 1024,
  },
  {
    section: "shard count",
    says: "… told with both sides and every way out",
    gives: () => budgetReason({ queries: 40, shards: 128, workers: 5, maxConnections: 300 }),
    expected:
      "128 shards × 40 queries need 5,120 connections, the workers accept 1,500; raise max_connections to 1,024 on each of the 5 workers, or lower the queries to 11, or lower the shards to 37",
  },
  {
    section: "initial hardware size",
    says: "SaaS: total worker cores are those of the old server",
    gives: () => saas().workers.value * saas().worker.cores.value,
    expected: 16,
  },
  {
    section: "initial hardware size",
    says: "SaaS: total worker RAM is that of the old server",
    gives: () => saas().workers.value * saas().worker.ram.value,
    expected: 64,
  },
  {
    section: "initial hardware size",
    says: "SaaS: two to three times better performance",
    gives: () => saas().worker.cores.because.rule.includes("two to three times"),
    expected: true,
  },
  {
    section: "initial hardware size",
    says: "the coordinator needs less memory than the workers",
    gives: () => saas().coordinator.ram.value < saas().worker.ram.value,
    expected: true,
  },
  {
    section: "initial hardware size",
    says: "the coordinator is compute-optimised: 2 GiB per core",
    gives: () => saas().coordinator.ram.value / saas().coordinator.cores.value,
    expected: 2,
  },
  {
    section: "initial hardware size",
    says: "analytics: cores are current latency ÷ desired latency",
    gives: () => analyticsCores(8000, 1000, undefined).value,
    expected: 8,
  },
  {
    section: "initial hardware size",
    says: "… rounded, always up: a core less misses the wish",
    gives: () => analyticsCores(8100, 1000, undefined).value,
    expected: 9,
  },
  {
    section: "initial hardware size",
    says: "… as a factor of the cores in use, where the query uses several",
    gives: () => analyticsCores(8000, 1000, 4).value,
    expected: 32,
  },
  {
    section: "initial hardware size",
    says: "… and the plan says which reading it used",
    gives: () =>
      [undefined, 4].map((used) => /as (the number|a factor)/.exec(analyticsCores(8, 1, used).because.rule)?.[1]),
    expected: ["the number", "a factor"],
  },
  {
    section: "initial hardware size",
    says: "… which does not take rounding noise for a core (1.1 s ÷ 0.1 s is 11)",
    gives: () => analyticsCores(1.1 * 1000, 0.1 * 1000, undefined).value,
    expected: 11,
  },
  {
    section: "initial hardware size",
    says: "analytics: the workers' RAM holds the working set",
    gives: () => {
      const { workers, worker } = analytics({ dataSize: "500 GB", workingSet: "300 GiB" });
      return workers.value * worker.ram.value > 300;
    },
    expected: true,
  },
  {
    section: "initial hardware size",
    says: "analytics: what EXPLAIN ANALYZE shows counts for RAM",
    gives: () => {
      const explainAnalyze = { memory: "2 GB", disk: "30 GB" };
      return analytics({ explainAnalyze }).worker.ram.value > analytics().worker.ram.value;
    },
    expected: true,
  },
  {
    section: "rebalance shards",
    says: "moves run side by side: the example's 2 per node come with 4 cores per worker",
    gives: () =>
      coordinatorSetting(saas({ workers: 8, coresPerWorker: 4 }), "citus.max_background_task_executors_per_node"),
    expected: "2",
  },
  {
    section: "rebalance shards",
    says: "… and its 8 in all with 8 workers",
    gives: () => coordinatorSetting(saas({ workers: 8, coresPerWorker: 4 }), "citus.max_background_task_executors"),
    expected: "8",
  },
  {
    section: "rebalance shards",
    says: "… and its 32 worker processes are the least",
    gives: () => coordinatorSetting(saas({ workers: 8, coresPerWorker: 4 }), "max_worker_processes"),
    expected: "32",
  },
  {
    section: "rebalance shards",
    says: "max_worker_processes needs a restart, which the article leaves out",
    gives: () => saas().worker.settings["max_worker_processes"]?.inForce,
    expected: "restart",
  },
  {
    section: "rebalance shards",
    says: "the executor settings need a reload",
    gives: () => saas().coordinator.settings["citus.max_background_task_executors"]?.inForce,
    expected: "reload",
  },
  {
    section: "rebalance shards",
    says: "moves are logical replication",
    gives: () => saas().worker.settings["wal_level"]?.value,
    expected: "logical",
  },
];

describe("figures of the article", () => {
  for (const { section, says, gives, expected } of rows) {
    it(`${section}: ${says}`, () => assert.deepEqual(gives(), expected));
  }
});
