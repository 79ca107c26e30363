/** AuthInfo on a joined cluster. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { authInfo, deleteSql, readSql, writeSql } from "../../../providers/dynamic/auth-info";
import { provider } from "../../../providers/dynamic/engine/entry";
import { compile, type Sql } from "../../../providers/dynamic/engine/sql";
import { nodes } from "../../../providers/dynamic/nodes";
import { canary, contract } from "../../support/contract";
import { requires } from "../../support/tools";
import { clusterOf, query, withServers } from "./cluster";

const flat = (statement: Sql) => {
  const { text, values } = compile(statement);
  return { text: text.replaceAll(/\s+/g, " ").trim(), values };
};

describe("AuthInfo statements", () => {
  it("are exactly these, every value a parameter", () => {
    const from = "node LEFT JOIN pg_dist_authinfo a ON a.nodeid = id AND a.rolename =";
    assert.deepEqual(flat(readSql({ role: 'r"' })), {
      text: `SELECT id AS nodeid, authinfo FROM (SELECT 0 AS id) ${from} $1`,
      values: ['r"'],
    });
    assert.deepEqual(flat(readSql({ role: "r", target: "loopback" })).text.includes("(SELECT -1 AS id)"), true);
    assert.deepEqual(flat(readSql({ role: "r", target: { host: "h", port: 5 } })), {
      text: `SELECT id AS nodeid, authinfo FROM (SELECT (SELECT nodeid FROM pg_dist_node WHERE nodename = $1 AND nodeport = $2) AS id) ${from} $3`,
      values: ["h", 5, "r"],
    });
    assert.deepEqual(flat(writeSql({ role: "r" }, 0, "password='x'")), {
      text: "INSERT INTO pg_dist_authinfo (nodeid, rolename, authinfo) VALUES ($1, $2, $3) ON CONFLICT (rolename, nodeid) DO UPDATE SET authinfo = excluded.authinfo",
      values: [0, "r", "password='x'"],
    });
    assert.deepEqual(flat(deleteSql({ role: "r" }, [0, 7])), {
      text: "DELETE FROM pg_dist_authinfo WHERE rolename = $1 AND nodeid = ANY ($2::int[])",
      values: ["r", [0, 7]],
    });
  });
});

describe("AuthInfo", function () {
  this.timeout(120_000);
  const app = "app \"é'";
  const odd = `pa:ss\\wo'rd"%@ #`;
  const password = `${canary} ${odd}`;
  const servers = withServers(["coordinator", "a", "b"], {
    passwordRoles: [app],
    // Whatever reaches a server's log would be found there.
    settings: { log_statement: "all", log_min_duration_statement: "0" },
  });
  const cluster = clusterOf(servers);
  const subject = provider(authInfo);
  const connection = (key = "coordinator") => servers.connection(key, "app");
  const inputs = () => ({
    connection: connection(),
    nodes: servers.addresses("coordinator", "a"),
    role: app,
    password,
  });
  const rows = () => servers.onEach("app", "SELECT nodeid, rolename, authinfo FROM pg_dist_authinfo ORDER BY 1, 2");
  const texts = async () => (await rows()).map((all) => all.map(({ authinfo }) => authinfo));
  const logs = () =>
    ["coordinator", "a", "b"]
      .map((key) => readFileSync(join(servers.all().folder, key, "server.log"), "utf8"))
      .join("");

  before(async () => {
    await cluster.database("coordinator", "a", "b");
    for (const key of ["coordinator", "a", "b"])
      await servers.query(key, "postgres", `CREATE ROLE "${app.replaceAll('"', '""')}" LOGIN PASSWORD 'other'`);
    await provider(nodes).create(cluster.inputs("a"));
  });
  afterEach(() => servers.onEach("app", "DELETE FROM pg_dist_authinfo"));

  contract(authInfo, () => ({
    inputs: inputs(),
    changes: {
      connection: connection("a"),
      nodes: servers.addresses("coordinator"),
      role: "other",
      target: "loopback" as const,
      password: "other",
      sslcert: "/c",
      sslkey: "/k",
      onDelete: "drop" as const,
    },
    beside: { sslcert: { sslkey: "/k" }, sslkey: { sslcert: "/c" } },
    refused: [
      { password: undefined },
      { sslcert: "/c" },
      { sslkey: "/k" },
      { password: `${canary}\n` },
      { role: "public" },
      { target: "all" },
      { target: { host: "a,b", port: 1 } },
      { target: { host: "a", port: 0 } },
      { onDelete: "erase" },
    ],
    drift: {
      change: () => servers.query("a", "app", "UPDATE pg_dist_authinfo SET authinfo = 'password=wrong'"),
      shows: "password",
    },
    fingerprint: rows,
    drop: { ...inputs(), onDelete: "drop" as const },
    conflict: {
      inputs: { ...inputs(), password: "another" },
      message: /it exists already and differs: password is another one \(secret\)\. Ask for what is there/,
    },
  }));

  it("adopts a row that says the same in other words", async () => {
    const text = `password=${odd.replaceAll(/[\\' ]/g, "\\$&")}`;
    for (const key of ["coordinator", "a"])
      await servers.query(
        key,
        "app",
        `INSERT INTO pg_dist_authinfo SELECT 0, rolname, $x$${text}$x$ FROM pg_roles WHERE rolname LIKE 'app %'`,
      );
    await subject.create({ ...inputs(), password: odd });
    assert.deepEqual((await texts()).flat(), [text, text]);
  });

  it("writes the row on a node that is added, and leaves it on one that is taken out", async () => {
    const { outs } = await subject.create({ ...inputs(), nodes: servers.addresses("coordinator") });
    assert.deepEqual(
      (await texts()).map(({ length }) => length),
      [1, 0, 0],
    );
    const more = { ...inputs(), nodes: servers.addresses("coordinator", "a", "b") };
    const { outs: all } = await subject.update("id", outs, more);
    assert.deepEqual(
      (await texts()).map(({ length }) => length),
      [1, 1, 1],
    );
    await subject.update("id", all, inputs());
    assert.deepEqual(
      (await texts()).map(({ length }) => length),
      [1, 1, 1],
    );
  });

  it("shows a node that lacks the row, and mends it", async () => {
    const { outs } = await subject.create(inputs());
    await servers.query("a", "app", "DELETE FROM pg_dist_authinfo");
    const { props = {} } = await subject.read("id", outs);
    assert.deepEqual(props["nodes"], servers.addresses("coordinator"));
    await subject.update("id", props, inputs());
    assert.deepEqual(
      (await texts()).map(({ length }) => length),
      [1, 1, 0],
    );
  });

  it("names a registered node by its address, and follows when it comes back with another id", async () => {
    const target = servers.address("a");
    const asked = { ...inputs(), nodes: servers.addresses("coordinator"), target, onDelete: "drop" as const };
    const { outs } = await subject.create(asked);
    const ids = async () => (await rows())[0]?.map(({ nodeid }) => nodeid);
    const before = await ids();
    assert.deepEqual(before, [outs["nodeid"]]);
    await provider(nodes).update("app", cluster.inputs("a"), cluster.inputs());
    assert.deepEqual(await subject.read("id", outs), {});
    await assert.rejects(
      subject.update("id", outs, asked),
      /127\.0\.0\.1:\d+ is not registered in pg_dist_node of node "coordinator"; register it first/,
    );
    await cluster.database("coordinator", "a", "b");
    await provider(nodes).update("app", cluster.inputs(), cluster.inputs("a"));
    const { outs: followed } = await subject.update("id", outs, asked);
    assert.notDeepEqual(await ids(), before);
    assert.deepEqual(await ids(), [followed["nodeid"]]);
    await subject.delete("id", followed);
    assert.deepEqual(await ids(), []);
  });

  it("writes certificates, and both", async () => {
    const asked = { ...inputs(), sslcert: "/etc/a b.crt", sslkey: "/etc/a'b.key" };
    const { outs } = await subject.create({ ...asked, password: undefined });
    assert.deepEqual((await texts())[0], ["sslcert='/etc/a b.crt' sslkey='/etc/a\\'b.key'"]);
    await subject.update("id", outs, asked);
    assert.match(String((await texts())[0]), /^password='.*' sslcert='\/etc\/a b\.crt' sslkey=/);
  });

  it("leaves no secret in a log or in an error", async function () {
    await subject.create(inputs());
    const error = await subject.create({ ...inputs(), role: "nobody" }).then(
      () => "",
      (reason: unknown) => String(reason),
    );
    assert.ok(!error.includes(canary), error);
    assert.match(logs(), /INSERT INTO pg_dist_authinfo|set_config/);
    assert.ok(!logs().includes(canary));
    requires(this, "realCitus");
    assert.match(
      error,
      /cannot create AuthInfo "app\.nobody\.any" on 127.*role_exists.*SQLSTATE 23514.*create the role on every node first/s,
    );
  });

  it("is what nodes log in with", async function () {
    requires(this, "realCitus");
    const as = { ...connection(), user: app, password: odd };
    const quoted = `"${app.replaceAll('"', '""')}"`;
    for (const key of ["coordinator", "a"])
      await servers.query(
        key,
        "postgres",
        `SET citus.enable_alter_role_propagation = off; ALTER ROLE ${quoted} PASSWORD '${odd.replaceAll("'", "''")}'`,
      );
    const there = async () =>
      (await query(as, "SELECT success, result FROM run_command_on_workers('SELECT current_user')")).map(
        ({ success, result }) => [success, result],
      );
    assert.deepEqual(
      (await there()).map(([success]) => success),
      [false],
    );
    await subject.create({ ...inputs(), password: odd });
    assert.deepEqual(await there(), [[true, app]]);
  });
});
