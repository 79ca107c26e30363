/** The lock of a cluster: one change at a time, across processes. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { withClusterLock } from "../../../../providers/dynamic/engine/lock";
import { withServers } from "../cluster";

describe("withClusterLock", function () {
  this.timeout(60_000);
  const servers = withServers(["coordinator"]);
  const connection = () => servers.connection("coordinator");

  /** Another process: a session of its own that holds the lock. */
  async function holder(): Promise<Client> {
    const { host, port, user, tls } = connection();
    const client = new Client({
      host,
      port,
      user,
      database: "postgres",
      password: "",
      ssl: tls,
      application_name: "pulumi-citus lock update Nodes app",
    });
    // It is ended by the server in one of the tests.
    client.on("error", () => undefined);
    await client.connect();
    await client.query("SELECT pg_advisory_lock(1886741353, 0)");
    return client;
  }

  it("lets one change of this process in after the other", async () => {
    let inside = 0;
    const seen: number[] = [];
    await Promise.all(
      [1, 2, 3].map((one) =>
        withClusterLock(connection(), `test ${String(one)}`, async () => {
          inside += 1;
          seen.push(inside);
          await delay(20);
          inside -= 1;
        }),
      ),
    );
    assert.deepEqual(seen, [1, 1, 1]);
  });

  it("goes on after a change that failed, and gives its error", async () => {
    const failed = withClusterLock(connection(), "test", () => Promise.reject(new Error("the work's own")));
    const next = withClusterLock(connection(), "test", () => Promise.resolve("next"));
    await assert.rejects(failed, /^Error: the work's own$/);
    assert.equal(await next, "next");
  });

  it("names the holder to another process that waits too long, and does not let it in", async () => {
    const other = await holder();
    await assert.rejects(
      withClusterLock(connection(), "test", () => assert.fail("it was let in"), 1),
      /another change of this cluster is running: "pulumi-citus lock update Nodes app", process \d+ from 127\.0\.0\.1 since .*; waited 1 seconds\. Let it end, or end it with pg_terminate_backend\(\d+\)/,
    );
    await other.end();
    assert.equal(await withClusterLock(connection(), "test", () => Promise.resolve("in"), 1), "in");
  });

  it("waits for another process that ends in time", async () => {
    const other = await holder();
    const waiting = withClusterLock(connection(), "test", () => Promise.resolve("in"), 20);
    await delay(300);
    await other.end();
    assert.equal(await waiting, "in");
  });

  it("is named by its owner, so that others know whom they wait for", async () => {
    const names = await withClusterLock(connection(), "update Role app", () =>
      servers.query(
        "coordinator",
        "postgres",
        "SELECT application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'",
      ),
    );
    assert.deepEqual(names, [{ name: "pulumi-citus lock update Role app" }]);
  });

  it("gives what the work gave although the lock's session was lost meanwhile", async () => {
    const result = await withClusterLock(connection(), "test", async () => {
      await servers.query(
        "coordinator",
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'",
      );
      return "done";
    });
    assert.equal(result, "done");
    assert.equal(await withClusterLock(connection(), "test", () => Promise.resolve("in"), 1), "in");
  });

  it("is left to nobody after the work, good or bad", async () => {
    await withClusterLock(connection(), "test", () => Promise.resolve());
    assert.deepEqual(
      await servers.query("coordinator", "postgres", "SELECT FROM pg_locks WHERE locktype = 'advisory'"),
      [],
    );
  });
});
