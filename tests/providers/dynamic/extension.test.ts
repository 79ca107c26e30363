/** Extension on a joined cluster. */
import assert from "node:assert/strict";
import { database } from "../../../providers/dynamic/database";
import { provider } from "../../../providers/dynamic/engine/entry";
import { compile } from "../../../providers/dynamic/engine/sql";
import { createSql, deleteSql, extension, readSql, schemaSql, versionSql } from "../../../providers/dynamic/extension";
import { nodes } from "../../../providers/dynamic/nodes";
import { contract } from "../../support/contract";
import { withServers } from "./cluster";

const flat = (statement: Parameters<typeof compile>[0]) => compile(statement).text.replaceAll(/\s+/g, " ").trim();

describe("Extension statements", () => {
  const inputs = {
    connection: { host: "c", port: 1, database: "app", user: "postgres", tls: { ca: "" } },
    name: "uuid-ossp",
  };
  it("are exactly these", () => {
    assert.equal(flat(createSql(inputs)), 'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"');
    assert.equal(
      flat(createSql({ ...inputs, schema: "s", version: "1.1" })),
      `CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA "s" VERSION '1.1'`,
    );
    assert.equal(flat(versionSql(inputs, "1'1")), `ALTER EXTENSION "uuid-ossp" UPDATE TO '1''1'`);
    assert.equal(flat(schemaSql(inputs, "s")), 'ALTER EXTENSION "uuid-ossp" SET SCHEMA "s"');
    assert.equal(flat(deleteSql(inputs)), 'DROP EXTENSION IF EXISTS "uuid-ossp"');
    assert.deepEqual(compile(readSql(inputs)).values, ["uuid-ossp"]);
  });
});

describe("Extension", function () {
  this.timeout(60_000);
  const servers = withServers(["coordinator", "a"]);
  const subject = provider(extension);
  const connection = (key = "coordinator") => servers.connection(key, "app");
  const inputs = (name = "hstore") => ({ connection: connection(), name });
  const versions = async (name: string) =>
    (await servers.onEach("app", `SELECT extversion FROM pg_extension WHERE extname = '${name}'`)).map(
      ([row]) => row?.["extversion"],
    );
  const onWorkerOnly = (text: string) =>
    servers.query("a", "app", `SET citus.enable_ddl_propagation = off; ${text}; RESET citus.enable_ddl_propagation`);

  before(async () => {
    await provider(database).create({
      connection: servers.connection("coordinator"),
      nodes: servers.addresses("coordinator", "a"),
      name: "app",
    });
    await provider(nodes).create({
      connection: connection(),
      coordinator: servers.address("coordinator"),
      workers: servers.addresses("a"),
    });
    await servers.query("coordinator", "app", "CREATE SCHEMA extra");
  });

  contract(extension, () => ({
    inputs: { ...inputs("pg_trgm"), schema: "extra", version: "1.5" },
    changes: {
      connection: connection("a"),
      name: "hstore",
      schema: "public",
      version: "1.6",
      onDelete: "drop" as const,
    },
    refused: [{ name: "citus" }, { name: "" }, { name: "../x" }, { onDelete: "erase" }],
    drift: {
      change: () => servers.query("coordinator", "app", "ALTER EXTENSION pg_trgm SET SCHEMA public"),
      shows: "schema",
    },
    fingerprint: () =>
      servers.onEach(
        "app",
        "SELECT oid::int, extversion, extnamespace::int FROM pg_extension WHERE extname = 'pg_trgm'",
      ),
    drop: { ...inputs("pg_trgm"), onDelete: "drop" as const },
    conflict: {
      inputs: { ...inputs("pg_trgm"), schema: "public", version: "1.6" },
      message:
        /exists already and differs: schema is "extra", asked for "public"; version is "1\.5", asked for "1\.6"\. Ask/,
    },
  }));

  it("goes to public, whatever its session's path", async () => {
    await subject.create(inputs("citext"));
    const rows = await servers.onEach(
      "app",
      "SELECT extnamespace::regnamespace::text AS schema FROM pg_extension WHERE extname = 'citext'",
    );
    assert.deepEqual(rows, [[{ schema: "public" }], [{ schema: "public" }]]);
  });

  it("updates its version on every node", async () => {
    const old = { ...inputs(), version: "1.7" };
    const { outs } = await subject.create(old);
    assert.deepEqual(await versions("hstore"), ["1.7", "1.7"]);
    const { outs: updated } = await subject.update("app.hstore", outs, { ...old, version: "1.8" });
    assert.deepEqual(await versions("hstore"), ["1.8", "1.8"]);
    assert.equal(updated["installedVersion"], "1.8");
  });

  it("says which version a node has that was missed, and brings it along", async () => {
    const asked = { ...inputs("intarray"), version: "1.5" };
    await subject.create({ ...asked, version: "1.4" });
    const { outs } = await subject.update("app.intarray", { ...asked, version: "1.4" }, asked);
    await onWorkerOnly("DROP EXTENSION intarray; CREATE EXTENSION intarray SCHEMA public VERSION '1.4'");
    const { props = {} } = await subject.read("app.intarray", outs);
    assert.match(String(props["version"]), /^1\.4 on 127\.0\.0\.1:\d+$/);
    await subject.update("app.intarray", props, asked);
    assert.deepEqual(await versions("intarray"), ["1.5", "1.5"]);
  });

  it("shows a node that lacks it as drift, and mends it", async () => {
    const { outs } = await subject.create(inputs("tablefunc"));
    await onWorkerOnly("DROP EXTENSION tablefunc");
    const { props = {} } = await subject.read("app.tablefunc", outs);
    assert.equal((await subject.diff("app.tablefunc", props, inputs("tablefunc"))).changes, true);
    const { outs: mended } = await subject.update("app.tablefunc", props, inputs("tablefunc"));
    assert.deepEqual(await versions("tablefunc"), ["1.0", "1.0"]);
    const { props: after = {} } = await subject.read("app.tablefunc", mended);
    assert.equal((await subject.diff("app.tablefunc", after, inputs("tablefunc"))).changes, false);
  });

  it("finishes what was left on the coordinator only", async () => {
    await servers.query(
      "coordinator",
      "app",
      "SET citus.enable_ddl_propagation = off; CREATE EXTENSION isn SCHEMA public; RESET citus.enable_ddl_propagation",
    );
    await subject.create(inputs("isn"));
    assert.deepEqual(await versions("isn"), ["1.2", "1.2"]);
  });

  const refusals: readonly {
    readonly why: string;
    readonly asked: () => ReturnType<typeof inputs> & { readonly version?: string; readonly schema?: string };
    readonly message: RegExp;
  }[] = [
    {
      why: "a package that is not installed",
      asked: () => inputs("no_such"),
      message:
        /cannot create Extension "app\.no_such" on 127\.0\.0\.1:\d+: extension "no_such" is not available.*SQLSTATE 0A000.*install its package on every node/,
    },
    {
      why: "a version that does not exist",
      asked: () => ({ ...inputs("seg"), version: "99" }),
      message: /SQLSTATE 22023.*pg_available_extension_versions/,
    },
    {
      why: "a schema that does not exist",
      asked: () => ({ ...inputs("seg"), schema: "none" }),
      message: /SQLSTATE 3F000.*create the schema first/,
    },
  ];
  for (const { why, asked, message } of refusals) {
    it(`says what to do for ${why}`, async () => {
      await assert.rejects(subject.create(asked()), message);
      assert.deepEqual(await versions("seg"), [undefined, undefined]);
    });
  }

  it("drops nothing by cascade", async () => {
    const { outs } = await subject.create({ ...inputs("cube"), onDelete: "drop" });
    await servers.query("coordinator", "app", "CREATE TABLE public.uses (c public.cube)");
    await assert.rejects(subject.delete("app.cube", outs), /SQLSTATE 2BP01.*nothing is dropped by cascade/);
    await servers.query("coordinator", "app", "DROP TABLE public.uses");
    await subject.delete("app.cube", outs);
  });

  it("is replayed on a node that joins later", async () => {
    await subject.create(inputs("ltree"));
    const only = {
      connection: connection(),
      coordinator: servers.address("coordinator"),
      workers: servers.addresses("a"),
    };
    await provider(nodes).update("app", only, { ...only, workers: {} });
    assert.deepEqual(await servers.query("a", "app", "SELECT FROM pg_extension WHERE extname = 'citus'"), []);
    const app = {
      connection: servers.connection("coordinator"),
      nodes: servers.addresses("coordinator", "a"),
      name: "app",
    };
    await provider(database).update("app", app, app);
    await provider(nodes).update("app", { ...only, workers: {} }, only);
    assert.equal((await versions("ltree"))[1], (await versions("ltree"))[0]);
  });
});
