/** Nodes on real Citus: joining, changing, moving and leaving. */
import assert from "node:assert/strict";
import { provider } from "../../../providers/dynamic/engine/entry";
import { compile } from "../../../providers/dynamic/engine/sql";
import {
  activateSql,
  addSql,
  coordinatorSql,
  disableSql,
  moveSql,
  nodes,
  propertySql,
  replicateSql,
} from "../../../providers/dynamic/nodes";
import { contract } from "../../support/contract";
import { requires } from "../../support/tools";
import { clusterOf, withForwarder, withServers, type NodesInputs } from "./cluster";

describe("Nodes statements", () => {
  const a = { host: "a", port: 1 };
  it("are exactly these", () => {
    const flat = [
      addSql(a),
      addSql({ ...a, active: false }),
      moveSql({ key: "a", nodeId: 7, groupId: 2, to: a }),
      activateSql(a),
      disableSql(a),
    ].map(compile);
    assert.deepEqual(
      flat.map(({ text }) => text),
      [
        "SELECT citus_add_node($1, $2)",
        "SELECT citus_add_inactive_node($1, $2)",
        "SELECT citus_update_node($1, $2, $3)",
        "SELECT citus_activate_node($1, $2)",
        "SELECT citus_disable_node($1, $2, true)",
      ],
    );
    assert.deepEqual(compile(propertySql({ key: "a", address: a, shouldHaveShards: false })), {
      text: "SELECT citus_set_node_property($1, $2, 'shouldhaveshards', $3)",
      values: ["a", 1, false],
    });
    assert.equal(
      compile(replicateSql("auto")).text,
      "SELECT replicate_reference_tables($1::text::citus.shard_transfer_mode)",
    );
    const inputs = {
      connection: { host: "c", port: 1, database: "app", user: "postgres", tls: { ca: "" } },
      coordinator: a,
      workers: {},
    };
    assert.deepEqual(compile(coordinatorSql(inputs)), {
      text: "SELECT citus_set_coordinator_host($1, $2)",
      values: ["a", 1],
    });
  });
});

describe("Nodes", function () {
  this.timeout(90_000);
  const servers = withServers(["coordinator", "a", "b"]);
  const cluster = clusterOf(servers);
  const { inputs } = cluster;
  const subject = provider(nodes);
  const port = (key: string) => String(servers.address(key).port);
  const up = async (old: NodesInputs, now: NodesInputs) => {
    await subject.update("app", { ...old }, { ...now });
  };
  const rows = async () =>
    Number((await cluster.query("coordinator", "SELECT count(*)::int AS count FROM public.orders"))[0]?.["count"]);
  const flag = async (key: string, column: string) =>
    (await cluster.nodes()).find((row) => row["nodeport"] === servers.address(key).port)?.[column];

  before(async () => {
    await cluster.database("coordinator", "a", "b");
  });

  contract(nodes, () => ({
    inputs: { ...inputs("a", "b"), former: [], managedDatabases: [] },
    changes: {
      connection: { ...servers.connection("coordinator", "app"), user: "other" },
      coordinator: { host: "c", port: 1 },
      workers: servers.addresses("a"),
      former: [{ key: "c", host: "c", port: 1 }],
      managedDatabases: ["other"],
      transferMode: "auto" as const,
      drainTimeoutSeconds: 60,
    },
    refused: [
      { transferMode: "fast" },
      { drainTimeoutSeconds: 59 },
      { drainTimeoutSeconds: 604_801 },
      { drainTimeoutSeconds: 60.5 },
      { workers: { a: servers.address("a"), b: servers.address("a") } },
      { workers: { a: servers.address("coordinator") } },
      { coordinator: { host: "other", port: 1 }, workers: { a: servers.address("coordinator") } },
      { workers: { a: { host: "a,b", port: 1 } } },
      { workers: { a: { host: "a", port: 0 } } },
    ],
    drift: {
      change: () =>
        cluster.query(
          "coordinator",
          `SELECT citus_set_node_property('${servers.address("b").host}', ${port("b")}, 'shouldhaveshards', false)`,
        ),
      shows: "workers",
    },
    fingerprint: cluster.nodes,
    drop: { because: "a delete cannot tell a worker that goes from a cluster that goes" },
    conflict: { because: "what differs is joined, never refused" },
  }));

  it("tells in a preview what joins, moves and leaves", () => {
    const old = inputs("a", "b");
    const now = { ...inputs(), workers: { b: { host: "elsewhere", port: 1 }, c: { host: "new", port: 2 } } };
    assert.deepEqual(nodes.forecast?.(old, now), [
      'adds worker "c" (new:2) and copies the reference tables to it; no shard moves, so it holds none of what is there until a Rebalance',
      'changes the address of worker "b" to elsewhere:1',
      `drains worker "a" (127.0.0.1:${port("a")}): moves all its shards to the other nodes (block_writes), then removes it`,
    ]);
  });

  describe("with data", () => {
    before(async function () {
      requires(this, "realCitus");
      await subject.create({ ...inputs("a", "b") });
      await cluster.query(
        "coordinator",
        `CREATE TABLE public.orders (id bigint PRIMARY KEY); SELECT create_distributed_table('public.orders', 'id', shard_count => 4);
         CREATE TABLE public.countries (code text PRIMARY KEY); SELECT create_reference_table('public.countries');
         INSERT INTO public.countries VALUES ('at'); INSERT INTO public.orders SELECT generate_series(1, 1000);`,
      );
    });

    for (const round of ["the first time", "again"]) {
      it(`drains and removes a worker, which can join anew, ${round}`, async () => {
        assert.deepEqual(await cluster.shards(), { [port("a")]: 2, [port("b")]: 2 });
        await up(inputs("a", "b"), inputs("a"));
        assert.deepEqual(await cluster.shards(), { [port("a")]: 4 });
        assert.equal(await rows(), 1000);
        assert.deepEqual(await cluster.query("coordinator", "SELECT * FROM pg_dist_cleanup"), []);
        assert.equal((await cluster.nodes()).length, 2);
        assert.deepEqual(await cluster.query("b", "SELECT FROM pg_extension WHERE extname = 'citus'"), []);
        assert.deepEqual(await cluster.query("b", "SELECT relname FROM pg_class WHERE relname LIKE 'orders%'"), []);

        await up(inputs("a", "b"), inputs("a"));

        await cluster.database("coordinator", "a", "b");
        await up(inputs("a"), inputs("a", "b"));
        const copies = await cluster.query("b", "SELECT count(*)::int AS count FROM public.countries");
        assert.deepEqual(copies, [{ count: 1 }]);
        const placed = await cluster.query(
          "coordinator",
          "SELECT count(*)::int AS count FROM pg_dist_placement JOIN pg_dist_shard USING (shardid) WHERE logicalrelid = 'public.countries'::regclass",
        );
        assert.deepEqual(placed, [{ count: 3 }]);
        await cluster.query(
          "coordinator",
          "SELECT rebalance_table_shards('public.orders', rebalance_strategy => 'by_shard_count', shard_transfer_mode => 'block_writes')",
        );
      });
    }

    it("copies reference tables that a killed create left out", async () => {
      const reference =
        "FROM pg_dist_shard s WHERE s.shardid = p.shardid AND logicalrelid = 'public.countries'::regclass";
      await cluster.query(
        "coordinator",
        `DELETE FROM pg_dist_placement p USING pg_dist_node n WHERE p.groupid = n.groupid AND n.nodeport = ${port("b")} AND EXISTS (SELECT ${reference})`,
      );
      await cluster.query(
        "b",
        "DO $$ DECLARE t regclass; BEGIN SET citus.override_table_visibility = off; SET citus.enable_manual_changes_to_shards = on; FOR t IN SELECT oid FROM pg_class WHERE relname ~ '^countries_\\d+$' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$",
      );
      await subject.create({ ...inputs("a", "b") });
      const [placed] = await cluster.query(
        "coordinator",
        `SELECT count(*)::int AS count FROM pg_dist_placement p WHERE EXISTS (SELECT ${reference})`,
      );
      assert.equal(placed?.["count"], 3);
    });

    it("follows a worker to another address: the same node with its rows", async () => {
      const before = await flag("b", "nodeid");
      await withForwarder(servers.address("b"), async (elsewhere) => {
        const moved = { ...inputs("a"), workers: { ...servers.addresses("a"), b: elsewhere } };
        await up(inputs("a", "b"), moved);
        const now = (await cluster.nodes()).find((row) => row["nodeport"] === elsewhere.port);
        assert.equal(now?.["nodeid"], before);
        assert.equal(await rows(), 1000);
        await up(inputs("a", "b"), moved);
        await up(moved, inputs("a", "b"));
      });
      assert.equal(await flag("b", "nodeid"), before);
    });

    it("refuses a new address at which another server answers", async () => {
      const before = await cluster.nodes();
      await withForwarder(servers.address("coordinator"), async (elsewhere) => {
        const wrong = { ...inputs("a"), workers: { ...servers.addresses("a"), b: elsewhere } };
        await assert.rejects(
          up(inputs("a", "b"), wrong),
          /node "b": the server at 127\.0\.0\.1:\d+ is not this node: its group is 0, the node's \d+/,
        );
      });
      assert.deepEqual(await cluster.nodes(), before);
    });

    it("changes shouldHaveShards and moves nothing", async () => {
      const without = {
        ...inputs("a"),
        workers: { ...servers.addresses("a"), b: { ...servers.address("b"), shouldHaveShards: false } },
      };
      const before = await cluster.shards();
      await up(inputs("a", "b"), without);
      assert.equal(await flag("b", "shouldhaveshards"), false);
      assert.deepEqual(await cluster.shards(), before);
      await up(without, inputs("a", "b"));
      assert.equal(await flag("b", "shouldhaveshards"), true);
    });

    it("refuses to remove the last workers with shards, and changes nothing", async () => {
      const before = await cluster.nodes();
      await assert.rejects(
        up(inputs("a", "b"), inputs()),
        /node "a", "b" holds 4 shards and no other node may hold shards; add a worker, or give the coordinator shouldHaveShards/,
      );
      assert.deepEqual(await cluster.nodes(), before);
    });

    it("moves everything to the coordinator where that may hold shards", async () => {
      const alone = { ...inputs(), coordinator: { ...servers.address("coordinator"), shouldHaveShards: true } };
      await up(inputs("a", "b"), alone);
      assert.deepEqual(await cluster.shards(), { [port("coordinator")]: 4 });
      assert.equal(await rows(), 1000);
    });
  });

  describe("without data", () => {
    before(async () => {
      await cluster.query("coordinator", "DROP TABLE IF EXISTS public.orders, public.countries");
      await cluster.database("coordinator", "a", "b");
      await up(inputs(), inputs("a", "b"));
    });

    it("disables and activates", async () => {
      const without = {
        ...inputs("a"),
        workers: { ...servers.addresses("a"), b: { ...servers.address("b"), active: false } },
      };
      await up(inputs("a", "b"), without);
      assert.equal(await flag("b", "isactive"), false);
      await up(without, inputs("a", "b"));
      assert.equal(await flag("b", "isactive"), true);
    });

    it("adds a worker that is not to be active", async () => {
      await up(inputs("a", "b"), inputs("a"));
      await cluster.database("coordinator", "a", "b");
      const without = {
        ...inputs("a"),
        workers: { ...servers.addresses("a"), b: { ...servers.address("b"), active: false, shouldHaveShards: false } },
      };
      await up(inputs("a"), without);
      assert.deepEqual([await flag("b", "isactive"), await flag("b", "shouldhaveshards")], [false, false]);
      await up(without, inputs("a", "b"));
      assert.deepEqual([await flag("b", "isactive"), await flag("b", "shouldhaveshards")], [true, true]);
    });

    it("leaves a node alone that was registered by hand", async () => {
      await up(inputs("a"), inputs("a"));
      assert.equal((await cluster.nodes()).length, 3);
      const { props = {} } = await subject.read("app", { ...inputs("a") });
      assert.deepEqual(Object.keys({ ...(props["workers"] as object) }), ["a"]);
    });

    it("joins all or none", async function () {
      requires(this, "realCitus");
      await up(inputs("a", "b"), inputs());
      await cluster.database("coordinator", "a", "b");
      const before = await cluster.nodes();
      await cluster.query("b", "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
      await cluster.query(
        "coordinator",
        "CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $$SELECT ''$$; SELECT create_distributed_function('public.f()')",
      );
      await assert.rejects(
        up(inputs(), inputs("a", "b")),
        /failure on connection marked as essential: 127\.0\.0\.1:\d+ · cannot change return type of existing function/,
      );
      assert.deepEqual(await cluster.nodes(), before);
      await cluster.query("b", "DROP FUNCTION public.f()");
      await up(inputs(), inputs("a", "b"));
      assert.equal((await cluster.nodes()).length, 3);
    });

    it("removes a worker that is down, and says what to do with it", async () => {
      await servers.get("b").stop();
      await up(inputs("a", "b"), inputs("a"));
      assert.equal((await cluster.nodes()).length, 2);
      await servers.get("b").start();
      const before = await cluster.nodes();
      await assert.rejects(
        up(inputs("a"), inputs("a", "b")),
        /node "b" .* belongs to a cluster already, whose coordinator is 127\.0\.0\.1:\d+; remove it there first/,
      );
      assert.deepEqual(await cluster.nodes(), before);
    });
  });
});
