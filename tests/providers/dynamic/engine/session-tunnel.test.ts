/** Sessions and kinds through SSH, on real servers: over a server in this process that can fail, and over a real sshd. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { database } from "../../../../providers/dynamic/database";
import { provider } from "../../../../providers/dynamic/engine/entry";
import { connectTo, placeOf, type Connection } from "../../../../providers/dynamic/engine/session";
import { sql } from "../../../../providers/dynamic/engine/sql";
import type { SshAddress } from "../../../../providers/dynamic/engine/ssh";

import { contract } from "../../../support/contract";
import { startSshServer, type SshServer } from "../../../support/plugins/ssh-server";
import { startSshd, type Sshd } from "../../../support/sshd";
import { operateElsewhere, withServers } from "../cluster";
import { sshKeys } from "../../../support/ssh-keys";

const one = (to: Connection, name = "test") =>
  connectTo(to, name, (session) => session.query<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`));

describe("connectTo, through SSH", function () {
  this.timeout(60_000);
  const servers = withServers(["a", "b"]);
  const keys = sshKeys();
  const running: SshServer[] = [];
  let ssh: SshServer;
  before(async () => {
    running.push((ssh = await startSshServer("deploy", "", keys.public)));
  });
  after(() => Promise.all(running.map(({ stop }) => stop())));
  const tunnel = (): SshAddress => ({
    host: "127.0.0.1",
    port: ssh.port,
    user: "deploy",
    privateKey: keys.private,
    hostKey: ssh.hostKey,
  });
  const connection = (key = "a", database?: string): Connection => ({
    ...servers.connection(key, database),
    tunnel: tunnel(),
  });
  const at = (key: string) => `127.0.0.1:${String(servers.address(key).port)}`;
  const quiet = async () => {
    const deadline = Date.now() + 10_000;
    while (ssh.clients() > 0) {
      assert.ok(Date.now() < deadline, "the tunnel stays open");
      await delay(50);
    }
  };

  it("opens two sessions a server at most, all over one login", async () => {
    await quiet();
    const before = ssh.logins.length;
    const dialled = ssh.forwarded.length;
    const counts = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        connectTo(connection(index % 2 === 0 ? "a" : "b"), `owner ${String(index)}`, (session) =>
          session.query<{ count: number }>(
            sql`SELECT count(*)::int AS count FROM pg_stat_activity WHERE usename = 'postgres' AND backend_type = 'client backend'`,
          ),
        ),
      ),
    );
    assert.equal(Math.max(...counts.flat().map(({ count }) => count)), 2);
    assert.deepEqual(new Set(ssh.forwarded.slice(dialled)), new Set([at("a"), at("b")]));
    assert.equal(ssh.logins.length - before, 1);
    await quiet();
  });

  it("verifies the server's name inside of the tunnel", async () => {
    await assert.rejects(
      one({ ...connection(), host: "localhost" }),
      /^Error: Hostname\/IP does not match certificate's altnames/,
    );
    const named = { ...connection(), host: "localhost" };
    assert.equal((await one({ ...named, tls: { ...named.tls, serverName: "127.0.0.1" } })).length, 1);
  });

  it("is made anew after it broke between two uses", async () => {
    const [before] = await one(connection());
    ssh.drop();
    const [after] = await one(connection());
    assert.notEqual(before?.pid, after?.pid);
  });

  it("tells when it breaks in the middle of a statement, and does not repeat it", async () => {
    await servers.query("a", "postgres", "CREATE TABLE public.runs ()");
    const broken = connectTo(connection(), "victim", (session) =>
      session.transaction(async () => {
        await session.query(sql`INSERT INTO public.runs DEFAULT VALUES`);
        setTimeout(() => ssh.drop(), 200);
        await session.query(sql`SELECT pg_sleep(5)`);
      }),
    );
    await assert.rejects(broken, /Connection terminated/);
    assert.deepEqual(await servers.query("a", "postgres", "SELECT FROM public.runs"), []);
    assert.equal((await one(connection())).length, 1);
  });

  it("waits for a server that is just starting", async () => {
    await servers.get("b").stop();
    const waiting = one(connection("b"));
    await Promise.all([servers.get("b").start(), waiting]);
    assert.equal((await waiting).length, 1);
  });

  it("names the login, the cause and the next step in the error of an operation", async () => {
    const elsewhere = { ...tunnel(), hostKey: sshKeys().public };
    const inputs = { connection: { ...connection(), tunnel: elsewhere }, nodes: servers.addresses("a"), name: "app" };
    await assert.rejects(provider(database).create(inputs), (error) => {
      assert.match(
        String(error),
        /^Error: cannot create Database "app" on 127\.0\.0\.1:\d+: SSH to deploy@127\.0\.0\.1:\d+: its host key is SHA256:/,
      );
      return true;
    });
  });

  it("refuses a tunnel without a host key before anything is touched", async () => {
    const inputs = { connection: { ...connection(), tunnel: { ...tunnel(), hostKey: "" } }, nodes: {}, name: "app" };
    const { failures } = await provider(database).check({}, inputs);
    assert.match(failures.map(({ reason }) => reason).join(), /^connection\.tunnel\.hostKey: is missing; "ssh-keyscan/);
  });

  it("lets its process end by itself", async () => {
    const inputs = { connection: connection(), nodes: servers.addresses("a", "b"), name: "elsewhere" };
    assert.equal(await operateElsewhere("Database", "create", inputs).ended, "done");
    await quiet();
  });

  it("keeps two servers of one address apart", () => {
    const places = [
      servers.connection("a"),
      connection(),
      { ...connection(), tunnel: { ...tunnel(), host: "other" } },
      { ...connection(), tunnel: { ...tunnel(), bastion: tunnel() } },
    ].map(placeOf);
    assert.equal(new Set(places).size, places.length);
    assert.ok(!places.join().includes("PRIVATE KEY"));
  });

  it("costs nothing where it is not used", () => {
    const file = join(__dirname, "..", "..", "..", "..", "providers", "dynamic", "provider.js");
    const program = `require(${JSON.stringify(file)}); console.log(Object.keys(require.cache).filter((path) => path.includes("ssh2")).length)`;
    assert.equal(execFileSync(process.execPath, ["-e", program], { encoding: "utf8" }).trim(), "0");
  });
});

describe("Database through a real sshd", function () {
  this.timeout(60_000);
  const servers = withServers(["coordinator", "a"]);
  const running: Sshd[] = [];
  let sshd: Sshd;
  before(async function () {
    running.push((sshd = await startSshd(this, ["LogLevel DEBUG1"])));
    for (const key of ["coordinator", "a"]) await servers.query(key, "postgres", "CREATE ROLE app; CREATE ROLE other");
  });
  after(() => Promise.all(running.map(({ stop }) => stop())));
  const inputs = () => ({
    connection: { ...servers.connection("coordinator"), tunnel: sshd.address },
    nodes: servers.addresses("coordinator", "a"),
    name: "app",
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
    refused: [{ connection: { ...inputs().connection, tunnel: { ...sshd.address, hostKey: "" } } }],
    drift: { change: () => servers.query("a", "postgres", "ALTER DATABASE app OWNER TO other"), shows: "owner" },
    fingerprint: () =>
      servers.onEach("postgres", "SELECT oid::int, datdba::int FROM pg_database WHERE datname = 'app'"),
    drop: { ...inputs(), onDelete: "drop" as const },
    conflict: {
      inputs: { ...inputs(), owner: "other", encoding: "UTF8", locale: "C" },
      message: /exists already and differs: owner is "app", asked for "other"/,
    },
  }));

  it("dials every node from there, over one login", async () => {
    await provider(database).create({ ...inputs(), name: "another" });
    const dialled = [...sshd.log().matchAll(/server_request_direct_tcpip: .* target 127\.0\.0\.1 port (\d+)/g)];
    const ports = ["coordinator", "a"].map((key) => String(servers.address(key).port));
    assert.deepEqual(new Set(dialled.map(([, port]) => port)), new Set(ports), sshd.log());
    assert.equal(sshd.log().match(/Accepted publickey for /g)?.length, 1);
  });
});
