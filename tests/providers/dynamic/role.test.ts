/** Role on real servers: told directly, which need not be joined, and through Citus. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { database } from "../../../providers/dynamic/database";
import { compile } from "../../../providers/dynamic/engine/sql";
import { provider } from "../../../providers/dynamic/engine/entry";
import type { Connection } from "../../../providers/dynamic/engine/session";
import { nodes } from "../../../providers/dynamic/nodes";
import { deleteSql, role } from "../../../providers/dynamic/role";
import { existsSql, knownSql, powerfulSql, rowSql } from "../../../providers/dynamic/role/nodes";
import { iterationsOf, makeVerifier } from "../../../providers/dynamic/role/scram";
import { canary, contract } from "../../support/contract";
import { withServers, type Rows, type SuiteServers } from "./cluster";

const subject = provider(role);
const flat = (statement: Parameters<typeof compile>[0]) => compile(statement).text.replaceAll(/\s+/g, " ").trim();

describe("Role statements", () => {
  it("are exactly these", () => {
    assert.match(
      flat(rowSql("o'b", false)),
      /^SELECT json_build_object\('login', .* 'verifier', NULL, .* WHERE rolname = 'o''b'$/,
    );
    assert.match(flat(rowSql("x", true)), /'verifier', rolpassword,/);
    assert.deepEqual(compile(rowSql("x", true)).values, []);
    assert.deepEqual(compile(existsSql("o'b")), {
      text: "SELECT FROM pg_roles WHERE rolname = $1",
      values: ["o'b"],
    });
    assert.equal(flat(deleteSql({ name: 'a"b' })), 'DROP ROLE IF EXISTS "a""b"');
    assert.deepEqual(compile(knownSql('a"b')).values, ['a"b']);
    assert.deepEqual(compile(powerfulSql(["a", "b"])).values, [["a", "b"]]);
  });
});

const refusedInputs: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp])[] = [
  ["no name", { name: "" }, /^name: must not be empty/],
  ["a name of PostgreSQL's own", { name: "pg_x" }, /^name: "pg_x" is reserved/],
  ["the name of everybody", { name: "public" }, /^name: "public" is reserved/],
  ["a name that Citus drops", { name: "citus_shard_move_subscription_role_10_7" }, /^name: .*shard moves/],
  ["a name of 64 bytes", { name: "é".repeat(32) }, /^name: .*64 bytes/],
  ["a line break in the name", { name: "a\nb" }, /^name: .*control characters/],
  ["a limit below none", { connectionLimit: -2 }, /^connectionLimit: must be a whole number from -1/],
  ["half a connection", { connectionLimit: 1.5 }, /^connectionLimit: /],
  ["a limit as text", { connectionLimit: "5" }, /^connectionLimit: /],
  ["a moment without a zone", { validUntil: "2030-01-01 00:00" }, /^validUntil: must be a moment with its zone/],
  ["an empty password", { password: "" }, /^password: must not be empty/],
  ["a hash as password", { password: `md5${"0".repeat(32)}` }, /^password: looks like a hash/],
  [
    "a verifier beside a password",
    { verifier: "SCRAM-SHA-256$4096:AAAA$" + "A".repeat(43) + "=:" + "A".repeat(43) + "=" },
    /^verifier: must be left out/,
  ],
  ["an md5 hash as verifier", { verifier: `md5${"0".repeat(32)}`, password: undefined }, /^verifier: is no SCRAM/],
  ["too few iterations", { scramIterations: 1 }, /^scramIterations: /],
  ["iterations of nothing", { password: undefined }, /^scramIterations: counts for a password only/],
  ["membership in itself", { memberOf: ['app"er'] }, /^memberOf: .*the role itself/],
  ["a membership twice", { memberOf: ["a", "a"] }, /^memberOf\[1\]: "a" is there twice/],
  ["membership in everybody", { memberOf: ["public"] }, /^memberOf\[0\]: "public" is reserved/],
  [
    "membership that opens the server",
    { memberOf: ["ok", "pg_execute_server_program"] },
    /^memberOf\[1\]: .*only a superuser should/,
  ],
  ["an unknown onDelete", { onDelete: "erase" }, /^onDelete: must be "keep" or "drop"/],
];

/** Runs `use` with a login as a client has it: with a password only. */
async function loggedIn<T>(connection: Connection, use: (client: Client) => Promise<T>): Promise<T> {
  const { host, port, database: name, user, password, tls } = connection;
  const client = new Client({
    host,
    port,
    database: name,
    user,
    password,
    ssl: { ca: tls.ca },
    connectionTimeoutMillis: 10_000,
  });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

const withPassword = (servers: SuiteServers, key: string, user: string, password: string): Connection => {
  const { host, port, tls } = servers.connection(key);
  return { host, port, database: "postgres", user, password, tls: { ca: tls.ca } };
};

const canLogIn = (connection: Connection) =>
  loggedIn(connection, () => Promise.resolve(true)).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "28P01") return false;
    throw error;
  });

describe("Role", function () {
  this.timeout(60_000);
  const servers = withServers(["coordinator", "a"], { passwordRoles: ['app"er', "rotating", "limited", "late"] });
  const base = (name: string) => ({
    connection: servers.connection("coordinator"),
    nodes: servers.addresses("coordinator", "a"),
    name,
  });
  const inputs = () => ({
    ...base('app"er'),
    login: true,
    inherit: false,
    connectionLimit: 7,
    validUntil: "2130-01-31T02:00:00+02:00",
    password: canary,
    scramIterations: 5_000,
    memberOf: ["readers", "pg_monitor"],
  });
  const column = async (text: string) =>
    (await servers.onEach("postgres", text)).map((rows) => rows.map((row) => Object.values(row)[0]));
  const memberships = (name: string) =>
    column(
      `SELECT m.roleid::regrole::text AS "of" FROM pg_auth_members m WHERE m.member = '${name}'::regrole ORDER BY 1`,
    );
  const verifiers = (name: string) => column(`SELECT rolpassword FROM pg_authid WHERE rolname = '${name}'`);

  before(async () => {
    await servers.onEach("postgres", "CREATE ROLE readers NOLOGIN");
    await servers.onEach("postgres", "CREATE ROLE writers NOLOGIN");
  });

  contract(role, () => ({
    inputs: inputs(),
    changes: {
      connection: servers.connection("a"),
      nodes: servers.addresses("coordinator"),
      name: "other",
      login: false,
      inherit: true,
      connectionLimit: 0,
      validUntil: "infinity",
      password: "another pässword",
      verifier: `SCRAM-SHA-256$4096:AAAA$${"A".repeat(43)}=:${"A".repeat(43)}=`,
      scramIterations: 4_096,
      memberOf: ["writers"],
      onDelete: "drop" as const,
    },
    beside: { verifier: { password: undefined, scramIterations: undefined } },
    refused: refusedInputs.map(([, bad]) => bad),
    drift: { change: () => servers.query("a", "postgres", `DROP ROLE "app""er"`), shows: "nodes" },
    fingerprint: () => servers.onEach("postgres", `SELECT * FROM pg_authid WHERE rolname = 'app"er'`),
    drop: { ...inputs(), onDelete: "drop" as const },
    conflict: {
      inputs: { ...inputs(), login: false, password: `${canary}2`, memberOf: ["writers"] },
      message:
        /exists already and differs: login is true, asked for false; password is another one \(secret\); memberOf is \[\], asked for \["writers"\]\. Ask/,
    },
  }));

  for (const [why, bad, message] of refusedInputs)
    it(`refuses ${why}`, async () => {
      const { failures } = await subject.check({}, { ...inputs(), ...bad });
      assert.ok(
        failures.some(({ reason }) => message.test(reason)),
        JSON.stringify(failures),
      );
    });

  for (const name of [
    'we"ird',
    "o'brien",
    "back\\slash",
    "sp ace",
    "$x$",
    "%s",
    "--",
    "UPPER",
    "select",
    "a/b",
    "é".repeat(31),
    "x".repeat(63),
    "semi; drop role readers; --",
  ])
    it(`makes, reads, changes and drops ${JSON.stringify(name)}`, async () => {
      const wish = { ...base(name), connectionLimit: 3, memberOf: ["readers"], onDelete: "drop" };
      const { id, outs } = await subject.create(wish);
      assert.equal(id, name);
      const { outs: changed } = await subject.update(id, outs, { ...wish, connectionLimit: 0, memberOf: [] });
      const { props = {} } = await subject.read(id, changed);
      assert.equal(props["connectionLimit"], 0);
      await subject.delete(id, changed);
      assert.deepEqual(await subject.read(id, changed), {});
      assert.deepEqual(await column("SELECT count(*)::int FROM pg_roles WHERE rolname = 'readers'"), [[1], [1]]);
    });

  it("gives every node the same verifier, of the asked iterations", async () => {
    await subject.create(base("alike"));
    await subject.update("alike", base("alike"), { ...base("alike"), password: "p", scramIterations: 6_000 });
    const [[one], [other]] = (await verifiers("alike")) as [[string], [string]];
    assert.equal(one, other);
    assert.equal(iterationsOf(one), 6_000);
  });

  it("keeps a verifier that fits, and brings it to a node that is added", async () => {
    const alone = { ...base("late"), nodes: servers.addresses("coordinator"), password: "p", onDelete: "drop" };
    const { outs } = await subject.create(alone);
    const [before] = await verifiers("late");
    const { outs: grown } = await subject.update("late", outs, { ...alone, nodes: base("late").nodes });
    assert.deepEqual(await verifiers("late"), [before, before]);
    assert.ok(await canLogIn(withPassword(servers, "a", "late", "p")));
    await subject.delete("late", grown);
  });

  it("takes a verifier as it is", async () => {
    const verifier = await makeVerifier("from elsewhere", 4_096);
    const wish = { ...base("carried"), verifier };
    const { outs } = await subject.create(wish);
    assert.deepEqual(await verifiers("carried"), [[verifier], [verifier]]);
    await servers.query("a", "postgres", "ALTER ROLE carried PASSWORD NULL");
    const { props = {} } = await subject.read("carried", outs);
    assert.equal((await subject.diff("carried", props, wish)).changes, true);
    await subject.update("carried", props, wish);
    assert.deepEqual(await verifiers("carried"), [[verifier], [verifier]]);
  });

  it("takes the password away when it is not asked for any more", async () => {
    const { outs } = await subject.create({ ...base("freed"), password: "p" });
    await subject.update("freed", outs, base("freed"));
    assert.deepEqual(await verifiers("freed"), [[null], [null]]);
  });

  it("sends no password to a server and no verifier to its log, failures included", async () => {
    const log = (key: string) => readFileSync(join(servers.all().folder, key, "server.log"), "utf8");
    const everything = [
      "log_statement = 'all'",
      "log_min_duration_statement = 0",
      "log_min_error_statement = 'debug5'",
    ];
    for (const setting of everything) await servers.onEach("postgres", `ALTER SYSTEM SET ${setting}`);
    await servers.reload("coordinator", "a");
    try {
      const wish = { ...base("quiet"), password: canary };
      const { outs } = await subject.create(wish);
      await subject.update("quiet", outs, { ...wish, password: `${canary}2` });
      await assert.rejects(
        subject.update("quiet", outs, { ...wish, password: `${canary}3`, memberOf: ["nobody"] }),
        /SQLSTATE 42704/,
      );
    } finally {
      for (const setting of everything)
        await servers.onEach("postgres", `ALTER SYSTEM RESET ${setting.split(" ")[0] ?? ""}`);
      await servers.reload("coordinator", "a");
    }
    for (const key of ["coordinator", "a"]) {
      assert.match(log(key), /["']quiet["']/);
      assert.ok(!log(key).includes(canary) && !log(key).includes("SCRAM-SHA-256$"));
    }
  });

  it("changes a password while clients log in all the time: one of both is always accepted, sessions go on", async () => {
    const wish = { ...base("rotating"), password: "old" };
    const { outs } = await subject.create(wish);
    const book = { old: 0, new: 0, neither: 0 };
    let stopping = false;
    const client = async (key: string) => {
      while (!stopping) {
        if (await canLogIn(withPassword(servers, key, "rotating", "old"))) book.old += 1;
        // The old one was refused, so that the new one must be in force.
        else if (await canLogIn(withPassword(servers, key, "rotating", "new"))) book.new += 1;
        else book.neither += 1;
      }
    };
    await loggedIn(withPassword(servers, "a", "rotating", "old"), async (session) => {
      const clients = ["coordinator", "a", "a"].map(client);
      const seen = async (which: "old" | "new") => {
        const deadline = Date.now() + 20_000;
        for (
          const before = book[which];
          book[which] < before + 5;
          await new Promise((resolve) => setImmediate(resolve))
        )
          assert.ok(Date.now() < deadline, JSON.stringify(book));
      };
      await seen("old");
      await subject.update("rotating", outs, { ...wish, password: "new" });
      for (const key of ["coordinator", "a"])
        assert.ok(
          await canLogIn(withPassword(servers, key, "rotating", "new")),
          "accepted from the moment the update ends",
        );
      await seen("new");
      stopping = true;
      await Promise.all(clients);
      assert.equal((await session.query("SELECT 1 AS one")).rowCount, 1);
    });
    assert.equal(book.neither, 0);
  });

  it("allows no session where the limit is 0", async () => {
    const { outs } = await subject.create({ ...base("limited"), password: "p", connectionLimit: 1 });
    await subject.update("limited", outs, { ...base("limited"), password: "p", connectionLimit: 0 });
    await assert.rejects(
      loggedIn(withPassword(servers, "a", "limited", "p"), () => Promise.resolve()),
      /too many connections for role "limited"/,
    );
  });

  it("reads many side by side by one statement a node, each as it is", async () => {
    const names = ["many 1", 'many "2"', "many '3'", "gone", "__proto__"];
    const made = await Promise.all(names.map((name) => subject.create({ ...base(name), connectionLimit: 3 })));
    await servers.query("coordinator", "postgres", `ALTER ROLE "many ""2""" CONNECTION LIMIT 4`);
    await servers.onEach("postgres", "DROP ROLE gone");
    const calls = async () => {
      const [row] = await servers.query(
        "coordinator",
        "postgres",
        "SELECT coalesce(sum(calls), 0)::int AS calls FROM public.pg_stat_statements WHERE query LIKE '%rolconnlimit%' AND query NOT LIKE '%pg_stat_statements%'",
      );
      return Number(row?.["calls"]);
    };
    await servers.query("coordinator", "postgres", "CREATE EXTENSION pg_stat_statements SCHEMA public");
    const before = await calls();
    const read = await Promise.all(made.map(({ id, outs }) => subject.read(id, outs)));
    assert.ok((await calls()) - before <= 2, String((await calls()) - before));
    assert.deepEqual(
      read.map(({ props }) => props?.["connectionLimit"]),
      [3, 4, 3, undefined, 3],
    );
  });

  it("finishes what a killed run left on one node", async () => {
    await servers.query("coordinator", "postgres", `CREATE ROLE half LOGIN`);
    await subject.create(base("half"));
    assert.equal((await servers.query("a", "postgres", "SELECT FROM pg_roles WHERE rolname = 'half'")).length, 1);
  });

  it("changes what was asked for on every node, and nothing else", async () => {
    await servers.onEach("postgres", "CREATE ROLE switch LOGIN NOINHERIT CONNECTION LIMIT 9");
    const { outs } = await subject.create(base("switch"));
    await subject.update("switch", outs, { ...base("switch"), login: false });
    assert.deepEqual(
      await servers.onEach(
        "postgres",
        "SELECT rolcanlogin, rolinherit, rolconnlimit FROM pg_roles WHERE rolname = 'switch'",
      ),
      [0, 1].map(() => [{ rolcanlogin: false, rolinherit: false, rolconnlimit: 9 }]),
    );
  });

  it("takes back only the memberships that it gave", async () => {
    await servers.onEach("postgres", "CREATE ROLE member LOGIN IN ROLE readers");
    const one = { ...base("member"), memberOf: ["readers"] };
    const { outs } = await subject.create(one);
    assert.deepEqual(outs["granted"], []);
    const two = { ...base("member"), memberOf: ["readers", "writers"] };
    const { outs: more } = await subject.update("member", outs, two);
    assert.deepEqual(more["granted"], ["writers"]);
    await subject.update("member", more, base("member"));
    assert.deepEqual(await memberships("member"), [["readers"], ["readers"]]);
  });

  it("names the node on which somebody changed it", async () => {
    const wish = { ...base("watched"), connectionLimit: 5, memberOf: ["readers"] };
    const { outs } = await subject.create(wish);
    await servers.query("a", "postgres", "ALTER ROLE watched CONNECTION LIMIT 6");
    await servers.query("a", "postgres", "REVOKE readers FROM watched");
    await assert.rejects(
      subject.create(wish),
      /connectionLimit on a is 6, asked for 5; memberOf on a is \[\], asked for \["readers"\]/,
    );
    const { props = {} } = await subject.read("watched", outs);
    assert.deepEqual([props["connectionLimit"], props["memberOf"]], [6, []]);
    await subject.update("watched", props, wish);
    assert.deepEqual(await memberships("watched"), [["readers"], ["readers"]]);
  });

  it("never takes over a superuser, nor becomes a member of one", async () => {
    await servers.query("a", "postgres", "CREATE ROLE boss SUPERUSER LOGIN");
    await servers.onEach("postgres", "CREATE ROLE friend NOLOGIN IN ROLE postgres");
    await assert.rejects(
      subject.create(base("boss")),
      /cannot create Role "boss": it is a superuser on node "a"; take that away/,
    );
    await assert.rejects(
      subject.create({ ...base("climber"), memberOf: ["friend"] }),
      /"friend" is a superuser or a member of one.*leave it out of memberOf/,
    );
    assert.deepEqual(await column("SELECT rolname FROM pg_roles WHERE rolname = 'climber'"), [[], []]);
  });

  it("says what to do where a role to become a member of is missing, and remembers what it began", async () => {
    await assert.rejects(
      subject.create({ ...base("joiner"), memberOf: ["nobody"] }),
      (error: Error & { properties?: object }) =>
        /role "nobody" does not exist.*SQLSTATE 42704.*create the roles of memberOf first/.test(error.message) &&
        error.properties !== undefined,
    );
    assert.deepEqual(await column("SELECT rolname FROM pg_roles WHERE rolname = 'joiner'"), [[], []]);
  });

  it("drops nothing that others depend on, and says what to do", async () => {
    const all = { ...base("owner"), onDelete: "drop" as const };
    const { outs } = await subject.create(all);
    await servers.query("a", "postgres", "CREATE SCHEMA owned AUTHORIZATION owner");
    await assert.rejects(subject.delete("owner", outs), /SQLSTATE 2BP01.*REASSIGN OWNED/);
    await servers.query("a", "postgres", "DROP SCHEMA owned");
    await subject.delete("owner", outs);
  });
});

describe("Role through Citus", function () {
  this.timeout(60_000);
  const servers = withServers(
    ["coordinator", "a", "b"],
    { loginRoles: ["app", "grown", "told"], passwordRoles: ["app"] },
    "realCitus",
  );
  const app = () => servers.connection("coordinator", "app");
  const wish = (name: string) => ({
    connection: app(),
    name,
    login: true,
    connectionLimit: 5,
    password: "p",
    memberOf: ["readers"],
  });
  const rows = (name: string) =>
    servers.onEach(
      "postgres",
      `SELECT rolcanlogin, rolconnlimit, rolpassword, ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid ORDER BY 1) AS "of"
         FROM pg_authid r WHERE rolname = '${name}'`,
    );
  const cluster = (...workers: readonly string[]) => ({
    connection: app(),
    coordinator: servers.address("coordinator"),
    workers: servers.addresses(...workers),
  });
  const databaseOn = (...keys: readonly string[]) => ({
    connection: servers.connection("coordinator"),
    nodes: servers.addresses(...keys),
    name: "app",
  });

  before(async function () {
    this.timeout(60_000);
    await provider(database).create(databaseOn("coordinator", "a"));
    await provider(nodes).create(cluster("a"));
    await subject.create({ connection: app(), name: "readers", login: false });
  });

  it("is the same on every node, from the coordinator alone", async () => {
    const { outs } = await subject.create(wish("app"));
    const [[made], [there]] = (await rows("app")) as [Rows, Rows];
    assert.deepEqual(there, made);
    assert.deepEqual(made?.["of"], ["readers"]);
    const changed = { ...wish("app"), connectionLimit: 0, memberOf: ["readers", "pg_monitor"], password: "q" };
    await subject.update("app", outs, changed);
    const [[after], [elsewhere]] = (await rows("app")) as [Rows, Rows];
    assert.deepEqual(elsewhere, after);
    assert.deepEqual([after?.["rolconnlimit"], after?.["of"]], [0, ["pg_monitor", "readers"]]);
    assert.notEqual(after?.["rolpassword"], made["rolpassword"]);
    assert.equal((await subject.diff("app", (await subject.read("app", changed)).props ?? {}, changed)).changes, false);
  });

  it("shows and mends a node that was changed, or that lacks it", async () => {
    const { outs } = await subject.create(wish("told"));
    const locally = "SET citus.enable_create_role_propagation = off; SET citus.enable_alter_role_propagation = off;";
    await servers.query(
      "a",
      "app",
      `${locally} ALTER ROLE told CONNECTION LIMIT 6 PASSWORD NULL; REVOKE readers FROM told; RESET ALL`,
    );
    const { props = {} } = await subject.read("told", outs);
    assert.deepEqual([props["connectionLimit"], props["password"], props["memberOf"]], [6, "another one", []]);
    await subject.update("told", props, wish("told"));
    const [here, there] = await rows("told");
    assert.deepEqual(there, here);
    await servers.query("a", "app", `${locally} DROP ROLE told; RESET ALL`);
    const { props: without = {} } = await subject.read("told", outs);
    assert.equal((await subject.diff("told", without, wish("told"))).changes, true);
    await subject.update("told", without, wish("told"));
    const [one, other] = await rows("told");
    assert.deepEqual(one, other);
  });

  it("is on a node that joins later", async () => {
    await subject.create(wish("grown"));
    await provider(database).update("app", databaseOn("coordinator", "a"), databaseOn("coordinator", "a", "b"));
    await provider(nodes).update("app", cluster("a"), cluster("a", "b"));
    const [one, , added] = await rows("grown");
    assert.deepEqual(added, one);
  });

  it("sends no verifier to the log of any node", async () => {
    const log = (key: string) => readFileSync(join(servers.all().folder, key, "server.log"), "utf8");
    await servers.onEach("postgres", "ALTER SYSTEM SET log_statement = 'all'");
    await servers.reload("coordinator", "a", "b");
    const { outs } = await subject.create(wish("silent"));
    await subject.update("silent", outs, { ...wish("silent"), password: canary });
    await servers.onEach("postgres", "ALTER SYSTEM RESET log_statement");
    await servers.reload("coordinator", "a", "b");
    for (const key of ["coordinator", "a"]) {
      assert.match(log(key), /["']silent["']/);
      assert.ok(!log(key).includes("SCRAM-SHA-256$") && !log(key).includes(canary), key);
    }
  });

  it("changes nothing of a role that Citus does not pass on, and says why", async () => {
    await servers.onEach("postgres", "CREATE ROLE stranger LOGIN");
    const asked = { connection: app(), name: "stranger" };
    const { outs } = await subject.create(asked);
    for (const change of [
      subject.update("stranger", outs, { ...asked, login: false }),
      subject.delete("stranger", { ...outs, onDelete: "drop" }),
    ])
      await assert.rejects(
        change,
        /Citus does not pass changes of it on from the database "app", since it was made elsewhere/,
      );
    assert.equal(
      (await servers.onEach("postgres", "SELECT FROM pg_roles WHERE rolname = 'stranger' AND rolcanlogin")).flat()
        .length,
      3,
    );
  });

  it("refuses a database without citus", async () => {
    await assert.rejects(
      subject.create({ connection: servers.connection("coordinator"), name: "lonely" }),
      /run_command_on_all_nodes.* does not exist .*\(SQLSTATE 42883\)\. connect to a database with citus, or name every node in `nodes`/,
    );
  });

  it("names the node that does not answer", async () => {
    await servers.get("a").stop();
    try {
      await assert.rejects(subject.create(wish("nowhere")), /127\.0\.0\.1:\d+ does not answer: failed to connect/);
    } finally {
      await servers.get("a").start();
    }
  });

  for (const [why, asked] of [
    ["through Citus", () => ({ connection: app(), name: "dropped" })],
    [
      "by direct connections",
      () => ({
        connection: servers.connection("coordinator"),
        nodes: servers.addresses("coordinator", "a", "b"),
        name: "dropped",
      }),
    ],
  ] as const)
    it(`leaves nothing that stops a later node when dropped ${why}`, async () => {
      const { outs } = await subject.create({ ...asked(), onDelete: "drop" });
      for (const text of [
        "CREATE TABLE public.theirs (id int PRIMARY KEY)",
        "SELECT create_distributed_table('public.theirs', 'id', shard_count := 2)",
        "ALTER TABLE public.theirs OWNER TO dropped",
        "DROP TABLE public.theirs",
      ])
        await servers.query("coordinator", "app", text);
      await subject.delete("dropped", outs);
      assert.deepEqual(await rows("dropped"), [[], [], []]);
      const { host, port } = servers.address("a");
      await servers.query("coordinator", "app", `SELECT citus_activate_node('${host}', ${String(port)})`);
    });
});
