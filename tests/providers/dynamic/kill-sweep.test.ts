/** SIGKILL of the CLI, the program or the provider at each boundary of Database, Nodes and Extension and at random moments inside them:
 *  one further `up` always finishes the work, and the one after it has nothing to do. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { KillStack, succeeded, type Boundary, type CliRun, type Shape, type Victim } from "../../support/kill";
import { startServers, type TestServers } from "../../support/servers";
import { requires, skip } from "../../support/tools";

/** Where a run is killed: at a boundary, or at a share of the time between two. */
interface Moment {
  readonly victim: Victim;
  readonly from: Boundary;
  /** The operation that is hit must not have ended. */
  readonly to?: Boundary;
  readonly share?: number;
}

type Mode = Shape["transferMode"];

const victims: readonly Victim[] = ["CLI", "program", "provider"];
const keys = ["coordinator", "a", "b", "c"];
const randomPoints = 10;
const attempts = 6;
const rows = 2_000;
const lockClass = 0x70756369;
// All moments take a quarter of an hour: a run takes every fifth, others with each seed.
const everyMoment = process.env["KILL_SWEEP"] === "all";
const sampleOf = 5;

const seed = Number(process.env["KILL_SWEEP_SEED"] ?? Date.now() % 1_000_000_000);
const share = randomShares(seed);

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomShares(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const percent = (of: number) => `${(of * 100).toFixed(0)} %`;

/** Milliseconds between two boundaries of a run that nobody killed. */
function duration(run: CliRun, from: Boundary, to: Boundary): number {
  const at = ({ resource, at: end }: Boundary) =>
    run.boundaries.find((boundary) => boundary.resource === resource && boundary.at === end)?.milliseconds ??
    Number.NaN;
  const milliseconds = at(to) - at(from);
  if (Number.isNaN(milliseconds)) throw new Error(`${from.resource} or ${to.resource} did not run:\n${run.output}`);
  return milliseconds;
}

describe("a killed run", function () {
  this.timeout(300_000);
  let servers: TestServers | undefined;
  let stack: KillStack | undefined;
  let count = 0;
  let moments = 0;
  const tally = { points: 0, hits: 0, misses: 0, started: 0 };
  const durations: Record<string, number> = {};

  before(async function () {
    requires(this, "realCitus", "cli", "launcher", "languageHost");
    if (process.platform !== "linux") skip(this, "processes are found through /proc, which only Linux has");
    console.log(`      KILL_SWEEP_SEED=${String(seed)} repeats these moments`);
    tally.started = Date.now();
    servers = await startServers(keys);
    const connection = JSON.stringify(servers.get("coordinator").connection());
    stack = await KillStack.create(require.resolve("../../support/kill-program"), { connection });
  });

  after(async () => {
    const seconds = (Date.now() - tally.started) / 1_000;
    if (stack !== undefined) {
      console.log(
        `      ${String(tally.points)} points, ${String(tally.hits)} hits, ${String(tally.misses)} misses repeated, ${seconds.toFixed(0)} s`,
      );
    }
    await stack?.remove();
    await servers?.remove();
  });

  const there = () => {
    assert.ok(servers !== undefined && stack !== undefined);
    return { servers, stack };
  };

  const query = async <Row extends object>(key: string, database: string, text: string): Promise<Row[]> => {
    const { tls, ...to } = there().servers.get(key).connection(database);
    const client = new Client({ ...to, ssl: { ...tls } });
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  };

  const address = (key: string) => {
    const { host, port } = there().servers.get(key);
    return { host, port };
  };

  const shape = (database: string, workers: readonly string[], transferMode: Mode = "block_writes") => {
    there().stack.shape({
      database,
      coordinator: address("coordinator"),
      workers: Object.fromEntries(workers.map((key) => [key, address(key)])),
      transferMode,
    });
  };

  /** Runs `use` with an empty stack and the name of a database that is nowhere; drops it afterwards. */
  const withDatabase = async <T>(use: (database: string) => Promise<T>): Promise<T> => {
    count += 1;
    const database = `sweep_${String(count)}`;
    there().stack.renew();
    try {
      return await use(database);
    } finally {
      await Promise.all(keys.map((key) => query(key, "postgres", `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)));
    }
  };

  /** Starts an `up` and kills at that moment. The run is undefined when the operation was over before. */
  const killedRun = async (moment: Moment, milliseconds: number): Promise<CliRun | undefined> => {
    const { victim, from, to } = moment;
    const run = there().stack.up();
    const shots: boolean[] = [];
    const act = () => shots.push((to === undefined || !run.reached(to)) && run.kill(victim));
    run.when(from, to === undefined ? act : () => setTimeout(act, milliseconds));
    await run.exit();
    // Its end may have been on the way to us. A killed program leaves the running operation to the provider, which ends it.
    const over = to !== undefined && victim !== "program" && run.reached(to);
    if (shots.includes(true) && !over) return run;
    await run.killAll();
    return undefined;
  };

  /** A test of one moment, which is left out unless the sample holds it. */
  const itConverges = (title: string, test: () => Promise<void>) => {
    moments += 1;
    const isSampled = everyMoment || (moments + seed) % sampleOf === 0;
    it(title, async function () {
      if (!isSampled) skip(this, `one moment of ${String(sampleOf)} per run; KILL_SWEEP=all npm test runs every one`);
      await test();
    });
  };

  /** Repeats `prepare` and the kill at earlier moments until it hits; then one `up` has to do. */
  const converges = async (
    moment: Moment,
    milliseconds: number,
    { prepare, change, check }: Record<"prepare" | "change" | "check", (database: string) => Promise<void>>,
  ) => {
    tally.points += 1;
    for (let left = milliseconds * (moment.share ?? 0), attempt = 0; attempt < attempts; left *= 0.6, attempt += 1) {
      const done = await withDatabase(async (database) => {
        await prepare(database);
        await change(database);
        const run = await killedRun(moment, left);
        if (run === undefined) return false;
        tally.hits += 1;
        try {
          // Inside an operation the provider may outlive the CLI and go on, as it does when nobody looks.
          if (moment.victim !== "CLI") assert.deepEqual(await run.leftovers(), []);
          else if (moment.to === undefined) await run.killAll();
          if (moment.victim === "CLI") await there().stack.unlock();
          await succeeded(there().stack.up());
          await succeeded(there().stack.up("--expect-no-changes"));
        } finally {
          await run.killAll();
        }
        await check(database);
        return true;
      });
      if (done) return;
      tally.misses += 1;
    }
    assert.fail(`the operation was over before the kill, ${String(attempts)} times`);
  };

  const eventually = async <T>(read: () => Promise<T>, expected: T) => {
    const deadline = Date.now() + 5_000;
    for (;;) {
      const now = await read();
      if (Date.now() > deadline) assert.deepEqual(now, expected);
      if (JSON.stringify(now) === JSON.stringify(expected)) return;
      await delay(50);
    }
  };

  /** The cluster is whole: each node once on each node, database, citus and the extension everywhere, nothing left of the killed run. */
  const checkCluster = async (database: string, workers: readonly string[]) => {
    const members = ["coordinator", ...workers];
    const wanted = members.map(
      (key) =>
        `${address(key).host}:${String(address(key).port)} active=true shards=${String(key !== "coordinator")} synced=true`,
    );
    for (const key of members) {
      const nodes = await query<{ node: string }>(
        key,
        database,
        `SELECT format('%s:%s active=%s shards=%s synced=%s', nodename, nodeport, isactive::text, shouldhaveshards::text, metadatasynced::text) AS node FROM pg_dist_node`,
      );
      assert.deepEqual(nodes.map(({ node }) => node).sort(), [...wanted].sort(), `pg_dist_node on ${key}`);
      const extensions = await query<{ extname: string }>(key, database, "SELECT extname FROM pg_extension ORDER BY 1");
      assert.deepEqual(
        extensions.map(({ extname }) => extname),
        ["citus", "pg_stat_statements", "plpgsql"],
        `extensions on ${key}`,
      );
    }
    assert.deepEqual(await query("coordinator", database, "SELECT * FROM pg_dist_cleanup"), []);
    for (const key of keys) {
      const databases = await query(
        key,
        "postgres",
        "SELECT datname FROM pg_database WHERE datname LIKE 'citus\\_temp%'",
      );
      assert.deepEqual(databases, [], `temporary databases on ${key}`);
      const prepared = () => query(key, "postgres", `SELECT gid FROM pg_prepared_xacts WHERE database = '${database}'`);
      await eventually(prepared, []);
      const slots = await query(
        key,
        "postgres",
        `SELECT slot_name FROM pg_replication_slots WHERE database = '${database}'`,
      );
      assert.deepEqual(slots, [], `replication slots on ${key}`);
    }
    const locks = () =>
      query(
        "coordinator",
        "postgres",
        `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = ${String(lockClass)}`,
      );
    await eventually(locks, []);
  };

  const kinds = { database: "Database", nodes: "Nodes", extension: "Extension" };
  const creation = {
    prepare: () => Promise.resolve(),
    change: async (database: string) => shape(database, ["a", "b"]),
    check: (database: string) => checkCluster(database, ["a", "b"]),
  };

  describe("that creates", () => {
    before(async () => {
      await withDatabase(async (database) => {
        shape(database, ["a", "b"]);
        const run = await succeeded(there().stack.up());
        for (const resource of Object.keys(kinds)) {
          durations[resource] = duration(run, { resource, at: "start" }, { resource, at: "end" });
        }
        await checkCluster(database, ["a", "b"]);
      });
    });

    for (const [resource, kind] of Object.entries(kinds)) {
      for (const at of ["start", "end"] as const) {
        for (const victim of victims) {
          itConverges(`converges with one up when the ${victim} is killed at the ${at} of ${kind}`, async () => {
            await converges({ victim, from: { resource, at } }, 0, creation);
          });
        }
      }
    }

    for (let point = 0; point < randomPoints; point += 1) {
      const resource = point % 2 === 0 ? "nodes" : "database";
      const victim = victims[point % victims.length] ?? "CLI";
      const moment: Moment = { victim, from: { resource, at: "start" }, to: { resource, at: "end" }, share: share() };
      itConverges(
        `converges with one up when the ${victim} is killed at ${percent(moment.share ?? 0)} of ${kinds[resource]}`,
        async () => {
          await converges(moment, durations[resource] ?? 0, creation);
        },
      );
    }
  });

  describe("that adds a worker and drains another", () => {
    const from: Boundary = { resource: "database", at: "start" };
    const to: Boundary = { resource: "nodes", at: "end" };
    const update = (mode: Mode) => ({
      prepare: async (database: string) => {
        shape(database, ["a", "b"], mode);
        await succeeded(there().stack.up());
        await query(
          "coordinator",
          database,
          `CREATE TABLE items (id bigint PRIMARY KEY, payload text);
           SELECT create_distributed_table('items', 'id', shard_count => 4);
           INSERT INTO items SELECT id, repeat('x', 100) FROM generate_series(1, ${String(rows)}) id;
           CREATE TABLE colours (name text PRIMARY KEY);
           SELECT create_reference_table('colours');
           INSERT INTO colours VALUES ('red')`,
        );
      },
      change: async (database: string) => shape(database, ["b", "c"], mode),
      check: async (database: string) => {
        await checkCluster(database, ["b", "c"]);
        const [found] = await query<object>(
          "coordinator",
          database,
          "SELECT count(*)::int AS rows, sum(id)::int AS sum FROM items",
        );
        assert.deepEqual(found, { rows, sum: (rows * (rows + 1)) / 2 });
        const placements = await query<object>(
          "coordinator",
          database,
          "SELECT logicalrelid::text AS table, count(*)::int AS placements FROM pg_dist_placement JOIN pg_dist_shard USING (shardid) GROUP BY 1 ORDER BY 1",
        );
        assert.deepEqual(placements, [
          { table: "colours", placements: 3 },
          { table: "items", placements: 4 },
        ]);
        // No metadata and no shard is left. Citus leaves a removed node its copies of reference tables, and takes them back when it returns.
        const left = await query<object>(
          "a",
          database,
          `SELECT extname AS name FROM pg_extension WHERE extname = 'citus'
            UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname ~ '^(items|colours$)'`,
        );
        assert.deepEqual(left, []);
      },
    });

    before(async () => {
      for (const mode of ["block_writes", "auto"] as const) {
        await withDatabase(async (database) => {
          const { prepare, change, check } = update(mode);
          await prepare(database);
          await change(database);
          durations[mode] = duration(await succeeded(there().stack.up()), from, to);
          await check(database);
        });
      }
      console.log(`      without a kill: ${JSON.stringify(durations)} ms`);
    });

    for (let point = 0; point < randomPoints; point += 1) {
      // The slow one once for each victim.
      const mode: Mode = point < randomPoints - victims.length ? "block_writes" : "auto";
      const moment: Moment = { victim: victims[point % victims.length] ?? "CLI", from, to, share: share() };
      itConverges(
        `loses no row and converges with one up when the ${moment.victim} is killed at ${percent(moment.share ?? 0)} (${mode})`,
        async () => {
          await converges(moment, durations[mode] ?? 0, update(mode));
        },
      );
    }
  });
});
