/** Servers that must not join, asked on real servers: each is refused with the reason, and nothing is changed. */
import assert from "node:assert/strict";
import { chownSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { provider } from "../../../../providers/dynamic/engine/entry";
import { nodes } from "../../../../providers/dynamic/nodes";
import type { WorkerNode } from "../../../../providers/dynamic/nodes/plan";
import { requires } from "../../../support/tools";
import { clusterOf, withForwarder, withServers } from "../cluster";

describe("Nodes refuses", function () {
  this.timeout(90_000);
  const servers = withServers(["coordinator", "a", "b", "other"]);
  const cluster = clusterOf(servers);
  const subject = provider(nodes);
  const other = clusterOf(servers, "other");

  before(async () => {
    await cluster.database("coordinator", "a", "b", "other");
    await subject.create({ ...cluster.inputs("a") });
  });

  /** The reason; pg_dist_node must be the same before and after, here and on the server that wanted to join. */
  async function refused(workers: Readonly<Record<string, WorkerNode>>, message: RegExp): Promise<void> {
    const before = await cluster.nodes();
    const now = { ...cluster.inputs("a"), workers: { ...servers.addresses("a"), ...workers } };
    await assert.rejects(subject.update("app", { ...cluster.inputs("a") }, now), message);
    await assert.rejects(subject.create(now), message);
    assert.deepEqual(await cluster.nodes(), before);
  }

  it("a worker of another cluster, naming its coordinator", async () => {
    await subject.create({ ...other.inputs("b") });
    const theirs = await other.nodes();
    const { port } = servers.address("other");
    await refused(
      servers.addresses("b"),
      new RegExp(
        `node "b" \\(127.0.0.1:\\d+\\) belongs to a cluster already, whose coordinator is 127.0.0.1:${String(port)}; remove it there first`,
      ),
    );
    assert.deepEqual(await other.nodes(), theirs);
  });

  it("the coordinator of another cluster", async () => {
    await refused(servers.addresses("other"), /node "other" .* is the coordinator of a cluster of its own/);
  });

  it("both at once, each with its reason", async () => {
    await refused(
      servers.addresses("b", "other"),
      /node "b" .*belongs to a cluster.*; node "other" .*coordinator of a cluster of its own/,
    );
    await subject.update("app", { ...other.inputs("b") }, { ...other.inputs() });
    await cluster.database("coordinator", "a", "b");
  });

  it("a server with a table of the same name, which stays as it is", async function () {
    requires(this, "realCitus");
    await cluster.query(
      "coordinator",
      "CREATE TABLE public.orders (id bigint PRIMARY KEY); SELECT create_distributed_table('public.orders', 'id', shard_count => 2)",
    );
    await cluster.query(
      "b",
      "CREATE TABLE public.orders (id bigint); INSERT INTO public.orders VALUES (7); CREATE TABLE public.own ()",
    );
    await refused(
      servers.addresses("b"),
      /node "b" .* has tables of the same name as tables of the cluster, which joining would drop: public\.orders;/,
    );
    assert.deepEqual(await cluster.query("b", "SELECT id::int FROM public.orders"), [{ id: 7 }]);
    await cluster.query("b", "DROP TABLE public.orders, public.own");
  });

  it("a registered worker under a second address", async () => {
    await withForwarder(servers.address("a"), async (again) => {
      await refused(
        { twin: again },
        new RegExp(
          `node "twin" .* is the same server as 127.0.0.1:${String(servers.address("a").port)} under a second name`,
        ),
      );
    });
  });

  it("the coordinator under a second address", async () => {
    await withForwarder(servers.address("coordinator"), async (again) => {
      await refused({ twin: again }, /node "twin" .* is the same server as 127\.0\.0\.1:\d+ under a second name/);
    });
  });

  it("one new server under two addresses", async () => {
    await withForwarder(servers.address("b"), async (again) => {
      await refused(
        { ...servers.addresses("b"), twin: again },
        /node "twin" .* is the same server as 127\.0\.0\.1:\d+ under a second name/,
      );
    });
  });

  it("a name that the server's certificate does not carry", async () => {
    await refused(
      { b: { ...servers.address("b"), host: "localhost" } },
      /on localhost:\d+: b: Hostname\/IP does not match certificate's altnames/,
    );
  });

  it("a server without citus, and one without the database", async () => {
    await cluster.query("b", "DROP EXTENSION citus");
    await refused(
      servers.addresses("b"),
      /node "b" .* has no citus extension in this database; create it there with a Database resource/,
    );
    await servers.query("b", "postgres", "DROP DATABASE app WITH (FORCE)");
    await refused(
      servers.addresses("b"),
      /on 127\.0\.0\.1:\d+: b: database "app" does not exist \(SQLSTATE 3D000\)\. create the database on every node first/,
    );
    await cluster.database("coordinator", "a", "b");
  });

  it("another version of citus", async () => {
    await cluster.query("b", "DROP EXTENSION citus");
    await cluster.query("b", "SET citus.enable_version_checks = off; CREATE EXTENSION citus VERSION '13.0-1'");
    await refused(
      servers.addresses("b"),
      /node "b" .* has citus 13\.0-1, the coordinator 13\.\d+-\d+; run ALTER EXTENSION citus UPDATE/,
    );
    await cluster.query("b", "SET citus.enable_version_checks = off; DROP EXTENSION citus");
    await cluster.database("coordinator", "a", "b");
  });

  it("a server that does not answer", async () => {
    await refused(
      { gone: { host: "127.0.0.1", port: 1 } },
      /cannot (update|create) Nodes "app" on 127\.0\.0\.1:1: gone: connect ECONNREFUSED/,
    );
  });

  it("a standby", async () => {
    const signal = join(servers.all().folder, "b", "data", "standby.signal");
    const { uid, gid } = statSync(join(servers.all().folder, "b", "data"));
    await servers.get("b").stop();
    writeFileSync(signal, "");
    chownSync(signal, uid, gid);
    await servers.get("b").start();
    await refused(servers.addresses("b"), /node "b" .* is in recovery, a standby of another server; promote it first/);
    await servers.get("b").stop();
    rmSync(signal);
    await servers.get("b").start();
  });

  it("nobody who is free", async () => {
    await subject.update("app", { ...cluster.inputs("a") }, { ...cluster.inputs("a", "b") });
    assert.equal((await cluster.nodes()).length, 3);
  });
});
