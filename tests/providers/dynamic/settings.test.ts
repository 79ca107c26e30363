/** Settings of a cluster, a node, a database and a role, on real servers. */
import assert from "node:assert/strict";
import { Client } from "pg";
import { provider } from "../../../providers/dynamic/engine/entry";
import { compile } from "../../../providers/dynamic/engine/sql";
import { settings } from "../../../providers/dynamic/settings";
import { changeSql, readSql } from "../../../providers/dynamic/settings/target";
import { contract } from "../../support/contract";
import { requires } from "../../support/tools";
import { clusterOf, operateElsewhere, withServers } from "./cluster";

const keys = ["coordinator", "a", "b"];

describe("Settings statements", () => {
  const texts = (...args: Parameters<typeof changeSql>) => changeSql(...args).map((statement) => compile(statement));
  const rows: readonly (readonly [string, Parameters<typeof changeSql>, readonly string[]])[] = [
    [
      "of a cluster",
      [{}, { set: { work_mem: "64MB", jit: false }, reset: ["citus.shard_count"] }],
      [
        `ALTER SYSTEM SET "work_mem" TO '64MB'`,
        `ALTER SYSTEM SET "jit" TO 'off'`,
        `ALTER SYSTEM RESET "citus.shard_count"`,
        "SELECT pg_reload_conf()::text AS result",
      ],
    ],
    [
      "of a database",
      [{ database: 'my "app"' }, { set: { statement_timeout: 300_000 }, reset: ["jit"] }],
      [
        `DO 'BEGIN SET LOCAL citus.enable_ddl_propagation = off; ` +
          `ALTER DATABASE "my ""app""" SET "statement_timeout" TO ''300000''; ALTER DATABASE "my ""app""" RESET "jit"; END'`,
      ],
    ],
    [
      "of a role",
      [{ role: "app" }, { set: { search_path: '"$user", Public' }, reset: [] }],
      [
        `DO 'BEGIN SET LOCAL citus.enable_ddl_propagation = off; ALTER ROLE "app" SET "search_path" TO ''$user'', ''public''; END'`,
      ],
    ],
    [
      "of a role in a database",
      [
        { role: "app", database: "db" },
        { set: {}, reset: ["jit"] },
      ],
      [`DO 'BEGIN SET LOCAL citus.enable_ddl_propagation = off; ALTER ROLE "app" IN DATABASE "db" RESET "jit"; END'`],
    ],
    [
      "with a value that looks like SQL",
      [{ role: "r" }, { set: { application_name: `x'; DROP ROLE r; -- \\` }, reset: [] }],
      [
        String.raw`DO  E'BEGIN SET LOCAL citus.enable_ddl_propagation = off; ALTER ROLE "r" SET "application_name" TO  E\'x\'\'; DROP ROLE r; -- \\\\\'; END'`.replaceAll(
          "\\'",
          "''",
        ),
      ],
    ],
  ];
  for (const [why, args, expected] of rows)
    it(`are exactly these ${why}`, () =>
      assert.deepEqual(
        texts(...args),
        expected.map((text) => ({ text, values: [] })),
      ));

  it("read without parameters, so that the coordinator can pass them on", () => {
    for (const target of [{}, { database: "a" }, { role: "a" }, { role: "a", database: "b" }])
      assert.deepEqual(compile(readSql(target, ["work_mem"])).values, []);
  });
});

describe("Settings", function () {
  this.timeout(120_000);
  const servers = withServers(keys);
  const cluster = clusterOf(servers);
  const subject = provider(settings);
  const onCoordinator = () => servers.connection("coordinator", "app");
  const role = `my "role" ${"é".repeat(26)}x`;
  const quotedRole = `"${role.replaceAll('"', '""')}"`;

  before(async () => {
    assert.equal(Buffer.byteLength(role), 63, "the longest name there is");
    await cluster.database(...keys);
    const { host, port } = servers.address("coordinator");
    await servers.query("coordinator", "app", `SELECT citus_set_coordinator_host('${host}', ${String(port)})`);
    await addNode("a");
    for (const key of keys) await servers.query(key, "postgres", `CREATE ROLE ${quotedRole} LOGIN`);
  });

  /** A client of its own: a session that is used again keeps the settings that it began with. */
  const withClient = async <T>(key: string, database: string, use: (client: Client) => Promise<T>): Promise<T> => {
    const { tls, ...to } = servers.connection(key, database);
    const client = new Client({ ...to, ssl: { ...tls } });
    await client.connect();
    try {
      return await use(client);
    } finally {
      await client.end();
    }
  };
  const inNewSession = (key: string, database: string, name: string) =>
    withClient(key, database, async (client) => {
      const { rows } = await client.query<{ value: string }>(
        "SELECT reset_val AS value FROM pg_settings WHERE name = $1",
        [name],
      );
      return rows[0]?.value;
    });
  const addNode = async (key: string) => {
    const { host, port } = servers.address(key);
    await servers.query("coordinator", "app", `SELECT citus_add_node('${host}', ${String(port)})`);
  };
  const hostPort = (key: string) => `${servers.address(key).host}:${String(servers.address(key).port)}`;

  /** Everything that ALTER SYSTEM, ALTER DATABASE and ALTER ROLE have set, by node. */
  const allSettings = async () => {
    const rows = await servers.onEach(
      "postgres",
      `SELECT '' AS database, '' AS role, name || '=' || setting AS setting FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'
       UNION ALL SELECT coalesce(datname, ''), coalesce(rolname, ''), unnest(setconfig) FROM pg_db_role_setting
         LEFT JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole ORDER BY 1, 2, 3`,
    );
    return Object.fromEntries(
      [...keys].map((key, index) => [
        key,
        (rows[index] ?? []).map((row) => [row["database"], row["role"], row["setting"]].join("|")),
      ]),
    );
  };
  const nothing = { coordinator: [], a: [], b: [] };

  const clear = async () => {
    const sessions = [`DATABASE app`, `ROLE ${quotedRole}`, `ROLE ${quotedRole} IN DATABASE app`];
    for (const key of keys) {
      await servers.query(key, "postgres", "ALTER SYSTEM RESET ALL");
      await servers.query(key, "postgres", "SELECT pg_reload_conf()");
      for (const target of sessions) await servers.query(key, "postgres", `ALTER ${target} RESET ALL`);
    }
    assert.deepEqual(await allSettings(), nothing);
  };
  afterEach(clear);

  contract(settings, () => ({
    inputs: { connection: onCoordinator(), settings: { work_mem: "8MB", log_min_duration_statement: "2s" } },
    changes: {
      connection: servers.connection("a"),
      nodes: servers.addresses("a"),
      node: "a",
      database: "app",
      role: "app",
      settings: { work_mem: "9MB" },
      onDelete: "reset" as const,
    },
    refused: [{ settings: { work_men: "8MB" } }, { database: "" }, { role: "pg_x" }, { onDelete: "drop" }],
    drift: { change: () => servers.query("a", "postgres", "ALTER SYSTEM SET work_mem = '64MB'"), shows: "settings" },
    fingerprint: allSettings,
    drop: {
      connection: onCoordinator(),
      settings: { work_mem: "8MB", log_min_duration_statement: "2s" },
      onDelete: "reset" as const,
    },
    conflict: {
      inputs: { connection: onCoordinator(), settings: { work_mem: "9MB" } },
      message:
        /it is set already and differs: work_mem is 8MB on .*, asked for "9MB"\. Ask for what is there, or reset/,
    },
  }));

  /** Each scope, and each way to reach the nodes. */
  const scopes: readonly {
    readonly title: string;
    readonly target: () => Readonly<Record<string, unknown>>;
    /** What stands before SET. */
    readonly alter: string;
    /** Start of its lines in {@link allSettings}. */
    readonly prefix: string;
    readonly reached: readonly string[];
    readonly names: (key: string) => string;
  }[] = [
    {
      title: "a cluster, its nodes dialled",
      target: () => ({ connection: servers.connection("coordinator"), nodes: servers.addresses(...keys) }),
      alter: "ALTER SYSTEM",
      prefix: "||",
      reached: keys,
      names: (key) => key,
    },
    {
      title: "a cluster, through its coordinator",
      target: () => ({ connection: onCoordinator() }),
      alter: "ALTER SYSTEM",
      prefix: "||",
      reached: ["coordinator", "a"],
      names: hostPort,
    },
    {
      title: "a node",
      target: () => ({ connection: servers.connection("a"), node: "a" }),
      alter: "ALTER SYSTEM",
      prefix: "||",
      reached: ["a"],
      names: (key) => key,
    },
    {
      title: "a database, its nodes dialled",
      target: () => ({ connection: onCoordinator(), nodes: servers.addresses(...keys), database: "app" }),
      alter: "ALTER DATABASE app",
      prefix: "app||",
      reached: keys,
      names: (key) => key,
    },
    {
      title: "a database, through the coordinator",
      target: () => ({ connection: onCoordinator(), database: "app" }),
      alter: "ALTER DATABASE app",
      prefix: "app||",
      reached: ["coordinator", "a"],
      names: hostPort,
    },
    {
      title: "a role of the longest name",
      target: () => ({ connection: onCoordinator(), role }),
      alter: `ALTER ROLE ${quotedRole}`,
      prefix: `|${role}|`,
      reached: ["coordinator", "a"],
      names: hostPort,
    },
    {
      title: "a role in a database, its nodes dialled",
      target: () => ({ connection: onCoordinator(), nodes: servers.addresses(...keys), role, database: "app" }),
      alter: `ALTER ROLE ${quotedRole} IN DATABASE app`,
      prefix: `app|${role}|`,
      reached: keys,
      names: (key) => key,
    },
  ];

  for (const { title, target, alter, prefix, reached, names } of scopes) {
    describe(`of ${title}`, () => {
      const wish = (values: Readonly<Record<string, unknown>>) => ({ ...target(), settings: values });
      const both = { statement_timeout: "5min", work_mem: "8MB" };
      const withLines = (...lines: readonly string[]) => ({
        ...nothing,
        ...Object.fromEntries(reached.map((key) => [key, lines.map((line) => prefix + line)])),
      });
      const byHand = (key: string, text: string) =>
        servers.query(
          key,
          "app",
          `${alter.startsWith("ALTER SYSTEM") ? "" : "SET citus.enable_ddl_propagation = off;"} ${alter} ${text}`,
        );

      it("sets, adopts, and touches nothing else", async () => {
        await byHand("a", "SET maintenance_work_mem TO '77MB'");
        const { id, outs } = await subject.create(wish(both));
        const expected = withLines("statement_timeout=5min", "work_mem=8MB");
        const other = { ...expected, a: [`${prefix}maintenance_work_mem=77MB`, ...expected.a] };
        assert.deepEqual(await allSettings(), other);
        assert.deepEqual((await subject.create(wish(both))).outs, outs);
        assert.deepEqual(await allSettings(), other);
        const left = await subject.update(id, outs, wish({ work_mem: "8MB" }));
        const afterwards = withLines("work_mem=8MB");
        assert.deepEqual(await allSettings(), {
          ...afterwards,
          a: [`${prefix}maintenance_work_mem=77MB`, ...afterwards.a],
        });
        await subject.delete(id, { ...left.outs, onDelete: "reset" });
        assert.deepEqual(await allSettings(), { ...nothing, a: [`${prefix}maintenance_work_mem=77MB`] });
      });

      it("names the node that differs, and mends that one", async () => {
        const { id, outs } = await subject.create(wish(both));
        await byHand("a", "SET statement_timeout TO '10min'");
        await byHand("a", "RESET work_mem");
        const drifted = await subject.read(id, outs);
        const shown = {
          statement_timeout: `10min on ${names("a")}`,
          work_mem: `not set on ${names("a")}`,
        };
        // Of a single node nothing is left that could be read but the other one.
        assert.deepEqual(drifted.props?.["settings"], shown);
        await subject.update(id, { ...drifted.props }, wish(both));
        assert.deepEqual(await allSettings(), withLines("statement_timeout=5min", "work_mem=8MB"));
      });

      it("takes other spellings of a value for the same", async () => {
        await subject.create(wish({ statement_timeout: "5min", jit: false }));
        const { outs } = await subject.create(wish({ statement_timeout: 300_000, jit: "off" }));
        const again = (await subject.read("id", outs)).props?.["settings"];
        assert.deepEqual(again, { statement_timeout: 300_000, jit: "off" });
      });

      it("is gone when nothing of it is left", async () => {
        const { id, outs } = await subject.create(wish(both));
        await clear();
        assert.deepEqual(await subject.read(id, outs), {});
        await subject.delete(id, { ...outs, onDelete: "reset" });
      });
    });
  }

  describe("a database's statement_timeout", () => {
    const wish = (...nodes: readonly string[]) => ({
      connection: onCoordinator(),
      nodes: servers.addresses(...nodes),
      database: "app",
      settings: { statement_timeout: "7min", search_path: '"$user", public' },
    });
    const seen = () => Promise.all(keys.map((key) => inNewSession(key, "app", "statement_timeout")));

    it("is in force on the coordinator, on every worker, and on one that is added later", async () => {
      const { id, outs } = await subject.create(wish("coordinator", "a"));
      assert.deepEqual(
        (await seen()).map((value) => value === "420000"),
        [true, true, false],
      );
      assert.equal((await subject.diff(id, outs, wish(...keys))).changes, true);
      const grown = await subject.update(id, outs, wish(...keys));
      assert.deepEqual(await seen(), ["420000", "420000", "420000"]);
      assert.deepEqual(grown.outs["pendingRestart"], {});
    });

    it("is no drift where Citus has replayed it in another unit", async function () {
      // The stand-in replays no settings.
      requires(this, "realCitus");
      const { id, outs } = await subject.create(wish("coordinator", "a"));
      await addNode("b");
      try {
        assert.deepEqual(await seen(), ["420000", "420000", "420000"]);
        const { props } = await subject.read(id, { ...outs, nodes: servers.addresses(...keys) });
        assert.deepEqual(props?.["settings"], wish().settings);
        const through = { ...wish(), nodes: undefined };
        assert.deepEqual((await subject.read(id, through)).props?.["settings"], wish().settings);
      } finally {
        const { host, port } = servers.address("b");
        await servers.query("coordinator", "app", `SELECT citus_remove_node('${host}', ${String(port)})`);
      }
    });
  });

  it("tells a cluster's node that was added behind its back, and sets it there", async () => {
    const wish = { connection: onCoordinator(), settings: { work_mem: "8MB" } };
    const { id, outs } = await subject.create(wish);
    await addNode("b");
    try {
      const { props } = await subject.read(id, outs);
      assert.deepEqual(props?.["settings"], { work_mem: `not set on ${hostPort("b")}` });
      await subject.update(id, { ...props }, wish);
      assert.deepEqual((await allSettings())["b"], ["||work_mem=8MB"]);
    } finally {
      const { host, port } = servers.address("b");
      await servers.query("coordinator", "app", `SELECT citus_remove_node('${host}', ${String(port)})`);
    }
  });

  // The stand-in defines no setting of Citus, so the server takes any value of one.
  const waiting = [
    ["max_connections", 123, "citus"],
    ["citus.stat_statements_max", 60_000, "realCitus"],
  ] as const;
  for (const [name, value, needs] of waiting)
    it(`says which servers must be restarted for ${name}${needs === "realCitus" ? ", which pg_settings hides" : ""}`, async function () {
      requires(this, needs);
      const values = { [name]: value, work_mem: "8MB" };
      const wish = { connection: onCoordinator(), nodes: servers.addresses("a", "b"), settings: values };
      const { id, outs } = await subject.create(wish);
      assert.deepEqual(outs["pendingRestart"], { [name]: ["a", "b"] });
      await servers.get("b").stop();
      await servers.get("b").start();
      const { props } = await subject.read(id, outs);
      assert.deepEqual(props?.["pendingRestart"], { [name]: ["a"] });
      assert.deepEqual(props["settings"], values);
      await clear();
      await servers.get("b").stop();
      await servers.get("b").start();
    });

  describe("with a node that is down", () => {
    const wish = (values: Readonly<Record<string, unknown>>) => ({
      connection: servers.connection("coordinator"),
      nodes: servers.addresses(...keys),
      database: "app",
      settings: values,
    });

    it("names it, and the next run finishes or takes back what the failed one has begun", async () => {
      const { id, outs } = await subject.create(wish({ work_mem: "8MB" }));
      await servers.get("b").stop();
      try {
        await assert.rejects(
          subject.read(id, outs),
          new RegExp(`^Error: cannot read Settings "database app" on ${hostPort("b")}: b: .*ECONNREFUSED`),
        );
        await subject.delete(id, outs);
      } finally {
        await servers.get("b").start();
      }
    });

    it("remembers what a failed update may have set, and resets it when it is not asked for any more", async () => {
      const { id, outs } = await subject.create(wish({ work_mem: "8MB" }));
      await servers.query("b", "postgres", "ALTER DATABASE app RENAME TO away");
      const more = wish({ work_mem: "8MB", jit: false });
      const failed = await subject.update(id, outs, more).then(
        () => assert.fail("there is no such database"),
        (error: unknown) => error as { readonly message: string; readonly properties: object },
      );
      assert.match(
        failed.message,
        /cannot update Settings "database app" on .*: b: .*SQLSTATE 3D000\)\. create the data/,
      );
      assert.deepEqual((await allSettings())["a"], ["app||jit=off", "app||work_mem=8MB"]);
      await servers.query("b", "postgres", "ALTER DATABASE away RENAME TO app");
      await subject.update(id, failed.properties, wish({ work_mem: "8MB" }));
      const only = ["app||work_mem=8MB"];
      assert.deepEqual(await allSettings(), { coordinator: only, a: only, b: only });
    });
  });

  it("finishes what a killed run has begun", async () => {
    const wish = {
      connection: onCoordinator(),
      nodes: servers.addresses(...keys),
      database: "app",
      settings: { work_mem: "8MB" },
    };
    await withClient("b", "postgres", async (blocker) => {
      await blocker.query("BEGIN");
      await blocker.query("LOCK TABLE pg_db_role_setting IN SHARE MODE");
      const elsewhere = operateElsewhere("Settings", "create", wish);
      const deadline = Date.now() + 30_000;
      while ((await allSettings())["a"]?.length === 0) assert.ok(Date.now() < deadline, "it has not begun");
      await elsewhere.kill();
      assert.deepEqual((await allSettings())["b"], []);
    });
    await subject.create(wish);
    const only = ["app||work_mem=8MB"];
    assert.deepEqual(await allSettings(), { coordinator: only, a: only, b: only });
  });

  const texts: readonly string[] = [
    `it's "quoted" \\ backslash\\`,
    `'; DROP ROLE app; --`,
    `$$ $1 %s $x$ {"a": 1} = b=c,d`,
    "é 漢字 😀",
    " blanks at both ends ",
    "",
  ];
  for (const text of texts)
    it(`keeps the value ${JSON.stringify(text)} as it is, in every scope`, async () => {
      for (const { target, alter, title } of scopes) {
        const name = alter === "ALTER SYSTEM" ? "log_line_prefix" : "app.note";
        const wish = { ...target(), settings: { [name]: text } };
        const { id, outs } = await subject.create(wish);
        assert.deepEqual((await subject.read(id, outs)).props?.["settings"], wish.settings, title);
        await clear();
      }
    });

  it("keeps lists of names as lists", async () => {
    const values = { search_path: `"$user" ,Public,"My, ""own"" schema"`, session_preload_libraries: "auto_explain" };
    const wish = { connection: onCoordinator(), database: "app", settings: values };
    const { id, outs } = await subject.create(wish);
    assert.deepEqual((await subject.read(id, outs)).props?.["settings"], values);
    assert.equal(await inNewSession("a", "app", "search_path"), `"$user", public, "My, ""own"" schema"`);
  });

  it("sets no library that is not there, since nobody could connect any more", async () => {
    const values = { session_preload_libraries: "auto_explain, no_such_library" };
    for (const { target, title } of scopes) {
      await assert.rejects(subject.create({ ...target(), settings: values }), /could not access file "no_such_/, title);
      assert.deepEqual(await allSettings(), nothing);
    }
  });
});

describe("Settings, refusals", () => {
  const connection = { host: "c", port: 1, database: "app", user: "postgres", tls: { ca: "" } };
  const nodes = { a: { host: "a", port: 1 } };
  const rows: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp | undefined])[] = [
    ["a known setting", { settings: { work_mem: "8MB" } }, undefined],
    ["a number and a boolean", { settings: { statement_timeout: 300_000, jit: false } }, undefined],
    ["a setting of a library", { database: "app", settings: { "pg_stat_statements.track": "all" } }, undefined],
    ["a setting of an application", { role: "app", settings: { "app.tenant": "7" } }, undefined],
    ["a read-only role", { role: "reader", settings: { default_transaction_read_only: true } }, undefined],
    ["one that needs a restart, for servers", { settings: { max_connections: 200 } }, undefined],
    ["no setting", { settings: {} }, undefined],
    [
      "an unknown setting",
      { settings: { work_men: "8MB" } },
      /^settings\.work_men: is not a setting of PostgreSQL or Citus; did you mean "work_mem"\?$/,
    ],
    ["a slip in the prefix", { settings: { "citsu.shard_count": 4 } }, /did you mean "citus\.shard_count"\?$/],
    ["a wrong unit", { settings: { work_mem: "8mb" } }, /^settings\.work_mem: must be in B, kB, MB, GB, TB/],
    ["a unit where there is none", { settings: { max_connections: "8MB" } }, /is a plain number without a unit/],
    ["a value out of range", { settings: { "citus.shard_count": 64_001 } }, /must be 1 to 64000, got "64001"$/],
    ["a number that is none", { settings: { work_mem: Number.NaN } }, /must be text, a finite number, true or false$/],
    ["a list", { settings: { search_path: ["a"] } }, /must be text, a finite number, true or false$/],
    ["a name list with an open quote", { settings: { search_path: '"a' } }, /must be names with commas between them/],
    [
      "no library, which is one of no name",
      { settings: { session_preload_libraries: "" } },
      /must name a library; leave/,
    ],
    ["a line break", { settings: { application_name: "a\nb" } }, /must not hold control characters/],
    ["half a character", { settings: { application_name: "\ud83d" } }, /must not hold .* broken Unicode$/],
    ["SQL for a name", { settings: { "x; DROP ROLE y": "1" } }, /is not a setting of PostgreSQL or Citus$/],
    ["one that only a start can set", { settings: { data_directory: "/x" } }, /the host's data folder/],
    ["one that nothing can set", { settings: { server_version: "17" } }, /cannot be set in the configuration/],
    ["what breaks Citus", { settings: { wal_level: "minimal" } }, /must be logical, got "minimal"/],
    ["no TLS between nodes", { settings: { "citus.node_conninfo": "sslmode=disable" } }, /verify-full TLS/],
    [
      "one that only a server has, for a database",
      { database: "app", settings: { max_connections: 200 } },
      /^settings\.max_connections: cannot be set for a database; set it for the servers$/,
    ],
    [
      "one that only a connection's start can set, for a role",
      { role: "app", settings: { log_connections: true } },
      /cannot be set for a role; set it for the servers$/,
    ],
    [
      "a database that is read-only",
      { database: "app", settings: { default_transaction_read_only: "on" } },
      /must stay off: Citus could not write its metadata; set it per role instead/,
    ],
    [
      "the operator read-only",
      { role: "postgres", settings: { default_transaction_read_only: "on" } },
      /would shut out "postgres", who makes every change$/,
    ],
    ["a node beside nodes", { node: "a", nodes, settings: {} }, /^node: names one server, so leave out nodes$/],
    [
      "a node beside a role in a database",
      { node: "a", role: "r", database: "d", settings: {} },
      /^node: names one server, so leave out database and role$/,
    ],
    ["a name of 64 bytes", { database: "d".repeat(64), settings: {} }, /^database: "d{64}" has 64 bytes/],
    ["a reserved database", { database: "template0", settings: {} }, /^database: "template0" is reserved/],
    ["a reserved role", { role: "pg_monitor", settings: {} }, /^role: .*is reserved/],
    ["another onDelete", { onDelete: "drop", settings: {} }, /^onDelete: must be "keep" or "reset", got "drop"$/],
  ];
  const subject = provider(settings);
  const reasons = async (args: Readonly<Record<string, unknown>>) =>
    (await subject.check({}, { connection, ...args })).failures.map(({ reason }) => reason);

  for (const [why, args, expected] of rows)
    it(`${expected === undefined ? "takes" : "refuses"} ${why}`, async () => {
      const [first, ...others] = await reasons(args);
      assert.deepEqual(others, []);
      if (expected === undefined) assert.equal(first, undefined);
      else assert.match(first ?? "", expected);
    });

  it("tells everything that is wrong at once, in a preview that knows no connection too", async () => {
    const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
    const wrong = { work_men: "8MB", jit: "maybe", max_connections: 200, session_preload_libraries: "" };
    assert.deepEqual(
      (await reasons({ connection: unknown, database: "app", settings: wrong })).map((reason) => reason.split(":")[0]),
      Object.keys(wrong).map((name) => `settings.${name}`),
    );
  });
});
