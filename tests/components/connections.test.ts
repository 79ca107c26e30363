/** Connection strings: quoting as tables, files through the shell, and a real server that both strings reach. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Client } from "pg";
import * as pulumi from "@pulumi/pulumi";
import { Connections } from "../../components/connections";
import {
  clientFileName,
  nodePostgresUrl,
  psqlCommand,
  type ConnectionTarget,
} from "../../components/connections/strings";
import { stepText } from "../../components/hosts/shell";
import { runScript } from "../support/servers";
import { withServers } from "../providers/dynamic/cluster";
import { mockEngine, testHosts, valueOf } from "./hosts/mock-engine";

const target: ConnectionTarget = {
  host: "10.0.0.1",
  port: 5432,
  database: "app",
  user: "app",
  authorityFile: "/c/ca.crt",
  certificateFile: "/c/app.crt",
  keyFile: "/c/app.key",
};
const files = "sslmode=verify-full sslrootcert=/c/ca.crt sslcert=/c/app.crt sslkey=/c/app.key";
const query = "sslmode=verify-full&sslrootcert=%2Fc%2Fca.crt&sslcert=%2Fc%2Fapp.crt&sslkey=%2Fc%2Fapp.key";

describe("psqlCommand", () => {
  const rows: readonly [Partial<ConnectionTarget>, string][] = [
    [{}, `psql "host=10.0.0.1 port=5432 dbname=app user=app ${files}"`],
    [{ host: "fd00::1" }, `psql "host=fd00::1 port=5432 dbname=app user=app ${files}"`],
    [{ database: "sp ace", user: "é" }, `psql "host=10.0.0.1 port=5432 dbname='sp ace' user='é' ${files}"`],
    [
      { database: "o'brien" },
      String.raw`psql 'host=10.0.0.1 port=5432 dbname='\''o\'\''brien'\'' user=app ` + `${files}'`,
    ],
    [{ user: 'we"ird' }, String.raw`psql 'host=10.0.0.1 port=5432 dbname=app user='\''we"ird'\'' ` + `${files}'`],
    [{ user: "" }, `psql "host=10.0.0.1 port=5432 dbname=app user='' ${files}"`],
  ];
  for (const [change, text] of rows)
    it(text.slice(0, 70), () => assert.equal(psqlCommand({ ...target, ...change }), text));

  it("is one argument for a shell, whatever the names are", () => {
    const words = (command: string) =>
      execFileSync("bash", ["-c", `psql() { printf '%s' "$#:$1"; }; ${command}`], { encoding: "utf8" });
    const name = fc.string({
      unit: fc.constantFrom(...Array.from("a'\"\\$`! %&;#é|<>*?~=(){}")),
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(name, name, (user, database) => {
        const got = words(psqlCommand({ ...target, user, database }));
        const quoted = (text: string) =>
          /^[A-Za-z0-9_.:/%@+~-]+$/.test(text) ? text : `'${text.replace(/[\\']/g, "\\$&")}'`;
        return got === `1:host=10.0.0.1 port=5432 dbname=${quoted(database)} user=${quoted(user)} ${files}`;
      }),
      { numRuns: 50 },
    );
  });
});

describe("nodePostgresUrl", () => {
  const rows: readonly [Partial<ConnectionTarget>, string | undefined][] = [
    [{}, `postgres://app@10.0.0.1:5432/app?${query}`],
    [{ host: "fd00::1" }, `postgres://app@[fd00::1]:5432/app?${query}`],
    [{ database: "a/b c", user: "o'brien@x" }, `postgres://o%27brien%40x@10.0.0.1:5432/a/b%20c?${query}`],
    [{ database: "50%" }, `postgres://app@10.0.0.1:5432/50%25?${query}`],
    [{ database: "a?b" }, undefined],
    [{ database: "a#b" }, undefined],
    [{ database: ".." }, undefined],
  ];
  for (const [change, text] of rows)
    it(String(text).slice(0, 60), () => assert.equal(nodePostgresUrl({ ...target, ...change }), text));

  it("is read back by node-postgres as what was meant", () => {
    const folder = mkdtempSync(join(tmpdir(), "citus-url-"));
    const file = (name: string) => {
      writeFileSync(join(folder, name), name);
      return join(folder, name);
    };
    const own = { authorityFile: file("c a"), certificateFile: file("c&rt"), keyFile: file("k%41ey") };
    try {
      const name = fc.oneof(
        fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }),
        fc.string({ unit: fc.constantFrom(...Array.from("a%/.:;@&=+$,#?\\'\"2F5 é!")), minLength: 1, maxLength: 8 }),
      );
      fc.assert(
        fc.property(name, name, (user, database) => {
          const url = nodePostgresUrl({ ...target, ...own, user, database });
          if (url === undefined) return /[?#]|(^|\/)\.\.?(\/|$)/.test(database);
          const read = new Client({ connectionString: url });
          const ssl: unknown = read.ssl;
          assert.ok(typeof ssl === "object" && ssl !== null);
          const options = ["ca", "cert", "key", "rejectUnauthorized"].map((option): unknown =>
            Reflect.get(ssl, option),
          );
          assert.deepEqual(
            [read.user, read.database, read.host, read.port, ...options],
            [user, database, "10.0.0.1", 5432, "c a", "c&rt", "k%41ey", undefined],
          );
          return true;
        }),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("clientFileName", () => {
  const rows: readonly [string, string][] = [
    ["app", "app"],
    ["app-1_x", "app-1_x"],
    ["ca", "%63a"],
    ["App", "%41pp"],
    ["a/b", "a%2fb"],
    ["..", "%2e%2e"],
    ["-rf", "%2drf"],
    ["é", "%c3%a9"],
    ["50%", "50%25"],
  ];
  for (const [role, name] of rows) it(`${role} is ${name}`, () => assert.equal(clientFileName(role), name));
  it("differs for different roles, also where the file system ignores case", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.string({ minLength: 1 }),
        (one, other) => one === other || clientFileName(one).toLowerCase() !== clientFileName(other).toLowerCase(),
      ),
    );
  });
});

const certificates = {
  authority: pulumi.output("CA"),
  operator: { certificate: pulumi.output("OC"), privateKey: pulumi.secret("OK") },
  loginRoles: { app: { certificate: pulumi.output("AC"), privateKey: pulumi.secret("AK") } },
};

describe("Connections", () => {
  const hosts = (name: string) =>
    testHosts(name, { folder: "/tmp/demo", coordinator: { port: 5600 }, workers: { a: { port: 5601 } } }).hosts;

  it("gives strings by role and database, and one step per client", async () => {
    const finish = mockEngine();
    const connections = new Connections("demo", {
      hosts: hosts("h"),
      certificates,
      databases: ["app", "a?b"],
      folder: "/tmp/demo/clients",
    });
    const [psql, nodePostgres] = [await valueOf(connections.psql), await valueOf(connections.nodePostgres)];
    assert.deepEqual(Object.keys(psql).sort(), ["app", "postgres"]);
    assert.equal(
      psql["postgres"]?.["app"],
      'psql "host=127.0.0.1 port=5600 dbname=app user=postgres sslmode=verify-full sslrootcert=/tmp/demo/clients/ca.crt sslcert=/tmp/demo/clients/postgres.crt sslkey=/tmp/demo/clients/postgres.key"',
    );
    assert.match(psql["app"]?.["a?b"] ?? "", /dbname='a\?b' user=app/);
    assert.deepEqual(Object.keys(nodePostgres["app"] ?? {}), ["app"]);
    assert.equal(await pulumi.isSecret(connections.psql), false);
    const steps = (await finish()).filter(({ parent }) => parent === "demo");
    assert.deepEqual(
      steps.map(({ name }) => name),
      ["demo-authority", "demo-client-app", "demo-client-postgres"],
    );
    for (const { inputs, secretInputs } of steps) {
      assert.ok(secretInputs.includes("stdin"));
      assert.deepEqual([inputs["create"], inputs["delete"]], ["bash -s create", "bash -s delete"]);
    }
  });

  it("takes a folder of its own in the home folder", async () => {
    const finish = mockEngine();
    const { folder } = new Connections("demo", { hosts: hosts("h"), certificates, databases: [] });
    await finish();
    assert.match(folder, /\/\.pulumi-citus\/[^/]+-demo$/);
  });

  it("refuses a relative folder and hosts without a coordinator", () => {
    mockEngine();
    const all = hosts("h");
    assert.throws(
      () => new Connections("x", { hosts: all, certificates, databases: [], folder: "clients" }),
      /folder: "clients" is relative/,
    );
    assert.throws(() => new Connections("y", { hosts: {}, certificates, databases: [] }), /no host is the coordinator/);
  });
});

/** Runs one of the component's scripts as the shell would. */
const script = (name: string, values: Readonly<Record<string, string>>, word = "create") =>
  runScript(
    stepText(
      { files: [], values: {} },
      { files: ["components/connections/client-files.sh", `components/connections/${name}.sh`], values },
    ),
    word,
  );

describe("client files", () => {
  it("are readable by their owner only, are replaced as a whole, and go without what others put there", async () => {
    const parent = mkdtempSync(join(tmpdir(), "citus-clients-"));
    const folder = join(parent, "cli ents");
    const place = { CLIENT_FOLDER: folder };
    try {
      await script("write-authority", { ...place, CA: "CA\n" });
      for (const key of ["first", "second"]) {
        assert.equal(
          await script("write-client", { ...place, CLIENT: "app", CERTIFICATE: "cert", PRIVATE_KEY: key }),
          `wrote ${folder}/app.crt`,
        );
        assert.equal(readFileSync(join(folder, "app.key"), "utf8"), `${key}\n`);
      }
      assert.deepEqual(readdirSync(folder).sort(), ["app.crt", "app.key", "ca.crt"]);
      assert.equal(statSync(folder).mode & 0o777, 0o700);
      assert.equal(statSync(join(folder, "app.key")).mode & 0o777, 0o600);
      await script("delete-client", { ...place, CLIENT: "app" });
      await script("delete-client", { ...place, CLIENT: "app" });
      writeFileSync(join(folder, "mine"), "");
      await script("delete-authority", place);
      assert.deepEqual(readdirSync(folder), ["mine"]);
      rmSync(join(folder, "mine"));
      await script("delete-authority", place);
      assert.equal(existsSync(folder), false);
    } finally {
      rmSync(parent, { recursive: true });
    }
  });
});

describe("connection strings on a real server", function () {
  this.timeout(60_000);
  const odd = `o'b "x" $1 é/%`;
  const servers = withServers(["coordinator"], { loginRoles: [odd] });
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

  it("both reach the database as the role, odd names too, and fail without the right authority", async () => {
    const folder = join(servers.all().folder, "cli ents");
    mkdirSync(folder);
    await servers.query("coordinator", "postgres", `CREATE ROLE ${quoted(odd)} LOGIN`);
    await servers.query("coordinator", "postgres", `CREATE DATABASE ${quoted(odd)}`);
    const { authority, get } = servers.all();
    const write = async (
      name: string,
      commonName: string,
    ): Promise<Pick<ConnectionTarget, "authorityFile" | "certificateFile" | "keyFile">> => {
      const { certificate, privateKey } = await authority.issue(commonName.replace(/[",+\\<>;=]/g, "\\$&"));
      await script("write-client", {
        CLIENT_FOLDER: folder,
        CLIENT: clientFileName(name),
        CERTIFICATE: certificate,
        PRIVATE_KEY: privateKey,
      });
      const file = (ending: string) => join(folder, `${clientFileName(name)}.${ending}`);
      return { authorityFile: join(folder, "ca.crt"), certificateFile: file("crt"), keyFile: file("key") };
    };
    await script("write-authority", { CLIENT_FOLDER: folder, CA: authority.certificate });
    const { host, port } = get("coordinator");
    const rows: readonly [string, string, string][] = [
      ["postgres", "operator", "postgres"],
      ["postgres", "operator", odd],
      [odd, odd, odd],
    ];
    for (const [user, commonName, database] of rows) {
      const own = { host, port, user, database, ...(await write(user, commonName)) };
      const question =
        "SELECT current_user || ' ' || current_database() || ' ' || version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
      const answer = `${user} ${database} TLSv1.3`;
      const url = nodePostgresUrl(own);
      assert.ok(url !== undefined);
      const client = new Client({ connectionString: url });
      await client.connect();
      try {
        const { rows: found }: { rows: Record<string, string>[] } = await client.query(
          question.replace("|| version", "|| version AS answer"),
        );
        assert.equal(found[0]?.["answer"], answer);
      } finally {
        await client.end();
      }
      assert.equal(
        execFileSync("bash", ["-c", `${psqlCommand(own)} -XAtc "$1"`, "bash", question], { encoding: "utf8" }).trim(),
        answer,
      );

      const other = { ...own, authorityFile: own.certificateFile };
      assert.throws(
        () => execFileSync("bash", ["-c", `${psqlCommand(other)} -XAtc 'SELECT 1'`], { stdio: "pipe" }),
        /certificate verify failed/,
      );
      await assert.rejects(new Client({ connectionString: nodePostgresUrl(other) ?? "" }).connect(), /certificate/);
    }
  });
});
