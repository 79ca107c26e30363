/** A cluster planned from its workload on the real engine: what a preview prints, what the servers run with, what tables get. */
import assert from "node:assert/strict";
import type { ClusterPlan, Workload } from "../../index";
import { ask, clusterOf, portsFor, url } from "../support/demo-cluster";
import { withStack } from "../support/stack";
import { requires } from "../support/tools";

const workload: Workload = {
  kind: "saas",
  oldServer: { cores: 16, ram: "64 GiB" },
  dataSize: "250 GB",
  peakClients: 60,
  concurrentQueries: 2,
  tenants: 5000,
};

describe("CitusCluster with a workload, on the engine", function () {
  this.timeout(600_000);

  it("prints the plan with its reasons in a preview, and warns of what is written against its rules", async function () {
    requires(this, "cli", "tls", "command");
    const ports = await portsFor("a");
    await withStack(
      (folder) =>
        clusterOf(folder, ports, ["a"], {
          workload,
          coordinatorSettings: { "citus.max_shared_pool_size": "5000" },
        }),
      async (stack) => {
        const { output, diagnostics } = await stack.preview();
        assert.match(output, /shard count: 64 shards\n\s+SaaS: 32 shards below 100 GB of data, from there 64 or 128/);
        assert.match(output, /max_connections of the coordinator: 80 connections\n\s+one per client/);
        assert.match(output.replaceAll(/\s+/g, " "), /hint: hosts: share one machine: memory, WAL and parallelism/);
        const warnings = diagnostics.filter(({ severity }) => severity === "warning").map(({ message }) => message);
        assert.ok(warnings.some((text) => text.includes("hosts.workers: 1 are given, the rule takes 2")));
        assert.ok(warnings.some((text) => text.includes("coordinatorSettings.citus.max_shared_pool_size: is 5,000")));
      },
    );
  });

  it("runs its servers with the planned settings, and gives tables the planned number of shards", async function () {
    requires(this, "cli", "tls", "command", "realCitus");
    const ports = await portsFor("a", "b");
    let folder = "";
    const withShards = (settings: Readonly<Record<string, string>>) =>
      clusterOf(folder, ports, ["a", "b"], { workload, coordinatorSettings: settings });
    await withStack(
      (dataFolder) => {
        folder = dataFolder;
        return withShards({});
      },
      async (stack) => {
        const run = await stack.up();
        await stack.expectNoChanges();
        const app = url(run, "app");
        const shardsOf = async (table: string) => {
          await ask(
            app,
            `CREATE TABLE ${table} (tenant bigint); SELECT create_distributed_table('${table}', 'tenant')`,
          );
          const [row] = await ask<{ shard_count: string }>(
            app,
            `SELECT shard_count FROM citus_tables WHERE table_name = '${table}'::regclass`,
          );
          return Number(row?.shard_count);
        };
        assert.equal(await shardsOf("planned"), 64);
        const plan = planIn((await stack.export()).deployment);
        for (const [key, port] of Object.entries({ coordinator: ports.coordinator, ...ports.workers })) {
          const expected = plan[key === "coordinator" ? "coordinator" : "worker"].settings;
          const rows = await ask<{ name: string; setting: string }>(
            url(run, "postgres").replace(`:${ports.coordinator}/`, `:${port}/`),
            `SELECT name, current_setting(name) AS setting FROM unnest(ARRAY['${Object.keys(expected).join("','")}']) AS name`,
          );
          for (const { name, setting } of rows)
            assert.equal(inKilobytes(setting), inKilobytes(expected[name]?.value ?? ""), `${name} of ${key}`);
        }

        stack.change(withShards({ "citus.shard_count": "48" }));
        await stack.up();
        assert.equal(await shardsOf("written"), 48);
      },
    );
  });
});

/** The plan among the component's outputs. */
function planIn(deployment: unknown): ClusterPlan {
  const { resources } = deployment as { resources: { type: string; outputs?: { plan?: ClusterPlan } }[] };
  const plan = resources.find(({ type }) => type === "citus:index:CitusCluster")?.outputs?.plan;
  assert.ok(plan !== undefined, "the component has its plan as output");
  return plan;
}

/** The server writes 1024MB as 1GB. */
function inKilobytes(text: string): number | string {
  const [, number, unit = ""] = /^(\d+)(kB|MB|GB)$/.exec(text) ?? [];
  return number === undefined ? text : Number(number) * ({ kB: 1, MB: 1024, GB: 1024 ** 2 }[unit] ?? 0);
}
