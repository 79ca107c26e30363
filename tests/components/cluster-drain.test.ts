/** A drain that cannot be done stops everything: the host stays and serves, the error says what to do, the next run finishes. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask, clusterOf, portsFor, url, type Ports } from "../support/demo-cluster";
import { withStack, type StackRun, type TestStack } from "../support/stack";
import { requires, skip } from "../support/tools";

const databases = { app: { owner: "app" } };
const of = (folder: string, ports: Ports, workers: readonly string[]) =>
  clusterOf(folder, ports, workers, { databases });

/** The table, its rows, and both workers are as they were; nothing of the stack is gone. */
async function assertUntouched(failed: StackRun, formed: StackRun, ports: Ports, rows: number): Promise<void> {
  assert.deepEqual(
    failed.steps.filter(({ op }) => op.includes("delete") || op.includes("replace")),
    [],
    failed.output,
  );
  assert.deepEqual(
    failed.failed.map(({ type, name }) => `${type} ${name}`),
    ["pulumi-nodejs:dynamic/citus:Nodes demo-app"],
  );
  const operator = url(formed, "postgres");
  const a = ports.workers["a"] ?? 0;
  const registered = `SELECT isactive FROM pg_dist_node WHERE nodeport = ${String(a)}`;
  assert.deepEqual(await ask(operator, registered), [{ isactive: true }], "a is still a node");
  const onA = operator.replace(`:${String(ports.coordinator)}/`, `:${String(a)}/`);
  assert.deepEqual(await ask(onA, "SELECT 1 AS answer"), [{ answer: 1 }], "a still answers");
  assert.deepEqual(await ask(operator, "SELECT count(*)::int AS rows FROM line"), [{ rows }], "every row is there");
}

/** The run after the cause is mended: a is gone, with nothing lost, and the one after it has nothing to do. */
async function assertFinishes(stack: TestStack, formed: StackRun, ports: Ports, rows: number): Promise<void> {
  const finished = await stack.up();
  const operator = url(formed, "postgres");
  const a = ports.workers["a"] ?? 0;
  assert.equal(finished.steps.at(-1)?.op, "delete", finished.output);
  assert.deepEqual(await ask(operator, `SELECT FROM pg_dist_node WHERE nodeport = ${String(a)}`), []);
  assert.deepEqual(await ask(operator, "SELECT count(*)::int AS rows FROM line"), [{ rows }]);
  const onA = operator.replace(`:${String(ports.coordinator)}/`, `:${String(a)}/`);
  await assert.rejects(ask(onA, "SELECT 1"), /ECONNREFUSED/, "its server is stopped");
  await stack.expectNoChanges();
}

describe("CitusCluster, failing drains", function () {
  this.timeout(600_000);
  before(function () {
    requires(this, "cli", "tls", "command", "realCitus");
  });

  it("names the table without replica identity and keeps the worker until it has one", async () => {
    const ports = await portsFor("a", "b");
    let folder = "";
    await withStack(
      (dataFolder) => of((folder = dataFolder), ports, ["a", "b"]),
      async (stack) => {
        const formed = await stack.up();
        await ask(
          url(formed, "app"),
          `CREATE TABLE line (tenant int, id int, text text);
           SELECT create_distributed_table('line', 'tenant', shard_count => 4);
           INSERT INTO line SELECT i % 17, i, 'line ' || i FROM generate_series(1, 1000) i`,
        );
        stack.change(of(folder, ports, ["b"]));
        const failed = await stack.failing("up");
        assert.match(failed.output, /node "a" cannot be drained: public\.line has no replica identity/);
        assert.match(failed.output, /Give it a primary key, .*; then run again/);
        await assertUntouched(failed, formed, ports, 1000);
        const shards = `SELECT shouldhaveshards FROM pg_dist_node WHERE nodeport = ${String(ports.workers["a"] ?? 0)}`;
        assert.deepEqual(await ask(url(formed, "postgres"), shards), [{ shouldhaveshards: true }], "nothing was begun");

        await ask(url(formed, "app"), "ALTER TABLE line ADD PRIMARY KEY (tenant, id)");
        await assertFinishes(stack, formed, ports, 1000);
      },
    );
  });

  it("says that the target is full and keeps the worker until there is room", async function () {
    const ports = await portsFor("a", "b");
    const own = mkdtempSync(join(tmpdir(), "citus-full-"));
    chmodSync(own, 0o755);
    const small = join(own, "b");
    mkdirSync(small);
    if (!mountSmall(small)) {
      rmSync(own, { recursive: true });
      skip(this, "this user may not mount a small file system");
    }
    try {
      await withStack(
        () => of(own, ports, ["a", "b"]),
        async (stack) => {
          const formed = await stack.up();
          await ask(
            url(formed, "app"),
            `CREATE TABLE line (tenant int, id int, text text, PRIMARY KEY (tenant, id));
             SELECT create_distributed_table('line', 'tenant', shard_count => 2);
             INSERT INTO line SELECT i % 17, i, repeat('line', 200) FROM generate_series(1, 20000) i`,
          );
          const filler = join(small, "filler");
          // Citus wants a tenth of the disk to be free after a move.
          const [free = 0, total = 0] = sizes(small);
          writeFileSync(filler, Buffer.alloc(free - Math.round(total / 10)));
          stack.change(of(own, ports, ["b"]));
          const failed = await stack.failing("up");
          assert.match(failed.output, /draining node "a" stopped/);
          assert.match(failed.output, /not enough empty space on node if the shard is moved/);
          assert.match(failed.output, /mend the cause and run again/);
          await assertUntouched(failed, formed, ports, 20_000);

          rmSync(filler);
          await assertFinishes(stack, formed, ports, 20_000);
        },
      );
    } finally {
      execFileSync("umount", [small]);
      rmSync(own, { recursive: true, force: true });
    }
  });
});

/** False where it is not allowed. */
function mountSmall(folder: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=400m,mode=700", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("chown", ["postgres:", folder]);
    return true;
  } catch {
    // Not root, or a container without the right to mount.
    return false;
  }
}

/** Bytes free and in all, of the file system. */
function sizes(folder: string): readonly number[] {
  const { bavail, blocks, bsize } = statfsSync(folder);
  return [bavail * bsize, blocks * bsize];
}
