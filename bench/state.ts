/** state: what a SQL resource itself leaves in the stack's state: its inputs and outputs, without its connection, which is as long as certificates are. */
import * as pulumi from "@pulumi/pulumi";
import type { Deployment } from "@pulumi/pulumi/automation";
import { AuthInfo, Grant, Role, RowLevelSecurity, Settings, Statistics } from "../providers/dynamic";
import type { Connection } from "../providers/dynamic/engine/session";
import { clusterOf } from "../tests/support/demo-cluster";
import { newPlace } from "./cluster";
import { startCoordinator } from "./coordinator";
import type { CitusClusterArgs } from "../index";
import type { Bench } from "./measure";
import { table } from "./result";
import { openStack } from "./stack";

const largest = "the largest SQL resource";

/** What the demo's cluster does without. */
const everyKind: Partial<CitusClusterArgs> = {
  databases: {
    app: {
      owner: "app",
      extensions: { pg_stat_statements: {} },
      settings: {
        statement_timeout: "5min",
        idle_in_transaction_session_timeout: "1min",
        search_path: '"$user", public',
      },
    },
  },
  loginRoleSettings: { app: { work_mem: "64MB" } },
};

/** One of each kind that works without our components, with what users give it. */
const otherKinds = (app: Connection) => () => {
  const connection = pulumi.secret({ ...app });
  const node = { host: app.host, port: app.port };
  const nodes = { coordinator: node, a: node, b: node };
  const role = new Role("role", {
    connection,
    name: "reporting",
    password: "a password",
    connectionLimit: 20,
    memberOf: ["pg_monitor"],
  });
  const made = { dependsOn: [role] };
  new Grant(
    "grant",
    {
      connection,
      role: "reporting",
      on: { type: "tables", schema: "public", names: ["table_0"] },
      privileges: ["SELECT", "INSERT", "UPDATE", "DELETE"],
    },
    made,
  );
  new Settings(
    "settings",
    { connection, role: "reporting", settings: { work_mem: "64MB", statement_timeout: "5min", search_path: "public" } },
    made,
  );
  new RowLevelSecurity("rls", { connection, table: "table_0", rolePrefix: "tenant_", admins: ["postgres"] });
  new AuthInfo("auth", { connection, nodes, role: "reporting", password: "a password" }, made);
  new Statistics("statistics", { connection, nodes, trackTenants: "all", tenantsPeriodSeconds: 60 });
  return Promise.resolve();
};

export const state: Bench = {
  compares: "bytes of state per SQL resource, besides its connection",
  unit: "bytes",
  // Nothing in it depends on the moment.
  rounds: 1,
  bars: [{ side: largest, atMost: 1200 }],
  prepare: async (scene) => {
    scene.say("  forming the cluster");
    const { folder, ports } = await newPlace(scene);
    const { coordinator, ...workers } = ports;
    const stack = await openStack(scene, clusterOf(folder, { coordinator, workers }, Object.keys(workers), everyKind));
    await stack.up();
    scene.say("  making the other kinds");
    const others = await openStack(scene, otherKinds(await startCoordinator(scene, 1)));
    await others.up();
    const [formed, alone] = [stateSizes(await stack.export()), stateSizes(await others.export())];
    const sizes = [...formed.filter(({ kind }) => !alone.some((other) => other.kind === kind)), ...alone];
    const rows = sizes.map(({ kind, count, own, ofWhichFixed, connection, engine }) =>
      [kind, count, own, ofWhichFixed, connection, engine].map(String),
    );
    const titles = [
      "largest of its kind, in bytes",
      "resources",
      "its own",
      "of it logUrn, __provider",
      "its connection",
      "the engine's",
    ];
    scene.note(`\n${table(titles, rows)}`);
    const ofSql = sizes.filter(({ connection }) => connection > 0);
    const sides = ofSql.map(({ kind, own }) => ({ name: kind, run: () => Promise.resolve(own) }));
    const most = Math.max(...ofSql.map(({ own }) => own));
    return [{ name: largest, run: () => Promise.resolve(most) }, ...sides];
  },
};

/** Sizes of one kind's largest resource. Unit: bytes of compact JSON. */
export interface StateSize {
  readonly kind: string;
  readonly count: number;
  /** Inputs and outputs, without the connection. */
  readonly own: number;
  /** The part of `own` that every resource has, whatever its arguments: its URN for progress, and the line that loads this package. */
  readonly ofWhichFixed: number;
  /** The connection, encrypted: all of it in the outputs, a digest in the inputs; 0 for a kind that has none. */
  readonly connection: number;
  /** What the engine adds to any resource: URNs of what it depends on, the place in the program, times. */
  readonly engine: number;
}

type Values = Readonly<Record<string, unknown>>;

interface StateResource {
  readonly type: string;
  readonly inputs?: Values;
  readonly outputs?: Values;
}

/** By kind, in the order of the state. Pure. */
export function stateSizes({ deployment }: Pick<Deployment, "deployment">): readonly StateSize[] {
  const { resources = [] } = deployment as { readonly resources?: readonly StateResource[] };
  const sizes = new Map<string, StateSize>();
  for (const resource of resources) {
    const kind = /^pulumi-nodejs:dynamic\/citus:(\w+)$/.exec(resource.type)?.[1];
    if (kind === undefined) continue;
    const former = sizes.get(kind);
    const size = sizeOf(resource);
    const larger = former === undefined || size.own > former.own ? { kind, ...size } : former;
    sizes.set(kind, { ...larger, count: (former?.count ?? 0) + 1 });
  }
  return [...sizes.values()];
}

function sizeOf(resource: StateResource): Omit<StateSize, "kind" | "count"> {
  const all = [resource.inputs ?? {}, resource.outputs ?? {}];
  const values = sum(all.map(bytesOf));
  const own = sum(all.map((each) => bytesOf(without(each, "connection"))));
  const rest = sum(all.map((each) => bytesOf(without(each, "connection", "logUrn", "__provider"))));
  return { own, ofWhichFixed: own - rest, connection: values - own, engine: bytesOf(resource) - values };
}

const without = (values: Values, ...names: readonly string[]) =>
  Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));
const sum = (figures: readonly number[]) => figures.reduce((one, other) => one + other, 0);
const bytesOf = (value: object) => Buffer.byteLength(JSON.stringify(value));
