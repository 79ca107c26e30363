/** The demo: a cluster forms, takes a worker, proves itself, gives a worker away and is destroyed; through the Automation API.
 *  Started by `npm run demo`, which finds the tools first. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as automation from "@pulumi/pulumi/automation";
import { fill, Writer } from "./load";
import { programOf, type DemoCluster } from "./program";
import { connectionProblem, connectionsOf, nodesOf } from "./proof";
import { heading, paragraph, plannedSteps, Progress, say, since, table } from "./screen";

/** What a run of the demo is told, all of it by scripts/demo.mjs. */
interface DemoRun {
  readonly cluster: DemoCluster;
  /** With real Citus there are shards to move, and writes while they move. */
  readonly hasShards: boolean;
}

const values = optionsOf(process.argv.slice(2));

function optionsOf(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        keep: { type: "boolean", default: false },
        remove: { type: "string" },
        bin: { type: "string" },
        user: { type: "string" },
        "stand-in": { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\nnpm run demo [-- --keep | --remove <folder>]\n`);
    process.exit(2);
  }
}

let interrupted = false;
const standInText = "Citus is a stand-in here: nodes, certificates and catalogs are real, there are no shards to move.";
/** What shells give to a program that SIGINT ended. */
const interruptedCode = 130;
const rows = 1_000_000;

const host = "127.0.0.1";
const firstPort = 9700;

/** The first ports from 9700 on that nobody listens on. */
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let port = firstPort; ports.length < count; port += 1) if (await isFree(port)) ports.push(port);
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const listener = createServer();
  return await new Promise((resolve) => {
    listener.once("error", () => resolve(false));
    listener.listen(port, host, () => listener.close(() => resolve(true)));
  });
}

async function newRun(): Promise<DemoRun> {
  const folder = mkdtempSync(join(tmpdir(), "citus-demo-"));
  // The servers' user must be able to pass.
  chmodSync(folder, 0o755);
  const [coordinator = 0, a = 0, b = 0, c = 0] = await freePorts(4);
  const hasShards = !values["stand-in"];
  const cluster = {
    folder,
    coordinator,
    workers: { a, b, c },
    bin: values.bin,
    user: values.user,
    rebalance: hasShards,
  };
  const run = { cluster, hasShards };
  writeFileSync(join(folder, "demo.json"), JSON.stringify(run));
  return run;
}

function keptRun(folder: string): DemoRun {
  const file = join(folder, "demo.json");
  if (!existsSync(file)) throw new Error(`${folder} holds no demo: ${file} is missing`);
  return JSON.parse(readFileSync(file, "utf8")) as DemoRun;
}

async function stackOf({ cluster }: DemoRun, workers: readonly string[]): Promise<automation.Stack> {
  const state = join(cluster.folder, "state");
  mkdirSync(state, { recursive: true });
  return await automation.LocalWorkspace.createOrSelectStack(
    { stackName: "demo", projectName: "pulumi-citus-demo", program: programOf(cluster, workers) },
    {
      workDir: __dirname,
      pulumiCommand: await automation.PulumiCommand.get({ skipVersionCheck: true }),
      envVars: {
        PULUMI_BACKEND_URL: `file://${state}`,
        // The state of a throw-away cluster lies beside its keys.
        PULUMI_CONFIG_PASSPHRASE: "",
      },
    },
  );
}

/** One operation with its progress; everything the engine said comes back with its result. */
async function operate<Result>(
  work: (shared: { onEvent: (event: automation.EngineEvent) => void; color: "never" }) => Promise<Result>,
  notes: "show" | "hide" = "show",
): Promise<{ readonly result: Result; readonly events: readonly automation.EngineEvent[] }> {
  if (interrupted) throw new Error("interrupted");
  const progress = new Progress(notes);
  const events: automation.EngineEvent[] = [];
  const onEvent = (event: automation.EngineEvent) => {
    events.push(event);
    progress.take(event);
  };
  try {
    return { result: await work({ onEvent, color: "never" }), events };
  } finally {
    progress.stop();
  }
}

type Counts = Readonly<Partial<Record<string, number>>>;

function describe(counts: Counts): string {
  const { same = 0, ...changed } = counts;
  const parts = Object.entries(changed).map(([op, count]) => `${String(count)} ${op}`);
  return `${parts.length === 0 ? "0 changes" : parts.join(", ")}, ${String(same)} unchanged`;
}

async function up(run: DemoRun, workers: readonly string[]): Promise<automation.UpResult> {
  const start = Date.now();
  const stack = await stackOf(run, workers);
  const { result } = await operate((shared) => stack.up(shared));
  say(`  done in ${since(start)}: ${describe(result.summary.resourceChanges ?? {})}`);
  return result;
}

async function preview(run: DemoRun, workers: readonly string[]): Promise<void> {
  const stack = await stackOf(run, workers);
  const { result, events } = await operate((shared) => stack.preview(shared), "hide");
  for (const line of plannedSteps(events)) say(line);
  say(`  ${describe(result.changeSummary)}`);
}

async function destroy(run: DemoRun): Promise<void> {
  const start = Date.now();
  const stack = await stackOf(run, []);
  // What it says about data that it keeps is not true for servers whose folders are deleted.
  const { result } = await operate((shared) => stack.destroy(shared), "hide");
  rmSync(run.cluster.folder, { recursive: true, force: true });
  say(`  done in ${since(start)}: ${describe(result.summary.resourceChanges ?? {})}; ${run.cluster.folder} is removed`);
}

type Strings = Readonly<Partial<Record<string, Readonly<Partial<Record<string, string>>>>>>;

function stringOf(result: automation.UpResult, output: string, role: string): string {
  const value = result.outputs[output]?.value as Strings | undefined;
  const text = value?.[role]?.["app"];
  if (text === undefined) throw new Error(`the stack has no output ${output} for ${role}`);
  return text;
}

function keysOf({ cluster }: DemoRun, workers: readonly string[]): ReadonlyMap<number, string> {
  const named = workers.map((key): [number, string] => [cluster.workers[key] ?? 0, key]);
  return new Map([[cluster.coordinator, "coordinator"], ...named]);
}

async function showNodes(operator: string, keys: ReadonlyMap<number, string>): Promise<void> {
  const facts = await nodesOf(operator, keys);
  say(
    table(
      ["node", "address", "shards", "size"],
      facts.map(({ key, address, shards, bytes }) => [key, address, String(shards), bytes]),
    ),
  );
}

/** @throws when a connection between two nodes is not what it should be */
async function showConnections(operator: string, keys: ReadonlyMap<number, string>): Promise<void> {
  const connections = await connectionsOf(operator, keys);
  say(
    table(
      ["from", "to", "TLS", "server checked as", "client checked as"],
      connections.map(({ from, to, tls, server, client }) => [from, to, tls, server, client]),
    ),
  );
  const problems = connections.flatMap((connection) => connectionProblem(connection) ?? []);
  if (connections.length !== keys.size ** 2) problems.push(`${String(connections.length)} connections were seen`);
  if (problems.length > 0) throw new Error(`not every connection is verified:\n${problems.join("\n")}`);
}

async function show(run: DemoRun): Promise<void> {
  const summary: [string, string][] = [];
  const step = async <Result>(title: string, work: () => Promise<Result>): Promise<Result> => {
    heading(`${String(summary.length + 1)}. ${title}`);
    const start = Date.now();
    const result = await work();
    summary.push([title, since(start)]);
    return result;
  };

  const formed = await step("pulumi up: a coordinator, workers a and b, database app, extensions", () =>
    up(run, ["a", "b"]),
  );
  const operator = stringOf(formed, "nodePostgres", "postgres");
  const app = stringOf(formed, "nodePostgres", "app");
  if (run.hasShards) {
    await step(`a distributed table with ${rows.toLocaleString("en")} rows, as pgbench makes it`, async () => {
      await fill(app, rows);
      await showNodes(operator, keysOf(run, ["a", "b"]));
    });
  }
  const writer = run.hasShards ? await Writer.start(app) : undefined;
  try {
    await step("pulumi preview: what adding the worker c would do", () => preview(run, ["a", "b", "c"]));
    await step(`pulumi up: c joins${run.hasShards ? " and takes its share of the shards" : ""}`, () =>
      up(run, ["a", "b", "c"]),
    );
    await step("pulumi up once more: nothing to do", async () => {
      const { summary: again } = await up(run, ["a", "b", "c"]);
      if (Object.keys(again.resourceChanges ?? {}).some((op) => op !== "same"))
        throw new Error("the second up changed something");
    });
    await step("the proof, asked on every node", async () => {
      await showNodes(operator, keysOf(run, ["a", "b", "c"]));
      say();
      await showConnections(operator, keysOf(run, ["a", "b", "c"]));
    });
    await step("pulumi preview: what taking the worker a out would do", () => preview(run, ["b", "c"]));
    await step("pulumi up: a is drained, removed, shut out, and only then stopped", async () => {
      await up(run, ["b", "c"]);
      await showNodes(operator, keysOf(run, ["b", "c"]));
    });
  } finally {
    await writer?.stop();
  }
  if (writer !== undefined) {
    const { acknowledged, failed, lost } = await writer.count();
    say(
      `\n  A client wrote all the time: ${acknowledged.toLocaleString("en")} rows, ${String(failed)} statements failed, ${String(lost)} rows lost.`,
    );
    if (failed + lost > 0) throw new Error("writes failed or were lost");
  }
  if (values.keep) keep(run, formed);
  else await step("pulumi destroy", () => destroy(run));
  heading("Summary");
  say(table(["step", "time"], summary));
}

function keep({ cluster }: DemoRun, formed: automation.UpResult): void {
  heading("The cluster stays");
  say(`  as superuser   ${stringOf(formed, "psql", "postgres")}`);
  say(`  as application ${stringOf(formed, "psql", "app")}`);
  say(`  node-postgres  ${stringOf(formed, "nodePostgres", "app")}`);
  say(`  remove it      npm run demo -- --remove ${cluster.folder}`);
}

async function main(): Promise<void> {
  if (values.remove !== undefined) {
    heading(`pulumi destroy: the demo in ${values.remove}`);
    await destroy(keptRun(values.remove));
    return;
  }
  const run = await newRun();
  say(`\nEverything is in ${run.cluster.folder}`);
  if (!run.hasShards) for (const line of paragraph(standInText, 0)) say(line);
  try {
    await show(run);
  } catch (error) {
    process.exitCode = interrupted ? interruptedCode : 1;
    if (!interrupted) say(`\n${messageOf(error)}`);
    heading(`${interrupted ? "Interrupted" : "Something failed"}: pulumi destroy`);
    interrupted = false;
    await destroy(run);
  }
}

// The engine gets the signal as well and ends its operation; what exists is destroyed then.
process.on("SIGINT", () => {
  interrupted = true;
  say("\ninterrupted; ending the running step, then everything is destroyed");
});

main().catch((error: unknown) => {
  say(messageOf(error));
  process.exitCode = 1;
});

/** The engine's own error repeats all that it printed: of that, the diagnostics only. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /^Diagnostics:\n([^]*?)(?=^\S|(?![^]))/m.exec(text)?.[1]?.trimEnd() ?? text;
}
