/** What forming a cluster costs and leaves: one start per server, hosts side by side, few sessions, little state, and strings that work as printed. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { CitusCluster, Extension, localHosts, Role } from "../../index";
import { ask, demoExtensions, portsFor, url, type Ports } from "../support/demo-cluster";
import { withStack, type StackRun, type TestStack } from "../support/stack";
import { requires, serversOf, tool, toolPath } from "../support/tools";

const execute = promisify(execFile);

const keys = ["coordinator", "a", "b"];
const stateLimitBytes = 1229; // 1.2 KiB

/** Two databases on one cluster, and two SQL resources of the user's own on its connections. */
const program = (folder: string, ports: Ports) => () => {
  const cluster = new CitusCluster("demo", {
    hosts: localHosts({
      folder,
      ...serversOf(),
      coordinator: { port: ports.coordinator },
      workers: { a: { port: ports.workers["a"] ?? 0 }, b: { port: ports.workers["b"] ?? 0 } },
    }),
    databases: { app: { owner: "app", extensions: demoExtensions() }, metrics: {} },
    loginRoles: ["app"],
    settings: { log_connections: "on", log_disconnections: "on", log_line_prefix: "%m [%p] %a " },
    clientFolder: join(folder, "clients"),
  });
  const server = ports.coordinator;
  new Role("reporting", {
    connection: cluster.connection,
    nodes: { coordinator: { host: "127.0.0.1", port: server } },
    name: "reporting",
    login: false,
  });
  new Extension("citext", {
    connection: pulumi.output(cluster.databases["metrics"] ?? cluster.connection),
    name: "citext",
  });
  return Promise.resolve({
    connection: cluster.connection,
    databases: cluster.databases,
    psql: cluster.psql,
    nodePostgres: cluster.nodePostgres,
    nodes: cluster.nodes,
    authority: cluster.authority,
  });
};

describe("CitusCluster, forming", function () {
  this.timeout(600_000);
  let formed: StackRun;
  let stack: TestStack;
  let logs: Readonly<Record<string, string>>;
  let end: () => void = () => undefined;
  let ended: Promise<void> = Promise.resolve();

  before(async function () {
    requires(this, "cli", "tls", "command", "citus");
    const ports = await portsFor("a", "b");
    const over = new Promise<void>((resolve) => (end = resolve));
    await new Promise<void>((resolve, reject) => {
      ended = withStack(
        (folder) => program(folder, ports),
        async (made) => {
          stack = made;
          formed = await made.up();
          // Taken now, so that the sessions of the tests are not in them.
          logs = Object.fromEntries(
            keys.map((key) => [key, readFileSync(join(made.dataFolder, key, "server.log"), "utf8")]),
          );
          resolve();
          await over;
        },
      );
      ended.catch(reject);
    });
  });

  after(async () => {
    end();
    await ended;
  });

  it("starts every server exactly once", () => {
    for (const key of keys) {
      assert.equal(count(logs[key], "starting PostgreSQL"), 1, logs[key]);
      assert.equal(count(logs[key], "database system is ready to accept connections"), 1, logs[key]);
    }
  });

  for (const [what, prefix] of [
    ["makes the hosts", "demo-hosts"],
    ["configures the nodes", "demo-nodes"],
  ] as const)
    it(`${what} side by side: none waits for another`, async () => {
      const dependencies = await dependenciesByName(stack);
      for (const key of keys) {
        assert.ok(dependencies.has(`${prefix}-${key}`));
        const others = keys.filter((other) => other !== key).map((other) => `${prefix}-${other}`);
        const waitsFor = closure(dependencies, `${prefix}-${key}`);
        assert.deepEqual(
          others.filter((other) => waitsFor.has(other)),
          [],
        );
      }
    });

  it("holds at most two sessions at a time on each node", () => {
    const most = Object.fromEntries(keys.map((key) => [key, mostSessions(logs[key] ?? "")]));
    for (const key of keys) assert.ok((most[key] ?? 0) >= 1 && (most[key] ?? 0) <= 2, JSON.stringify(most));
  });

  it("prints psql commands that work as they are, for each role and database", async () => {
    const commands = texts(formed, "psql");
    assert.equal(commands.length, 4);
    for (const { role, database, text } of commands) {
      const query = "SELECT current_user, current_database(), version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
      const { stdout } = await execute("bash", ["-c", `${text} -XAtc "${query}"`]);
      assert.equal(stdout.trim(), `${role}|${database}|TLSv1.3`, text);
    }
  });

  it("prints URLs that node-postgres takes as they are, for each role and database", async () => {
    const urls = texts(formed, "nodePostgres");
    assert.equal(urls.length, 4);
    for (const { role, database, text } of urls) {
      const rows = await ask(text, "SELECT current_user::text AS role, current_database()::text AS database");
      assert.deepEqual(rows, [{ role, database }], text);
    }
  });

  it("gives connections that SQL resources work with", async () => {
    const operator = url(formed, "postgres");
    assert.deepEqual(await ask(operator, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'reporting'"), [
      { rolcanlogin: false },
    ]);
    assert.deepEqual(
      await ask(url(formed, "postgres", "metrics"), "SELECT extname::text FROM pg_extension WHERE extname = 'citext'"),
      [{ extname: "citext" }],
    );
  });

  it("gives each database its own nodes, its owner and its extensions", async () => {
    const nodes = (database: string) =>
      ask<{ port: number }>(
        url(formed, "postgres", database),
        "SELECT nodeport AS port FROM pg_dist_node WHERE isactive ORDER BY groupid",
      );
    assert.equal((await nodes("app")).length, 3);
    const hasShards = tool("realCitus").missing === undefined;
    assert.deepEqual(await nodes("metrics"), await nodes("app"));
    await ask(
      url(formed, "postgres", "metrics"),
      `CREATE TABLE m (id int PRIMARY KEY); ${hasShards ? "SELECT create_distributed_table('m', 'id')" : ""}; INSERT INTO m VALUES (1), (2)`,
    );
    assert.deepEqual(await ask(url(formed, "postgres", "app"), "SELECT to_regclass('m') AS there"), [{ there: null }]);
    assert.deepEqual(
      await ask(
        url(formed, "postgres"),
        "SELECT datname::text AS name, pg_get_userbyid(datdba)::text AS owner FROM pg_database WHERE datname IN ('app', 'metrics') ORDER BY 1",
      ),
      [
        { name: "app", owner: "app" },
        { name: "metrics", owner: "postgres" },
      ],
    );
  });

  it("marks what holds keys as secret, and what people need to read not", async () => {
    const { stdout } = await execute(toolPath("cli"), ["stack", "output", "--json", "--stack", "test"], {
      cwd: stack.workFolder,
      env: { ...process.env, ...stack.environment },
    });
    const shown = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
    assert.deepEqual(
      { connection: shown["connection"], databases: shown["databases"] },
      { connection: "[secret]", databases: { app: "[secret]", metrics: "[secret]" } },
    );
    for (const name of ["psql", "nodePostgres", "nodes", "authority"])
      assert.deepEqual(shown[name], formed.outputs[name]?.value, name);
  });

  it("keeps little state per SQL resource, besides its connection and the settings themselves", () => {
    const sizes = stateSizes(stack);
    assert.ok(Object.keys(sizes).length >= 9, JSON.stringify(sizes));
    const large = Object.entries(sizes).filter(([, bytes]) => bytes > stateLimitBytes);
    assert.deepEqual(large, [], JSON.stringify(sizes));
  });

  it("changes nothing the second time", async () => {
    await stack.expectNoChanges();
  });
});

const count = (text: string | undefined, part: string) => (text ?? "").split(part).length - 1;

interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly dependencies?: readonly string[];
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
}

const nameOf = (urn: string) => urn.slice(urn.lastIndexOf("::") + 2);

/** Commands only: their names are unique. */
async function dependenciesByName(stack: TestStack): Promise<Map<string, readonly string[]>> {
  const { resources } = (await stack.export()).deployment as { readonly resources: readonly StateResource[] };
  return new Map(resources.map(({ urn, dependencies = [] }) => [nameOf(urn), dependencies.map(nameOf)]));
}

function closure(dependencies: ReadonlyMap<string, readonly string[]>, name: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (each: string) => {
    if (seen.has(each)) return;
    seen.add(each);
    dependencies.get(each)?.forEach(visit);
  };
  dependencies.get(name)?.forEach(visit);
  return seen;
}

/** The most sessions of ours at one time, from the server's own lines. A session's name is the one it has when it ends. */
function mostSessions(log: string): number {
  const lines = [...log.matchAll(/^\S+ \S+ \S+ \[(\d+)\] (.*)$/gm)].map(([, id = "", text = ""]) => ({ id, text }));
  const ours = new Set(lines.filter(({ text }) => /^pulumi-citus .*disconnection:/.test(text)).map(({ id }) => id));
  let open = 0;
  let most = 0;
  for (const { id, text } of lines) {
    if (!ours.has(id)) continue;
    if (text.includes("connection authorized:")) open += 1;
    if (text.includes("disconnection:")) open -= 1;
    most = Math.max(most, open);
  }
  return most;
}

/** An output by role and database, as a list. */
function texts(run: StackRun, output: string): { role: string; database: string; text: string }[] {
  const value = run.outputs[output]?.value as Readonly<Record<string, Readonly<Record<string, string>>>>;
  return Object.entries(value).flatMap(([role, ofRole]) =>
    Object.entries(ofRole).map(([database, text]) => ({ role, database, text })),
  );
}

/** Bytes of inputs and outputs of each SQL resource in the state file, without its connection and a node's settings. */
function stateSizes(stack: TestStack): Record<string, number> {
  const folder = join(stack.workFolder, "state", ".pulumi", "stacks");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("test.json"));
  const [file = ""] = files;
  const state = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
    readonly checkpoint: { readonly latest: { readonly resources: readonly StateResource[] } };
  };
  const ofSql = state.checkpoint.latest.resources.filter(
    ({ type, inputs }) =>
      type.startsWith("pulumi-nodejs:dynamic/citus:") && inputs !== undefined && "connection" in inputs,
  );
  return Object.fromEntries(
    ofSql.map(({ urn, type, inputs, outputs }) => [
      `${type.slice(type.lastIndexOf(":") + 1)} ${nameOf(urn)}`,
      Buffer.byteLength(
        JSON.stringify({ inputs, outputs }, (key, value: unknown) =>
          ["connection", "settings"].includes(key) ? undefined : value,
        ),
      ),
    ]),
  );
}
