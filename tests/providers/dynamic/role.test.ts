/** Role on real servers, which need not be joined. */
import assert from "node:assert/strict";
import { compile } from "../../../providers/dynamic/engine/sql";
import { provider } from "../../../providers/dynamic/engine/entry";
import { alterSql, createSql, deleteSql, readSql, role } from "../../../providers/dynamic/role";
import { contract } from "../../support/contract";
import { withServers } from "./cluster";

const sample = { name: 'app"er' };

describe("Role statements", () => {
  const text = (statement: Parameters<typeof compile>[0]) => compile(statement);
  const inputs = {
    connection: { host: "c", port: 1, database: "postgres", user: "postgres", tls: { ca: "" } },
    nodes: {},
    ...sample,
  };
  it("are exactly these", () => {
    assert.deepEqual(text(readSql(inputs)), {
      text: "SELECT rolcanlogin AS login, rolsuper AS superuser FROM pg_roles WHERE rolname = $1",
      values: ['app"er'],
    });
    assert.equal(text(createSql(inputs)).text, 'CREATE ROLE "app""er" LOGIN');
    assert.equal(text(createSql({ ...inputs, login: false })).text, 'CREATE ROLE "app""er" NOLOGIN');
    assert.equal(text(alterSql({ ...inputs, login: false })).text, 'ALTER ROLE "app""er" NOLOGIN');
    assert.equal(text(deleteSql(inputs)).text, 'DROP ROLE IF EXISTS "app""er"');
  });
});

describe("Role", function () {
  this.timeout(60_000);
  const servers = withServers(["coordinator", "a"]);
  const inputs = () => ({
    connection: servers.connection("coordinator"),
    nodes: servers.addresses("coordinator", "a"),
    ...sample,
  });
  const subject = provider(role);
  const oids = () => servers.onEach("postgres", `SELECT oid::int, rolcanlogin FROM pg_roles WHERE rolname = 'app"er'`);

  contract(role, () => ({
    inputs: inputs(),
    changes: {
      connection: servers.connection("a"),
      nodes: servers.addresses("coordinator"),
      name: "other",
      login: false,
      onDelete: "drop" as const,
    },
    refused: [{ name: "" }, { name: "pg_x" }, { name: "x".repeat(64) }, { onDelete: "erase" }],
    drift: { change: () => servers.query("a", "postgres", `DROP ROLE "app""er"`), shows: "nodes" },
    fingerprint: oids,
    drop: { ...inputs(), onDelete: "drop" as const },
    conflict: {
      inputs: { ...inputs(), login: false },
      message: /exists already and differs: login is true, asked for false/,
    },
  }));

  it("finishes what a killed run left on one node", async () => {
    await servers.query("coordinator", "postgres", `CREATE ROLE half LOGIN`);
    await subject.create({ ...inputs(), name: "half" });
    assert.equal((await servers.query("a", "postgres", "SELECT FROM pg_roles WHERE rolname = 'half'")).length, 1);
  });

  it("changes the login on every node", async () => {
    const { outs } = await subject.create({ ...inputs(), name: "switch" });
    await subject.update("switch", outs, { ...inputs(), name: "switch", login: false });
    const rows = await servers.onEach("postgres", "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'switch'");
    assert.deepEqual(rows, [[{ rolcanlogin: false }], [{ rolcanlogin: false }]]);
  });

  it("never takes over a superuser", async () => {
    await servers.query("a", "postgres", "CREATE ROLE boss SUPERUSER LOGIN");
    await assert.rejects(
      subject.create({ ...inputs(), name: "boss" }),
      /cannot create Role "boss": it is a superuser on node "a"; take that away/,
    );
  });

  it("drops nothing that others depend on, and says what to do", async () => {
    const all = { ...inputs(), name: "owner", onDelete: "drop" as const };
    const { outs } = await subject.create(all);
    await servers.query("a", "postgres", "CREATE SCHEMA owned AUTHORIZATION owner");
    await assert.rejects(subject.delete("owner", outs), /SQLSTATE 2BP01.*REASSIGN OWNED/);
    await servers.query("a", "postgres", "DROP SCHEMA owned");
    await subject.delete("owner", outs);
  });
});
