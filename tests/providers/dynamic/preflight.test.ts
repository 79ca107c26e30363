/** Preflight: facts of a usable host, and every problem of an unusable one at once, on the real machine. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../../../providers/dynamic/engine/kind";
import { parseReport, preflight, type PreflightInputs } from "../../../providers/dynamic/preflight";
import { freePort, isRoot } from "../../components/hosts/test-host";
import { requires, serversOf, tool } from "../../support/tools";

const context: Context = {
  progress: () => undefined,
  begin: () => undefined,
  info: () => undefined,
  connect: () => Promise.reject(new Error("a preflight connects to nothing")),
  together: () => Promise.reject(new Error("a preflight asks no server")),
};

describe("parseReport", () => {
  it("takes facts and problems, and leaves other lines", () => {
    assert.deepEqual(parseReport("fact os Debian 12\nnoise\nproblem port 1 is taken\nfact data cluster 15\n"), {
      facts: { os: "Debian 12", data: "cluster 15" },
      problems: ["port 1 is taken"],
    });
  });
});

describe("Preflight", function () {
  this.timeout(20_000);
  let folder: string;
  let inputs: PreflightInputs;
  let listener: Server | undefined;

  const problemsOf = async (change: Partial<PreflightInputs>): Promise<string> => {
    try {
      await preflight.create({ ...inputs, ...change }, context);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    return "";
  };

  before(async function () {
    requires(this, "postgres");
    folder = mkdtempSync(join(tmpdir(), "citus-"));
    chmodSync(folder, 0o755);
    inputs = {
      host: "a",
      target: { local: { folder, ...serversOf() } },
      address: "127.0.0.1",
      port: await freePort(),
      extensions: ["pg_stat_statements"],
      deleteData: false,
    };
  });
  after(() => {
    listener?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("tells what the host is like and changes nothing", async function () {
    requires(this, "citus");
    const state = await preflight.create(inputs, context);
    assert.ok(state);
    assert.equal(state.facts["data"], "absent");
    assert.equal(state.facts["port"], "free");
    assert.equal(state.facts["postgresVersion"], tool("postgres").version);
    assert.match(state.facts["citusVersion"] ?? "", /^\d+\.\d+$/);
    assert.ok(Number(state.facts["freeDiskMiB"]) > 0);
    assert.match(state.facts["knowsOutputPluginLibraries"] ?? "", /^(true|false)$/);
    assert.deepEqual(await preflight.read(inputs, context, state), { inputs, state });
  });

  it("names the process on a taken port", async () => {
    const port = await freePort();
    listener = createServer().listen(port, "127.0.0.1");
    assert.match(
      await problemsOf({ port }),
      new RegExp(`cannot use host "a": port ${port} on 127.0.0.1 is taken( by .*, process ${process.pid})?; stop`),
    );
  });

  it("is refused only once the other hosts are being looked at, whose refusals would be lost otherwise", async () => {
    const hosts = [1, 2, 3].map((port) => `127.0.0.1:${String(port)}`);
    const order: number[] = [];
    const refused = (port: number) =>
      problemsOf({ port, hosts, supported: ["99/1.0"] }).then((problems) => {
        order.push(port);
        return problems;
      });
    const first = refused(1);
    // Looked at and usable, or not: only that it has begun counts.
    await preflight.create({ ...inputs, port: 2, hosts }, context).catch(() => undefined);
    assert.deepEqual(order, []);
    const all = await Promise.all([first, refused(3)]);
    assert.ok(
      all.every((problems) => problems.includes("not a supported pair")),
      all.join("\n"),
    );
  });

  it("is refused without the other hosts where these are not looked at again", async () => {
    assert.match(await problemsOf({ hosts: ["127.0.0.1:1"], supported: ["99/1.0"] }), /not a supported pair/);
  });

  it("names the package of a missing extension", async () => {
    const problems = await problemsOf({ extensions: ["no_such_extension"] });
    assert.match(
      problems,
      /the extension "no_such_extension" is not installed for PostgreSQL (\d+); install it \(Debian: postgresql-\1-no-such-extension\)/,
    );
  });

  it("refuses a pair that nobody tested", async function () {
    requires(this, "citus");
    assert.match(
      await problemsOf({ supported: ["99/1.0"] }),
      /Citus 13\.\d on PostgreSQL \d+ is not a supported pair; supported: 99\/1.0/,
    );
  });

  it("refuses data of another version and folders that hold something else", async () => {
    const data = join(folder, "a", "data");
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, "PG_VERSION"), "9\n");
    assert.match(
      await problemsOf({}),
      /data was made by PostgreSQL 9, .* has \d+; install postgresql-9, upgrade the data/,
    );
    rmSync(join(data, "PG_VERSION"));
    writeFileSync(join(data, "letter.txt"), "mine");
    assert.match(await problemsOf({}), /data is not empty and holds no PostgreSQL cluster/);
    rmSync(join(folder, "a"), { recursive: true });
  });

  it("refuses a folder that the server's user cannot reach", async function () {
    const closed = join(folder, "closed");
    mkdirSync(closed, { mode: isRoot ? 0o700 : 0o000 });
    const target = { local: { ...serversOf(), folder: join(closed, "here") } };
    assert.match(await problemsOf({ target }), /here cannot be reached by the user ".*": .*closed is closed to it/);
  });

  it("lists every problem at once", async () => {
    const port = await freePort();
    listener?.close();
    listener = createServer().listen(port, "127.0.0.1");
    const problems = await problemsOf({
      port,
      extensions: ["no_such_one", "nor_this"],
      postgresVersion: 9,
      citusVersion: "1.0",
    });
    assert.ok(problems.split("\n").length >= 4, problems);
    assert.ok(
      problems.split("\n").every((line) => line.startsWith('cannot use host "a": ')),
      problems,
    );
  });

  it("refuses a user that does not exist", async function () {
    if (!isRoot) this.skip();
    const target = { local: { folder, user: "nobody-here" } };
    assert.match(await problemsOf({ target }), /the operating-system user "nobody-here" does not exist/);
  });

  it("refuses to leave data behind for an empty folder", async function () {
    requires(this, "citus");
    const other = join(folder, "other");
    mkdirSync(other);
    if (isRoot) chownSync(other, 0, 0);
    const old = { ...inputs, facts: {} };
    const target = { local: { ...serversOf(), folder: other } };
    assert.ok(preflight.update);
    await assert.rejects(
      preflight.update({ ...inputs, target }, context, old),
      /its data goes from .* to .*other\/a\/data, where there is none; stop the server, move/,
    );
  });

  it("says that data is kept, unless it is not", () => {
    const said = (deleteData: boolean) => preflight.keeps?.({ ...inputs, deleteData });
    assert.equal(said(false), `keeps the data of host "a" in ${folder}/a/data`);
    assert.equal(said(true), undefined);
  });
});
