/** Sessions on a real server: how many, how they fail, what they survive. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client, escapeLiteral } from "pg";
import { connectTo, type Connection } from "../../../../providers/dynamic/engine/session";
import { sql } from "../../../../providers/dynamic/engine/sql";
import { makeAuthority } from "../../../support/authority";
import { withForwarder, withServers } from "../cluster";

describe("connectTo", function () {
  this.timeout(60_000);
  const servers = withServers(["a"]);
  const connection = (database?: string) => servers.connection("a", database);
  const one = (to: Connection, name = "test") =>
    connectTo(to, name, (session) => session.query<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`));

  async function watcher(): Promise<Client> {
    const { host, port, user, tls } = connection();
    const client = new Client({
      host,
      port,
      user,
      database: "postgres",
      password: "",
      ssl: tls,
      application_name: "watcher",
    });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  it("opens two sessions a server at most, whatever their databases and owners", async () => {
    const watch = await watcher();
    const sampled = new AbortController();
    const samples: number[] = [];
    const sampling = (async () => {
      while (!sampled.signal.aborted) {
        const { rows }: { rows: { count: number }[] } = await watch.query(
          "SELECT count(*)::int AS count FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename = 'postgres'",
        );
        samples.push(rows[0]?.count ?? 0);
      }
    })();
    const databases = ["postgres", "template1"];
    await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        await delay(index % 7);
        await connectTo(connection(databases[index % 2]), `owner ${String(index % 5)}`, (session) =>
          session.query(sql`SELECT pg_sleep(0.01)`),
        );
      }),
    );
    sampled.abort();
    await sampling;
    await watch.end();
    assert.ok(samples.length > 20);
    assert.equal(Math.max(...samples), 2);
  });

  it("reuses a session, with nothing of its last user left but under the new name", async () => {
    const first = await connectTo(connection(), "first", async (session) => {
      await session.query(sql`SET lock_timeout = '7s'`);
      await session.query(sql`SET work_mem = '77MB'`);
      return await session.query(sql`SELECT pg_backend_pid() AS pid, current_setting('application_name') AS name`);
    });
    const second = await connectTo(connection(), "second", (session) =>
      session.query<{ pid: number; name: string; lock: string; memory: string; path: string }>(
        sql`SELECT pg_backend_pid() AS pid, current_setting('application_name') AS name, current_setting('lock_timeout') AS lock, current_setting('work_mem') AS memory, current_setting('search_path') AS path`,
      ),
    );
    assert.deepEqual(
      [first[0], second[0]],
      [
        { pid: second[0]?.pid, name: "first" },
        { pid: second[0]?.pid, name: "second", lock: "10s", memory: "4MB", path: '""' },
      ],
    );
  });

  it("leaves no session behind", async () => {
    await one(connection());
    const watch = await watcher();
    const deadline = Date.now() + 5_000;
    for (;;) {
      const { rowCount } = await watch.query("SELECT FROM pg_stat_activity WHERE application_name = 'test'");
      if (rowCount === 0) break;
      assert.ok(Date.now() < deadline, "a session stays open");
      await delay(100);
    }
    await watch.end();
  });

  it("lets a program end at once, with a goodbye to the server", async () => {
    const program = `
      const { connectTo } = require(${JSON.stringify(join(__dirname, "../../../../providers/dynamic/engine/session.js"))});
      let text = "";
      process.stdin.on("data", (chunk) => (text += chunk)).on("end", async () => {
        await connectTo(JSON.parse(text), "ending", (session) => session.query({ parts: ["SELECT 1"] }));
        const done = Date.now();
        process.on("exit", () => console.log(Date.now() - done));
      });`;
    const abandoned = "SELECT sum(sessions_abandoned)::int AS sessions FROM pg_stat_database";
    const before = await servers.query("a", "postgres", abandoned);
    const waited = await new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] });
      let out = "";
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.on("error", reject).on("close", () => resolve(out));
      child.stdin.end(JSON.stringify(connection()));
    });
    assert.ok(Number(waited) < 900, `an idle session is kept for a second, and the program waited ${waited} ms`);
    assert.deepEqual(await servers.query("a", "postgres", abandoned), before);
  });

  it("survives a server that ended the idle session", async () => {
    const [before] = await one(connection());
    const watch = await watcher();
    await watch.query("SELECT pg_terminate_backend($1)", [before?.pid]);
    await watch.end();
    const [after] = await one(connection());
    assert.notEqual(after?.pid, before?.pid);
  });

  it("survives a restart of the server in between", async () => {
    await one(connection());
    await servers.get("a").stop();
    await servers.get("a").start();
    assert.equal((await one(connection())).length, 1);
  });

  it("waits for a server that is just starting", async () => {
    await servers.get("a").stop();
    const waiting = one(connection());
    await Promise.all([servers.get("a").start(), waiting]);
    assert.equal((await waiting).length, 1);
  });

  it("tells when the server ends the session in the middle of a statement, and does not repeat it", async () => {
    await servers.query("a", "postgres", "CREATE TABLE public.runs ()");
    const broken = connectTo(connection(), "victim", (session) =>
      session.transaction(async () => {
        await session.query(sql`INSERT INTO public.runs DEFAULT VALUES`);
        await session.query(sql`SELECT pg_terminate_backend(pg_backend_pid())`);
      }),
    );
    await assert.rejects(broken, /terminating connection due to administrator command|Connection terminated/);
    assert.deepEqual(await servers.query("a", "postgres", "SELECT FROM public.runs"), []);
  });

  describe("on a server that hangs", () => {
    const processes = () => {
      const postmaster = Number(
        readFileSync(join(servers.all().folder, "a", "data", "postmaster.pid"), "utf8").split("\n")[0],
      );
      const children = readFileSync(`/proc/${String(postmaster)}/task/${String(postmaster)}/children`, "utf8");
      return [
        postmaster,
        ...children
          .trim()
          .split(" ")
          .filter((id) => id !== "")
          .map(Number),
      ];
    };
    const frozen = async (use: () => Promise<unknown>) => {
      const ids = processes();
      for (const id of ids) process.kill(id, "SIGSTOP");
      try {
        await use();
      } finally {
        for (const id of ids.reverse()) process.kill(id, "SIGCONT");
      }
    };

    it("ends a new connection after ten seconds", async () => {
      await delay(1_500);
      await frozen(() => assert.rejects(one(connection()), /^Error: timeout expired$/));
    });

    it("ends a statement after its deadline, and the transaction with it", async () => {
      const started = Date.now();
      const hanging = connectTo(connection(), "test", (session) =>
        session.transaction(() => frozen(() => session.query(sql`SELECT 1`, { timeoutSeconds: 1 }))),
      );
      await assert.rejects(hanging, /the server does not answer; nobody knows whether the statement ran/);
      assert.ok(Date.now() - started < 20_000);
    });

    it("gives up an idle session, and the new one after ten seconds", async () => {
      await one(connection());
      await frozen(() => assert.rejects(one(connection()), /timeout expired/));
      assert.equal((await one(connection())).length, 1);
    });
  });

  const refusals: readonly {
    readonly why: string;
    readonly to: () => Promise<Connection> | Connection;
    readonly message: RegExp;
  }[] = [
    {
      why: "a certificate of another authority",
      to: async () => ({
        ...connection(),
        tls: { ...connection().tls, ca: (await makeAuthority("another")).certificate },
      }),
      message: /self-signed certificate in certificate chain|unable to verify|unable to get/,
    },
    {
      why: "a certificate that does not carry the host",
      to: () => ({ ...connection(), host: "localhost" }),
      message: /^Error: Hostname\/IP does not match certificate's altnames/,
    },
    {
      why: "a certificate that does not carry the name asked for",
      to: () => ({ ...connection(), tls: { ...connection().tls, serverName: "10.9.9.9" } }),
      message: /IP: 10\.9\.9\.9 is not in the cert's list: 127\.0\.0\.1/,
    },
    {
      why: "an identity without a certificate",
      to: () => ({ ...connection(), tls: { ca: connection().tls.ca } }),
      message: /certificate|pg_hba\.conf/,
    },
    { why: "a role that does not exist", to: () => ({ ...connection(), user: "nobody" }), message: /SQLSTATE 28000/ },
    {
      why: "a host that does not exist",
      to: () => ({ ...connection(), host: "nobody.invalid" }),
      message: /ENOTFOUND|EAI_AGAIN/,
    },
  ];
  for (const { why, to, message } of refusals) {
    it(`refuses ${why}`, async () => {
      await assert.rejects(one(await to()), message);
    });
  }

  it("keeps secrets out of the server's log and statistics, with everything logged and errors in between", async () => {
    const log = () => readFileSync(join(servers.all().folder, "a", "server.log"), "utf8");
    await connectTo(connection(), "test", async (session) => {
      for (const text of [
        "SET log_statement = 'all'",
        "SET log_min_duration_statement = 0",
        "SET log_min_error_statement = 'debug5'",
        "CREATE TEMP TABLE secrets (value text CHECK (value NOT LIKE '%bad%'))",
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public",
      ])
        await session.query({ parts: [text] });
      const write = (value: string) => session.query(sql`INSERT INTO pg_temp.secrets VALUES (${value})`);
      const say = (value: string) =>
        session.query({ parts: [`COMMENT ON TABLE pg_temp.secrets IS ${escapeLiteral(value)}`] });
      await write("shown-once");
      await session.unlogged(async () => {
        await write("hidden-value");
        await say("hidden-utility");
      });
      await assert.rejects(
        session.unlogged(() => write("hidden-bad")),
        (error: Error) => /SQLSTATE 23514/.test(error.message) && !error.message.includes("hidden"),
      );
      await assert.rejects(session.unlogged(() => session.query({ parts: ["SELECT 'hidden-syntax' FROM"] })));
      await write("shown-again");
      const [row] = await session.query<{ count: number }>(sql`SELECT count(*)::int AS count FROM pg_temp.secrets`);
      assert.equal(row?.count, 3);
      const [statements] = await session.query<{ tables: number; comments: number }>(sql`
        SELECT count(*) FILTER (WHERE query LIKE 'CREATE TEMP TABLE secrets%')::int AS tables,
               count(*) FILTER (WHERE query LIKE 'COMMENT ON TABLE pg_temp.secrets%')::int AS comments FROM public.pg_stat_statements`);
      assert.deepEqual(statements, { tables: 1, comments: 0 });
    });
    assert.match(log(), /shown-once[\s\S]*shown-again/);
    assert.deepEqual(
      log()
        .split("\n")
        .filter((line) => line.includes("hidden")),
      [],
    );
  });

  it("serves a role that is no superuser, without an error in the server's log", async () => {
    await connectTo(connection(), "test", (session) => session.query(sql`CREATE ROLE plain LOGIN`));
    const { certificate: cert, privateKey: key } = await servers.all().authority.issue("plain");
    const { ca } = connection().tls;
    assert.equal((await one({ ...connection(), user: "plain", tls: { ca, cert, key } }, "plain")).length, 1);
    assert.doesNotMatch(readFileSync(join(servers.all().folder, "a", "server.log"), "utf8"), /permission denied/);
  });

  it("accepts another host where the certificate carries the name asked for", async () => {
    assert.equal(
      (await one({ ...connection(), host: "localhost", tls: { ...connection().tls, serverName: "127.0.0.1" } })).length,
      1,
    );
    await withForwarder(servers.address("a"), async ({ port }) => {
      assert.equal((await one({ ...connection(), port })).length, 1);
    });
  });

  it("never talks in plain text", async () => {
    const listener = createServer((socket) => {
      socket.once("data", () => socket.write("N"));
      socket.on("data", (data) => assert.equal(data.length, 8, "nothing but the request for TLS is sent"));
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const address = listener.address();
    assert.ok(address !== null && typeof address !== "string");
    await assert.rejects(one({ ...connection(), port: address.port }), /The server does not support SSL connections/);
    listener.close();
  });
});
