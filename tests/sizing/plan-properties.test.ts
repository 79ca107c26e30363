/** What holds for every plan, over random workloads. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkSettings,
  checkWorkload,
  growthPlan,
  planCluster,
  type ClusterPlan,
  type Figure,
  type NodePlan,
  type Workload,
} from "../../sizing";
import { neededConnections } from "../../sizing/connections";
import { memoryShares, worstCaseMiB } from "../../sizing/memory";
import { workloads, saasWorkloads } from "./workloads";

const runs = { numRuns: 1000 };

/** The plan, or undefined for workloads that no cluster carries. */
function planOf(workload: Workload): ClusterPlan | undefined {
  return checkWorkload(workload).length > 0 ? undefined : planCluster(workload);
}

function forEveryPlan(rule: (plan: ClusterPlan, workload: Workload) => void): void {
  let planned = 0;
  fc.assert(
    fc.property(workloads, (workload) => {
      const plan = planOf(workload);
      if (plan === undefined) return;
      planned += 1;
      rule(plan, workload);
    }),
    runs,
  );
  assert.ok(planned > runs.numRuns / 2, `only ${planned} of the workloads could be planned`);
}

/** Figures that a user may fix, any of them. */
const givenFigures = fc.record(
  {
    workers: fc.integer({ min: 1, max: 64 }),
    coresPerWorker: fc.integer({ min: 1, max: 64 }),
    ramPerWorker: fc.integer({ min: 1, max: 512 }).map((count) => `${count} GiB` as const),
    diskPerWorker: fc.integer({ min: 1, max: 20_000 }).map((count) => `${count} GiB` as const),
    coordinatorCores: fc.integer({ min: 1, max: 64 }),
    coordinatorRam: fc.integer({ min: 1, max: 512 }).map((count) => `${count} GiB` as const),
    shardCount: fc.integer({ min: 1, max: 2000 }),
    maxConnections: fc.integer({ min: 1, max: 5000 }),
    coordinatorMaxConnections: fc.integer({ min: 1, max: 5000 }),
  },
  { requiredKeys: [] },
);

/** Plans with given figures that were not refused. */
function forEveryGiven(rule: (plan: ClusterPlan, workload: Workload) => void): void {
  let planned = 0;
  fc.assert(
    fc.property(workloads, givenFigures, (workload, given) => {
      const asked = { ...workload, ...given };
      const plan = planOf(asked);
      if (plan === undefined) return;
      planned += 1;
      rule(plan, asked);
    }),
    // Most random figures contradict each other.
    { numRuns: 10 * runs.numRuns },
  );
  assert.ok(planned > runs.numRuns, `only ${planned} of the workloads could be planned`);
}

/** Plans of the same workload with less and with more of something. */
function forMoreAndLess(
  change: (workload: Workload, amount: number) => Workload,
  rule: (less: ClusterPlan, more: ClusterPlan) => void,
): void {
  const amounts = fc.tuple(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 1000 }));
  let compared = 0;
  fc.assert(
    fc.property(workloads, amounts, (workload, [one, other]) => {
      const less = planOf(change(workload, Math.min(one, other)));
      const more = planOf(change(workload, Math.max(one, other)));
      if (less === undefined || more === undefined) return;
      compared += 1;
      rule(less, more);
    }),
    runs,
  );
  assert.ok(compared > runs.numRuns / 3, `only ${compared} pairs could be planned`);
}

const nodesOf = ({ worker, coordinator }: ClusterPlan) => [worker, coordinator];
const megabytes = (text: string | undefined) => Number(/^(\d+)MB$/.exec(text ?? "")?.[1]);
const settingNumber = (text: string | undefined) => Number(text);

/** MiB in use when every session and every vacuum takes all that its settings allow. */
function worstOf({ settings, cores, maxConnections }: NodePlan): number {
  return worstCaseMiB(
    {
      sharedBuffers: megabytes(settings["shared_buffers"]?.value),
      workMem: megabytes(settings["work_mem"]?.value),
      maintenanceWorkMem: megabytes(settings["maintenance_work_mem"]?.value),
    },
    {
      connections: maxConnections.value,
      cores: cores.value,
      autovacuumWorkers: settingNumber(settings["autovacuum_max_workers"]?.value),
    },
  );
}

const totalDisk = ({ workers, worker }: ClusterPlan) => workers.value * worker.disk.value;
const totalRam = ({ workers, worker }: ClusterPlan) => workers.value * worker.ram.value;

function everyFigure(
  value: unknown,
): readonly { readonly value: unknown; readonly because: { readonly rule: string; readonly source: string } }[] {
  if (typeof value !== "object" || value === null) return [];
  const own = "because" in value && "value" in value ? [value as ReturnType<typeof everyFigure>[number]] : [];
  return [...own, ...Object.values(value).flatMap(everyFigure)];
}

describe("every plan", () => {
  it("keeps the connection budget", () => {
    forEveryPlan(({ shardCount, workers, worker }, { concurrentQueries: queries = 1 }) => {
      const needed = neededConnections({ queries, shards: shardCount.value });
      assert.ok(needed <= workers.value * worker.maxConnections.value);
    });
  });

  it("allows at least the queries that are asked for", () => {
    forEveryPlan(({ possibleQueries }, { concurrentQueries = 1 }) => {
      assert.ok(possibleQueries.value >= concurrentQueries);
    });
  });

  it("uses no more memory than the RAM less a reserve, every session at its worst", () => {
    forEveryPlan((plan) => {
      for (const node of nodesOf(plan)) {
        const worst = worstOf(node);
        assert.ok(worst <= node.ram.value * 1024 * (1 - memoryShares.reserve), `${worst} MiB of ${node.ram.value} GiB`);
      }
    });
  });

  it("never plans work_mem below PostgreSQL's default", () => {
    forEveryPlan((plan) => {
      for (const { settings } of nodesOf(plan)) assert.ok(megabytes(settings["work_mem"]?.value) >= 4);
    });
  });

  it("has settings that the servers take", () => {
    forEveryPlan((plan) => {
      for (const { settings } of nodesOf(plan)) {
        const values = Object.fromEntries(Object.entries(settings).map(([name, { value }]) => [name, value]));
        assert.deepEqual(checkSettings(values, "settings", { postgresVersion: 15 }), []);
      }
    });
  });

  it("has enough worker processes for what it lets run", () => {
    forEveryPlan(({ coordinator: { settings } }) => {
      const number = (name: string) => settingNumber(settings[name]?.value);
      const used = number("max_parallel_workers") + number("max_logical_replication_workers");
      assert.ok(number("max_worker_processes") >= used + number("citus.max_background_task_executors") + 2);
    });
  });

  it("gives no worker without a shard, and no planned count that spreads unevenly over planned workers", () => {
    forEveryPlan(({ shardCount, workers, kind }) => {
      assert.ok(shardCount.value >= workers.value);
      if (kind !== "custom") assert.equal(shardCount.value % workers.value, 0);
    });
  });

  it("says for every figure which rule it follows, and where that comes from", () => {
    forEveryPlan((plan) => {
      const figures = everyFigure(plan);
      assert.ok(figures.length > 40);
      for (const { because } of figures) assert.ok(because.rule !== "" && because.source !== "");
    });
  });

  it("has only whole numbers above zero", () => {
    forEveryPlan(({ worker, coordinator, ...figures }) => {
      const nodes = [worker, coordinator].flatMap(({ cores, ram, disk, maxConnections }) => [
        cores,
        ram,
        disk,
        maxConnections,
      ]);
      for (const { value } of [...nodes, figures.workers, figures.shardCount, figures.sharedPool])
        assert.ok(Number.isSafeInteger(value) && value > 0, String(value));
    });
  });

  it("is the same, byte for byte, for the same workload in any order of its fields", () => {
    forEveryPlan((plan, workload) => {
      const reversed = Object.fromEntries(Object.entries(workload).reverse()) as unknown as Workload;
      assert.equal(JSON.stringify(planCluster(reversed)), JSON.stringify(plan));
    });
  });

  it("leaves its workload as it was", () => {
    forEveryPlan((_plan, workload) => {
      const before = JSON.stringify(workload);
      planCluster(workload);
      assert.equal(JSON.stringify(workload), before);
    });
  });

  it("gives the coordinator no more RAM than a worker", () => {
    forEveryPlan(({ worker, coordinator }) => {
      assert.ok(coordinator.ram.value <= worker.ram.value);
    });
  });

  it("holds the data on its disks, with the tenth that Citus keeps free", () => {
    forEveryPlan((plan, { dataSize }) => {
      assert.ok(totalDisk(plan) * 2 ** 30 * 0.9 > parseInt(dataSize) * 1e9);
    });
  });
});

describe("every plan with given figures", () => {
  it("has them as given", () => {
    forEveryGiven(({ workers, shardCount, worker, coordinator }, asked) => {
      const pairs: readonly (readonly [unknown, Figure])[] = [
        [asked.workers, workers],
        [asked.coresPerWorker, worker.cores],
        [asked.shardCount, shardCount],
        [asked.maxConnections, worker.maxConnections],
        [asked.coordinatorCores, coordinator.cores],
        [asked.coordinatorMaxConnections, coordinator.maxConnections],
      ];
      for (const [given, figure] of pairs) if (given !== undefined) assert.equal(figure.value, given);
    });
  });

  it("keeps the connection budget, and uses no more memory than there is", () => {
    forEveryGiven((plan, { concurrentQueries = 1 }) => {
      const { workers, worker, shardCount } = plan;
      assert.ok(concurrentQueries * shardCount.value <= workers.value * worker.maxConnections.value);
      for (const node of nodesOf(plan)) assert.ok(worstOf(node) <= node.ram.value * 1024 * (1 - memoryShares.reserve));
    });
  });

  it("admits every client, and gives every worker a shard and room for today's data", () => {
    forEveryGiven(({ coordinator, shardCount, workers, worker }, { peakClients = 1, dataSize }) => {
      assert.ok(coordinator.maxConnections.value >= peakClients);
      assert.ok(shardCount.value >= workers.value);
      assert.ok(workers.value * worker.disk.value * 2 ** 30 * 0.9 >= parseInt(dataSize) * 1e9);
    });
  });

  it("has settings that the servers take", () => {
    forEveryGiven((plan) => {
      for (const { settings } of nodesOf(plan)) {
        const values = Object.fromEntries(Object.entries(settings).map(([name, { value }]) => [name, value]));
        assert.deepEqual(checkSettings(values, "settings", { postgresVersion: 15 }), []);
      }
    });
  });
});

describe("more data", () => {
  const withData = (workload: Workload, amount: number): Workload => ({
    ...workload,
    dataSize: `${10 + amount * amount} GB`,
    ...(workload.kind === "analytics" ? { workingSet: `${(10 + amount * amount) / 20} GB` } : {}),
  });
  it("never means fewer workers, fewer shards, or less disk and RAM in all", () => {
    forMoreAndLess(withData, (less, more) => {
      assert.ok(more.workers.value >= less.workers.value, "workers");
      assert.ok(more.shardCount.value >= less.shardCount.value, "shards");
      assert.ok(totalDisk(more) >= totalDisk(less), `disk ${totalDisk(less)} > ${totalDisk(more)}`);
      assert.ok(totalRam(more) >= totalRam(less), "RAM");
    });
  });
});

describe("more clients", () => {
  const withClients = (workload: Workload, amount: number): Workload => ({
    ...workload,
    peakClients: 50 + amount,
  });
  it("never mean fewer connections or less RAM on any node", () => {
    forMoreAndLess(withClients, (less, more) => {
      for (const node of ["worker", "coordinator"] as const) {
        assert.ok(more[node].maxConnections.value >= less[node].maxConnections.value);
        assert.ok(more[node].ram.value >= less[node].ram.value);
      }
    });
  });
  it("mean exactly as many more connections", () => {
    forMoreAndLess(withClients, (less, more) => {
      assert.equal(
        more.worker.maxConnections.value - less.worker.maxConnections.value,
        more.coordinator.maxConnections.value - less.coordinator.maxConnections.value,
      );
    });
  });
});

describe("more queries at once", () => {
  it("never mean fewer connections", () => {
    const withQueries = (workload: Workload, amount: number): Workload => ({
      ...workload,
      peakClients: 100,
      concurrentQueries: 1 + Math.floor(amount / 25),
    });
    forMoreAndLess(withQueries, (less, more) => {
      assert.ok(more.worker.maxConnections.value >= less.worker.maxConnections.value);
      assert.equal(more.shardCount.value, less.shardCount.value);
    });
  });
});

describe("more growth", () => {
  const withGrowth = (workload: Workload, amount: number): Workload => ({
    ...workload,
    growthPerYear: `${amount / 2}%`,
  });
  it("never means fewer shards or less disk", () => {
    forMoreAndLess(withGrowth, (less, more) => {
      assert.ok(more.shardCount.value >= less.shardCount.value);
      assert.ok(totalDisk(more) >= totalDisk(less));
    });
  });
  it("never means fewer workers in any year, and an earlier limit at most", () => {
    forMoreAndLess(withGrowth, (less, more) => {
      if (less.shardCount.value !== more.shardCount.value) return;
      const [slow, fast] = [growthPlan(less, 10), growthPlan(more, 10)];
      fast.steps.forEach(({ workers }, index) => assert.ok(workers >= (slow.steps[index]?.workers ?? 0)));
      assert.ok((fast.limit?.year ?? 99) <= (slow.limit?.year ?? 99));
    });
  });
});

describe("every growth plan", () => {
  it("only ever adds workers, never more than shards, and spreads all shards at each step", () => {
    forEveryPlan((plan) => {
      const shards = plan.shardCount.value;
      let before = plan.workers.value;
      for (const {
        workers,
        added,
        shardsPerWorker: { least, most },
      } of growthPlan(plan, 10).steps) {
        assert.equal(workers, before + added);
        assert.ok(added >= 0 && workers <= Math.max(shards, plan.workers.value));
        assert.ok(least * workers <= shards && most * workers >= shards && most - least <= 1);
        before = workers;
      }
    });
  });
  it("spreads a SaaS plan evenly until its limit", () => {
    fc.assert(
      fc.property(saasWorkloads, (workload) => {
        const plan = planOf(workload);
        if (plan === undefined) return;
        const { steps, limit } = growthPlan(plan, 8);
        for (const { year, workers } of steps)
          if (year < (limit?.year ?? 99)) assert.equal(plan.shardCount.value % workers, 0);
      }),
      runs,
    );
  });
});

describe("planning", () => {
  it("takes less than 2 s for 10,000 random workloads", () => {
    const many = fc.sample(workloads, 10_000);
    // Time of the processor: other programs of the machine do not count.
    const start = process.cpuUsage();
    for (const workload of many) {
      try {
        planCluster(workload);
      } catch (error) {
        // Some are too large for any cluster.
        assert.match(String(error), /cannot be planned/);
      }
    }
    const seconds = process.cpuUsage(start).user / 1e6;
    assert.ok(seconds < 2, `${seconds.toFixed(2)} s`);
  }).timeout(60_000);
});
