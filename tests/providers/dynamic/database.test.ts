/** Database on real servers, which need not be joined. */
import assert from "node:assert/strict";
import {
  citusSql,
  createCitusSql,
  createSql,
  database,
  deleteSql,
  ownerSql,
  readSql,
} from "../../../providers/dynamic/database";
import { provider } from "../../../providers/dynamic/engine/entry";
import { compile } from "../../../providers/dynamic/engine/sql";
import { contract } from "../../support/contract";
import { withServers } from "./cluster";

const flat = (statement: Parameters<typeof compile>[0]) => compile(statement).text.replaceAll(/\s+/g, " ").trim();

describe("Database statements", () => {
  const inputs = {
    connection: { host: "c", port: 1, database: "postgres", user: "postgres", tls: { ca: "" } },
    nodes: {},
    name: 'a"b',
  };
  it("are exactly these", () => {
    assert.equal(flat(createSql(inputs)), 'CREATE DATABASE "a""b" TEMPLATE template0');
    assert.equal(
      flat(createSql({ ...inputs, owner: "o", encoding: "UTF8", locale: "C'x" })),
      `CREATE DATABASE "a""b" TEMPLATE template0 OWNER "o" ENCODING 'UTF8' LOCALE 'C''x'`,
    );
    assert.equal(flat(createCitusSql), "CREATE EXTENSION IF NOT EXISTS citus");
    assert.equal(flat(citusSql), "SELECT extversion FROM pg_extension WHERE extname = 'citus'");
    assert.equal(flat(ownerSql(inputs, "o")), 'ALTER DATABASE "a""b" OWNER TO "o"');
    assert.equal(flat(deleteSql(inputs)), 'DROP DATABASE IF EXISTS "a""b" WITH (FORCE)');
    assert.deepEqual(compile(readSql({ ...inputs, encoding: "utf8" })).values, ["utf8", "utf8", 'a"b']);
  });
});

describe("Database", function () {
  this.timeout(60_000);
  const servers = withServers(["coordinator", "a"]);
  const inputs = () => ({
    connection: servers.connection("coordinator"),
    nodes: servers.addresses("coordinator", "a"),
    name: 'my "app"',
  });
  const subject = provider(database);
  const there = (name: string) =>
    servers.onEach(
      "postgres",
      `SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding FROM pg_database WHERE datname = '${name}'`,
    );

  before(async () => {
    await Promise.all(
      ["coordinator", "a"].map((key) => servers.query(key, "postgres", "CREATE ROLE app; CREATE ROLE other")),
    );
  });

  contract(database, () => ({
    inputs: { ...inputs(), owner: "app", encoding: "UTF8", locale: "C" },
    changes: {
      connection: servers.connection("a"),
      nodes: servers.addresses("coordinator"),
      name: "other",
      owner: "other",
      encoding: "SQL_ASCII",
      locale: "C.UTF-8",
      onDelete: "drop" as const,
    },
    refused: [
      { name: "" },
      { name: "postgres" },
      { name: "template1" },
      { name: "ü".repeat(32) },
      { owner: "pg_x" },
      { onDelete: "erase" },
    ],
    drift: {
      change: () => servers.query("a", "postgres", 'ALTER DATABASE "my ""app""" OWNER TO other'),
      shows: "owner",
    },
    fingerprint: () =>
      servers.onEach("postgres", `SELECT oid::int, datdba::int FROM pg_database WHERE datname = 'my "app"'`),
    drop: { ...inputs(), onDelete: "drop" as const },
    conflict: {
      inputs: { ...inputs(), owner: "other", encoding: "SQL_ASCII", locale: "C" },
      message:
        /exists already and differs: owner is "app", asked for "other"; encoding is "UTF8", asked for "SQL_ASCII"\. Ask for what is there/,
    },
  }));

  it("has the citus extension on every node, and says its version", async () => {
    const { outs } = await subject.create({ ...inputs(), name: "versions" });
    assert.match(String(outs["citusVersion"]), /^\d+\.\d+-\d+$/);
    const rows = await servers.onEach("versions", compile(citusSql).text);
    assert.deepEqual(
      rows.flat().map((row) => row["extversion"]),
      [outs["citusVersion"], outs["citusVersion"]],
    );
  });

  for (const { why, leave } of [
    { why: "on one node only", leave: ["CREATE DATABASE half"] },
    { why: "on one node, without citus", leave: ["CREATE DATABASE half TEMPLATE template0"] },
  ]) {
    it(`finishes what a killed run left ${why}`, async () => {
      for (const text of leave) await servers.query("a", "postgres", text);
      const { outs } = await subject.create({ ...inputs(), name: "half" });
      const rows = await servers.onEach("half", compile(citusSql).text);
      assert.equal(rows.flat().length, 2);
      await subject.delete("half", { ...outs, onDelete: "drop" });
      assert.deepEqual(await there("half"), [[], []]);
    });
  }

  it("shows a node without citus as drift, and mends it", async () => {
    const { outs } = await subject.create({ ...inputs(), name: "bare" });
    await servers.query("a", "bare", "DROP EXTENSION citus");
    const { props = {} } = await subject.read("bare", outs);
    assert.deepEqual(Object.keys({ ...(props["nodes"] as object) }), ["coordinator"]);
    await subject.update("bare", props, { ...inputs(), name: "bare" });
    assert.equal((await servers.query("a", "bare", compile(citusSql).text)).length, 1);
  });

  it("takes another spelling of the encoding for the same", async () => {
    const { outs } = await subject.create({ ...inputs(), name: "spelling", encoding: "utf-8" });
    const { props = {} } = await subject.read("spelling", outs);
    assert.equal(
      (await subject.diff("spelling", props, { ...inputs(), name: "spelling", encoding: "utf-8" })).changes,
      false,
    );
  });

  it("is made on a node that is added", async () => {
    const alone = { ...inputs(), name: "grows", nodes: servers.addresses("coordinator") };
    const { outs } = await subject.create(alone);
    assert.deepEqual(
      (await there("grows")).map((rows) => rows.length),
      [1, 0],
    );
    await subject.update("grows", outs, { ...alone, nodes: inputs().nodes });
    assert.deepEqual(
      (await there("grows")).map((rows) => rows.length),
      [1, 1],
    );
  });

  it("refuses another database of that name on a node that is added", async () => {
    const alone = { ...inputs(), name: "taken", encoding: "UTF8", nodes: servers.addresses("coordinator") };
    const { outs } = await subject.create(alone);
    await servers.query("a", "postgres", "CREATE DATABASE taken TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
    await assert.rejects(
      subject.update("taken", outs, { ...alone, nodes: inputs().nodes }),
      /exists already on 127\.0\.0\.1:\d+ and differs: encoding is "SQL_ASCII", asked for "UTF8"/,
    );
    assert.deepEqual(await servers.query("a", "taken", compile(citusSql).text), []);
  });

  it("names each node and the next step when the owner is missing", async () => {
    await assert.rejects(
      subject.create({ ...inputs(), name: "orphan", owner: "nobody" }),
      /^Error: cannot create Database "orphan" on 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+: a: role "nobody" does not exist \(SQLSTATE 42704\); coordinator: role .*create the owner on every node first/,
    );
  });

  it("drops with sessions inside", async () => {
    const { outs } = await subject.create({ ...inputs(), name: "busy", onDelete: "drop" });
    await servers.query("a", "busy", "SELECT 1");
    await subject.delete("busy", outs);
    assert.deepEqual(await there("busy"), [[], []]);
  });
});
