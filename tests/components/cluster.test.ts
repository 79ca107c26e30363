/** The main job on the real engine, real plugins and real Citus: a TLS-only cluster forms, grows, shrinks, is destroyed and comes back with every row. */
import assert from "node:assert/strict";
import { ask, clusterOf, demoExtensions, portsFor, url, type Ports } from "../support/demo-cluster";
import { withStack, type StackRun } from "../support/stack";
import { Ledger } from "../support/ledger";
import { requires } from "../support/tools";

const rows = 1_000_000;

const describeSteps = ({ steps }: StackRun) => steps.map(({ op, name }) => `${op} ${name}`).join("\n");
const names = (run: StackRun, op: string) => run.steps.filter((step) => step.op === op).map(({ name }) => name);

/** The demo's cluster, whose database and login role have settings. */
const clusterWith = (folder: string, ports: Ports, workers: readonly string[]) =>
  clusterOf(folder, ports, workers, {
    databases: { app: { owner: "app", extensions: demoExtensions(), settings: { statement_timeout: "20min" } } },
    loginRoleSettings: { app: { work_mem: "5MB" } },
  });

describe("CitusCluster", () => {
  let ledger: Ledger | undefined;
  after(() => ledger?.abandon());

  it("forms, grows, shrinks under writes, shows drift, and comes back from its folders with every row", async function () {
    requires(this, "cli", "tls", "command", "realCitus");
    this.timeout(900_000);
    const ports = await portsFor("a", "b", "c");
    let folder = "";
    await withStack(
      (dataFolder) => {
        folder = dataFolder;
        return clusterWith(dataFolder, ports, ["a", "b"]);
      },
      async (stack) => {
        const formed = await stack.up();
        await stack.expectNoChanges();
        const operator = url(formed, "postgres");
        const app = url(formed, "app");

        await ask(
          app,
          `CREATE TABLE country (code text PRIMARY KEY);
           SELECT create_reference_table('country');
           INSERT INTO country VALUES ('ch'), ('nl');
           CREATE TABLE event (tenant int, id bigint, payload text, PRIMARY KEY (tenant, id));
           SELECT create_distributed_table('event', 'tenant', shard_count => 8);
           INSERT INTO event SELECT i % 997, i, 'payload ' || i FROM generate_series(1, ${String(rows)}) i`,
        );

        stack.change(clusterWith(folder, ports, ["a", "b", "c"]));
        const grown = await stack.up();
        assert.deepEqual(grown.changes["delete"] ?? 0, 0, describeSteps(grown));
        assert.deepEqual(
          await ask(
            operator,
            "SELECT nodeport, isactive, shouldhaveshards FROM pg_dist_node WHERE groupid <> 0 ORDER BY nodeport",
          ),
          Object.values(ports.workers)
            .sort((one, other) => one - other)
            .map((port) => ({ nodeport: port, isactive: true, shouldhaveshards: true })),
        );
        assert.deepEqual(
          await ask(
            operator,
            "SELECT count(*)::int AS copies FROM citus_shards WHERE table_name = 'country'::regclass",
          ),
          // The coordinator has a copy as well.
          [{ copies: 4 }],
          "the reference table is on the new worker",
        );

        const portOfCoordinator = `:${String(ports.coordinator)}/`;
        for (const port of [ports.coordinator, ...Object.values(ports.workers)]) {
          const [row] = await ask(
            app.replace(portOfCoordinator, `:${String(port)}/`),
            "SELECT current_setting('statement_timeout') AS timeout, current_setting('work_mem') AS memory",
          );
          assert.deepEqual(row, { timeout: "20min", memory: "5MB" }, `sessions on port ${String(port)}`);
        }

        const writing = await Ledger.start(app, "event");
        ledger = writing;
        stack.change(clusterWith(folder, ports, ["b", "c"]));
        const shrunk = await stack.up();
        const book = await writing.stop();
        assert.ok(
          book.acknowledged.length > 100,
          `the client wrote all the time: ${String(book.acknowledged.length)} rows`,
        );
        assert.deepEqual(book.missing, [], "every acknowledged row is there");
        assert.deepEqual(book.failures, [], "no statement failed");
        assert.equal(names(shrunk, "delete").at(-1)?.includes("-a"), true, describeSteps(shrunk));
        assertStoppedLast(shrunk);
        const gone = ports.workers["a"] ?? 0;
        assert.deepEqual(await ask(operator, `SELECT nodeport FROM pg_dist_node WHERE nodeport = ${String(gone)}`), []);
        assert.deepEqual(
          await ask(
            operator,
            "SELECT count(*)::int AS placements FROM pg_dist_placement WHERE groupid NOT IN (SELECT groupid FROM pg_dist_node)",
          ),
          [{ placements: 0 }],
        );
        assert.deepEqual(await ask(operator, "SELECT count(*)::int AS records FROM pg_dist_cleanup"), [{ records: 0 }]);
        await stack.expectNoChanges();

        const refreshed = await stack.refresh();
        assert.deepEqual(
          refreshed.steps.filter(({ op }) => op !== "refresh"),
          [],
          refreshed.output,
        );
        const worker = operator.replace(`:${String(ports.coordinator)}/`, `:${String(ports.workers["b"] ?? 0)}/`);
        await ask(worker, "ALTER SYSTEM SET max_worker_processes = 33");
        const drifted = await stack.refresh();
        assert.match(drifted.output, /max_worker_processes/, "refresh shows the setting that was changed by hand");
        const mended = await stack.up();
        assert.deepEqual(names(mended, "update"), ["demo-b"], describeSteps(mended));
        await stack.expectNoChanges();

        const total = rows + book.acknowledged.length;
        const destroyed = await stack.destroy();
        assert.match(destroyed.output, /kept the database "app"/);
        assert.doesNotMatch(destroyed.output, /drain/);
        const back = await stack.up();
        assert.deepEqual(await ask(url(back, "app"), "SELECT count(*)::int AS rows FROM event"), [{ rows: total }]);
        await stack.expectNoChanges();
      },
    );
  });
});

/** Every update, the one of Nodes and fencing included, is before the delete that stops the server. */
function assertStoppedLast(run: StackRun): void {
  const stops = run.steps.findIndex(({ op, name }) => op === "delete" && name === "demo-hosts-a");
  const lastUpdate = Math.max(...run.steps.map(({ op }, index) => (op === "update" || op === "create" ? index : -1)));
  assert.ok(stops > lastUpdate && lastUpdate >= 0, describeSteps(run));
}
