/** Database on real servers, which need not be joined. */
import assert from "node:assert/strict";
import { createSql, database, deleteSql, ownerSql, readSql } from "../../../providers/dynamic/database";
import { citusSql, createCitusSql, updateCitusSql, wantedCitus } from "../../../providers/dynamic/database/citus";
import { provider } from "../../../providers/dynamic/engine/entry";
import { compile } from "../../../providers/dynamic/engine/sql";
import { extension } from "../../../providers/dynamic/extension";
import { grant } from "../../../providers/dynamic/grant";
import { nodes } from "../../../providers/dynamic/nodes";
import { role } from "../../../providers/dynamic/role";
import { contract } from "../../support/contract";
import { requires, skip } from "../../support/tools";
import { withServers } from "./cluster";

const flat = (statement: Parameters<typeof compile>[0]) => compile(statement).text.replaceAll(/\s+/g, " ").trim();

describe("Database statements", () => {
  const inputs = {
    connection: { host: "c", port: 1, database: "postgres", user: "postgres", tls: { ca: "" } },
    nodes: {},
    name: 'a"b',
  };
  it("are exactly these", () => {
    assert.equal(flat(createSql(inputs)), 'CREATE DATABASE "a""b" TEMPLATE "template0"');
    assert.equal(
      flat(createSql({ ...inputs, owner: "o", encoding: "UTF8", locale: "C'x" })),
      `CREATE DATABASE "a""b" TEMPLATE "template0" OWNER "o" ENCODING 'UTF8' LOCALE 'C''x'`,
    );
    assert.equal(
      flat(createSql({ ...inputs, template: 't"1', icuLocale: "de-AT" })),
      `CREATE DATABASE "a""b" TEMPLATE "t""1" LOCALE_PROVIDER icu ICU_LOCALE 'de-AT'`,
    );
    assert.equal(flat(createCitusSql()), "CREATE EXTENSION IF NOT EXISTS citus");
    assert.equal(flat(createCitusSql("13.2-1")), "CREATE EXTENSION IF NOT EXISTS citus VERSION '13.2-1'");
    assert.equal(flat(updateCitusSql("13.2-1")), "ALTER EXTENSION citus UPDATE TO '13.2-1'");
    assert.equal(flat(ownerSql(inputs, "o")), 'ALTER DATABASE "a""b" OWNER TO "o"');
    assert.equal(flat(deleteSql(inputs)), 'DROP DATABASE IF EXISTS "a""b" WITH (FORCE)');
    assert.deepEqual(compile(readSql({ ...inputs, encoding: "utf8" })).values, ["utf8", "utf8", 'a"b']);
  });
});

describe("wantedCitus", () => {
  const on = (...available: readonly string[]) =>
    Object.fromEntries(available.map((version, index) => [String(index), { installed: null, available: version }]));
  it("is the version that was asked for, else the one that all packages bring", () => {
    assert.equal(wantedCitus("13.1-1", on("13.2-1", "13.2-1")), "13.1-1");
    assert.equal(wantedCitus(undefined, on("13.2-1", "13.2-1")), "13.2-1");
    assert.equal(wantedCitus(undefined, on("13.2-1", "14.0-1")), undefined);
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

  const citusIn = async (name: string) =>
    (await servers.onEach(name, compile(citusSql).text)).map(([row]) => row?.["installed"]);

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
      template: "template1",
      encoding: "SQL_ASCII",
      locale: "C.UTF-8",
      icuLocale: "de-AT",
      extensionVersion: "13.1-1",
      onDelete: "drop" as const,
    },
    refused: [
      { name: "" },
      { name: "postgres" },
      { name: "template1" },
      { name: "ü".repeat(32) },
      { name: "a\nb" },
      { name: "citus_temp_database_1_0" },
      { owner: "pg_x" },
      { owner: "o".repeat(64) },
      { template: "citus_temp_database_1_0" },
      { icuLocale: "en_US" },
      { icuLocale: "en-us" },
      { icuLocale: "" },
      { extensionVersion: "13.2" },
      { extensionVersion: "13.2-1'; DROP DATABASE app; --" },
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
    assert.deepEqual(await citusIn("versions"), [outs["citusVersion"], outs["citusVersion"]]);
  });

  for (const { why, leave } of [
    { why: "on one node only", leave: ["CREATE DATABASE half"] },
    { why: "on one node, without citus", leave: ["CREATE DATABASE half TEMPLATE template0"] },
  ]) {
    it(`finishes what a killed run left ${why}`, async () => {
      for (const text of leave) await servers.query("a", "postgres", text);
      const { outs } = await subject.create({ ...inputs(), name: "half" });
      assert.ok((await citusIn("half")).every((version) => version === outs["citusVersion"]));
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
    assert.notEqual((await citusIn("bare"))[1], null);
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
    assert.equal((await servers.query("a", "taken", compile(citusSql).text))[0]?.["installed"], null);
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

  for (const name of [
    'we"ird',
    "o'brien",
    "back\\slash",
    "sp ace",
    "UPPER",
    "select",
    "é".repeat(31),
    "x".repeat(63),
    "semi; drop database half; --",
  ])
    it(`makes, reads and drops ${JSON.stringify(name)}`, async () => {
      const wish = { ...inputs(), name, owner: "app", onDelete: "drop" };
      const { id, outs } = await subject.create(wish);
      assert.equal((await subject.diff(id, (await subject.read(id, outs)).props ?? {}, wish)).changes, false);
      await subject.delete(id, outs);
      assert.deepEqual(await subject.read(id, outs), {});
    });

  it("is copied from the template that was asked for, where that has no citus", async () => {
    await servers.onEach("postgres", "CREATE DATABASE pattern");
    await servers.onEach("pattern", "CREATE TABLE public.in_template (id int)");
    await servers.onEach(
      "postgres",
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'pattern'",
    );
    await subject.create({ ...inputs(), name: "copied", template: "pattern" });
    assert.equal((await servers.onEach("copied", "SELECT FROM public.in_template")).length, 2);
    await subject.create({ ...inputs(), name: "with_citus" });
    await servers.onEach(
      "postgres",
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'with_citus'",
    );
    await assert.rejects(
      subject.create({ ...inputs(), name: "twin", template: "with_citus" }),
      /its template "with_citus" has citus on a, coordinator, and a copy would pass for that cluster/,
    );
    assert.deepEqual(await there("twin"), [[], []]);
  });

  it("sorts by an ICU locale where one is asked for", async function () {
    const [row] = await servers.query(
      "a",
      "postgres",
      "SELECT count(*)::int AS count FROM pg_collation WHERE collprovider = 'i'",
    );
    if (row?.["count"] === 0) skip(this, "this PostgreSQL was built without ICU");
    const wish = { ...inputs(), name: "icu", encoding: "UTF8", locale: "C", icuLocale: "de-AT" };
    const { id, outs } = await subject.create(wish);
    assert.equal((await subject.diff(id, (await subject.read(id, outs)).props ?? {}, wish)).changes, false);
    await assert.rejects(
      subject.create({ ...wish, icuLocale: "en-US" }),
      /differs: icuLocale is "de-AT", asked for "en-US"/,
    );
  });

  it("names the node that a difference is on", async () => {
    const wish = { ...inputs(), name: "owned", owner: "app" };
    await subject.create(wish);
    await servers.query("a", "postgres", "ALTER DATABASE owned OWNER TO other");
    await assert.rejects(subject.create(wish), /owner on a is "other", asked for "app"/);
    await subject.update("owned", wish, wish);
    assert.deepEqual(
      (await there("owned")).map(([row]) => row?.["owner"]),
      ["app", "app"],
    );
  });

  it("tells each node itself, also where the database postgres is a cluster and passes everything on", async function () {
    requires(this, "realCitus");
    await servers.onEach("postgres", "CREATE EXTENSION IF NOT EXISTS citus");
    const cluster = {
      connection: servers.connection("coordinator"),
      coordinator: servers.address("coordinator"),
      workers: servers.addresses("a"),
    };
    await provider(nodes).create(cluster);
    await servers.onEach("postgres", "ALTER SYSTEM SET citus.enable_create_database_propagation = on");
    await servers.reload("coordinator", "a");
    try {
      const one = { ...inputs(), name: "inside", owner: "insider", onDelete: "drop" };
      const insider = { ...inputs(), name: "insider", onDelete: "drop", memberOf: ["app"] };
      const { outs: madeRole } = await provider(role).create(insider);
      const { id, outs } = await subject.create(one);
      await subject.update(id, outs, { ...one, owner: "other" });
      await provider(role).update("insider", madeRole, { ...insider, login: false });
      assert.deepEqual(
        (await there("inside")).map(([row]) => row?.["owner"]),
        ["other", "other"],
      );
      await subject.delete(id, { ...outs, owner: "other" });
      await provider(role).delete("insider", madeRole);
      assert.deepEqual(await there("inside"), [[], []]);
    } finally {
      await servers.onEach("postgres", "ALTER SYSTEM RESET citus.enable_create_database_propagation");
      await servers.reload("coordinator", "a");
      await provider(nodes).update("postgres", cluster, { ...cluster, workers: {} });
      await servers.onEach("postgres", "DROP EXTENSION IF EXISTS citus");
    }
  });

  describe("with real Citus", () => {
    before(function () {
      requires(this, "realCitus");
    });

    it("updates citus on every node, shows a node that is behind, and brings it along", async () => {
      const old = { ...inputs(), name: "aging", extensionVersion: "13.1-1" };
      const { outs } = await subject.create(old);
      assert.deepEqual(await citusIn("aging"), ["13.1-1", "13.1-1"]);
      const { outs: updated } = await subject.update("aging", outs, { ...old, extensionVersion: "13.2-1" });
      assert.deepEqual([await citusIn("aging"), updated["citusVersion"]], [["13.2-1", "13.2-1"], "13.2-1"]);
      await servers.query("a", "aging", "ALTER EXTENSION citus UPDATE TO '13.1-1'");
      const { props = {} } = await subject.read("aging", updated);
      assert.deepEqual(
        [Object.keys({ ...(props["nodes"] as object) }), props["citusVersion"]],
        [["coordinator"], "13.1-1"],
      );
      await subject.update("aging", props, { ...inputs(), name: "aging" });
      assert.deepEqual(await citusIn("aging"), ["13.2-1", "13.2-1"]);
    });

    it("is one of several on a cluster, each with nodes, tables, extensions and rights of its own", async () => {
      const connection = (name: string) => servers.connection("coordinator", name);
      const cluster = (name: string) => ({
        connection: connection(name),
        coordinator: servers.address("coordinator"),
        workers: servers.addresses("a"),
      });
      const names = ["first", "second"];
      for (const name of names) {
        await subject.create({ ...inputs(), name, onDelete: "drop" });
        await provider(nodes).create(cluster(name));
        await provider(extension).create({ connection: connection(name), name: "pg_trgm" });
        for (const text of [
          "CREATE TABLE public.things (id int PRIMARY KEY)",
          "SELECT create_distributed_table('public.things', 'id', shard_count := 4)",
          "INSERT INTO public.things SELECT generate_series(1, 10)",
        ])
          await servers.query("coordinator", name, text);
      }
      const on = { type: "tables" as const, schema: "public", names: ["things"] };
      await provider(grant).create({ connection: connection("first"), role: "app", on, privileges: ["SELECT"] });
      const acl = async (name: string) =>
        String(
          (await servers.query("a", name, "SELECT relacl::text AS acl FROM pg_class WHERE relname = 'things'"))[0]?.[
            "acl"
          ],
        );
      assert.match(await acl("first"), /app=r\/postgres/);
      assert.doesNotMatch(await acl("second"), /app=/);
      await subject.delete("first", { ...inputs(), name: "first", onDelete: "drop" });
      assert.deepEqual(await there("first"), [[], []]);
      const [row] = await servers.query("coordinator", "second", "SELECT count(*)::int AS count FROM public.things");
      assert.equal(row?.["count"], 10);
      assert.equal((await servers.query("coordinator", "second", "SELECT FROM pg_dist_node")).length, 2);
    });
  });
});
