/** resources: a stack of 1,000 SQL resources of four kinds that has nothing to do, beside the engine with as many resources that do nothing. */
import { setTimeout as delay } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { Grant, Role, RowLevelSecurity, Settings } from "../providers/dynamic";
import type { Connection } from "../providers/dynamic/engine/session";
import { clientOf, startCoordinator } from "./coordinator";
import { Empty, emptyProgram } from "./empty";
import type { Bench } from "./measure";
import { openStack, type BenchStack, type Run } from "./stack";

const ofEachKind = 250;
const count = 4 * ofEachKind;
const ours = { preview: "preview", up: "no-op up", refresh: "refresh" } as const;
const peer = { preview: "preview, empty", up: "no-op up, empty", refresh: "refresh, empty" } as const;
const equal = { preview: "preview, empty, equal arguments", up: "no-op up, empty, equal arguments" } as const;
const connections = "most connections at once on refresh";
const queries = "queries on refresh, per resource";

export const resources: Bench = {
  compares: `${count} SQL resources (roles, grants, settings, row-level security) without changes, beside the engine with as many resources of equal arguments that do nothing`,
  unit: "s",
  units: { [connections]: "connections", [queries]: "queries" },
  rounds: 5,
  bars: [
    { side: ours.preview, peer: equal.preview, atMost: 1.3 },
    { side: ours.up, peer: equal.up, atMost: 1.3 },
    { side: connections, atMost: 4 },
    { side: queries, atMost: 1 },
  ],
  prepare: async (scene) => {
    const app = await startCoordinator(scene, ofEachKind);
    scene.say(`  making ${count} resources`);
    const stack = await openStack(scene, program(app, make));
    const made = await stack.make();
    scene.note(`Making them took ${made.seconds.toFixed(0)} s.`);
    const empty = await openStack(scene, emptyProgram({ components: 0, resources: count }));
    await empty.make();
    const withArguments = await openStack(
      scene,
      program(JSON.stringify(app), (kind, name, args, opts) => new Empty(`${kind}-${name}`, args, opts)),
    );
    await withArguments.make();
    let counted: Counted = { connections: 0, queries: 0 };
    const refresh = async () => {
      const { seconds, ...others } = await counting(app, () => noop(stack, "refresh"));
      counted = others;
      return seconds;
    };
    return [
      { name: ours.preview, run: async () => (await noop(stack, "preview")).seconds },
      { name: peer.preview, run: async () => (await noop(empty, "preview")).seconds },
      { name: equal.preview, run: async () => (await noop(withArguments, "preview")).seconds },
      { name: ours.up, run: async () => (await noop(stack, "up")).seconds },
      { name: peer.up, run: async () => (await noop(empty, "up")).seconds },
      { name: equal.up, run: async () => (await noop(withArguments, "up")).seconds },
      { name: ours.refresh, run: refresh },
      { name: peer.refresh, run: async () => (await noop(empty, "refresh")).seconds },
      { name: connections, run: () => Promise.resolve(counted.connections) },
      { name: queries, run: () => Promise.resolve(counted.queries / count) },
    ];
  },
};

const kinds = { Role, Grant, Settings, RowLevelSecurity };

type Make = (
  kind: keyof typeof kinds,
  name: string,
  args: pulumi.Inputs,
  opts?: pulumi.CustomResourceOptions,
) => pulumi.Resource;

const make: Make = (kind, name, args, opts) => new kinds[kind](name, args as never, opts);

function program(app: Connection | string, of: Make): () => Promise<void> {
  return () => {
    const connection = pulumi.secret(app);
    for (let index = 0; index < ofEachKind; index += 1) {
      const name = `bench_${index}`;
      const table = `table_${index}`;
      const role = of("Role", name, { connection, name });
      const made = { dependsOn: [role] };
      const on = { type: "tables", schema: "public", names: [table] };
      of("Grant", name, { connection, role: name, on, privileges: ["SELECT"] }, made);
      of("Settings", name, { connection, role: name, settings: { work_mem: "8MB" } }, made);
      of("RowLevelSecurity", name, { connection, table, rolePrefix: "tenant_", admins: ["postgres"] });
    }
    return Promise.resolve();
  };
}

/** @throws when it has changed anything */
async function noop(stack: BenchStack, operation: "preview" | "up" | "refresh"): Promise<Run> {
  const run = await stack[operation]();
  if (Object.keys(run.changes).some((op) => op !== "same"))
    throw new Error(`the ${operation} was to change nothing: ${JSON.stringify(run.changes)}`);
  return run;
}

interface Counted {
  /** Most sessions of ours at one moment. */
  readonly connections: number;
  /** Statements that the server ran for us. */
  readonly queries: number;
}

const sampleMilliseconds = 20;

/** What the server saw while `work` ran. */
async function counting<T>(app: Connection, work: () => Promise<T>): Promise<T & Counted> {
  const client = await clientOf(app);
  const ended = new AbortController();
  let most = 0;
  const number = async (text: string) => (await client.query<{ value: number }>(text)).rows[0]?.value ?? 0;
  const watch = async () => {
    while (!ended.signal.aborted) {
      most = Math.max(
        most,
        await number(
          "SELECT count(*)::int AS value FROM pg_stat_activity WHERE application_name LIKE 'pulumi-citus %' AND backend_type = 'client backend'",
        ),
      );
      await delay(sampleMilliseconds);
    }
  };
  try {
    await client.query("SELECT pg_stat_statements_reset()");
    const watching = watch();
    const result = await work();
    ended.abort();
    await watching;
    const own = "query LIKE '%pg_stat_statements%' OR query LIKE '%pg_stat_activity%'";
    const all = await number(`SELECT sum(calls)::int AS value FROM pg_stat_statements WHERE NOT (${own})`);
    if (all === 0) throw new Error("no statement was counted");
    return { ...result, connections: most, queries: all };
  } finally {
    ended.abort();
    await client.end();
  }
}
