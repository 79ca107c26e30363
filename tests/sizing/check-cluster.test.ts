/** The rules of a plan on clusters that exist: what each finds, told once, errors first. */
import assert from "node:assert/strict";
import { checkCluster, type ClusterFacts, type NodeFacts } from "../../sizing";

const node = (name: string, changes: Partial<NodeFacts> = {}): NodeFacts => ({
  name,
  holdsShards: name !== "main",
  maxConnections: 300,
  ...changes,
});
const cluster = (changes: Partial<ClusterFacts> = {}, worker: Partial<NodeFacts> = {}): ClusterFacts => ({
  coordinator: { ...node("main"), sharedPool: 280 },
  workers: ["a", "b", "c", "d"].map((name) => node(name, worker)),
  colocationGroups: [{ table: "events", shards: 64 }],
  concurrentQueries: 10,
  ...changes,
});

const rows: readonly {
  readonly why: string;
  readonly facts: ClusterFacts;
  readonly findings: readonly (readonly ["error" | "warning" | "hint", string, RegExp])[];
}[] = [
  { why: "nothing where nothing is to say", facts: cluster(), findings: [] },
  {
    why: "queries that need more connections than the workers accept",
    facts: cluster({ concurrentQueries: 40 }),
    findings: [["error", "events", /64 shards × 40 queries need 2,560 connections, the workers accept 1,200; raise/]],
  },
  {
    why: "the queries that may run, where nobody says how many",
    facts: cluster({ concurrentQueries: undefined }),
    findings: [["hint", "events", /^18 queries over all 64 shards may run at once$/]],
  },
  {
    why: "the same about many tables once",
    facts: cluster({
      colocationGroups: ["a", "b", "c", "d", "e"].map((table) => ({ table, shards: 30 })),
    }),
    findings: [["hint", "a, b, c and 2 more", /30 shards do not spread evenly over 4 workers/]],
  },
  {
    why: "the node with the fewest connections, which fills first",
    facts: cluster({ workers: [node("a"), node("b", { maxConnections: 100 })], concurrentQueries: 5 }),
    findings: [
      ["error", "events", /the workers accept 200; raise max_connections to 160/],
      ["warning", "citus.max_shared_pool_size", /is 280 on the coordinator, b accepts as few as 100/],
    ],
  },
  {
    why: "no node that may hold shards",
    facts: cluster({}, { holdsShards: false }),
    findings: [["error", "workers", /no node holds shards/]],
  },
  {
    why: "shards that only some workers hold",
    facts: cluster({ colocationGroups: [{ table: "t", shards: 2 }] }),
    findings: [["warning", "t", /2 shards leave 2 of 4 workers without data/]],
  },
  {
    why: "cores that one query cannot use",
    facts: cluster({}, { cores: 32 }),
    findings: [["hint", "events", /64 shards keep at most 64 of 128 worker cores busy/]],
  },
  {
    why: "more clients than the coordinator accepts",
    facts: cluster({ peakClients: 1000 }),
    findings: [["error", "coordinator", /1,000 clients need as many connections, main accepts 300/]],
  },
  {
    why: "a pool without limit",
    facts: cluster({ coordinator: { ...node("main"), sharedPool: -1 } }),
    findings: [
      ["warning", "citus.max_shared_pool_size", /is without limit on the coordinator, a, b, c, d accept as few as 300/],
    ],
  },
  {
    why: "executors that find no worker process",
    facts: cluster({ coordinator: { ...node("main"), backgroundTaskExecutors: 8, maxWorkerProcesses: 8 } }),
    findings: [["warning", "max_worker_processes", /is 8 on the coordinator, 8 background task executors/]],
  },
  {
    why: "shards that cannot move while writes go on",
    facts: cluster({ workers: [node("a", { walLevel: "replica" }), node("b"), node("c"), node("d")] }),
    findings: [["warning", "wal_level", /is replica on a: shards move only with writes blocked/]],
  },
  {
    why: "too few prepared transactions",
    facts: cluster({ coordinator: node("main", { maxPreparedTransactions: 100 }) }),
    findings: [["warning", "max_prepared_transactions", /is 100 on main, below max_connections 300/]],
  },
  {
    why: "memory that is promised twice",
    facts: cluster({
      workers: [node("a", { ramGiB: 8, sharedBuffersMiB: 2048, workMemMiB: 64 }), node("b"), node("c"), node("d")],
    }),
    findings: [["warning", "work_mem", /is 64 MiB on a: with 300 connections at their worst [\d,]+ MiB/]],
  },
  {
    why: "more shared memory than RAM, first of all",
    facts: cluster({
      colocationGroups: [{ table: "t", shards: 30 }],
      workers: [node("a", { ramGiB: 8, sharedBuffersMiB: 9000, workMemMiB: 4 }), node("b"), node("c"), node("d")],
    }),
    findings: [
      ["error", "shared_buffers", /is 9,000 MiB on a, which has 8 GiB of RAM/],
      ["hint", "t", /do not spread evenly/],
    ],
  },
];

describe("checkCluster", () => {
  for (const { why, facts, findings } of rows)
    it(`finds ${why}`, () => {
      const found = checkCluster(facts);
      assert.deepEqual(
        found.map(({ severity, path }) => [severity, path]),
        findings.map(([severity, path]) => [severity, path]),
        JSON.stringify(found, undefined, 1),
      );
      for (const [index, { reason }] of found.entries()) assert.match(reason, findings[index]?.[2] ?? /^$/);
    });

  it("finds what the article's example says: 128 shards × 40 queries on 5 workers of 300 connections", () => {
    const [first] = checkCluster(
      cluster({
        workers: ["a", "b", "c", "d", "e"].map((name) => node(name)),
        colocationGroups: [{ table: "t", shards: 128 }],
        concurrentQueries: 40,
      }),
    );
    assert.match(first?.reason ?? "", /need 5,120 connections, the workers accept 1,500; raise .*, or lower/);
  });
});
