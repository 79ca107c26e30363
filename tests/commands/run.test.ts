/** The command line without a process: what is printed where, and the exit code. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run, type Outside } from "../../commands/run";
import type { ClusterFacts } from "../../sizing";
import { projectFolder } from "../support/tools";

const workload = `
kind: saas
oldServer: { cores: 16, ram: 64 GiB }
dataSize: 250 GB
growthPerYear: 40%
peakClients: 300
tenants: 50
`;

const node = (name: string, maxConnections: number) => ({ name, holdsShards: name !== "main:5432", maxConnections });
const facts: ClusterFacts = {
  coordinator: { ...node("main:5432", 500), sharedPool: 500 },
  workers: ["a", "b", "c", "d", "e"].map((name) => node(`${name}:5432`, 300)),
  colocationGroups: [{ table: "events", shards: 128 }],
};

const outside = (text = workload): Outside => ({
  readFile: (path) => {
    if (path === "absent.yaml") throw new Error("ENOENT: no such file or directory, open 'absent.yaml'");
    return text;
  },
  readFacts: () => Promise.resolve(facts),
});

const plan = (text: string, ...options: string[]) => run(["plan", "workload.yaml", ...options], outside(text));

describe("pulumi-citus plan", () => {
  it("prints machines, settings, growth and findings", async () => {
    const { output, complaint, exitCode } = await plan(workload);
    assert.deepEqual([complaint, exitCode], ["", 0]);
    assert.match(output, /^coordinator +1 +8 +16 +\d+ +320$/m);
    assert.match(output, /^worker +2 +8 +32 +\d+ +351$/m);
    assert.match(output, /^shared_buffers +4096MB +8192MB +restart$/m);
    assert.match(output, /^ +2 +457 +4 \(\+2\) +16 +115$/m);
    assert.match(output, /^hint: tenants: 50 tenants fill at most 50 of 64 shards/m);
  });

  it("prints one JSON document of plan and growth for programs", async () => {
    const { output } = await plan(workload, "--json");
    const { plan: planned, growth } = JSON.parse(output) as {
      plan: { shardCount: { value: number; because: { source: string } } };
      growth: { steps: unknown[] };
    };
    assert.equal(planned.shardCount.value, 64);
    assert.match(planned.shardCount.because.source, /shard count/);
    assert.equal(growth.steps.length, 3);
  });

  it("explains every number with rule, inputs and source", async () => {
    const { output } = await plan(workload, "--explain");
    assert.match(output, /^shard count: 64 shards\n {4}SaaS: 32 shards below 100 GB[^:]*workers = 2[^:]*article/m);
    assert.match(output, /^worker: shared_buffers = 8192MB\n {4}25 % of RAM \(RAM = 32 GiB\) – PostgreSQL manual/m);
  });

  it("explains once what holds for both roles, in lines that fit a terminal", async () => {
    const { output } = await plan(workload, "--explain");
    assert.equal(output.match(/^(\w+: )?wal_level = logical$/gm)?.length, 1);
    for (const text of [output, (await plan(workload)).output])
      assert.deepEqual(
        text.split("\n").filter((line) => line.length > 80),
        [],
      );
  });

  it("plans the example", async () => {
    const example = join(projectFolder, "examples", "stack", "workload.yaml");
    const { output, complaint } = await run(["plan", example], {
      ...outside(),
      readFile: (path) => readFileSync(path, "utf8"),
    });
    assert.equal(complaint, "");
    assert.match(output, /^Shards of each distributed table: 64\./m);
  });

  const refused: readonly { readonly why: string; readonly text: string; readonly complaint: RegExp }[] = [
    {
      why: "unknown keys, with a suggestion, and everything else at once",
      text: `${workload}datasize: 1 GB\ntenant: 0`,
      complaint: /^workload.yaml:\ndatasize: .*"dataSize"\?\ntenant: .*"tenants"\?$/,
    },
    {
      why: "a key that stands twice",
      text: `${workload}tenants: 5`,
      complaint: /^workload\.yaml:\nMap keys must be unique.* line 8/s,
    },
    { why: "text that is no YAML", text: "kind: [saas", complaint: /line 1/ },
    { why: "several documents", text: `${workload}---\nkind: saas`, complaint: /multiple documents/ },
    { why: "an empty file", text: "", complaint: /a workload is a map of fields, got null/ },
  ];
  for (const { why, text, complaint } of refused) {
    it(`refuses ${why}`, async () => {
      const outcome = await plan(text);
      assert.deepEqual([outcome.output, outcome.exitCode], ["", 2]);
      assert.match(outcome.complaint, complaint);
    });
  }
});

describe("pulumi-citus check", () => {
  it("prints nodes, tables and findings, and ends with 1 where the cluster cannot work so", async () => {
    const { output, exitCode } = await run(["check", "postgresql://c", "--queries", "40"], outside());
    assert.equal(exitCode, 1);
    assert.match(output, /^worker +a:5432 +yes +300$/m);
    assert.match(
      output,
      /^error: events: 128 shards × 40 queries need 5,120 connections, the workers\s+accept 1,500; raise/m,
    );
    assert.match(output, /^hint: events: 128 shards do not spread evenly over 5 workers/m);
  });

  it("ends with 0 where nothing is an error", async () => {
    assert.equal((await run(["check", "postgresql://c", "--queries", "11"], outside())).exitCode, 0);
  });

  it("prints JSON for programs", async () => {
    const { output } = await run(["check", "postgresql://c", "--json"], outside());
    const { findings } = JSON.parse(output) as { findings: { severity: string }[] };
    assert.ok(findings.length > 0 && findings.every(({ severity }) => severity !== "error"));
  });
});

describe("pulumi-citus", () => {
  const rows: readonly { readonly args: readonly string[]; readonly complaint: RegExp }[] = [
    { args: ["plam"], complaint: /"plam" is no command; did you mean "plan"\?/ },
    { args: ["constructor"], complaint: /is no command/ },
    { args: ["plan"], complaint: /name a file/ },
    { args: ["plan", "a", "b"], complaint: /one argument is expected, got a b/ },
    { args: ["plan", "a", "--jsn"], complaint: /--jsn/ },
    { args: ["plan", "absent.yaml"], complaint: /^absent\.yaml:\nENOENT/ },
    { args: ["check", "c", "--queries", "0"], complaint: /--queries: must be a whole number from 1 on, got "0"/ },
    { args: ["check", "c", "--clients", "many"], complaint: /--clients: .*got "many"/ },
  ];
  for (const { args, complaint } of rows) {
    it(`refuses ${args.join(" ")} with exit code 2`, async () => {
      const outcome = await run(args, outside());
      assert.deepEqual([outcome.output, outcome.exitCode], ["", 2]);
      assert.match(outcome.complaint, complaint);
    });
  }

  it("prints how it is used", async () => {
    for (const args of [[], ["--help"], ["plan", "--help"]]) {
      const { output, exitCode } = await run(args, outside());
      assert.equal(exitCode, 0);
      assert.match(output, /^Usage:/);
    }
  });
});
