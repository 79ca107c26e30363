/** The psql of the own copy does what this project asks of psql: the same calls of both, with the same output, errors and exit codes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePorts, startServers, type TestServers } from "../servers";
import { requires, serversOf, skip, toolPath } from "../tools";

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Call {
  readonly why: string;
  readonly args: () => readonly string[];
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly code: number;
  readonly out?: string;
  readonly err?: RegExp;
}

/** The real one, on PATH or of the distribution. */
function realPsql(own: string): string | undefined {
  const isProgram = (path: string) => {
    try {
      accessSync(path, constants.X_OK);
      return path !== own;
    } catch {
      return false;
    }
  };
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, "psql")).find(isProgram);
}

for (const title of ["psql", "the stand-in for psql"]) {
  describe(`${title}, as this project uses it`, function () {
    this.timeout(60_000);
    let servers: TestServers | undefined;
    let program = "";
    let files = "";
    let closed = 0;

    const server = () => {
      assert.ok(servers !== undefined);
      return servers.get("a");
    };
    const socket = (...more: readonly string[]) => [
      ...["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", join(servers?.folder ?? "", "a"), "-p", String(server().port)],
      ...["-U", "postgres", "-d", "postgres", ...more],
    ];
    const conninfo = (change: Readonly<Record<string, string>> = {}) =>
      Object.entries({
        ...{
          host: "127.0.0.1",
          port: String(server().port),
          user: "postgres",
          dbname: "postgres",
          connect_timeout: "10",
        },
        ...{ sslmode: "verify-full", sslrootcert: "ca.crt", sslcert: "own.crt", sslkey: "own.key", sslcrl: "ca.crl" },
        ...{ tcp_user_timeout: "4000", keepalives: "1", keepalives_idle: "2", ...change },
      })
        .filter(([, value]) => value !== "")
        .map(([name, value]) => `${name}=${value}`)
        .join(" ");

    /** As the host scripts run it: as the servers' user, with an empty environment. */
    const psql = async ({ args, input = "", env = {} }: Pick<Call, "args" | "input" | "env">): Promise<Result> => {
      const { user } = serversOf("standIn");
      const variables = Object.entries({ PATH: process.env["PATH"] ?? "", LC_ALL: "C", ...env });
      const clean = ["env", "-i", ...variables.map(([name, value]) => `${name}=${value}`), program, ...args()];
      const [first = "", ...rest] = process.getuid?.() === 0 ? ["runuser", "-u", user, "--", ...clean] : clean;
      return await new Promise((resolve, reject) => {
        const child = spawn(first, rest, { cwd: files });
        const result = { out: "", err: "" };
        child.stdout.on("data", (chunk: Buffer) => (result.out += chunk.toString()));
        child.stderr.on("data", (chunk: Buffer) => (result.err += chunk.toString()));
        child.on("error", reject).on("close", (code) => resolve({ code, ...result }));
        // One that refuses its arguments reads nothing.
        child.stdin.on("error", () => undefined).end(input);
      });
    };

    before(async function () {
      requires(this, "standIn");
      const own = join(toolPath("standIn"), "psql");
      program = title === "psql" ? (realPsql(own) ?? skip(this, "psql is not installed")) : own;
      servers = await startServers(["a"], { postgres: "standIn" });
      [closed = 0] = await freePorts(1);
      files = mkdtempSync(join(tmpdir(), "citus-psql-"));
      const operator = await servers.authority.issue("operator");
      const texts = {
        "ca.crt": servers.authority.certificate,
        "ca.crl": await servers.authority.revocationList(),
        "own.crt": operator.certificate,
        "own.key": operator.privateKey,
      };
      for (const [name, text] of Object.entries(texts)) writeFileSync(join(files, name), text, { mode: 0o644 });
      if (process.getuid?.() === 0) await giveTo(serversOf("standIn").user, files);
      chmodSync(files, 0o755);
      chmodSync(join(files, "own.key"), 0o600);
    });
    after(async () => {
      await servers?.remove();
      rmSync(files, { recursive: true, force: true });
    });

    const calls: readonly Call[] = [
      {
        why: "runs the statement on standard input over the socket, as the user who it is",
        args: () => socket(),
        input: "SELECT 1, NULL, true, 'ä|b', ARRAY[1,2], 1.50, '2024-01-01'::date",
        code: 0,
        out: "1||t|ä|b|{1,2}|1.50|2024-01-01\n",
      },
      {
        why: "says nothing of a statement without rows",
        args: () => socket(),
        input: "SET work_mem = '1MB';\n",
        code: 0,
      },
      { why: "prints nothing where there are no rows", args: () => socket(), input: "SELECT 1 WHERE false;", code: 0 },
      {
        why: "prints a row without columns",
        args: () => socket(),
        input: "SELECT generate_series(1, 3)",
        code: 0,
        out: "1\n2\n3\n",
      },
      {
        why: "stops at an error",
        args: () => socket(),
        input: "SELECT no_such_column",
        code: 3,
        err: /^ERROR: {2}column "no_such_column" does not exist/,
      },
      {
        why: "passes notices on",
        args: () => socket(),
        input: "DROP TABLE IF EXISTS no_such_table",
        code: 0,
        err: /NOTICE: {2}table "no_such_table" does not exist, skipping/,
      },
      {
        why: "takes PGOPTIONS and PGCONNECT_TIMEOUT",
        args: () => socket(),
        env: { PGOPTIONS: "-c statement_timeout=61s", PGCONNECT_TIMEOUT: "10" },
        input: "SHOW statement_timeout",
        code: 0,
        out: "61s\n",
      },
      {
        why: "takes a connection string with certificates, verified",
        args: () => ["-XAtq", "-d", conninfo(), "-c", "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"],
        code: 0,
        out: "TLSv1.3\n",
      },
      {
        why: "takes the connection string first, and flags after it",
        args: () => [conninfo({ dbname: "'postgres'" }), "-XAtc", "SELECT current_user"],
        code: 0,
        out: "postgres\n",
      },
      {
        why: "fails by an error of a command",
        args: () => ["-XAtq", "-d", conninfo(), "-c", "SELECT 1/0"],
        code: 1,
        err: /^ERROR: {2}division by zero/,
      },
      {
        why: "runs the statements of one command in one transaction",
        args: () => [
          "-XAtq",
          "-d",
          conninfo(),
          "-c",
          "CREATE TEMP TABLE t (i int); INSERT INTO t VALUES (7); SELECT i FROM t",
        ],
        code: 0,
        out: "7\n",
      },
      {
        why: "refuses a server that has another name",
        args: () => ["-XAtq", "-d", conninfo({ host: "localhost" }), "-c", "SELECT 1"],
        code: 2,
        err: /^psql: error: connection to server at "localhost".*, port \d+ failed: .*(does not match host name|altnames)/s,
      },
      {
        why: "refuses a server of another authority",
        args: () => ["-XAtq", "-d", conninfo({ sslrootcert: "own.crt", sslcrl: "" }), "-c", "SELECT 1"],
        code: 2,
        err: /^psql: error: connection to server at "127\.0\.0\.1", port \d+ failed: SSL error: certificate verify failed/,
      },
      {
        why: "is refused without a certificate",
        args: () => ["-XAtq", "-d", conninfo({ sslcert: "", sslkey: "" }), "-c", "SELECT 1"],
        code: 2,
        err: /^psql: error: connection to server at "127\.0\.0\.1", port \d+ failed: .*certificate/s,
      },
      {
        why: "says where nobody listens",
        args: () => ["-XAtq", "-d", conninfo({ port: String(closed) }), "-c", "SELECT 1"],
        code: 2,
        err: /^psql: error: connection to server at "127\.0\.0\.1", port \d+ failed: .*(Connection refused|ECONNREFUSED)/s,
      },
      {
        why: "says that a database is not there",
        args: () => ["-XAtq", "-d", conninfo({ dbname: "no_such" }), "-c", "SELECT 1"],
        code: 2,
        err: /^psql: error: connection to server at "127\.0\.0\.1", port \d+ failed: FATAL: {2}database "no_such" does not exist/,
      },
      {
        why: "refuses a word of a connection string that there is not",
        args: () => ["-XAtq", "-d", conninfo({ sslmood: "x" }), "-c", "SELECT 1"],
        code: 2,
        err: /invalid connection option "sslmood"/,
      },
      { why: "refuses a flag that there is not", args: () => ["-XAtq", "-@"], code: 1, err: /-@|'@'/ },
    ];
    for (const { why, code, out = "", err = /^$/, ...call } of calls) {
      it(why, async () => {
        const result = await psql(call);
        assert.equal(result.code, code, result.err);
        assert.equal(result.out, out);
        assert.match(result.err, err);
      });
    }

    if (title !== "psql") {
      it("refuses what it would do otherwise", async () => {
        for (const args of [
          ["-At"],
          ["-XAt", "-f", "x.sql"],
          ["-XAt", "--csv"],
          ["-XAt", "-v", "a=b"],
          ["-XAtx"],
          ["-XAt", "-c", "a", "-c", "b"],
        ]) {
          const { code, err } = await psql({ args: () => args });
          assert.equal(code, 1, args.join(" "));
          assert.match(err, /^psql: error: .*this stand-in for psql/, args.join(" "));
        }
        const plain = await psql({ args: () => ["-XAt", "-d", "host=127.0.0.1 user=x", "-c", "SELECT 1"] });
        assert.match(plain.err, /over TCP this stand-in for psql needs sslmode=verify-full/);
        const two = await psql({ args: () => socket(), input: "SELECT 1; SELECT 2;" });
        assert.deepEqual([two.code, two.out], [3, ""]);
        assert.match(two.err, /cannot insert multiple commands/);
      });
    }
  });
}

async function giveTo(user: string, folder: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    spawn("chown", ["-R", user, folder])
      .on("error", reject)
      .on("close", () => resolve());
  });
}
