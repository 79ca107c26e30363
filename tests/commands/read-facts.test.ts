/** Facts of a real cluster, and what the rules say about it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFacts } from "../../commands/read-facts";
import { checkCluster } from "../../sizing";
import { withServers } from "../providers/dynamic/cluster";

describe("facts of a live cluster", () => {
  const servers = withServers(["c", "a", "b"], { settings: { max_connections: "60" } }, "realCitus");
  let folder = "";

  /** As a user would write it: files by name, verified TLS. */
  function connectionString(key: string, database = "postgres"): string {
    const { host, port, user, tls } = servers.connection(key);
    const files = { sslrootcert: tls.ca, sslcert: tls.cert, sslkey: tls.key };
    const parameters = Object.entries(files).map(([name, text]) => {
      const path = join(folder, name);
      writeFileSync(path, text ?? "", { mode: 0o600 });
      return `${name}=${path}`;
    });
    return `postgresql://${user}@${host}:${port}/${database}?sslmode=verify-full&${parameters.join("&")}`;
  }

  before(async function () {
    this.timeout(60_000);
    folder = mkdtempSync(join(tmpdir(), "facts-"));
    await servers.onEach("postgres", "CREATE EXTENSION citus");
    const { c, a, b } = servers.addresses("c", "a", "b");
    const ask = (text: string) => servers.query("c", "postgres", text);
    await ask(`SELECT citus_set_coordinator_host('${c?.host}', ${c?.port})`);
    for (const worker of [a, b]) await ask(`SELECT citus_add_node('${worker?.host}', ${worker?.port})`);
    await ask("CREATE TABLE public.events (tenant bigint PRIMARY KEY)");
    await ask("SELECT create_distributed_table('public.events', 'tenant', shard_count := 7)");
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("are read by one connection to the coordinator", async () => {
    const facts = await readFacts(connectionString("c"));
    assert.deepEqual(facts.colocationGroups, [{ table: "events", shards: 7 }]);
    assert.equal(facts.coordinator.holdsShards, false);
    assert.equal(facts.coordinator.sharedPool, 60);
    assert.deepEqual(
      facts.workers.map(({ holdsShards, maxConnections, walLevel, sharedBuffersMiB }) => [
        holdsShards,
        maxConnections,
        walLevel,
        sharedBuffersMiB,
      ]),
      [
        [true, 60, "logical", 128],
        [true, 60, "logical", 128],
      ],
    );
  });

  it("are enough for every rule of the budget and the spread", async () => {
    const facts = await readFacts(connectionString("c"));
    const found = checkCluster({ ...facts, concurrentQueries: 20, peakClients: 100 });
    assert.deepEqual(
      found.filter(({ severity }) => severity === "error").map(({ path }) => path),
      ["events", "coordinator"],
    );
    assert.match(
      found[0]?.reason ?? "",
      /7 shards × 20 queries need 140 connections, the workers accept 120; .* lower the queries to 17/,
    );
    assert.ok(found.some(({ reason }) => reason.includes("some hold 4, others 3")));
  });

  for (const [why, text, reason] of [
    ["libpq's own form", "host=127.0.0.1 port=1 password=s3cret", /^the connection is no URL; write postgresql:\/\//],
    ["a slip in the scheme", "postgres//u:s3cret@127.0.0.1:1/x", /^the connection is no URL/],
    ["a port that is none", "postgresql://u:s3cret@127.0.0.1:97000/x", /^the connection cannot be used: Invalid URL$/],
    [
      "a file that is not there",
      "postgresql://u:s3cret@h/x?sslmode=verify-full&sslcert=/no/file",
      /^the connection cannot be used: ENOENT.*\/no\/file/,
    ],
  ] as const) {
    it(`are not asked for by ${why}: no server is dialled`, async () => {
      await assert.rejects(readFacts(text), (error: Error) => {
        assert.match(error.message, reason);
        assert.ok(!error.message.includes("s3cret"));
        return true;
      });
    });
  }

  it("are not read from a worker, from a database without citus, or from nowhere, and the text shows no connection string", async () => {
    await assert.rejects(readFacts(connectionString("a")), /it is a worker; name the coordinator/);
    await assert.rejects(readFacts(connectionString("c", "template1")), /has no citus extension/);
    await assert.rejects(readFacts("postgresql://u:s3cret@127.0.0.1:1/x"), (error: Error) => {
      assert.match(error.message, /^cannot read the cluster at 127\.0\.0\.1:1: .*ECONNREFUSED/);
      assert.ok(!error.message.includes("s3cret"));
      return true;
    });
  });
});
