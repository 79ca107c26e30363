/** The read functions on one cluster: what they give of it, within their limits, and what they say when they cannot. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { provider } from "../../../providers/dynamic/engine/entry";
import { limitOf, listed, outputOf } from "../../../providers/dynamic/engine/reading";
import type { Connection } from "../../../providers/dynamic/engine/session";
import { nodes } from "../../../providers/dynamic/nodes";
import * as reads from "../../../providers/dynamic/reads";
import { securityOf } from "../../../providers/dynamic/reads/get-connection-security";
import { metadataDigest } from "../../../providers/dynamic/reads/get-metadata-digest";
import { canary, unreachable } from "../../support/contract";
import { requires } from "../../support/tools";
import { clusterOf, withServers } from "./cluster";

const {
  getConnectionSecurity,
  getMetadataDigest,
  getNodes,
  getProgress,
  getQueryStatistics,
  getRebalancePlan,
  getShards,
  getTables,
  getTenants,
} = reads;

const everyRead = {
  getConnectionSecurity,
  getMetadataDigest,
  getNodes,
  getProgress,
  getQueryStatistics,
  getRebalancePlan,
  getShards,
  getTables,
  getTenants,
};

describe("read functions", () => {
  it("are each there for promises and for Outputs", () => {
    const names = Object.keys(reads).sort();
    assert.deepEqual(
      names,
      Object.keys(everyRead)
        .flatMap((name) => [name, `${name}Output`])
        .sort(),
    );
  });

  it("take a limit from 1 to 100000, and 1000 without one", () => {
    assert.deepEqual([{}, { limit: 1 }, { limit: 100_000 }].map(limitOf), [1_000, 1, 100_000]);
    for (const limit of [0, -1, 1.5, 100_001, Number.NaN])
      assert.throws(() => limitOf({ limit }), /^Error: limit: must be a whole number/);
  });

  it("give lists that say how many there are, without fields that have no value", () => {
    assert.deepEqual(listed([{ a: 1, b: null, total: 5 }]), { rows: [{ a: 1 }], total: 5 });
    assert.deepEqual(listed([]), { rows: [], total: 0 });
  });
});

describe("metadataDigest", () => {
  const parts = {
    nodes: "n",
    tables: "t",
    shards: "s",
    placements: "p",
    colocationGroups: "c",
    schemas: "d",
    objects: "o",
  };
  const answer = (port: number, result: object | string) => ({
    host: "h",
    port,
    success: typeof result === "object",
    result: typeof result === "object" ? JSON.stringify(result) : result,
  });

  it("is the same whatever the order in which a node names its parts", () => {
    const turned = Object.fromEntries(Object.entries(parts).reverse());
    assert.equal(metadataDigest([answer(1, parts), answer(2, turned)]).inSync, true);
  });
  it("names the parts in which a node differs", () => {
    const { inSync, nodes: seen } = metadataDigest([answer(1, parts), answer(2, { ...parts, shards: "x" })]);
    assert.equal(inSync, false);
    assert.deepEqual(
      seen.map(({ differs }) => differs),
      [[], ["shards"]],
    );
    assert.notEqual(seen[1]?.digest, seen[0]?.digest);
  });
  it("is not in sync with a node that does not answer, and says why", () => {
    const { inSync, nodes: seen } = metadataDigest([answer(1, parts), answer(2, "failed to connect to h:2\n")]);
    assert.equal(inSync, false);
    assert.deepEqual(seen[1], { host: "h", port: 2, differs: [], reason: "failed to connect to h:2" });
  });
  it("is nothing without the coordinator", () => {
    assert.throws(
      () => metadataDigest([answer(1, "failed to connect to h:1")]),
      /coordinator does not answer itself: failed/,
    );
  });
});

describe("securityOf", () => {
  it("counts all, shows what the limit allows, and names nodes that did not answer", () => {
    const row = { betweenNodes: true, encrypted: true, certificate: null };
    const result = JSON.stringify({ total: 4, unencrypted: 1, betweenNodes: 3, rows: [row, row] });
    const answers = [
      { host: "c", port: 1, success: true, result },
      { host: "a", port: 2, success: true, result },
      { host: "b", port: 3, success: false, result: "failed to connect to b:3\n" },
    ];
    const { rows, ...counts } = securityOf(answers, 3);
    assert.deepEqual(counts, { total: 8, unencrypted: 2, betweenNodes: 6, silent: ["b:3: failed to connect to b:3"] });
    assert.deepEqual(
      rows.map(({ host }) => host),
      ["c", "c", "a"],
    );
    assert.deepEqual(rows[0], { host: "c", port: 1, betweenNodes: true, encrypted: true });
  });
});

describe("read functions on a cluster", function () {
  this.timeout(120_000);
  const settings = { "citus.stat_statements_track": "all", "citus.stat_tenants_track": "all" };
  const servers = withServers(["coordinator", "a", "b"], { settings });
  const cluster = clusterOf(servers);
  const app = () => servers.connection("coordinator", "app");
  const port = (key: string) => servers.get(key).port;

  before(async () => {
    await cluster.database("coordinator", "a", "b");
    await provider(nodes).create(cluster.inputs("a", "b"));
  });

  it("getNodes gives every node, the coordinator first", async () => {
    const { rows, total } = await getNodes(app());
    assert.equal(total, 3);
    assert.deepEqual(rows[0], {
      host: "127.0.0.1",
      port: port("coordinator"),
      role: "coordinator",
      nodeRole: "primary",
      active: true,
      shouldHaveShards: false,
      hasMetadata: true,
      metadataSynced: true,
      placements: 0,
      nodeId: rows[0]?.nodeId,
      groupId: 0,
    });
    const workers = rows.slice(1).map((node) => [node.port, node.role, node.shouldHaveShards, node.active]);
    assert.deepEqual(
      workers,
      [port("a"), port("b")].sort((one, other) => one - other).map((each) => [each, "worker", true, true]),
    );
  });

  it("keeps to the limit, and says what it left out", async () => {
    const { rows, total } = await getNodes(app(), { limit: 2 });
    assert.deepEqual([rows.length, total], [2, 3]);
  });

  it("gives empty lists where there is nothing", async () => {
    const nothing = { rows: [], total: 0 };
    for (const read of [getShards, getTables, getTenants, getRebalancePlan])
      assert.deepEqual(await read(app()), nothing, read.name);
    assert.deepEqual(await getProgress(app()), { jobs: nothing, moves: nothing });
  });

  it("getQueryStatistics says which extension it needs", async () => {
    await assert.rejects(
      getQueryStatistics(app()),
      /^Error: cannot read the query statistics of "app": it has no pg_stat_statements; make that extension/,
    );
  });

  it("getConnectionSecurity sees the connections between nodes on each of them, encrypted, with their certificates", async () => {
    const { rows, unencrypted, betweenNodes, silent, total } = await getConnectionSecurity(app());
    assert.deepEqual([unencrypted, silent], [0, []]);
    assert.equal(rows.length, total);
    const between = rows.filter((row) => row.betweenNodes);
    assert.equal(between.length, betweenNodes);
    assert.deepEqual([...new Set(between.map((row) => row.port))].sort(), ["coordinator", "a", "b"].map(port).sort());
    for (const row of between) {
      assert.equal(row.version, "TLSv1.3");
      assert.match(row.certificate ?? "", /^\/CN=node:(coordinator|a|b)$/);
    }
    const own = rows.find(({ application }) => application === "pulumi-citus read");
    assert.deepEqual(
      [own?.port, own?.certificate, own?.role, own?.database],
      [port("coordinator"), "/CN=operator", "postgres", "app"],
    );
    const few = await getConnectionSecurity(app(), { limit: 1 });
    assert.equal(few.rows.length, 1);
    assert.ok(few.total > 3);
  });

  it("getMetadataDigest is the same on every node, from wherever it is asked, and another one after a change", async () => {
    const first = await getMetadataDigest(app());
    assert.match(first.digest, /^[0-9a-f]{64}$/);
    assert.deepEqual([first.inSync, first.nodes.length], [true, 3]);
    assert.deepEqual(await getMetadataDigest(servers.connection("a", "app")), first);
    const at = `'127.0.0.1', ${String(port("b"))}, 'shouldhaveshards'`;
    await cluster.query("coordinator", `SELECT citus_set_node_property(${at}, false)`);
    const changed = await getMetadataDigest(app());
    assert.notEqual(changed.digest, first.digest);
    assert.notEqual(changed.parts.nodes, first.parts.nodes);
    assert.equal(changed.parts.shards, first.parts.shards);
    await cluster.query("coordinator", `SELECT citus_set_node_property(${at}, true)`);
    assert.deepEqual(await getMetadataDigest(app()), first);
  });

  it("getMetadataDigest shows the node whose metadata was changed by hand, and the part", async () => {
    await cluster.query("a", "UPDATE pg_dist_node SET noderack = 'elsewhere' WHERE groupid = 0");
    const { inSync, nodes: seen } = await getMetadataDigest(app());
    assert.equal(inSync, false);
    assert.deepEqual(
      seen.map((node) => [node.port, node.differs]).sort(),
      [
        [port("coordinator"), []],
        [port("a"), ["nodes"]],
        [port("b"), []],
      ].sort(),
    );
    await cluster.query("a", "UPDATE pg_dist_node SET noderack = 'default' WHERE groupid = 0");
  });

  it("say what is wrong: no citus, nobody there, a wrong certificate, a bad limit; never a secret", async () => {
    const elsewhere = servers.connection("coordinator", "postgres");
    const refusals: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
      [
        () => getNodes(elsewhere),
        /^cannot read the nodes of "postgres" on 127\.0\.0\.1:\d+: relation "pg_dist_node" does not exist.*42P01\)\. name a database that has the citus extension$/,
      ],
      [
        () => getMetadataDigest(elsewhere),
        /run_command_on_all_nodes.*42883\)\. name a database that has the citus extension/,
      ],
      [
        () => getTables({ ...unreachable(app()), password: canary }),
        /^cannot read the tables of "app" on 127\.0\.0\.1:1: /,
      ],
      [
        () => getNodes({ ...app(), password: canary, tls: { ...app().tls, ca: "none" } }),
        /^cannot read the nodes of "app" on .*certificate/,
      ],
      [() => getShards(app(), { limit: 0 }), /^limit: must be a whole number from 1 to 100000, got 0$/],
    ];
    for (const [refusal, text] of refusals) {
      const error = await refusal().then(
        () => assert.fail(String(text)),
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof Error);
      assert.match(error.message, text);
      assert.ok(!error.message.includes(canary));
    }
  });

  describe("in a program", () => {
    const settled = <T>(output: pulumi.Output<T>) =>
      new Promise<T>((resolve) => output.apply((value) => (resolve(value), value)));

    it("give Outputs that are not secret although the connection is, but for statements of users", async () => {
      const connection = pulumi.secret(app());
      const known = reads.getNodesOutput(connection, { limit: 1 });
      assert.equal(await pulumi.isSecret(known), false);
      assert.equal((await settled(known)).total, 3);
      const statements = outputOf(() => Promise.resolve("SELECT 1"), app(), undefined, "secret");
      assert.equal(await pulumi.isSecret(statements), true);
    });

    it("dial nobody while a preview does not know the connection, or a part of it", async () => {
      const dialled: unknown[] = [];
      const read = (to: Connection) => Promise.resolve(dialled.push(to));
      for (const host of [pulumi.output<unknown>(pulumi.unknown), pulumi.output<unknown>("known")]) {
        const connection = pulumi.all([app(), host]).apply(([to, name]) => ({ ...to, host: name }));
        await pulumi.isSecret(outputOf(read, connection));
      }
      assert.deepEqual(dialled, [{ ...app(), host: "known" }]);
    });
  });

  describe("with data", () => {
    const odd = `Odd "Schema" 'with' ünïcode`;
    const quoted = `"Odd ""Schema"" 'with' ünïcode"`;

    before(async function () {
      requires(this, "realCitus");
      for (const text of [
        "CREATE EXTENSION pg_stat_statements SCHEMA public",
        "CREATE TABLE public.events (tenant int, id int, body text, PRIMARY KEY (tenant, id))",
        "SELECT create_distributed_table('public.events', 'tenant', shard_count => 8)",
        "CREATE TABLE public.countries (code text PRIMARY KEY)",
        "SELECT create_reference_table('public.countries')",
        `CREATE SCHEMA ${quoted}`,
        `CREATE TABLE ${quoted}."${"x".repeat(63)}" ("The Key" text PRIMARY KEY)`,
        `SELECT create_distributed_table('${quoted.replaceAll("'", "''")}."${"x".repeat(63)}"', 'The Key', shard_count => 2, colocate_with => 'none')`,
        "INSERT INTO public.events SELECT i % 50, i, repeat('x', 200) FROM generate_series(1, 5000) i",
      ])
        await cluster.query("coordinator", text);
    });

    it("getShards gives each placement with its size", async () => {
      const { rows, total } = await getShards(app(), { schema: "public" });
      assert.equal(total, 8 + 3);
      const [sum] = await cluster.query(
        "coordinator",
        "SELECT citus_total_relation_size('public.events')::int AS bytes",
      );
      const events = rows.filter(({ table }) => table === "events");
      assert.equal(
        events.reduce((all, { bytes = 0 }) => all + bytes, 0),
        sum?.["bytes"],
      );
      assert.deepEqual(
        events.map(({ shardId }) => shardId),
        [...events.map(({ shardId }) => shardId)].sort((one, other) => one - other),
      );
      assert.equal(events[0]?.minValue, "-2147483648");
      assert.deepEqual([...new Set(events.map((shard) => shard.port))].sort(), [port("a"), port("b")].sort());
      const countries = rows.filter(({ table }) => table === "countries");
      assert.equal(new Set(countries.map((shard) => shard.port)).size, 3);
      assert.ok(!("minValue" in (countries[0] ?? {})));
    });

    it("getShards takes names as they are", async () => {
      const { rows } = await getShards(app(), { schema: odd, table: "x".repeat(63) });
      assert.deepEqual(
        rows.map(({ schema }) => schema),
        [odd, odd],
      );
      assert.equal((await getShards(app(), { table: "'; DROP TABLE events; --" })).total, 0);
    });

    it("getTables tells how each table is spread", async () => {
      const { rows } = await getTables(app());
      const seen = rows.map(({ schema, table, type, distributionColumn, shards }) => [
        schema,
        table,
        type,
        distributionColumn,
        shards,
      ]);
      assert.deepEqual(seen, [
        [odd, "x".repeat(63), "distributed", "The Key", 2],
        ["public", "countries", "reference", undefined, 1],
        ["public", "events", "distributed", "tenant", 8],
      ]);
      const [sum] = await cluster.query(
        "coordinator",
        "SELECT citus_total_relation_size('public.events')::int AS bytes",
      );
      assert.equal(rows.find(({ table }) => table === "events")?.bytes, sum?.["bytes"]);
      assert.equal(rows[2]?.owner, "postgres");
      assert.equal(rows[2].accessMethod, "heap");
    });

    it("getTenants gives the busiest first, with counts and seconds", async () => {
      for (const tenant of [7, 7, 7, 9])
        await cluster.query("coordinator", `SELECT count(*) FROM public.events WHERE tenant = ${String(tenant)}`);
      const { rows, total } = await getTenants(app());
      assert.deepEqual(rows.map(({ tenant }) => tenant).slice(0, 2), ["7", "9"]);
      const [busiest] = rows;
      assert.ok(busiest !== undefined && total >= 2);
      assert.equal(busiest.queriesInThisPeriod + busiest.queriesInLastPeriod, 3);
      assert.ok(busiest.cpuSecondsInThisPeriod + busiest.cpuSecondsInLastPeriod > 0);
      assert.ok([port("a"), port("b")].includes(busiest.port ?? 0));
    });

    it("getQueryStatistics gives distributed statements with calls, tenants and seconds", async () => {
      const { rows } = await getQueryStatistics(app());
      const count = rows.find(({ query }) => query === "SELECT count(*) FROM public.events WHERE tenant = $1");
      assert.ok(count !== undefined, JSON.stringify(rows));
      assert.deepEqual(
        [count.calls, count.tenants, count.rowsInTotal, count.executor, count.role],
        [4, 2, 4, "adaptive", "postgres"],
      );
      assert.ok(count.totalSeconds > 0 && Math.abs(count.meanSeconds * 4 - count.totalSeconds) < 1e-9);
      assert.deepEqual(
        rows.map(({ totalSeconds }) => totalSeconds),
        rows.map(({ totalSeconds }) => totalSeconds).sort((one, other) => other - one),
      );
    });

    it("getRebalancePlan and getProgress show what would move, and what was moved", async () => {
      await cluster.query(
        "coordinator",
        `SELECT citus_set_node_property('127.0.0.1', ${String(port("b"))}, 'shouldhaveshards', false)`,
      );
      const plan = await getRebalancePlan(app(), { strategy: "by_shard_count", limit: 2 });
      assert.equal(plan.rows.length, 2);
      // Colocated shards move together: 4 of events, 1 of the other table.
      assert.equal(plan.total, 5);
      for (const move of plan.rows) {
        assert.deepEqual([move.sourcePort, move.targetPort], [port("b"), port("a")]);
        assert.ok((move.bytes ?? 0) > 0);
      }
      await assert.rejects(
        getRebalancePlan(app(), { strategy: "no such" }),
        /cannot read the rebalance plan of "app" on .*no such/,
      );

      await cluster.query("coordinator", "SELECT citus_rebalance_start(shard_transfer_mode => 'block_writes')");
      const deadline = Date.now() + 60_000;
      let progress = await getProgress(app());
      while (progress.jobs.rows[0]?.finishedAt === undefined && Date.now() < deadline) {
        await delay(100);
        progress = await getProgress(app());
      }
      const [job] = progress.jobs.rows;
      assert.deepEqual([job?.state, job?.type, job?.retries], ["finished", "rebalance", 0]);
      assert.ok(job !== undefined && job.tasks > 0 && job.tasksDone === job.tasks);
      assert.match(job.startedAt ?? "", /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.equal((await getRebalancePlan(app())).total, 0);
      assert.equal((await getMetadataDigest(app())).inSync, true);
    });

    it("getShards and getConnectionSecurity say which node does not answer", async () => {
      await servers.get("b").stop();
      const { silent } = await getConnectionSecurity(app());
      assert.match(silent.join(), new RegExp(`^127\\.0\\.0\\.1:${String(port("b"))}: failed to connect`));
      const digest = await getMetadataDigest(app());
      assert.equal(digest.inSync, false);
      assert.match(digest.nodes.find((node) => node.port === port("b"))?.reason ?? "", /failed to connect/);
      const { rows } = await getShards(app(), { table: "countries" });
      assert.equal(rows.length, 3);
      await servers.get("b").start();
    });
  });
});
