/** What is wrong with a workload: every problem at once, each with its path, its value and what to do. */
import assert from "node:assert/strict";
import { checkWorkload, growthPlan, planCluster, type Workload } from "../../sizing";

const saas = { kind: "saas", oldServer: { cores: 16, ram: "64 GiB" }, dataSize: "50 GB", peakClients: 100 };
const analytics = {
  kind: "analytics",
  currentLatency: "16 s",
  desiredLatency: "1 s",
  dataSize: "50 GB",
  concurrentQueries: 4,
};
const custom = {
  kind: "custom",
  workers: 4,
  coresPerWorker: 8,
  ramPerWorker: "32 GiB",
  dataSize: "50 GB",
  peakClients: 100,
};

const rows: readonly {
  readonly why: string;
  readonly workload: unknown;
  readonly problems: readonly (readonly [string, RegExp])[];
}[] = [
  { why: "nothing", workload: undefined, problems: [["", /a workload is a map of fields, got undefined/]] },
  { why: "a list", workload: [saas], problems: [["", /a workload is a map/]] },
  { why: "no kind", workload: {}, problems: [["kind", /is missing; it is one of saas, analytics, custom/]] },
  { why: "an unknown kind", workload: { kind: "sass" }, problems: [["kind", /got "sass"; did you mean "saas"\?/]] },
  { why: "a name of JavaScript as kind", workload: { kind: "constructor" }, problems: [["kind", /must be one of/]] },
  {
    why: "everything missing",
    workload: { kind: "saas" },
    problems: [
      ["oldServer", /is missing/],
      ["dataSize", /is missing/],
      ["peakClients", /is missing/],
    ],
  },
  {
    why: "an unknown field",
    workload: { ...saas, datasize: "1 GB" },
    problems: [["datasize", /did you mean "dataSize"\?/]],
  },
  {
    why: "an unknown inner field",
    workload: { ...saas, oldServer: { ...saas.oldServer, core: 1 } },
    problems: [["oldServer.core", /did you mean "cores"\?/]],
  },
  {
    why: "a field of another kind",
    workload: { ...saas, workingSet: "1 GB" },
    problems: [["workingSet", /is not a field/]],
  },
  {
    why: "a name of JavaScript as field",
    workload: { ...saas, toString: 1 },
    problems: [["toString", /is not a field/]],
  },
  {
    why: "zero",
    workload: { ...saas, peakClients: 0 },
    problems: [["peakClients", /a whole number from 1 to 100000, got 0/]],
  },
  { why: "a negative number", workload: { ...saas, tenants: -5 }, problems: [["tenants", /got -5/]] },
  { why: "NaN", workload: { ...saas, peakClients: NaN }, problems: [["peakClients", /got NaN/]] },
  { why: "infinity", workload: { ...saas, peakClients: Infinity }, problems: [["peakClients", /got Infinity/]] },
  {
    why: "a fraction of a core",
    workload: { ...saas, oldServer: { cores: 1.5, ram: "1 GiB" } },
    problems: [["oldServer.cores", /whole number .* got 1.5/]],
  },
  { why: "a number as text", workload: { ...saas, peakClients: "100" }, problems: [["peakClients", /got "100"/]] },
  {
    why: "a size of zero",
    workload: { ...saas, dataSize: "0 GB" },
    problems: [["dataSize", /above zero, got "0 GB"/]],
  },
  { why: "a negative size", workload: { ...saas, dataSize: "-1 GB" }, problems: [["dataSize", /got "-1 GB"/]] },
  {
    why: "a size without unit",
    workload: { ...saas, dataSize: 50 },
    problems: [["dataSize", /kB, MB, GB, TB, KiB, MiB, GiB, TiB\); 50 has no unit/]],
  },
  {
    why: "a size without unit as text",
    workload: { ...saas, dataSize: "50" },
    problems: [["dataSize", /"50" has no unit/]],
  },
  {
    why: "a time as size",
    workload: { ...saas, dataSize: "50 ms" },
    problems: [["dataSize", /"ms" is none of these units/]],
  },
  { why: "an unknown unit", workload: { ...saas, dataSize: "50 gb" }, problems: [["dataSize", /"gb" is none/]] },
  {
    why: "a unit of JavaScript",
    workload: { ...saas, dataSize: "50 valueOf" },
    problems: [["dataSize", /"valueOf" is none/]],
  },
  {
    why: "a size as time",
    workload: { ...analytics, currentLatency: "3 GB" },
    problems: [["currentLatency", /"GB" is none/]],
  },
  {
    why: "growth as a factor",
    workload: { ...saas, growthPerYear: 0.4 },
    problems: [["growthPerYear", /such as 40%, got 0.4/]],
  },
  { why: "negative growth", workload: { ...saas, growthPerYear: "-5%" }, problems: [["growthPerYear", /got "-5%"/]] },
  {
    why: "growth beyond any",
    workload: { ...saas, growthPerYear: "2000%" },
    problems: [["growthPerYear", /from 0% to 1000%/]],
  },
  {
    why: "a latency wanted above the current one",
    workload: { ...analytics, desiredLatency: "1 min" },
    problems: [["desiredLatency", /is above currentLatency \(60000 ms above 16000 ms\)/]],
  },
  {
    why: "a working set above the data",
    workload: { ...analytics, workingSet: "51 GB" },
    problems: [["workingSet", /is above dataSize/]],
  },
  {
    why: "tenants without data size",
    workload: { ...saas, dataSize: undefined, tenants: 9 },
    problems: [["tenants", /add dataSize/]],
  },
  {
    why: "RAM below the floor",
    workload: { ...custom, ramPerWorker: "512 MiB" },
    problems: [["ramPerWorker", /must be at least 1 GiB/]],
  },
  {
    why: "RAM of the coordinator below the floor",
    workload: { ...custom, coordinatorRam: "1 GB" },
    problems: [["coordinatorRam", /must be at least 1 GiB/]],
  },
  {
    why: "more shards than Citus has",
    workload: { ...custom, shardCount: 64_001 },
    problems: [["shardCount", /1 to 64000, got 64001/]],
  },
  {
    why: "more shards than one query can open connections for",
    workload: { ...custom, shardCount: 4096, maxConnections: 300 },
    problems: [
      [
        "maxConnections",
        /4,096 shards × 1 queries need 4,096 connections, the workers accept 1,120 .* raise max_connections to 1,044 .* lower the shards to 1,120 \(contradicts shardCount, workers\)/,
      ],
    ],
  },
  {
    why: "more shards than the RAM carries connections for",
    workload: { ...custom, shardCount: 64_000 },
    problems: [
      [
        "shardCount",
        /need 16,119 connections per worker, ramPerWorker with 32 GiB carries 94\d; take at most [\d,]+ shards/,
      ],
    ],
  },
  {
    why: "a rule that asks for more shards than Citus has",
    workload: { ...analytics, dataSize: "27825 GB", growthPerYear: "1%", coresPerWorker: 32 },
    problems: [["shardCount", /the rule takes 65,536, Citus has at most 64,000; set shardCount, or take fewer cores/]],
  },
  {
    why: "RAM that no server can use",
    workload: { ...analytics, workers: 1, dataSize: "30 TB" },
    problems: [["ramPerWorker", /36,055 GiB are more than one server can use \(32,768 GiB\); take more workers/]],
  },
  {
    why: "fewer shards than workers",
    workload: { ...custom, shardCount: 3 },
    problems: [["shardCount", /3 shards leave 1 of the 4 workers \(workers\)/]],
  },
  {
    why: "one shard for planned workers",
    workload: { ...saas, shardCount: 1 },
    problems: [["shardCount", /leave some of the 2 workers/]],
  },
  {
    why: "queries that contradict the given connections",
    workload: { ...custom, workers: 5, peakClients: 100, shardCount: 128, concurrentQueries: 40, maxConnections: 300 },
    problems: [
      [
        "maxConnections",
        /5,120 connections, the workers accept 1,400 besides 20 reserved on each; .*lower the queries to 10.*concurrentQueries, shardCount, workers/,
      ],
    ],
  },
  {
    why: "clients that contradict the given RAM",
    workload: { ...custom, ramPerWorker: "4 GiB", peakClients: 2000 },
    problems: [["peakClients", /ramPerWorker with 4 GiB carries 11\d/]],
  },
  {
    why: "connections that contradict the given RAM",
    workload: { ...custom, maxConnections: 5000 },
    problems: [["maxConnections", /ramPerWorker with 32 GiB carries/]],
  },
  {
    why: "clients that contradict the coordinator's RAM",
    workload: { ...custom, coordinatorRam: "1 GiB" },
    problems: [["coordinatorRam", /1 GiB of a coordinator carry \d+ .* need 120/]],
  },
  {
    why: "fewer clients than queries",
    workload: { ...saas, peakClients: 3, concurrentQueries: 4 },
    problems: [["concurrentQueries", /need as many clients, peakClients is 3/]],
  },
  {
    why: "a disk that does not hold the data",
    workload: { ...custom, dataSize: "1 TB", diskPerWorker: "200 GiB" },
    problems: [["diskPerWorker", /200 GiB do not hold today's data: dataSize over 4 workers.* needs 259 GiB/]],
  },
  {
    why: "more than any cluster",
    workload: { ...saas, dataSize: "99999999999 TB" },
    problems: [["workers", /more than 1,024 workers .* check the units/]],
  },
  {
    why: "everything at once",
    workload: {
      kind: "analytics",
      currentLatency: "1 GB",
      desiredLatency: 5,
      concurrentQueries: -1,
      dataSize: "x",
      planYears: 31,
      wrong: 1,
    },
    problems: [
      ["currentLatency", /unit/],
      ["desiredLatency", /unit/],
      ["concurrentQueries", /-1/],
      ["dataSize", /"x"/],
      ["planYears", /31/],
      ["wrong", /is not a field/],
    ],
  },
];

describe("checkWorkload", () => {
  for (const { why, workload, problems } of rows) {
    it(`refuses ${why}`, () => {
      const found = checkWorkload(workload);
      assert.deepEqual(
        found.map(({ path }) => path),
        problems.map(([path]) => path),
      );
      found.forEach(({ reason }, index) => assert.match(reason, problems[index]?.[1] ?? /^$/));
    });
  }

  it("accepts what is right, undefined fields included", () => {
    for (const workload of [saas, analytics, custom, { ...custom, shardCount: undefined }, { ...saas, tenants: null }])
      assert.deepEqual(checkWorkload(workload), []);
  });
});

describe("planCluster", () => {
  const plan = (workload: object) => planCluster(workload as Workload);

  it("throws every problem of a workload that it refuses", () => {
    assert.throws(() => plan({ ...saas, peakClients: 0, dataSize: 1 }), /dataSize: .*\npeakClients: /);
  });

  it("takes every given figure and says so", () => {
    const given = {
      diskPerWorker: "500 GiB",
      coordinatorCores: 3,
      coordinatorRam: "11 GiB",
      coordinatorDisk: "77 GiB",
      shardCount: 96,
      maxConnections: 250,
    };
    const { workers, worker, coordinator, shardCount } = plan({ ...custom, ...given });
    const figures = [
      workers,
      worker.cores,
      worker.ram,
      worker.disk,
      coordinator.cores,
      coordinator.ram,
      coordinator.disk,
    ];
    assert.deepEqual(
      [...figures, shardCount, worker.maxConnections].map(({ value }) => value),
      [4, 8, 32, 500, 3, 11, 77, 96, 250],
    );
    assert.ok([...figures, shardCount].every(({ because }) => because.rule === "as given"));
  });

  const findings: readonly {
    readonly why: string;
    readonly workload: object;
    readonly severity: string;
    readonly path: string;
    readonly reason: RegExp;
  }[] = [
    {
      why: "fewer cores than the rule",
      workload: { ...saas, workers: 2, coresPerWorker: 4 },
      severity: "warning",
      path: "coresPerWorker",
      reason: /2 workers × 4 cores are 8, the rule asks for 16/,
    },
    {
      why: "less RAM than the rule",
      workload: { ...saas, workers: 2, ramPerWorker: "16 GiB" },
      severity: "warning",
      path: "ramPerWorker",
      reason: /are 32 GiB, the rule asks for 64 GiB/,
    },
    {
      why: "less disk than the rule",
      workload: { ...saas, diskPerWorker: "40 GiB" },
      severity: "warning",
      path: "diskPerWorker",
      reason: /40 GiB hold today's data, the rule asks for/,
    },
    {
      why: "fewer connections than clients",
      workload: { ...custom, maxConnections: 60 },
      severity: "warning",
      path: "maxConnections",
      reason: /60 per worker are fewer than the 127/,
    },
    {
      why: "shards that do not spread evenly",
      workload: { ...custom, workers: 3 },
      severity: "hint",
      path: "shardCount",
      reason: /some hold 11, others 10; 4 workers, or a multiple of 3 shards/,
    },
    {
      why: "more shards than usual for tenants",
      workload: { ...saas, shardCount: 256 },
      severity: "hint",
      path: "shardCount",
      reason: /outside of the usual 32 to 128/,
    },
    {
      why: "fewer tenants than shards",
      workload: { ...saas, tenants: 12 },
      severity: "hint",
      path: "tenants",
      reason: /12 tenants fill at most 12 of 32 shards/,
    },
    {
      why: "a count that blocks growth",
      workload: { ...custom, shardCount: 8, growthPerYear: "100%", planYears: 5 },
      severity: "hint",
      path: "shardCount",
      reason:
        /blocks growth in year 3: 16 workers are needed then, and 8 shards fill at most 8; start with at least 64 shards, or plan alter_distributed_table/,
    },
    {
      why: "sorts that have to use the disk",
      workload: { ...analytics, explainAnalyze: { disk: "900 GB" } },
      severity: "hint",
      path: "explainAnalyze",
      reason: /they use the disk/,
    },
  ];
  for (const { why, workload, severity, path, reason } of findings) {
    it(`finds ${why}`, () => {
      const [found] = plan(workload).findings;
      assert.deepEqual([found?.severity, found?.path], [severity, path]);
      assert.match(found?.reason ?? "", reason);
    });
  }
});

describe("growthPlan", () => {
  const plan = (changes: object) => planCluster({ ...custom, ...changes } as Workload);

  it("adds workers when the first year's disks are full, in steps over which the shards spread evenly", () => {
    const { steps } = growthPlan(plan({ growthPerYear: "50%" }), 4);
    assert.deepEqual(
      steps.map(({ workers, added, shardsPerWorker }) => [workers, added, shardsPerWorker.least, shardsPerWorker.most]),
      [
        [4, 0, 8, 8],
        [8, 4, 4, 4],
        [16, 8, 2, 2],
        [16, 0, 2, 2],
      ],
    );
  });

  it("says in which year the shards become the limit", () => {
    const { limit, steps } = growthPlan(plan({ shardCount: 16, growthPerYear: "100%" }), 5);
    assert.deepEqual(limit, { year: 4, because: "32 workers are needed in year 4, and 16 shards fill at most 16" });
    assert.equal(steps[4]?.workers, 16);
  });

  it("adds nothing without growth", () => {
    const { limit, steps } = growthPlan(plan({}), 30);
    assert.ok(limit === undefined && steps.every(({ added }) => added === 0));
  });

  it("refuses years that are none", () => {
    for (const years of [0, -1, 1.5, NaN, 31]) assert.throws(() => growthPlan(plan({}), years), RangeError);
  });
});
