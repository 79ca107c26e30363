/** What a workload means for a cluster: settings, what wins, what is warned of, what is refused; and that previews and hosts get the plan. */
import assert from "node:assert/strict";
import { CitusCluster, type CitusClusterArgs } from "../../components/cluster";
import { checkClusterArgs } from "../../components/cluster-check";
import { clusterPlan, previewText, type ClusterPlanArgs } from "../../components/cluster-plan";
import { localHosts } from "../../components/hosts/local";
import type { HostRequirements, HostTarget } from "../../components/hosts/host";
import { planCluster, type Workload } from "../../sizing";
import { describeProblems } from "../../sizing/problem";
import { mockEngine } from "./hosts/mock-engine";

const workload: Workload = {
  kind: "saas",
  oldServer: { cores: 16, ram: "64 GiB" },
  dataSize: "250 GB",
  peakClients: 300,
  concurrentQueries: 10,
};

/** Machines of their own, as SSH or EC2 hosts have. */
const hosts = (...workers: string[]): HostTarget => ({
  nodes: Object.fromEntries(
    ["coordinator", ...workers].map((key) => [
      key,
      { role: key === "coordinator" ? ("coordinator" as const) : ("worker" as const), address: key, port: 5432 },
    ]),
  ),
  check: () => [],
  create: () => {
    throw new Error("no host is made");
  },
});

const planned = (args: Partial<ClusterPlanArgs> = {}) => clusterPlan({ hosts: hosts("a", "b"), workload, ...args });
const lines = (found: readonly { path: string; reason: string }[]) => found.map((one) => describeProblems([one]));

describe("clusterPlan", () => {
  it("plans nothing without a workload, and keeps the user's settings of each role", () => {
    const { plan, settings, problems, warnings } = planned({
      workload: undefined,
      settings: { work_mem: "8MB", max_connections: "50" },
      workerSettings: { max_connections: "70" },
    });
    assert.deepEqual([plan, problems, warnings], [undefined, [], []]);
    assert.deepEqual(settings, {
      coordinator: { work_mem: "8MB", max_connections: "50" },
      worker: { work_mem: "8MB", max_connections: "70" },
    });
  });

  it("gives every planned setting to its role, the shard count to the coordinator", () => {
    const { plan, settings, warnings } = planned();
    const expected = planCluster(workload);
    assert.deepEqual(plan, expected);
    assert.deepEqual(warnings, []);
    for (const role of ["coordinator", "worker"] as const)
      assert.deepEqual(
        settings[role],
        Object.fromEntries(Object.entries(expected[role].settings).map(([name, { value }]) => [name, value])),
      );
    assert.equal(settings.coordinator["citus.shard_count"], "64");
  });

  it("keeps the rule's plan for more workers than the rule takes, and says so: none of those that run changes", () => {
    const two = planned();
    const three = planned({ hosts: hosts("a", "b", "c") });
    assert.deepEqual([three.plan, three.settings, three.warnings], [two.plan, two.settings, []]);
    assert.deepEqual(two.hints, []);
    const told = lines(three.hints).join("\n");
    assert.match(
      told,
      /^hosts\.workers: has 3 that hold shards, the rule takes 2: they are more of the same machines$/m,
    );
    assert.match(told, /^hosts\.workers: 64 shards do not spread evenly over 3 workers/m);
  });

  it("plans larger machines for fewer workers", () => {
    const { plan } = planned({ hosts: hosts("a") });
    assert.deepEqual([plan?.workers.value, plan?.worker.cores.value], [1, 16]);
  });

  it("counts the coordinator among the holders of shards where it is one", () => {
    assert.equal(planned({ hosts: hosts("a") }).plan?.workers.value, 1);
    assert.equal(planned({ hosts: hosts("a"), coordinatorHoldsShards: true }).plan?.workers.value, 2);
    assert.equal(planned({ hosts: hosts(), coordinatorHoldsShards: true }).plan?.workers.value, 1);
  });

  it("lets what follows from a written setting follow from it", () => {
    const { settings } = planned({
      workerSettings: { max_connections: "800" },
      coordinatorSettings: { max_connections: "500", "citus.shard_count": "32" },
    });
    assert.deepEqual(
      [
        settings.worker["max_prepared_transactions"],
        settings.coordinator["citus.max_shared_pool_size"],
        settings.coordinator["max_prepared_transactions"],
        settings.coordinator["citus.max_adaptive_executor_pool_size"],
      ],
      ["1600", "780", "1000", "16"],
    );
  });

  const warned: readonly { why: string; args: Partial<ClusterPlanArgs>; warnings: readonly RegExp[] }[] = [
    {
      why: "fewer workers than the rules take",
      args: { hosts: hosts("a") },
      warnings: [/^hosts\.workers: 1 are given, the rule takes 2 workers: the fewest of 2, 4, 8/],
    },
    {
      why: "fewer connections than clients and queries can hold",
      args: { workerSettings: { max_connections: "400" } },
      warnings: [/^workerSettings\.max_connections: 400 per worker are fewer than the 630/],
    },
    {
      why: "a pool that is larger than the workers accept",
      args: { coordinatorSettings: { "citus.max_shared_pool_size": "5000" } },
      warnings: [/^coordinatorSettings\.citus\.max_shared_pool_size: is 5,000 on the coordinator, each worker accepts/],
    },
    {
      why: "more memory per sort than the RAM carries",
      args: { settings: { work_mem: "1GB" } },
      warnings: [
        /^settings\.work_mem: is 1024 MiB on the coordinator/,
        /^settings\.work_mem: is 1024 MiB on each worker/,
      ],
    },
    {
      why: "less hardware than the rules ask for",
      args: { workload: { ...workload, coresPerWorker: 2 } },
      warnings: [/^workload\.coresPerWorker: 2 workers × 2 cores are 4/],
    },
    {
      why: "too few worker processes for a rebalance",
      args: { settings: { max_worker_processes: "4" } },
      warnings: [/^settings\.max_worker_processes: is 4 on the coordinator/],
    },
  ];
  for (const { why, args, warnings } of warned)
    it(`warns of ${why}`, () => {
      const found = planned(args);
      assert.deepEqual(found.problems, []);
      assert.equal(found.warnings.length, warnings.length, lines(found.warnings).join("\n"));
      for (const [index, text] of lines(found.warnings).entries()) assert.match(text, warnings[index] ?? /^$/);
    });

  const refused: readonly { why: string; args: Partial<ClusterPlanArgs>; problems: readonly RegExp[] }[] = [
    {
      why: "a number of workers that is not the map's",
      args: { workload: { ...workload, workers: 4 } },
      problems: [/^workload\.workers: is 4, and hosts\.workers has 2; keep one of the two, or make them equal$/],
    },
    {
      why: "figures that a setting contradicts, all at once",
      args: {
        workload: { ...workload, maxConnections: 700, shardCount: 64 },
        settings: { max_connections: "900" },
        coordinatorSettings: { "citus.shard_count": "32" },
      },
      problems: [
        /^workload\.maxConnections: is 700, and settings\.max_connections is 900;/,
        /^workload\.shardCount: is 64, and coordinatorSettings\.citus\.shard_count is 32;/,
      ],
    },
    {
      why: "connections that the queries do not find",
      args: { workerSettings: { max_connections: "100" } },
      problems: [
        /^workerSettings\.max_connections: 64 shards × 10 queries need 640 connections, the workers accept 160 .*contradicts concurrentQueries, workers/,
      ],
    },
    {
      why: "fewer connections than clients on the coordinator",
      args: { coordinatorSettings: { max_connections: "200" } },
      problems: [/^coordinatorSettings\.max_connections: 200 are fewer than 300 clients .* take at least 320/],
    },
    {
      why: "fewer shards than workers",
      args: { coordinatorSettings: { "citus.shard_count": "1" } },
      problems: [/^coordinatorSettings\.citus\.shard_count: 1 shards leave 1 of the 2 workers/],
    },
    {
      why: "more shared memory than there is",
      args: { workerSettings: { shared_buffers: "200GB" } },
      problems: [/^workerSettings\.shared_buffers: is 204,800 MiB on each worker, which has 32 GiB of RAM$/],
    },
    {
      why: "a workload that is none",
      args: { workload: JSON.parse('"saas"') as Workload },
      problems: [/^workload: a workload is a map of fields, got "saas"$/],
    },
    {
      why: "everything wrong with a workload, under its name",
      args: { workload: { ...workload, dataSize: "0 GB", peakClients: -1 } },
      problems: [/^workload\.dataSize: must be/, /^workload\.peakClients: must be/],
    },
  ];
  for (const { why, args, problems } of refused)
    it(`refuses ${why}`, () => {
      const found = lines(planned(args).problems);
      assert.equal(found.length, problems.length, found.join("\n"));
      for (const [index, text] of found.entries()) assert.match(text, problems[index] ?? /^$/);
      const all = checkClusterArgs({ hosts: hosts("a", "b"), workload, ...args } as CitusClusterArgs);
      assert.deepEqual(
        lines(all).filter((text) => found.includes(text)),
        found,
      );
    });

  it("leaves a value that no server takes to the check of settings", () => {
    const args = { workerSettings: { max_connections: "many" } };
    assert.deepEqual(planned(args).problems, []);
    assert.deepEqual(lines(checkClusterArgs({ hosts: hosts("a", "b"), workload, ...args })), [
      'workerSettings.max_connections: must be a number, got "many"',
    ]);
  });

  it("fills the number of workers of a custom workload in", () => {
    const custom = { kind: "custom", coresPerWorker: 8, ramPerWorker: "32 GiB", dataSize: "50 GB", peakClients: 100 };
    const found = planned({ workload: custom as unknown as Workload });
    assert.deepEqual([found.problems, found.warnings, found.plan?.workers.value], [[], [], 2]);
  });
});

describe("clusterPlan of local hosts", () => {
  const local = (workers: readonly string[], machine: HostTarget["sharedMachine"]) => ({
    hosts: { ...hosts(...workers), sharedMachine: machine },
  });
  const machine = { cores: 8, ramGiB: 24 };

  it("keeps counts, and takes memory from each node's share of the machine", () => {
    const { plan, settings, warnings, hints } = planned(local(["a", "b"], machine));
    const real = planned();
    assert.deepEqual(warnings, []);
    for (const name of ["max_connections", "citus.shard_count", "citus.max_shared_pool_size"])
      assert.equal(settings.coordinator[name], real.settings.coordinator[name], name);
    assert.deepEqual(
      [settings.worker["shared_buffers"], settings.worker["max_parallel_workers"], settings.worker["max_wal_size"]],
      ["768MB", "2", "4GB"],
    );
    assert.equal(plan?.worker.ram.value, 32, "the plan still says what machines the workload needs");
    assert.match(plan.worker.settings["shared_buffers"]?.because.rule ?? "", /of a node's share of the machine$/);
    assert.match(
      previewText(plan, hints).replaceAll(/\s+/g, " "),
      /hint: hosts: share one machine: [^:]* 3 GiB and 2 cores each/,
    );
  });

  it("changes no setting of nodes that run when one is added, as long as the shares last", () => {
    const [three, four] = [
      ["a", "b"],
      ["a", "b", "c"],
    ].map((workers) => planned(local(workers, machine)).settings);
    assert.deepEqual(four, three);
  });

  it("never shares out more than half of the machine", () => {
    for (const workers of [["a"], ["a", "b"], ["a", "b", "c", "d", "e", "f", "g"]]) {
      for (const ramGiB of [1, 4, 24, 512]) {
        const { settings } = planned(local(workers, { cores: 2, ramGiB }));
        const shared = [settings.coordinator, ...workers.map(() => settings.worker)];
        const sum = shared.reduce((all, each) => all + parseInt(each["shared_buffers"] ?? ""), 0);
        assert.ok(sum <= (ramGiB * 1024) / 8, `${sum} MiB of ${ramGiB} GiB`);
      }
    }
  });

  it("checks written settings against the whole machine", () => {
    const { problems } = planned({ ...local(["a"], machine), settings: { shared_buffers: "25GB" } });
    assert.match(lines(problems).join("\n"), /^settings\.shared_buffers: is 25,600 MiB .* has 24 GiB of RAM$/m);
  });

  it("is what localHosts says of this machine", () => {
    const { sharedMachine } = localHosts({ folder: "/var/tmp/c", coordinator: { port: 1 }, workers: {} });
    assert.ok(Number.isInteger(sharedMachine?.ramGiB) && (sharedMachine?.cores ?? 0) >= 1);
  });
});

describe("CitusCluster with a workload", () => {
  /** The arguments of hosts, and every registered resource. */
  async function madeBy(args: Partial<CitusClusterArgs>) {
    let asked: HostRequirements | undefined;
    const made = mockEngine({
      "pulumi-nodejs:dynamic/citus:RevocationList": { initial: "list", current: "list", revokedSerials: [] },
    });
    const target = localHosts({
      folder: "/var/tmp/c",
      coordinator: { port: 9700 },
      workers: { a: { port: 9701 }, b: { port: 9702 } },
    });
    const cluster = new CitusCluster("demo", {
      hosts: {
        ...target,
        create: (name, requirements, opts) => {
          asked = requirements;
          return target.create(name, requirements, opts);
        },
      },
      ...args,
    });
    return { cluster, asked, resources: await made() };
  }

  it("hands the plan to the hosts, shows its figures as inputs, and has it as output", async () => {
    const { cluster, asked, resources } = await madeBy({ workload });
    assert.equal(cluster.plan?.shardCount.value, 64);
    assert.equal(asked?.plan, cluster.plan);
    const [component] = resources.filter(({ type }) => type === CitusCluster.type);
    assert.equal((component?.inputs["plan"] as Record<string, string>)["shard count"], "64 shards");
    const configuration = resources.find(({ type }) => type === "citus:index:NodeConfiguration");
    const nodes = configuration?.inputs["nodes"] as Record<string, { settings: Record<string, string> }>;
    assert.deepEqual(
      ["coordinator", "a", "b"].map((key) => nodes[key]?.settings["citus.shard_count"]),
      ["64", undefined, undefined],
    );
    assert.deepEqual(
      ["coordinator", "a", "b"].map((key) => nodes[key]?.settings["max_connections"]),
      ["320", "630", "630"],
    );
  });

  it("has no plan without one", async () => {
    const { cluster, asked, resources } = await madeBy({});
    assert.deepEqual([cluster.plan, asked?.plan], [undefined, undefined]);
    assert.ok(resources.every(({ type, inputs }) => type !== CitusCluster.type || !("plan" in inputs)));
  });
});
