/** settings: pgbench on a cluster whose settings come from a plan, beside one with PostgreSQL's stock settings. Same machine, same data, same durability.
 *  pgbench's simple-update and select-only, every table distributed by branch, each transaction on one branch. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { CitusCluster, localHosts, type Workload } from "pulumi-citus";
import { tool } from "../tests/support/tools";
import { ask, newPlace, type Place } from "./cluster";
import { figureText, type Bench } from "./measure";
import { median, table } from "./result";
import type { Scene } from "./scene";
import { openStack } from "./stack";

const clients = 16;
const branches = 20;
const accountsPerBranch = 100_000;
// A number, not a time: what a run costs besides its transactions, such as its connections, is the same share on both sides.
const transactionsPerClient = 1500;

/** What the planned side is planned for: the load that pgbench makes. */
const workload: Workload = {
  kind: "saas",
  oldServer: { cores: 4, ram: "16 GiB" },
  dataSize: "2 GB",
  tenants: branches,
  peakClients: 100,
};

const planned = { writes: "writes, planned settings", reads: "reads, planned settings" };
const stock = { writes: "writes, stock settings", reads: "reads, stock settings" };
const bound = "writes, stock settings that keep nothing safe";

export const settings: Bench = {
  compares: "pgbench on planned settings, beside PostgreSQL's stock settings",
  unit: "tps",
  rounds: 5,
  bars: [
    { side: planned.writes, peer: stock.writes, atLeast: 1.3 },
    { side: planned.reads, peer: stock.reads, atLeast: 1 },
  ],
  prepare: async (scene) => {
    const { missing } = tool("realCitus");
    if (missing !== undefined) throw new Error(`distributed queries need real Citus: ${missing}`);
    const sides = [
      { names: planned, loaded: await formed(scene, workload) },
      { names: stock, loaded: await formed(scene, undefined) },
    ] as const;
    for (const { loaded } of sides) await checkDurability(loaded.place);
    const costs = new Map<string, Cost[]>();
    scene.note(() => costText(costs));
    const runs = (script: Script) =>
      sides.map(({ names, loaded }) => ({
        name: names[script],
        run: () => watched(costs, names[script], loaded, script),
      }));
    const [, { loaded: loadedStock }] = sides;
    return [
      ...runs("writes"),
      { name: bound, run: () => unsafely(loadedStock.place, () => watched(costs, bound, loadedStock, "writes")) },
      ...runs("reads"),
    ];
  },
};

// What a faster side could be bought with.
const durability = ["fsync", "full_page_writes", "synchronous_commit"] as const;

/** What is left when the disk costs nothing: no settings that keep what is committed can be faster than that. */
async function unsafely(place: Place, run: () => Promise<number>): Promise<number> {
  const all = Object.values(place.ports);
  const put = async (statement: (name: string) => string) => {
    for (const port of all) {
      for (const name of durability) await ask(place, port, "postgres", statement(name));
      await ask(place, port, "postgres", "SELECT pg_reload_conf()");
      // A new session has read what is in force now; the checkpoint gives the next run the start that all runs have.
      await ask(place, port, "postgres", "CHECKPOINT");
    }
  };
  await put((name) => `ALTER SYSTEM SET ${name} = off`);
  try {
    return await run();
  } finally {
    await put((name) => `ALTER SYSTEM RESET ${name}`);
    await checkDurability(place);
  }
}

/** Every node of both sides keeps what it has committed. */
async function checkDurability(place: Place): Promise<void> {
  for (const [key, port] of Object.entries(place.ports)) {
    const rows = await ask(
      place,
      port,
      "postgres",
      `SELECT name FROM pg_settings WHERE name IN (${durability.map((name) => `'${name}'`).join()}) AND setting = 'on'`,
    );
    if (rows.length !== durability.length) throw new Error(`${durability.join(", ")} must be on at ${key}`);
  }
}

/** A cluster with pgbench's tables in it. */
interface Loaded {
  readonly place: Place;
  readonly scripts: Readonly<Record<Script, string>>;
}

type Script = "writes" | "reads";

async function formed(scene: Scene, asked: Workload | undefined): Promise<Loaded> {
  scene.say(`  forming and filling the cluster with ${asked === undefined ? "stock" : "planned"} settings`);
  const place = await newPlace(scene);
  const stack = await openStack(scene, programOf(place, asked));
  await stack.up();
  await asApp(place, tables);
  for (const [name, text] of Object.entries(scripts)) writeFileSync(scriptPath(place, name), text);
  const loaded = { place, scripts: { writes: scriptPath(place, "writes"), reads: scriptPath(place, "reads") } };
  // Pages that the fill has just made need no full copy in the log: both sides start behind a checkpoint, as servers run.
  for (const port of Object.values(place.ports)) await ask(place, port, "postgres", "CHECKPOINT");
  await pgbench(loaded, "writes");
  return loaded;
}

const programOf =
  ({ folder, bin, ports: { coordinator, ...workers } }: Place, asked: Workload | undefined) =>
  () => {
    const cluster = new CitusCluster("bench", {
      hosts: localHosts({
        folder,
        bin,
        coordinator: { port: coordinator },
        workers: Object.fromEntries(Object.entries(workers).map(([key, port]) => [key, { port }])),
        deleteData: true,
      }),
      workload: asked,
      databases: { app: { owner: "app" } },
      loginRoles: ["app"],
      clientFolder: join(folder, "clients"),
    });
    return Promise.resolve({ nodes: cluster.nodes });
  };

// Those of pgbench, with the branch in every key, so that one transaction stays on one worker.
const tables = `
  CREATE TABLE pgbench_accounts (bid int, aid int, abalance int, filler char(84), PRIMARY KEY (bid, aid));
  CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
  SELECT create_distributed_table('pgbench_accounts', 'bid');
  SELECT create_distributed_table('pgbench_history', 'bid', colocate_with => 'pgbench_accounts');
  INSERT INTO pgbench_accounts
    SELECT bid, aid, 0, '' FROM generate_series(1, ${branches}) bid, generate_series(1, ${accountsPerBranch}) aid;
  ANALYZE pgbench_accounts`;

const row = `\\set bid random(1, ${branches})
\\set aid random(1, ${accountsPerBranch})
`;
const select = "SELECT abalance FROM pgbench_accounts WHERE bid = :bid AND aid = :aid;\n";
const scripts: Readonly<Record<Script, string>> = {
  reads: `${row}${select}`,
  writes: `${row}\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE bid = :bid AND aid = :aid;
${select}INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
`,
};

const scriptPath = ({ folder }: Place, name: string) => join(folder, `${name}.pgbench`);

const certificate = ({ folder }: Place, file: string) => join(folder, "clients", file);

/** What one run cost the servers of one side. */
interface Cost {
  /** Write-ahead log per transaction. */
  readonly walBytes: number;
  /** Full pages in it per transaction: the first change of a page after each checkpoint. */
  readonly fullPages: number;
  /** Of all servers. Unit: ms. */
  readonly cpu: number;
}

async function watched(costs: Map<string, Cost[]>, name: string, loaded: Loaded, script: Script): Promise<number> {
  const before = await counters(loaded.place);
  const tps = await pgbench(loaded, script);
  const after = await counters(loaded.place);
  const transactions = clients * transactionsPerClient;
  const one = {
    walBytes: (after.walBytes - before.walBytes) / transactions,
    fullPages: (after.fullPages - before.fullPages) / transactions,
    cpu: (after.cpu - before.cpu) / transactions,
  };
  costs.set(name, [...(costs.get(name) ?? []), one]);
  return tps;
}

/** Since the servers started, all nodes together. */
async function counters(place: Place): Promise<Cost> {
  const sum = { walBytes: 0, fullPages: 0, cpu: 0 };
  for (const [key, port] of Object.entries(place.ports)) {
    const [row] = (await ask(
      place,
      port,
      "postgres",
      `SELECT wal_bytes::float8 AS "walBytes", wal_fpi::float8 AS "fullPages" FROM pg_stat_wal`,
    )) as Cost[];
    sum.walBytes += row?.walBytes ?? 0;
    sum.fullPages += row?.fullPages ?? 0;
    sum.cpu += cpuOf(join(place.folder, key, "data"));
  }
  return sum;
}

/** Processor time of a server and of all its sessions that have ended. Unit: ms; 0 where there is no /proc. */
function cpuOf(dataFolder: string): number {
  if (!existsSync("/proc/self/stat")) return 0;
  const [id] = readFileSync(join(dataFolder, "postmaster.pid"), "utf8").split("\n");
  const fields = readFileSync(`/proc/${id ?? ""}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  // utime, stime, cutime, cstime in ticks of 10 ms (proc_pid_stat(5)).
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

function costText(costs: ReadonlyMap<string, readonly Cost[]>): string {
  const rows = [...costs].map(([name, runs]) => [
    name,
    ...(["walBytes", "fullPages", "cpu"] as const).map((figure) => figureText(median(runs.map((run) => run[figure])))),
  ]);
  return `\n${table(["medians of all servers", "WAL bytes per transaction", "full pages per transaction", "CPU ms per transaction"], rows)}`;
}

/** Transactions per second of one run. */
async function pgbench({ place, scripts: files }: Loaded, script: Script): Promise<number> {
  const connection = [
    `host=127.0.0.1 port=${place.ports.coordinator} dbname=app user=app sslmode=verify-full`,
    `sslrootcert=${certificate(place, "ca.crt")} sslcert=${certificate(place, "app.crt")} sslkey=${certificate(place, "app.key")}`,
  ].join(" ");
  const args = [
    "-n",
    "-f",
    files[script],
    "-c",
    String(clients),
    "-j",
    "2",
    "-t",
    String(transactionsPerClient),
    connection,
  ];
  const { stdout } = await promisify(execFile)(join(place.bin, "pgbench"), args);
  return tpsOf(stdout);
}

/** What pgbench prints as its result. @throws when it says nothing, or that a transaction failed. Pure. */
export function tpsOf(output: string): number {
  const failed = /^number of failed transactions: (\d+)/m.exec(output)?.[1];
  const tps = /^tps = ([\d.]+) \(without initial connection time\)$/m.exec(output)?.[1];
  if (tps === undefined || failed !== "0") throw new Error(`pgbench: ${output.trim()}`);
  return Number(tps);
}

async function asApp(place: Place, text: string): Promise<unknown[]> {
  return await ask(place, place.ports.coordinator, "app", text);
}
