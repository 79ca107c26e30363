/** The program that whole-engine tests run: one cluster of local servers, and what it prints. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Client } from "pg";
import { CitusCluster, localHosts, type CitusClusterArgs } from "../../index";
import { freePorts } from "./servers";
import type { StackRun } from "./stack";
import { serversOf, tool } from "./tools";

/** A port per node. */
export interface Ports {
  readonly coordinator: number;
  readonly workers: Readonly<Record<string, number>>;
}

/** Free ports for a coordinator and these workers. */
export async function portsFor(...workers: string[]): Promise<Ports> {
  const [coordinator = 0, ...others] = await freePorts(workers.length + 1);
  return { coordinator, workers: Object.fromEntries(workers.map((key, index) => [key, others[index] ?? 0])) };
}

/** Extensions of the demo's database: one of PostgreSQL, and hll where it is installed. */
export const demoExtensions = () => ({
  pg_stat_statements: {},
  ...(tool("hll").missing === undefined ? { hll: {} } : {}),
});

/** The program: a cluster with these of the workers, and everything that a test looks at as outputs. */
export const clusterOf =
  (folder: string, ports: Ports, workers: readonly string[], args: Partial<CitusClusterArgs> = {}) =>
  () => {
    const cluster = new CitusCluster("demo", {
      hosts: localHosts({
        folder,
        ...serversOf(),
        coordinator: { port: ports.coordinator },
        workers: Object.fromEntries(workers.map((key) => [key, { port: ports.workers[key] ?? 0 }])),
      }),
      databases: { app: { owner: "app", extensions: demoExtensions() } },
      loginRoles: ["app"],
      clientFolder: join(folder, "clients"),
      ...args,
    });
    return Promise.resolve({
      psql: cluster.psql,
      nodePostgres: cluster.nodePostgres,
      nodes: cluster.nodes,
      authority: cluster.authority,
    });
  };

/** Connection string of one role for node-postgres, as the stack prints it. */
export function url(run: StackRun, role: string, database = "app"): string {
  const value: unknown = run.outputs["nodePostgres"]?.value;
  assert.ok(typeof value === "object" && value !== null, "the stack prints connection strings");
  const ofRole: unknown = Object.entries(value).find(([name]) => name === role)?.[1];
  assert.ok(typeof ofRole === "object" && ofRole !== null, `the stack prints connection strings of ${role}`);
  const text: unknown = Object.entries(ofRole).find(([name]) => name === database)?.[1];
  assert.ok(typeof text === "string", `the stack prints a connection string of ${role} for ${database}`);
  return text;
}

/** Rows of one statement, on a connection of its own. */
export async function ask<Row extends object>(connectionString: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const { rows: found }: { rows: Row[] } = await client.query(text);
    return found;
  } finally {
    await client.end();
  }
}
