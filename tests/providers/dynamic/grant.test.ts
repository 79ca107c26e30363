/** Grant on a cluster: given on every node, of distributed tables to their shards, and only its own taken back. */
import assert from "node:assert/strict";
import { database } from "../../../providers/dynamic/database";
import { provider } from "../../../providers/dynamic/engine/entry";
import { alone } from "../../../providers/dynamic/engine/together";
import type { Context } from "../../../providers/dynamic/engine/kind";
import { connectTo } from "../../../providers/dynamic/engine/session";
import { grant } from "../../../providers/dynamic/grant";
import type { GrantTarget } from "../../../providers/dynamic/grant/target";
import { nodes } from "../../../providers/dynamic/nodes";
import { contract } from "../../support/contract";
import { requires } from "../../support/tools";
import { withServers } from "./cluster";

const subject = provider(grant);
const asTest: Context = {
  progress: () => undefined,
  info: () => undefined,
  begin: () => undefined,
  together: (_, question, ask) => alone(question, ask),
  connect: (to, use) => connectTo(to, "test", use),
};
const longName = "t".repeat(63);

describe("Grant", function () {
  this.timeout(60_000);
  const servers = withServers(["coordinator", "a", "b"]);
  const app = (key = "coordinator") => servers.connection(key, "app");
  const sql = (text: string) => servers.query("coordinator", "app", text);
  const databaseOn = (...keys: readonly string[]) => ({
    connection: servers.connection("coordinator"),
    nodes: servers.addresses(...keys),
    name: "app",
  });
  const cluster = (...workers: readonly string[]) => ({
    connection: app(),
    coordinator: servers.address("coordinator"),
    workers: servers.addresses(...workers),
  });
  const inputs = (on: GrantTarget, privileges: readonly string[], role = "reader") => ({
    connection: app(),
    role,
    on,
    privileges,
  });
  /** Access list of one thing on each node, without what its owner has. */
  const onEach = async (text: string) =>
    (
      await Promise.all(
        ["coordinator", "a"].map((key) =>
          servers.query(key, "app", `SELECT unnest(acl)::text AS acl FROM (${text}) o (acl)`),
        ),
      )
    ).map((rows) =>
      rows
        .map(({ acl }) => String(acl))
        .filter((item) => !item.startsWith("postgres="))
        .sort(),
    );
  const relationAcl = (name: string) => onEach(`SELECT relacl FROM pg_class WHERE relname = '${name}'`);
  const roles = [
    "reader",
    "other",
    "dropped",
    'quo"ted',
    "UPPER",
    "é".repeat(31),
    "x".repeat(63),
    "semi; drop role reader; --",
  ];

  before(async function () {
    this.timeout(120_000);
    for (const role of roles) await servers.onEach("postgres", `CREATE ROLE "${role.replaceAll('"', '""')}"`);
    await provider(database).create(databaseOn("coordinator", "a"));
    await provider(nodes).create(cluster("a"));
    for (const text of [
      "CREATE SCHEMA shop",
      "CREATE TABLE shop.local (id int)",
      "CREATE TABLE shop.local2 (id int)",
      "CREATE SEQUENCE shop.numbers",
      "CREATE FUNCTION shop.twice(int) RETURNS int LANGUAGE sql RETURN 2 * $1",
      "CREATE FUNCTION shop.twice(text) RETURNS text LANGUAGE sql RETURN $1 || $1",
    ])
      await sql(text);
  });

  const tables = (...names: readonly string[]) => ({ type: "tables" as const, schema: "shop", names });

  contract(grant, () => ({
    inputs: { ...inputs(tables("local"), ["SELECT", "INSERT"]), nodes: servers.addresses("coordinator", "a") },
    changes: {
      connection: app("a"),
      nodes: servers.addresses("coordinator"),
      role: "other",
      on: tables("local2"),
      privileges: ["SELECT"],
      grantable: true,
      onDelete: "revoke" as const,
    },
    refused: [
      { role: "" },
      { role: "x".repeat(64) },
      { role: "none" },
      { on: { type: "tables", schema: "" } },
      { on: { type: "schema", schema: "shop" } },
      { privileges: [] },
      { privileges: ["ALL"] },
      { privileges: ["USAGE"] },
      { privileges: ["select"] },
      { privileges: ["SELECT ON shop.local2 TO other; --"] },
      { privileges: ["SELECT", "SELECT"] },
      { role: "public", grantable: true },
      { onDelete: "drop" },
    ],
    drift: { change: () => sql("REVOKE SELECT ON shop.local FROM reader"), shows: "privileges" },
    fingerprint: () => sql("SELECT relacl::text FROM pg_class WHERE relname = 'local'"),
    drop: { ...inputs(tables("local"), ["SELECT", "INSERT"], "dropped"), onDelete: "revoke" as const },
    conflict: { because: "rights add up; what is there already is kept and remembered" },
  }));

  for (const [what, on, privileges, acl] of [
    [
      "the database",
      { type: "database", name: "app" },
      ["CONNECT", "CREATE"],
      () => onEach("SELECT datacl FROM pg_database WHERE datname = 'app'"),
    ],
    [
      "a schema",
      { type: "schema", name: "shop" },
      ["CREATE", "USAGE"],
      () => onEach("SELECT nspacl FROM pg_namespace WHERE nspname = 'shop'"),
    ],
    ["tables", { type: "tables", schema: "shop", names: ["local"] }, ["SELECT", "INSERT"], () => relationAcl("local")],
    ["all sequences", { type: "sequences", schema: "shop" }, ["USAGE"], () => relationAcl("numbers")],
    [
      "functions of one name",
      { type: "functions", schema: "shop", names: ["twice"] },
      ["EXECUTE"],
      () => onEach("SELECT proacl FROM pg_proc WHERE proname = 'twice'"),
    ],
    [
      "tables made later",
      { type: "defaults", of: "tables", schema: "shop" },
      ["SELECT"],
      () => onEach("SELECT defaclacl FROM pg_default_acl WHERE defaclobjtype = 'r' AND defaclnamespace <> 0"),
    ],
    [
      "schemas made later",
      { type: "defaults", of: "schemas" },
      ["USAGE"],
      () => onEach("SELECT defaclacl FROM pg_default_acl WHERE defaclobjtype = 'n'"),
    ],
    [
      "functions made later",
      { type: "defaults", of: "functions" },
      ["EXECUTE"],
      () => onEach("SELECT defaclacl FROM pg_default_acl WHERE defaclobjtype = 'f'"),
    ],
  ] as const)
    it(`gives, reads and takes back rights on ${what}`, async () => {
      const before = await acl();
      const wish = { ...inputs(on, privileges, "other"), grantable: true, onDelete: "revoke" };
      const { id, outs } = await subject.create(wish);
      assert.notDeepEqual(await acl(), before);
      const { props = {} } = await subject.read(id, outs);
      assert.equal((await subject.diff(id, props, wish)).changes, false);
      const { outs: less } = await subject.update(id, outs, { ...wish, grantable: false });
      assert.ok(!JSON.stringify(await acl()).includes("*"), JSON.stringify(await acl()));
      await subject.delete(id, less);
      assert.deepEqual(
        (await acl()).map((items) => items.filter((item) => item.startsWith("other="))),
        [[], []],
      );
      assert.deepEqual(await subject.read(id, less), {});
      await subject.delete(id, less);
    });

  for (const role of roles.slice(3))
    it(`gives to ${JSON.stringify(role)}, and nothing else runs`, async () => {
      const wish = {
        ...inputs({ type: "tables", schema: "shop", names: ["local"] }, ["SELECT"], role),
        onDelete: "revoke",
      };
      const { id, outs } = await subject.create(wish);
      assert.notEqual((await subject.read(id, outs)).props, undefined);
      await subject.delete(id, outs);
      assert.equal(
        (await servers.query("coordinator", "postgres", "SELECT FROM pg_roles WHERE rolname = 'reader'")).length,
        1,
      );
    });

  it("gives everybody what is given to public", async () => {
    const wish = {
      ...inputs({ type: "tables", schema: "shop", names: ["local"] }, ["SELECT"], "public"),
      onDelete: "revoke",
    };
    const { id, outs } = await subject.create(wish);
    assert.deepEqual(
      (await relationAcl("local"))[0]?.filter((item) => item.startsWith("=")),
      ["=r/postgres"],
    );
    await subject.delete(id, outs);
    assert.deepEqual(
      (await relationAcl("local"))[0]?.filter((item) => item.startsWith("=")),
      [],
    );
  });

  it("never takes back what was there before, nor what others gave", async () => {
    await sql("GRANT SELECT ON shop.local TO other");
    const one = {
      ...inputs({ type: "tables", schema: "shop", names: ["local", "local2"] }, ["SELECT", "INSERT"], "other"),
      onDelete: "revoke",
    };
    const { id, outs } = await subject.create(one);
    assert.deepEqual(outs["before"], ["SELECT local"]);
    await sql("GRANT UPDATE ON shop.local TO other");
    await subject.delete(id, outs);
    assert.deepEqual((await relationAcl("local"))[0], ["other=rw/postgres"]);
    assert.deepEqual((await relationAcl("local2"))[0], []);
    await sql("REVOKE ALL ON shop.local FROM other");
  });

  it("takes nothing back of what it adopted", async () => {
    await sql("GRANT SELECT ON shop.local2 TO other");
    const wish = {
      ...inputs({ type: "tables", schema: "shop", names: ["local2"] }, ["SELECT"], "other"),
      onDelete: "revoke",
    };
    const { id, outs } = await subject.create(wish);
    assert.deepEqual(outs["before"], ["SELECT"]);
    await subject.delete(id, outs);
    assert.deepEqual((await relationAcl("local2"))[0], ["other=r/postgres"]);
    await sql("REVOKE ALL ON shop.local2 FROM other");
  });

  it("gives and takes what differs when names or rights change", async () => {
    const wish = (names: readonly string[], privileges: readonly string[]) =>
      inputs({ type: "tables", schema: "shop", names }, privileges, "other");
    const { id, outs } = await subject.create(wish(["local"], ["SELECT", "INSERT"]));
    await subject.update(id, outs, wish(["local2"], ["SELECT"]));
    assert.deepEqual([(await relationAcl("local"))[0], (await relationAcl("local2"))[0]], [[], ["other=r/postgres"]]);
  });

  it("revokes nothing by cascade", async () => {
    const wish = {
      ...inputs({ type: "tables", schema: "shop", names: ["local"] }, ["SELECT"], "other"),
      grantable: true,
      onDelete: "revoke",
    };
    const { id, outs } = await subject.create(wish);
    await sql("GRANT USAGE ON SCHEMA shop TO other");
    await sql("SET ROLE other; GRANT SELECT ON shop.local TO dropped; RESET ROLE");
    await assert.rejects(subject.delete(id, outs), /SQLSTATE 2BP01.*nothing is revoked by cascade/);
    await sql("SET ROLE other; REVOKE SELECT ON shop.local FROM dropped; RESET ROLE");
    await sql("REVOKE USAGE ON SCHEMA shop FROM other");
    await subject.delete(id, outs);
  });

  for (const [why, wish, message] of [
    [
      "a table that does not exist",
      () => inputs({ type: "tables", schema: "shop", names: ["none", "nil"] }, ["SELECT"]),
      /cannot create Grant "reader on tables in app\.shop": "none", "nil" does not exist there; make it first/,
    ],
    [
      "a schema that does not exist",
      () => inputs({ type: "schema", name: "none" }, ["USAGE"]),
      /"none" does not exist there/,
    ],
    [
      "defaults of nobody",
      () => inputs({ type: "defaults", of: "tables", owner: "nobody" }, ["SELECT"]),
      /the role of these defaults does not exist there/,
    ],
    [
      "a role that does not exist",
      () => inputs({ type: "schema", name: "shop" }, ["USAGE"], "nobody"),
      /role "nobody" does not exist.*SQLSTATE 42704.*create the role on every node first/,
    ],
    [
      "a database without citus",
      () => ({
        ...inputs({ type: "database", name: "app" }, ["CONNECT"]),
        connection: servers.connection("coordinator"),
      }),
      /SQLSTATE 42883.*connect to a database with citus/,
    ],
  ] as const)
    it(`says what to do for ${why}`, () => assert.rejects(subject.create(wish()), message));

  it("names the node that lacks a right", async () => {
    const wish = inputs({ type: "schema", name: "shop" }, ["CREATE"], "dropped");
    const { id, outs } = await subject.create(wish);
    await servers.query(
      "a",
      "app",
      "SET citus.enable_ddl_propagation = off; REVOKE CREATE ON SCHEMA shop FROM dropped; RESET ALL",
    );
    const { host, port } = servers.address("a");
    const found = await grant.read({ ...wish, onDelete: "keep" }, asTest);
    assert.equal(found?.where?.privileges, `${host}:${String(port)}`);
    const { props = {} } = await subject.read(id, outs);
    await subject.update(id, props, wish);
    assert.deepEqual((await subject.read(id, outs)).props?.["privileges"], ["CREATE"]);
  });

  describe("on distributed tables", () => {
    before(function () {
      requires(this, "realCitus");
    });
    const shards = async () =>
      (
        await sql(
          `SELECT result FROM run_command_on_all_nodes($$
             SELECT string_agg(c.relname || ' ' || coalesce(c.relacl::text, '-'), '|') FROM pg_dist_shard s JOIN pg_class c ON c.oid = to_regclass(shard_name(s.logicalrelid, s.shardid, false))$$)`,
        )
      )
        .flatMap(({ result }) => String(result).split("|"))
        .filter((text) => text !== "");

    before(async () => {
      for (const text of [
        `CREATE TABLE shop."${longName}" (id bigserial PRIMARY KEY)`,
        `SELECT create_distributed_table('shop."${longName}"', 'id', shard_count := 4)`,
        "CREATE TABLE shop.countries (id int PRIMARY KEY)",
        "SELECT create_reference_table('shop.countries')",
      ])
        await sql(text);
    });

    it("reaches every shard, also of names that are cut, and is seen to be missing on one", async () => {
      const wish = {
        ...inputs({ type: "tables", schema: "shop" }, ["SELECT", "INSERT"], "dropped"),
        onDelete: "revoke",
      };
      const { id, outs } = await subject.create(wish);
      const given = await shards();
      assert.ok(given.length >= 5 && given.every((text) => text.includes("dropped=ar/postgres")), given.join("\n"));
      const [one = ""] = given;
      await servers.query(
        "a",
        "app",
        `SET citus.enable_manual_changes_to_shards = on; SET citus.enable_ddl_propagation = off; REVOKE INSERT ON shop."${one.split(" ")[0] ?? ""}" FROM dropped; RESET ALL`,
      );
      const { props = {} } = await subject.read(id, outs);
      assert.deepEqual(props["privileges"], ["SELECT"]);
      await subject.update(id, props, wish);
      assert.deepEqual(await shards(), given);
      await subject.delete(id, outs);
      assert.ok((await shards()).every((text) => !text.includes("dropped=")));
    });

    it("is there for what is made later, functions and schemas on workers too", async () => {
      for (const [of, right] of [
        ["tables", "SELECT"],
        ["functions", "EXECUTE"],
        ["schemas", "USAGE"],
        ["sequences", "USAGE"],
      ] as const)
        await subject.create(inputs({ type: "defaults", of }, [right]));
      for (const text of [
        "CREATE SCHEMA later",
        "CREATE FUNCTION later.one() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE TABLE later.things (id bigserial PRIMARY KEY)",
        "SELECT create_distributed_table('later.things', 'id', shard_count := 2)",
      ])
        await sql(text);
      for (const [text, right] of [
        ["SELECT nspacl FROM pg_namespace WHERE nspname = 'later'", "reader=U/postgres"],
        ["SELECT proacl FROM pg_proc WHERE proname = 'one'", "reader=X/postgres"],
        ["SELECT relacl FROM pg_class WHERE relname = 'things'", "reader=r/postgres"],
        ["SELECT relacl FROM pg_class WHERE relname = 'things_id_seq'", "reader=U/postgres"],
      ] as const)
        for (const items of await onEach(text)) assert.ok(items.includes(right), `${text}: ${items.join()}`);
    });

    it("is on a node that joins later, rights on the database and defaults by the changed map", async () => {
      const wishes = [
        inputs({ type: "database", name: "app" }, ["CREATE"], "dropped"),
        inputs({ type: "defaults", of: "functions", schema: "shop" }, ["EXECUTE"], "dropped"),
        inputs({ type: "tables", schema: "shop" }, ["SELECT"], "dropped"),
      ];
      const made = [];
      for (const wish of wishes)
        made.push({ wish: { ...wish, nodes: servers.addresses("coordinator", "a") }, ...(await subject.create(wish)) });
      await provider(database).update("app", databaseOn("coordinator", "a"), databaseOn("coordinator", "a", "b"));
      await provider(nodes).update("app", cluster("a"), cluster("a", "b"));
      for (const { id, outs, wish } of made) {
        const { outs: grown } = await subject.update(
          id,
          { ...wish, ...outs },
          { ...wish, nodes: servers.addresses("coordinator", "a", "b") },
        );
        assert.deepEqual((await subject.read(id, grown)).props?.["privileges"], wish.privileges);
      }
      const [row] = await servers.query(
        "b",
        "app",
        "SELECT datacl::text AS acl FROM pg_database WHERE datname = 'app'",
      );
      assert.match(String(row?.["acl"]), /dropped=C\/postgres/);
    });
  });
});
