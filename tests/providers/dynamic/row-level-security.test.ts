/** RowLevelSecurity: its decisions, and what roles see and write on real Citus. */
import assert from "node:assert/strict";
import { provider } from "../../../providers/dynamic/engine/entry";
import { connectTo, type Connection } from "../../../providers/dynamic/engine/session";
import { compile, type Sql } from "../../../providers/dynamic/engine/sql";
import { nodes } from "../../../providers/dynamic/nodes";
import {
  conditionSql,
  dropPolicySql,
  enableSql,
  forceSql,
  policySql,
  rowLevelSecurity,
  scratchPolicySql,
  scratchSql,
} from "../../../providers/dynamic/row-level-security";
import { contract } from "../../support/contract";
import { clusterOf, query, withServers } from "./cluster";

const flat = (statement: Sql) => compile(statement).text.replaceAll(/\s+/g, " ").trim();
const nowhere = { host: "c", port: 1, database: "app", user: "postgres", tls: { ca: "" } };

describe("RowLevelSecurity statements", () => {
  const table = { schema: "Te nants", table: 'ev"ents' };
  it("are exactly these", () => {
    assert.equal(
      flat(policySql(table, "p", ["public"], { parts: ["true"] })),
      'CREATE POLICY "p" ON "Te nants"."ev""ents" TO PUBLIC USING (true) WITH CHECK (true)',
    );
    assert.equal(
      flat(policySql({ table: "t" }, 'p"', ['o"ne', "two"], { parts: ["true"] })),
      'CREATE POLICY "p""" ON "public"."t" TO "o""ne", "two" USING (true) WITH CHECK (true)',
    );
    assert.equal(flat(dropPolicySql(table, "p")), 'DROP POLICY IF EXISTS "p" ON "Te nants"."ev""ents"');
    assert.equal(flat(enableSql({ table: "t" }, true)), 'ALTER TABLE "public"."t" ENABLE ROW LEVEL SECURITY');
    assert.equal(flat(enableSql({ table: "t" }, false)), 'ALTER TABLE "public"."t" DISABLE ROW LEVEL SECURITY');
    assert.equal(flat(forceSql({ table: "t" }, true)), 'ALTER TABLE "public"."t" FORCE ROW LEVEL SECURITY');
    assert.equal(flat(forceSql({ table: "t" }, false)), 'ALTER TABLE "public"."t" NO FORCE ROW LEVEL SECURITY');
    assert.equal(
      flat(scratchSql(table)),
      'CREATE TEMP TABLE wanted_policy (LIKE "Te nants"."ev""ents") ON COMMIT DROP',
    );
    assert.equal(
      flat(scratchPolicySql({ parts: ["true"] })),
      "CREATE POLICY wanted ON pg_temp.wanted_policy USING (true)",
    );
  });

  it("quote what the condition is made of", () => {
    const of = { column: 'id"; DROP TABLE x; --', type: "integer" };
    assert.equal(
      flat(conditionSql({ rolePrefix: "o'brien\\_" }, of)),
      `current_user = ( E'o''brien\\\\_' || "id""; DROP TABLE x; --"::text)`,
    );
    assert.equal(
      flat(conditionSql({ setting: "app.tenant" }, of)),
      `"id""; DROP TABLE x; --" = nullif(current_setting('app.tenant', true), '')::integer`,
    );
  });
});

describe("RowLevelSecurity check", () => {
  const good = { connection: nowhere, table: "t", rolePrefix: "tenant_" };
  const refused: readonly (readonly [why: string, over: object, reason: RegExp])[] = [
    ["no rule", { rolePrefix: undefined }, /^rolePrefix: give either this or setting, got neither$/],
    ["two rules", { setting: "app.tenant" }, /^rolePrefix: give either this or setting, got both$/],
    [
      "a setting of PostgreSQL",
      { rolePrefix: undefined, setting: "role" },
      /^setting: must be a setting of the application's own/,
    ],
    ["SQL in a setting", { rolePrefix: undefined, setting: "a.b', true)); DROP TABLE x; --" }, /^setting: must be/],
    ["a prefix without room for the tenant", { rolePrefix: "x".repeat(63) }, /^rolePrefix: must leave room/],
    ["a prefix with a line break", { rolePrefix: "a\nb" }, /^rolePrefix: "a\\nb" must not hold control characters/],
    ["no roles", { roles: [] }, /^roles: must not be empty; leave it out/],
    ["every role beside one", { roles: ["public", "app"] }, /^roles\[0\]: "public" is reserved/],
    ["a role twice", { roles: ["app", "app"] }, /^roles\[1\]: "app" is there twice$/],
    ["every role as administrator", { admins: ["public"] }, /^admins\[0\]: "public" is reserved/],
    ["one name for two policies", { adminPolicy: "tenant" }, /^adminPolicy: must not be "tenant"/],
    [
      "its own policy as another's",
      { otherPolicies: ["admin"] },
      /^otherPolicies: "admin" is a policy of this resource$/,
    ],
    ["a name that PostgreSQL would cut", { policy: "é".repeat(32) }, /^policy: "é+" has 64 bytes/],
    ["no table", { table: "" }, /^table: must not be empty$/],
  ];
  for (const [why, over, reason] of refused) {
    it(`refuses ${why}`, async () => {
      const { failures } = await provider(rowLevelSecurity).check({}, { ...good, ...over });
      assert.equal(failures.length, 1, JSON.stringify(failures));
      assert.match(failures[0]?.reason ?? "", reason);
    });
  }

  it("accepts names of any characters, PostgreSQL's own roles and prefixes of none", async () => {
    for (const over of [
      { table: "Se lect", schema: "é".repeat(31), policy: "x".repeat(63), admins: ["pg_monitor", "o'brien"] },
      { rolePrefix: "" },
      { roles: ["public"] },
      { rolePrefix: undefined, setting: "my_app.tenant.id" },
    ])
      assert.deepEqual((await provider(rowLevelSecurity).check({}, { ...good, ...over })).failures, []);
  });
});

describe("RowLevelSecurity", function () {
  this.timeout(120_000);
  const boss = 'b"oss é';
  const roles = ["tenant_1", "tenant_2", "owner", boss];
  const servers = withServers(["coordinator", "a", "b"], { loginRoles: roles }, "realCitus");
  const cluster = clusterOf(servers);
  const subject = provider(rowLevelSecurity);
  const run = (text: string) => cluster.query("coordinator", text);
  const odd = { schema: "Te nants", table: `Ev"ents'; DROP TABLE tripwire; --${"é".repeat(12)}` };
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
  const oddTable = `${quoted(odd.schema)}.${quoted(odd.table)}`;
  const inputs = (table = "events") => ({
    connection: servers.connection("coordinator", "app"),
    table,
    rolePrefix: "tenant_",
  });
  const identities = new Map<string, Connection>();

  /** Rows of a statement, run by the role through the coordinator. */
  const as = (role: string, text: string) => {
    const connection = identities.get(role);
    assert.ok(connection !== undefined);
    return query(connection, text);
  };
  /** The same as tenant_1, in a transaction whose setting names a tenant and goes along to the workers. */
  const withSetting = (tenant: string, text: string) => {
    const connection = identities.get("tenant_1");
    assert.ok(connection !== undefined);
    return connectTo(connection, "test", async (session) => {
      await session.query({ parts: ["SET citus.propagate_set_commands = 'local'"] });
      return await session.transaction(async () => {
        await session.query({ parts: [`SET LOCAL app.tenant = '${tenant}'`] });
        return await session.query<Record<string, unknown>>({ parts: [text] });
      });
    });
  };
  /** A distributed table with a row for each tenant, which every role may read and write. */
  const table = async (name: string, type = "int", values = ["1", "2"]) => {
    await run(`CREATE TABLE public.${name} (tenant_id ${type}, id int)`);
    await run(
      `SELECT create_distributed_table('public.${name}', 'tenant_id', shard_count => 4, colocate_with => 'none')`,
    );
    for (const value of values) await run(`INSERT INTO public.${name} VALUES ('${value}', 1)`);
    await run(`GRANT SELECT, INSERT, UPDATE, DELETE ON public.${name} TO PUBLIC`);
  };
  const drop = (name: string) => run(`DROP TABLE public.${name}`);
  /** On a node alone, as a hand would. */
  const byHand = (key: string, ...statements: readonly string[]) =>
    servers.query(
      key,
      "app",
      [
        "SET citus.enable_ddl_propagation = off",
        "SET citus.override_table_visibility = off",
        ...statements,
        "RESET ALL",
      ].join(";"),
    );
  const shardOn = async (key: string, name: string) => {
    const [row] = await run(
      `SELECT shard_name AS name FROM citus_shards WHERE table_name = 'public.${name}'::regclass AND nodeport = ${String(servers.address(key).port)} ORDER BY shardid LIMIT 1`,
    );
    return `public.${String(row?.["name"]).replace(/^public\./, "")}`;
  };
  /** What the table and its shards are on every node: `<on> <forced> <policies>`, each once. */
  const everywhere = async (name: string) => {
    const rows = await run(`SELECT result FROM run_command_on_all_nodes($$
      SELECT json_agg(DISTINCT concat_ws(' ', relrowsecurity, relforcerowsecurity, (SELECT string_agg(polname, ',' ORDER BY polname) FROM pg_policy WHERE polrelid = c.oid)))
        FROM pg_class c WHERE relkind = 'r' AND relname ~ '^${name}(_[0-9]+)?$' $$)`);
    return [...new Set(rows.flatMap(({ result }) => JSON.parse(String(result)) as string[]))];
  };

  before(async () => {
    await cluster.database("coordinator", "a", "b");
    await provider(nodes).create(cluster.inputs("a"));
    for (const role of roles) {
      await run(`CREATE ROLE ${quoted(role)} LOGIN`);
      const { certificate, privateKey } = await servers.all().authority.issue(role.replaceAll('"', '\\"'));
      const { tls, ...to } = servers.connection("coordinator", "app");
      identities.set(role, { ...to, user: role, tls: { ca: tls.ca, cert: certificate, key: privateKey } });
    }
    await run("GRANT CREATE ON SCHEMA public TO owner");
    await run(`CREATE SCHEMA ${quoted(odd.schema)}`);
    await run(`CREATE TABLE ${oddTable} ("Tenant ""id""" text, id int)`);
    await run("CREATE TABLE public.tripwire (id int)");
    await run(`SELECT create_distributed_table('${oddTable.replaceAll("'", "''")}', 'Tenant "id"', shard_count => 4)`);
  });

  const contractInputs = () => ({
    ...inputs(),
    ...odd,
    rolePrefix: `o'b"r\\ é`,
    admins: [boss],
    policy: `te'n"ant ${"é".repeat(27)}`,
    adminPolicy: "Admin; --",
  });
  contract(rowLevelSecurity, () => ({
    inputs: contractInputs(),
    changes: {
      connection: servers.connection("a", "app"),
      schema: "public",
      table: "other",
      rolePrefix: "other_",
      setting: "app.tenant",
      roles: ["tenant_1"],
      admins: ["tenant_2"],
      force: false,
      policy: "other",
      adminPolicy: "other",
      otherPolicies: ["other"],
      onDelete: "drop" as const,
    },
    beside: { setting: { rolePrefix: undefined } },
    refused: [
      { table: "" },
      { setting: "app.tenant" },
      { roles: [] },
      { policy: "x".repeat(64) },
      { onDelete: "erase" },
    ],
    drift: { change: () => run(`ALTER TABLE ${oddTable} DISABLE ROW LEVEL SECURITY`), shows: "rolePrefix" },
    fingerprint: () => servers.onEach("app", "SELECT oid::int, polrelid::int FROM pg_policy ORDER BY 1"),
    drop: { ...contractInputs(), onDelete: "drop" as const },
    conflict: {
      inputs: { ...contractInputs(), admins: ["tenant_1"] },
      message:
        /exists already and differs: admins.* on "Te nants".* of .* and \d more is .*"b\\"oss é".*asked for .*tenant_1/,
    },
  }));

  describe("lets each role see and write the rows of its tenant only", () => {
    before(async () => {
      await table("events");
      await subject.create({ ...inputs(), admins: [boss] });
    });
    after(() => drop("events"));

    for (const tenant of ["1", "2"]) {
      it(`tenant_${tenant}`, async () => {
        const role = `tenant_${tenant}`;
        const other = tenant === "1" ? "2" : "1";
        const others = () => run(`SELECT * FROM public.events WHERE tenant_id = ${other}`);
        const before = await others();
        assert.deepEqual(await as(role, "SELECT * FROM public.events"), [{ tenant_id: Number(tenant), id: 1 }]);
        assert.deepEqual(await as(role, `SELECT * FROM public.events WHERE tenant_id = ${other}`), []);
        assert.deepEqual(await as(role, "SELECT count(*)::int AS count FROM public.events"), [{ count: 1 }]);
        await as(role, `INSERT INTO public.events VALUES (${tenant}, 2)`);
        await assert.rejects(
          as(role, `INSERT INTO public.events VALUES (${other}, 3)`),
          /new row violates row-level security policy for table "events_\d+".*SQLSTATE 42501/s,
        );
        await assert.rejects(as(role, "INSERT INTO public.events VALUES (3, 3)"), /SQLSTATE 42501/);
        await as(role, "UPDATE public.events SET id = 9");
        await as(role, `UPDATE public.events SET id = 9 WHERE tenant_id = ${other}`);
        await as(role, "DELETE FROM public.events");
        assert.deepEqual(await others(), before);
        await as(role, `INSERT INTO public.events VALUES (${tenant}, 1)`);
      });
    }

    it("an administrator sees and writes all, whoever neither policy is for nothing", async () => {
      assert.equal((await as(boss, "SELECT * FROM public.events")).length, 2);
      await as(boss, "INSERT INTO public.events VALUES (3, 3)");
      await as(boss, "DELETE FROM public.events WHERE tenant_id = 3");
      const { outs } = await subject.update(
        "id",
        { ...inputs(), admins: [boss] },
        { ...inputs(), roles: ["tenant_1"] },
      );
      assert.deepEqual(await as(boss, "SELECT * FROM public.events"), []);
      assert.deepEqual(await as("tenant_2", "SELECT * FROM public.events"), []);
      assert.deepEqual(await as("tenant_1", "SELECT * FROM public.events"), [{ tenant_id: 1, id: 1 }]);
      await subject.update("id", outs, { ...inputs(), admins: [boss] });
    });

    it("shards that move, and nodes that join later, are protected alike", async () => {
      const moved = await shardOn("a", "events");
      await provider(nodes).update("app", cluster.inputs("a"), cluster.inputs("a", "b"));
      const [from, to] = [servers.address("a"), servers.address("b")];
      await run(
        `SELECT citus_move_shard_placement(${moved.replace(/^.*_/, "")}, '${from.host}', ${String(from.port)}, '${to.host}', ${String(to.port)}, 'block_writes')`,
      );
      assert.equal(await shardOn("b", "events"), moved);
      assert.deepEqual(await everywhere("events"), ["t t admin,tenant"]);
      const { outs } = await subject.create({ ...inputs(), admins: [boss] });
      assert.equal(
        (await subject.diff("id", (await subject.read("id", outs)).props ?? {}, { ...inputs(), admins: [boss] }))
          .changes,
        false,
      );
      for (const tenant of [1, 2]) {
        assert.deepEqual(await as(`tenant_${String(tenant)}`, "SELECT * FROM public.events"), [
          { tenant_id: tenant, id: 1 },
        ]);
        await assert.rejects(
          as(`tenant_${String(tenant)}`, `INSERT INTO public.events VALUES (${String(3 - tenant)}, 3)`),
          /SQLSTATE 42501/,
        );
      }
    });

    const drifts: readonly (readonly [
      why: string,
      change: (shard: string) => string,
      shows: string,
      message: RegExp,
    ])[] = [
      [
        "switched off",
        (shard) => `ALTER TABLE ${shard} DISABLE ROW LEVEL SECURITY`,
        "rolePrefix",
        /row-level security is off/,
      ],
      ["without a policy", (shard) => `DROP POLICY tenant ON ${shard}`, "rolePrefix", /no policy/],
      ["with another condition", (shard) => `ALTER POLICY tenant ON ${shard} USING (true)`, "rolePrefix", /USING true/],
      [
        "that no longer binds its owner",
        (shard) => `ALTER TABLE ${shard} NO FORCE ROW LEVEL SECURITY`,
        "force",
        /false/,
      ],
      ["with other administrators", (shard) => `ALTER POLICY admin ON ${shard} TO PUBLIC`, "admins", /public/],
    ];
    for (const [why, change, shows, message] of drifts) {
      it(`a shard ${why} is seen and mended`, async () => {
        const asked = { ...inputs(), admins: [boss], force: true };
        const { outs } = await subject.create(asked);
        await byHand("a", change(await shardOn("a", "events")));
        const { props = {} } = await subject.read("id", outs);
        assert.match(JSON.stringify(props[shows]), message);
        assert.equal((await subject.diff("id", props, asked)).changes, true);
        await subject.update("id", props, asked);
        assert.deepEqual(await everywhere("events"), ["t t admin,tenant"]);
      });
    }

    it("a policy of others on a shard is named, refused, and left alone", async () => {
      const asked = { ...inputs(), admins: [boss] };
      const { outs } = await subject.create(asked);
      await byHand("a", `CREATE POLICY "op""en" ON ${await shardOn("a", "events")} USING (true)`);
      const { props = {} } = await subject.read("id", outs);
      assert.deepEqual(props["otherPolicies"], ['op"en']);
      await assert.rejects(
        subject.update("id", props, asked),
        /cannot update RowLevelSecurity "app\.public\.events": public\.events_\d+ of 127\.0\.0\.1:\d+ has policies of others: "op\\"en".*otherPolicies.*DROP POLICY/,
      );
      const { outs: listed } = await subject.update("id", props, { ...asked, otherPolicies: ['op"en'] });
      assert.equal(
        (
          await subject.diff("id", (await subject.read("id", listed)).props ?? {}, {
            ...asked,
            otherPolicies: ['op"en'],
          })
        ).changes,
        false,
      );
      await run(`DROP POLICY IF EXISTS "op""en" ON public.events`);
      assert.deepEqual(await everywhere("events"), ["t t admin,tenant"]);
    });
  });

  const types: readonly (readonly [type: string, one: string, two: string])[] = [
    ["text", "1", "2"],
    ["varchar(3)", "1", "2"],
    ["char(4)", "1", "2"],
    ["bigint", "1", "2"],
    ["public.tenant_kind", "1", "2"],
    ["public.tenant_domain", "1", "2"],
  ];
  it("compares columns of every type whose text is steady, by role and by setting", async () => {
    await run("CREATE TYPE public.tenant_kind AS ENUM ('1', '2')");
    await run("CREATE DOMAIN public.tenant_domain AS int");
    for (const [type, one, two] of types) {
      await table("typed", type, [one, two]);
      const { outs } = await subject.create(inputs("typed"));
      assert.equal((await as("tenant_2", "SELECT * FROM public.typed")).length, 1, type);
      const bySetting = { ...inputs("typed"), rolePrefix: undefined, setting: "app.tenant" };
      await subject.update("id", outs, bySetting);
      const { outs: adopted } = await subject.create(bySetting);
      assert.equal(
        (await subject.diff("id", (await subject.read("id", adopted)).props ?? {}, bySetting)).changes,
        false,
        type,
      );
      // Longer than the column allows: a cast to its length would make it another tenant's.
      for (const [value, count] of [
        [one, 1],
        [two, 1],
        ["", 0],
        ...(/char|text/.test(type) ? [[`${one}   x`, 0] as const] : []),
      ] as const) {
        assert.equal((await withSetting(value, "SELECT * FROM public.typed")).length, count, `${type} "${value}"`);
      }
      assert.deepEqual(await as("tenant_1", "SELECT * FROM public.typed"), [], type);
      await drop("typed");
    }
  });

  it("adopts what was made by hand, with names of its own, and changes nothing", async () => {
    await table("handmade");
    await run("CREATE POLICY admin_all ON public.handmade TO postgres USING (true) WITH CHECK (true)");
    await run("CREATE POLICY user_mod ON public.handmade USING (current_user = 'tenant_' || tenant_id::text)");
    await run("ALTER TABLE public.handmade ENABLE ROW LEVEL SECURITY");
    const asked = { ...inputs("handmade"), policy: "user_mod", adminPolicy: "admin_all", admins: ["postgres"] };
    const policies = () => servers.onEach("app", "SELECT oid::int, xmin::text FROM pg_policy ORDER BY 1");
    const before = await policies();
    await assert.rejects(
      subject.create(asked),
      /it exists already and differs: force on public\.handmade\S* of .+ is false, asked for true\. Ask for what is there/,
    );
    const { outs } = await subject.create({ ...asked, force: false });
    assert.deepEqual(await policies(), before);
    assert.deepEqual(
      (await subject.diff("id", (await subject.read("id", outs)).props ?? {}, { ...asked, force: false })).changes,
      false,
    );
    await drop("handmade");
  });

  it("changes names, keeps what others made, and takes nobody's name", async () => {
    await table("named");
    await run("CREATE POLICY theirs ON public.named TO owner USING (id > 0)");
    await assert.rejects(subject.create(inputs("named")), /has policies of others: "theirs", and each may open/);
    assert.deepEqual(await everywhere("named"), ["f f theirs"]);
    const asked = { ...inputs("named"), admins: [boss], otherPolicies: ["theirs"], onDelete: "drop" as const };
    const { outs } = await subject.create(asked);
    await assert.rejects(
      subject.update("id", outs, { ...asked, policy: "theirs", otherPolicies: [] }),
      /there is a policy "theirs" on the table already; choose another name/,
    );
    const swapped = { ...asked, policy: "admin", adminPolicy: "tenant" };
    const { outs: renamed } = await subject.update("id", outs, swapped);
    assert.deepEqual(await everywhere("named"), ["t t admin,tenant,theirs"]);
    assert.deepEqual(await as("tenant_1", "SELECT tenant_id FROM public.named"), [{ tenant_id: 1 }]);
    const { outs: last } = await subject.update("id", renamed, { ...asked, policy: "third", adminPolicy: "fourth" });
    assert.deepEqual(await everywhere("named"), ["t t fourth,theirs,third"]);
    await subject.delete("id", last);
    assert.deepEqual(await everywhere("named"), ["t t theirs"], "their policy would stand open without the switch");
    await drop("named");
  });

  it("refuses restrictive policies, listed or not: on the shards they open rows", async () => {
    await table("restricted");
    await run("CREATE POLICY theirs ON public.restricted AS RESTRICTIVE USING (id > 5)");
    const asked = { ...inputs("restricted"), otherPolicies: ["theirs"] };
    await assert.rejects(
      subject.create(asked),
      /the policy "theirs" is restrictive, and Citus makes it permissive on the shards, where it opens rows instead of closing them; drop it$/,
    );
    // What it is about.
    await run("CREATE POLICY mine ON public.restricted USING (current_user = 'tenant_' || tenant_id::text)");
    await run("ALTER TABLE public.restricted ENABLE ROW LEVEL SECURITY");
    await run("INSERT INTO public.restricted VALUES (2, 6)");
    assert.deepEqual(await as("tenant_1", "SELECT * FROM public.restricted ORDER BY 1"), [
      { tenant_id: 1, id: 1 },
      { tenant_id: 2, id: 6 },
    ]);
    await drop("restricted");
  });

  it("has no drift where the column has another name", async () => {
    await table("renamed");
    const { outs } = await subject.create(inputs("renamed"));
    await run("ALTER TABLE public.renamed RENAME COLUMN tenant_id TO customer");
    const { props = {} } = await subject.read("id", outs);
    assert.equal((await subject.diff("id", props, inputs("renamed"))).changes, false);
    assert.equal(props["column"], "customer");
    await drop("renamed");
  });

  it("is managed by the table's owner, too", async () => {
    await table("owned");
    await run("ALTER TABLE public.owned OWNER TO owner");
    const own = identities.get("owner");
    assert.ok(own !== undefined);
    const asked = { ...inputs("owned"), connection: own, admins: ["owner"], onDelete: "drop" as const };
    const { outs } = await subject.create(asked);
    assert.equal((await subject.read("id", outs)).props?.["condition"], outs["condition"]);
    assert.equal((await as("owner", "SELECT * FROM public.owned")).length, 2);
    await subject.delete("id", outs);
    await drop("owned");
  });

  it("never binds an owner who could then lose rows, and says so where the owner changed", async () => {
    await table("risky");
    await run("ALTER TABLE public.risky OWNER TO owner");
    const risk =
      /its owner "owner" would lose every row that it does not see when it moves or alters the table.*name the owner in admins/;
    await assert.rejects(subject.create(inputs("risky")), risk);
    assert.deepEqual(await everywhere("risky"), ["f f"]);
    // What it is about: Citus copies as the owner, who sees nothing.
    const { outs } = await subject.create({ ...inputs("risky"), force: false });
    await run("ALTER TABLE public.risky FORCE ROW LEVEL SECURITY");
    await as("owner", "SELECT alter_distributed_table('public.risky', shard_count => 8)");
    assert.deepEqual(await run("SELECT count(*)::int AS count FROM public.risky"), [{ count: 0 }]);
    await assert.rejects(subject.update("id", outs, inputs("risky")), risk);
    // With the owner among the administrators nothing is lost.
    await run("INSERT INTO public.risky VALUES (1, 1), (2, 2)");
    await subject.update("id", outs, { ...inputs("risky"), admins: ["owner"] });
    await as("owner", "SELECT alter_distributed_table('public.risky', shard_count => 4)");
    assert.deepEqual(await run("SELECT count(*)::int AS count FROM public.risky"), [{ count: 2 }]);
    assert.deepEqual(await everywhere("risky"), ["t t admin,tenant"]);
    await drop("risky");
  });

  const refusals: readonly (readonly [why: string, make: () => Promise<unknown>, over: object, message: RegExp])[] = [
    [
      "a table that is not there",
      () => Promise.resolve(),
      {},
      /there is no such table; create and distribute it first/,
    ],
    [
      "a table that is not distributed",
      () => run("CREATE TABLE public.refused (tenant_id int)"),
      {},
      /is not distributed by a column/,
    ],
    [
      "a reference table",
      () => run("SELECT create_reference_table('public.refused')"),
      {},
      /is not distributed by a column/,
    ],
    [
      "a column whose text follows the session",
      async () => {
        await drop("refused");
        await table("refused", "date", []);
      },
      {},
      /its distribution column "tenant_id" is of type date, whose text is not the same in every session/,
    ],
    [
      "a role that is not there",
      () => Promise.resolve(),
      { rolePrefix: undefined, setting: "app.tenant", admins: ["nobody"] },
      /SQLSTATE 42704.*create the roles first/,
    ],
  ];
  it("refuses in plain words, and changes nothing", async () => {
    for (const [why, make, over, message] of refusals) {
      await make();
      await assert.rejects(subject.create({ ...inputs("refused"), ...over }), (error: Error) => {
        assert.match(error.message, /^cannot create RowLevelSecurity "app\.public\.refused"/, why);
        assert.match(error.message, message, why);
        return true;
      });
    }
    assert.deepEqual(await everywhere("refused"), ["f f"]);
    await drop("refused");
  });

  it("is gone with its table, and its delete is content", async () => {
    await table("gone");
    const { outs } = await subject.create({ ...inputs("gone"), onDelete: "drop" });
    await drop("gone");
    assert.deepEqual(await subject.read("id", outs), {});
    await subject.delete("id", outs);
  });

  it("ran no SQL that was in a name", async () => {
    assert.deepEqual(await run("SELECT count(*)::int AS count FROM public.tripwire"), [{ count: 0 }]);
  });
});
