/** Rebalances on real Citus: what starts one, what stops one, and how the next run goes on. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { provider } from "../../../providers/dynamic/engine/entry";
import type { ServerAddress } from "../../../providers/dynamic/engine/server";
import type { Connection } from "../../../providers/dynamic/engine/session";
import { compile } from "../../../providers/dynamic/engine/sql";
import { nodes } from "../../../providers/dynamic/nodes";
import { bytesText, progressText, startSql, type TransferMode } from "../../../providers/dynamic/nodes/background-job";
import { planSql, rebalance } from "../../../providers/dynamic/rebalance";
import { contract } from "../../support/contract";
import { clusterOf, operateElsewhere, withServers } from "./cluster";

describe("Rebalance statements", () => {
  it("are exactly these", () => {
    assert.deepEqual(compile(planSql({ strategy: "by_shard_count" })).values, ["by_shard_count", null]);
    assert.deepEqual(compile(startSql({ transferMode: "auto" })).values, [null, false, "auto", true, true]);
    assert.deepEqual(
      compile(startSql({ strategy: "x", transferMode: "auto", parallelTransferColocatedShards: false })).values,
      ["x", false, "auto", true, false],
    );
  });
});

describe("Rebalance forecast", () => {
  const address = (port: number) => ({ host: "10.0.0.1", port });
  const connection = { host: "h", port: 1, database: "app", user: "postgres", tls: { ca: "" } };
  const old = { connection, nodes: { a: address(1), b: address(2) }, shards: 32, bytes: 3 * 1024 ** 3 };

  it("says how many shards and bytes a new node gets", () => {
    assert.deepEqual(rebalance.forecast?.(old, { connection, nodes: { ...old.nodes, c: address(3) } }), [
      'rebalances (the default strategy, auto): about 11 of 32 shards (1.0 GiB of 3.0 GiB) go to "c"; ' +
        "an even share of what was counted at its last run, since Citus plans only with nodes that have joined",
    ]);
  });
  it("promises nothing where only nodes leave or no shard was counted, and is silent where no job starts", () => {
    assert.deepEqual(rebalance.forecast?.(old, { connection, nodes: { a: address(1) } }), [
      "rebalances (the default strategy, auto): moves what Citus plans once it runs",
    ]);
    const grown = { connection, nodes: { ...old.nodes, c: address(3) } };
    assert.deepEqual(rebalance.forecast({ ...old, shards: 0, bytes: 0 }, grown), [
      "rebalances (the default strategy, auto): moves what Citus plans once it runs",
    ]);
    assert.deepEqual(rebalance.forecast(old, { connection, nodes: old.nodes, timeoutSeconds: 60 }), []);
  });
});

describe("progress of a job", () => {
  const job = { done: 4, total: 16, movedBytes: 2048, totalBytes: 8192, seconds: 30 };
  it("tells moves, bytes, and the time left at the pace so far", () => {
    assert.equal(progressText(job), "4 of 16 moves done, 2.0 KiB of 8.0 KiB, about 90 s left");
  });
  it("goes by the slower of moves and bytes", () => {
    assert.match(progressText({ ...job, movedBytes: 1024 }), /about 4 min left$/);
  });
  it("gives no time before two moves are done, and none for nothing", () => {
    assert.equal(progressText({ ...job, done: 1 }), "1 of 16 moves done, 2.0 KiB of 8.0 KiB");
    assert.equal(progressText({ ...job, done: 16, totalBytes: 0 }), "16 of 16 moves done");
  });
  it("spells sizes with three digits at most", () => {
    assert.deepEqual([0, 1023, 1024, 15.4 * 1024 ** 2, 2 * 1024 ** 4].map(bytesText), [
      "0 bytes",
      "1023 bytes",
      "1.0 KiB",
      "15 MiB",
      "2.0 TiB",
    ]);
  });
});

describe("Rebalance", function () {
  this.timeout(120_000);
  const settings = {
    "citus.background_task_queue_interval": "1s",
    "citus.max_background_task_executors": "8",
    "citus.max_background_task_executors_per_node": "4",
  };
  const servers = withServers(["coordinator", "a", "b"], { settings }, "realCitus");
  const cluster = clusterOf(servers);
  const subject = provider(rebalance);
  const port = (key: string) => String(servers.address(key).port);
  const inputs = (): {
    connection: Connection;
    nodes: Record<string, ServerAddress>;
    strategy: string;
    transferMode: TransferMode;
  } => ({
    connection: servers.connection("coordinator", "app"),
    nodes: servers.addresses("a", "b"),
    strategy: "by_shard_count",
    transferMode: "block_writes",
  });
  const on = (text: string) => cluster.query("coordinator", text);
  const even = () => ({ [port("a")]: 4, [port("b")]: 4 });
  const jobStates = async () =>
    (await on("SELECT state::text FROM pg_dist_background_job ORDER BY job_id")).map(({ state }) => String(state));
  const waitFor = async (what: string, condition: () => Promise<boolean>) => {
    const deadline = Date.now() + 60_000;
    while (!(await condition())) {
      if (Date.now() > deadline) assert.fail(`${what} did not happen`);
      await delay(100);
    }
  };
  /** Everything on a, as after b has joined. */
  const crowd = async () => {
    const { host } = servers.address("a");
    const there = await on(
      `SELECT min(shardid)::int AS shard FROM pg_dist_shard JOIN pg_dist_placement USING (shardid) JOIN pg_dist_node USING (groupid)
        JOIN pg_dist_partition USING (logicalrelid) WHERE partmethod = 'h' AND nodeport = ${port("b")} GROUP BY colocationid, shardminvalue`,
    );
    for (const { shard } of there)
      await on(
        `SELECT citus_move_shard_placement(${String(shard)}, '${host}', ${port("b")}, '${host}', ${port("a")}, 'block_writes')`,
      );
    await on("CALL citus_cleanup_orphaned_resources()");
  };
  const setting = async (text: string) => {
    await on(`ALTER SYSTEM ${text}`);
    await servers.reload("coordinator");
  };

  before(async () => {
    await cluster.database("coordinator", "a", "b");
    await provider(nodes).create({ ...cluster.inputs("a", "b") });
  });
  beforeEach(async () => {
    await on(
      `DROP TABLE IF EXISTS public.orders, public.lines, public.notes; TRUNCATE pg_dist_background_job CASCADE;
       CREATE TABLE public.orders (id bigint PRIMARY KEY); SELECT create_distributed_table('public.orders', 'id', shard_count => 4);
       CREATE TABLE public.lines (id bigint PRIMARY KEY); SELECT create_distributed_table('public.lines', 'id', colocate_with => 'public.orders');
       INSERT INTO public.orders SELECT generate_series(1, 1000)`,
    );
  });

  contract(rebalance, () => ({
    inputs: inputs(),
    changes: {
      connection: servers.connection("a", "app"),
      nodes: servers.addresses("a"),
      strategy: "by_disk_size",
      threshold: 0.2,
      transferMode: "auto" as const,
      parallelTransferReferenceTables: false,
      parallelTransferColocatedShards: false,
      timeoutSeconds: 60,
    },
    refused: [{ nodes: {} }, { strategy: "" }, { threshold: 2 }, { transferMode: "fast" }, { timeoutSeconds: 5 }],
    drift: { change: crowd, shows: "nodes" },
    fingerprint: async () => [await cluster.shards(), await jobStates()],
    drop: { because: "what was moved stays where it is" },
    conflict: { because: "there is no object that could differ" },
  }));

  it("spreads the shards over a node that has none, and keeps every row", async () => {
    await crowd();
    assert.deepEqual(await cluster.shards(), { [port("a")]: 8 });
    const { outs } = await subject.update("app", { ...inputs(), nodes: servers.addresses("a") }, inputs());
    assert.deepEqual(await cluster.shards(), even());
    assert.deepEqual(await jobStates(), ["finished"]);
    assert.deepEqual(await on("SELECT count(*)::int AS count FROM public.orders"), [{ count: 1000 }]);
    assert.equal(outs["shards"], 8);
    assert.ok(Number(outs["bytes"]) > 8192);
  });

  it("starts no job where nothing is to move, such as before the first table", async () => {
    await on("DROP TABLE public.orders, public.lines");
    const { outs } = await subject.create(inputs());
    assert.deepEqual([outs["shards"], outs["bytes"], await jobStates()], [0, 0, []]);
  });

  it("goes by its own threshold: what is uneven below it stays", async () => {
    const uneven = { ...inputs(), threshold: 1 };
    const { host } = servers.address("a");
    const [row] = await on(
      `SELECT shardid::int AS shard FROM pg_dist_shard JOIN pg_dist_placement USING (shardid) JOIN pg_dist_node USING (groupid)
        WHERE logicalrelid = 'public.orders'::regclass AND nodeport = ${port("b")} ORDER BY 1 LIMIT 1`,
    );
    await on(
      `SELECT citus_move_shard_placement(${String(row?.["shard"])}, '${host}', ${port("b")}, '${host}', ${port("a")}, 'block_writes')`,
    );
    await subject.create(uneven);
    assert.deepEqual(await jobStates(), []);
    await subject.create(inputs());
    assert.deepEqual(await cluster.shards(), even());
  });

  it("names everything that is wrong with what is asked for, before anything runs", async () => {
    await crowd();
    const wrong = {
      ...inputs(),
      strategy: "by_luck",
      nodes: { ...inputs().nodes, c: { host: "10.9.9.9", port: 5432 } },
    };
    await assert.rejects(
      subject.create(wrong),
      /nodes\.c: 10\.9\.9\.9:5432 is not registered; list the Nodes resource.*strategy: "by_luck" is none of by_disk_size, by_shard_count; /s,
    );
    await assert.rejects(
      subject.create({ ...inputs(), strategy: "by_disk_size", threshold: 0.01 }),
      /threshold: 0\.01 is below 0\.1, which is what by_disk_size goes by/,
    );
    assert.deepEqual(await jobStates(), []);
  });

  it("names every table and node that cannot take part, and moves once they can", async () => {
    await on(
      `CREATE TABLE public.notes (id bigint); SELECT create_distributed_table('public.notes', 'id', shard_count => 2, colocate_with => 'none')`,
    );
    await crowd();
    await setting("SET citus.desired_percent_disk_available_after_move = 100");
    const auto = { ...inputs(), transferMode: "auto" as const };
    await assert.rejects(
      subject.create(auto),
      /node "b": would get .* free and must keep .*give it room.*table public\.notes: has no replica identity.*REPLICA IDENTITY FULL.*block_writes/s,
    );
    await setting("RESET citus.desired_percent_disk_available_after_move");
    assert.deepEqual(await jobStates(), []);
    await on("ALTER TABLE public.notes REPLICA IDENTITY FULL");
    await subject.create(auto);
    assert.deepEqual(await cluster.shards(), { [port("a")]: 5, [port("b")]: 5 });
  });

  it("names the owner who may not create what a move creates", async () => {
    await on("CREATE ROLE clerk");
    await on("CREATE SCHEMA shop");
    await on("CREATE TABLE shop.bill (id bigint PRIMARY KEY)");
    await on("SELECT create_distributed_table('shop.bill', 'id', shard_count => 2, colocate_with => 'none')");
    await crowd();
    try {
      await on("ALTER TABLE shop.bill OWNER TO clerk");
      await assert.rejects(
        subject.create(inputs()),
        /table shop\.bill: belongs to clerk, .*GRANT CREATE ON SCHEMA shop TO clerk/,
      );
    } finally {
      await on("DROP TABLE shop.bill");
      await on("DROP SCHEMA shop");
      await on("DROP ROLE clerk");
    }
  });

  it("names the node that does not answer", async () => {
    await crowd();
    await servers.get("b").stop();
    try {
      await assert.rejects(
        subject.create(inputs()),
        (error: Error) => error.message.includes(`:${port("b")}`) || error.message.includes('"b"'),
      );
      assert.deepEqual(await jobStates(), []);
    } finally {
      await servers.get("b").start();
    }
  });

  it("cancels a job whose moves fail again and again, and goes on when the cause is mended", async () => {
    await crowd();
    const onB = (text: string) => cluster.query("b", `SET citus.enable_ddl_propagation = off; ${text}`);
    await onB(`CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'b takes no table'; END$$;
               CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.refuse()`);
    try {
      await assert.rejects(
        subject.create(inputs()),
        /rebalancing stopped, job \d+ is cancelled: a move failed 3 times: .*b takes no table.*What was moved stays where it is; mend the cause and run again/s,
      );
    } finally {
      await onB("DROP EVENT TRIGGER refuse; DROP FUNCTION public.refuse()");
    }
    await subject.create(inputs());
    assert.deepEqual(await cluster.shards(), even());
    assert.deepEqual(await jobStates(), ["cancelled", "finished"]);
  });

  it("follows the job of a killed run instead of starting another", async () => {
    await crowd();
    const auto = { ...inputs(), transferMode: "auto" as const };
    const killed = operateElsewhere("Rebalance", "create", auto);
    await waitFor("a move", async () => (await jobStates()).includes("running"));
    await killed.kill();
    await subject.create(auto);
    assert.deepEqual(await jobStates(), ["finished"]);
    assert.deepEqual(await cluster.shards(), even());
    assert.deepEqual(await on("SELECT count(*)::int AS count FROM public.orders"), [{ count: 1000 }]);
  });

  it("stops when its job is cancelled by hand, and goes on in the next run", async () => {
    await crowd();
    // In this process it would hold all sessions of the coordinator.
    const stopped = operateElsewhere("Rebalance", "create", { ...inputs(), transferMode: "auto" });
    await waitFor("a move", async () => (await jobStates()).includes("running"));
    await on("SELECT citus_rebalance_stop()");
    assert.match(await stopped.ended, /rebalancing stopped: job \d+ was cancelled.*mend the cause and run again/);
    await subject.create(inputs());
    assert.deepEqual(await cluster.shards(), even());
  });

  it("has an end of its own", async () => {
    await crowd();
    await assert.rejects(
      subject.create({ ...inputs(), transferMode: "auto", timeoutSeconds: 1 }),
      /job \d+ is cancelled: its time is over \(timeoutSeconds\)/,
    );
    await subject.create(inputs());
    assert.deepEqual(await cluster.shards(), even());
  });
});
