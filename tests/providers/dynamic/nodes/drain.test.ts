/** Drains on real Citus: what stops one, and how the next run goes on. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { provider } from "../../../../providers/dynamic/engine/entry";
import { nodes } from "../../../../providers/dynamic/nodes";
import { clusterOf, operateElsewhere, withServers, type NodesInputs } from "../cluster";

describe("drain", function () {
  this.timeout(120_000);
  const settings = {
    "citus.background_task_queue_interval": "1s",
    "citus.max_background_task_executors": "8",
    "citus.max_background_task_executors_per_node": "4",
  };
  const servers = withServers(["coordinator", "a", "b"], { settings }, "realCitus");
  const cluster = clusterOf(servers);
  const { inputs } = cluster;
  const subject = provider(nodes);
  const port = (key: string) => String(servers.address(key).port);
  const up = async (old: NodesInputs, now: NodesInputs) => {
    await subject.update("app", { ...old }, { ...now });
  };
  const on = (text: string) => cluster.query("coordinator", text);
  const jobs = async () => await on("SELECT job_id::int AS id, state::text FROM pg_dist_background_job ORDER BY 1");
  const jobStates = async () => (await jobs()).map(({ state }) => String(state));
  const count = async (table: string) =>
    Number((await on(`SELECT count(*)::int AS count FROM ${table}`))[0]?.["count"]);
  const waitFor = async (what: string, condition: () => Promise<boolean>) => {
    const deadline = Date.now() + 60_000;
    while (!(await condition())) {
      if (Date.now() > deadline) assert.fail(`${what} did not happen`);
      await delay(100);
    }
  };

  beforeEach(async () => {
    await cluster.database("coordinator", "a", "b");
    await up(inputs("b"), inputs("a", "b"));
    await on(
      `DROP TABLE IF EXISTS public.orders, public.notes, public."Plain"; TRUNCATE pg_dist_background_job CASCADE;
       CREATE TABLE public.orders (id bigint PRIMARY KEY); SELECT create_distributed_table('public.orders', 'id', shard_count => 4);
       INSERT INTO public.orders SELECT generate_series(1, 1000)`,
    );
    assert.deepEqual(await cluster.shards(), { [port("a")]: 2, [port("b")]: 2 });
  });

  it("names every table without a replica identity before it starts, and goes on once they have one", async () => {
    await on(`CREATE TABLE public.notes (id bigint); SELECT create_distributed_table('public.notes', 'id', shard_count => 2, colocate_with => 'none');
              CREATE TABLE public."Plain" (id bigint); SELECT create_distributed_table('public."Plain"', 'id', shard_count => 2, colocate_with => 'none')`);
    const before = await cluster.nodes();
    const auto = { ...inputs("b"), transferMode: "auto" as const };
    await assert.rejects(
      up(inputs("a", "b"), auto),
      /node "a" cannot be drained: public\."Plain", public\.notes has no replica identity.*REPLICA IDENTITY FULL.*block_writes/,
    );
    assert.deepEqual(await cluster.nodes(), before);
    assert.deepEqual(await jobs(), []);
    await on('DROP TABLE public."Plain"');
    await on("ALTER TABLE public.notes REPLICA IDENTITY FULL");
    await up(inputs("a", "b"), auto);
    assert.deepEqual(await cluster.shards(), { [port("b")]: 6 });
    assert.equal(await count("public.orders"), 1000);
  });

  it("names the pair that cannot reach each other before it starts, and goes on once it can", async () => {
    const file = join(servers.all().folder, "a", "data", "pg_ident.conf");
    const former = readFileSync(file, "utf8");
    const write = async (text: string) => {
      writeFileSync(file, text);
      await servers.reload("a");
    };
    // As for a node that joined after "a" was configured for the last time: its certificate is nobody there.
    await write(former.replaceAll("/^node:.*$", "/^node:[^b].*$"));
    const before = await cluster.nodes();
    await assert.rejects(
      up(inputs("a", "b"), inputs("b")),
      new RegExp(
        `node "a" cannot be drained: \\S+:${port("b")} cannot reach \\S+:${port("a")}\\. .*put the leaving one back`,
      ),
    );
    assert.deepEqual(await cluster.nodes(), before);
    assert.deepEqual(await jobs(), []);
    await write(former);
    await up(inputs("a", "b"), inputs("b"));
    assert.deepEqual(await cluster.shards(), { [port("b")]: 4 });
  });

  it("needs no replica identity where writes are blocked", async () => {
    await on(
      "CREATE TABLE public.notes (id bigint); SELECT create_distributed_table('public.notes', 'id', shard_count => 2, colocate_with => 'none')",
    );
    await up(inputs("a", "b"), inputs("b"));
    assert.deepEqual(await cluster.shards(), { [port("b")]: 6 });
  });

  it("gives up on a full target, keeps the node, and goes on when there is room", async () => {
    const full = async (percent: number) => {
      await on(`ALTER SYSTEM SET citus.desired_percent_disk_available_after_move = ${String(percent)}`);
      await servers.reload("coordinator");
    };
    await full(100);
    await assert.rejects(
      up(inputs("a", "b"), inputs("b")),
      /draining node "a" stopped, job \d+ is cancelled: a move failed 3 times: .*not enough empty space on node.*mend the cause and run again, it continues there.*pulumi up --refresh/s,
    );
    assert.deepEqual(await cluster.shards(), { [port("a")]: 2, [port("b")]: 2 });
    assert.equal((await cluster.nodes()).length, 3);
    await full(10);
    await up(inputs("a", "b"), inputs("b"));
    assert.deepEqual(await cluster.shards(), { [port("b")]: 4 });
    assert.deepEqual(await jobStates(), ["cancelled", "finished"]);
  });

  it("is undone when the worker is wanted after all and the state is refreshed", async () => {
    const target = servers.address("a");
    await on(`SELECT citus_set_node_property('${target.host}', ${String(target.port)}, 'shouldhaveshards', false)`);
    const { props = {} } = await subject.read("app", { ...inputs("a", "b") });
    assert.equal((await subject.diff("app", props, { ...inputs("a", "b") })).changes, true);
    await subject.update("app", props, { ...inputs("a", "b") });
    assert.equal(
      (await cluster.nodes()).every((row) => row["groupid"] === 0 || row["shouldhaveshards"] === true),
      true,
    );
  });

  it("follows the job of a killed run instead of starting another", async () => {
    const auto = { ...inputs("b"), transferMode: "auto" as const };
    const killed = operateElsewhere("Nodes", "update", "app", { ...inputs("a", "b") }, { ...auto });
    await waitFor("a move", async () => (await jobStates()).includes("running"));
    await killed.kill();
    await up(inputs("a", "b"), auto);
    assert.deepEqual(await jobStates(), ["finished"]);
    assert.deepEqual(await cluster.shards(), { [port("b")]: 4 });
    assert.equal(await count("public.orders"), 1000);
    assert.deepEqual(await on("SELECT * FROM pg_dist_cleanup"), []);
  });

  it("stops when its job is cancelled by hand, and goes on in the next run", async () => {
    const auto = { ...inputs("b"), transferMode: "auto" as const };
    // In this process the drain would hold all sessions of the coordinator.
    const stopped = operateElsewhere("Nodes", "update", "app", { ...inputs("a", "b") }, { ...auto });
    await waitFor("a move", async () => (await jobStates()).includes("running"));
    await on("SELECT citus_rebalance_stop()");
    assert.match(await stopped.ended, /draining node "a" stopped: job \d+ was cancelled.*The node stays/);
    assert.equal((await cluster.nodes()).length, 3);
    await up(inputs("a", "b"), inputs("b"));
    assert.deepEqual(await cluster.shards(), { [port("b")]: 4 });
  });

  it("has an end of its own", async () => {
    const auto = { ...inputs("b"), transferMode: "auto" as const, drainTimeoutSeconds: 1 };
    await assert.rejects(up(inputs("a", "b"), auto), /job \d+ is cancelled: its time is over \(drainTimeoutSeconds\)/);
    await up(inputs("a", "b"), inputs("b"));
    assert.deepEqual(await cluster.shards(), { [port("b")]: 4 });
  });
});
