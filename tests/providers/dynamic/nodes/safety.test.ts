/** What Nodes refuses, or does without being asked twice, so that no server takes shards with it. On real servers. */
import assert from "node:assert/strict";
import { formerServers } from "../../../../providers/dynamic/database";
import { provider } from "../../../../providers/dynamic/engine/entry";
import type { ServerAddress } from "../../../../providers/dynamic/engine/server";
import { nodes } from "../../../../providers/dynamic/nodes";
import type { FormerServer } from "../../../../providers/dynamic/nodes/plan";
import { requires, tool } from "../../../support/tools";
import { clusterOf, withServers } from "../cluster";

describe("formerServers", () => {
  const at = (host: string) => ({ host, port: 1 });
  const cases: readonly {
    readonly why: string;
    readonly old: {
      readonly nodes: Readonly<Record<string, ServerAddress>>;
      readonly former?: readonly FormerServer[];
    };
    readonly now: Readonly<Record<string, ServerAddress>>;
    readonly former: readonly FormerServer[];
  }[] = [
    { why: "nothing left", old: { nodes: { a: at("a") } }, now: { a: at("a"), b: at("b") }, former: [] },
    {
      why: "one left",
      old: { nodes: { a: at("a"), b: at("b") } },
      now: { a: at("a") },
      former: [{ key: "b", ...at("b") }],
    },
    {
      why: "stays remembered, each address once",
      old: {
        nodes: { a: at("a"), b: at("b") },
        former: [
          { key: "b", ...at("b") },
          { key: "c", ...at("c") },
        ],
      },
      now: { a: at("a") },
      former: [
        { key: "b", ...at("b") },
        { key: "c", ...at("c") },
      ],
    },
    {
      why: "is back under another key",
      old: { nodes: {}, former: [{ key: "b", ...at("b") }] },
      now: { z: at("b") },
      former: [],
    },
  ];
  for (const { why, old, now, former } of cases) {
    it(why, () => {
      assert.deepEqual(formerServers(old, { nodes: now }), former);
    });
  }
});

describe("Nodes, safety", function () {
  this.timeout(180_000);
  const servers = withServers(["coordinator", "a", "b", "c"]);
  const cluster = clusterOf(servers);
  const { inputs } = cluster;
  const subject = provider(nodes);
  const ports = async () => (await cluster.nodes()).map((row) => row["nodeport"]).sort();
  const portsOf = (...keys: string[]) => keys.map((key) => servers.address(key).port).sort();

  beforeEach(async () => {
    await cluster.database("coordinator", "a", "b", "c");
    await subject.create({ ...inputs("a", "b") });
    await cluster.query("coordinator", "CREATE TABLE public.t (id int PRIMARY KEY)");
    if (tool("realCitus").missing !== undefined) return;
    await cluster.query("coordinator", "SELECT create_distributed_table('public.t', 'id', shard_count => 4)");
    await cluster.query("coordinator", "INSERT INTO public.t SELECT generate_series(1, 100)");
  });

  afterEach(async () => {
    await servers.onEach("postgres", "DROP DATABASE IF EXISTS app WITH (FORCE)");
    await servers.onEach("postgres", "DROP DATABASE IF EXISTS other WITH (FORCE)");
  });

  it("drains a worker that only a killed run knew", async function () {
    requires(this, "realCitus");
    const c = servers.address("c");
    await cluster.query("coordinator", `SELECT citus_add_node('${c.host}', ${String(c.port)})`);
    await cluster.query("coordinator", "SELECT rebalance_table_shards(shard_transfer_mode => 'block_writes')");
    assert.ok(((await cluster.shards())[String(c.port)] ?? 0) > 0, "it holds shards");
    await subject.update("app", { ...inputs("a", "b") }, { ...inputs("a", "b"), former: [{ key: "c", ...c }] });
    assert.deepEqual(await ports(), portsOf("coordinator", "a", "b"));
    assert.deepEqual(await cluster.query("coordinator", "SELECT count(*)::int AS rows FROM public.t"), [{ rows: 100 }]);
  });

  it("does not adopt, nor go on, where another server answers at a registered address", async () => {
    await servers.query("a", "postgres", "DROP DATABASE app WITH (FORCE)");
    await cluster.database("coordinator", "a", "b", "c");
    const before = await cluster.nodes();
    await assert.rejects(subject.create({ ...inputs("a", "b") }), /does not hold that node's data/);
    await assert.rejects(
      subject.update(
        "app",
        { ...inputs("a", "b") },
        { ...inputs("b"), workers: { ...inputs("b").workers, z: servers.address("a") } },
      ),
      /does not hold that node's data/,
    );
    assert.deepEqual(await cluster.nodes(), before);
  });

  it("keeps a worker that carries another database of a cluster, until that one is managed", async () => {
    await servers.onEach("postgres", "CREATE DATABASE other");
    await servers.onEach("other", "CREATE EXTENSION citus");
    const connection = servers.connection("coordinator", "other");
    await subject.create({ ...inputs("a", "b"), connection });
    const before = await ports();
    const gone = { ...inputs("b"), managedDatabases: ["app"] };
    await assert.rejects(
      subject.update("app", { ...inputs("a", "b") }, gone),
      /database "other" on node "a".*not managed here/,
    );
    assert.deepEqual(await ports(), before);
    await subject.update("app", { ...inputs("a", "b") }, { ...gone, managedDatabases: ["app", "other"] });
    assert.deepEqual(await ports(), portsOf("coordinator", "b"));
  });

  it("does not empty a node that stays", async function () {
    requires(this, "realCitus");
    const b = servers.address("b");
    await cluster.query(
      "coordinator",
      `SELECT citus_set_node_property('${b.host}', ${String(b.port)}, 'shouldhaveshards', false)`,
    );
    const staying = (key: string) => ({
      ...inputs(key),
      workers: { b: { ...b, shouldHaveShards: false }, c: servers.address("c") },
    });
    await assert.rejects(subject.update("app", { ...inputs("a", "b") }, staying("b")), /would also empty/);
    assert.ok(((await cluster.shards())[String(b.port)] ?? 0) > 0);
  });

  it("remembers a change that failed half-way, and mends in the next run what it left", async function () {
    requires(this, "realCitus");
    await cluster.query("coordinator", "CREATE TABLE public.bare (id int)");
    await cluster.query(
      "coordinator",
      "SELECT create_distributed_table('public.bare', 'id', shard_count => 4, colocate_with => 'none')",
    );
    const old = { ...inputs("a", "b"), transferMode: "auto" as const };
    await assert.rejects(subject.update("app", { ...old }, { ...old, workers: inputs("b").workers }), (error) => {
      assert.ok(error instanceof Error && "id" in error && "properties" in error);
      assert.match(error.message, /replica identity/);
      assert.equal(error.id, "app");
      assert.deepEqual(error.properties, old);
      return true;
    });
    const a = servers.address("a");
    // What a drain that gave up leaves behind.
    await cluster.query(
      "coordinator",
      `SELECT citus_set_node_property('${a.host}', ${String(a.port)}, 'shouldhaveshards', false)`,
    );
    await subject.update("app", { ...old }, { ...old });
    const rows = await cluster.nodes();
    assert.deepEqual(
      rows.filter((row) => row["groupid"] !== 0).map((row) => row["shouldhaveshards"]),
      [true, true],
    );
  });

  it("is another object in another database", async () => {
    const other = { ...inputs("a", "b"), connection: servers.connection("coordinator", "other") };
    const { replaces } = await subject.diff("app", { ...inputs("a", "b") }, other);
    assert.deepEqual(replaces, ["connection"]);
  });
});
