/** configure.sh on real PostgreSQL: what it writes, when it reloads or restarts, and what it does when the server refuses. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { makeAuthority, type Authority, type Issued } from "../support/authority";
import { requires, tool } from "../support/tools";
import {
  freePort,
  isRoot,
  runBash,
  servedSerial,
  TestHost,
  type Caller,
  type Ran,
  type TestConfiguration,
} from "./hosts/test-host";

const callers: readonly Caller[] = isRoot ? ["root", "plain"] : ["plain"];

for (const caller of callers) {
  describe(`configure.sh, run by ${caller === "root" ? "root" : "a plain user"}`, function () {
    this.timeout(60_000);
    const withCitus = tool("citus").missing === undefined;
    let host: TestHost;
    let authority: Authority;
    let certificate: Issued;
    let base: TestConfiguration;

    const configure = (
      change: Partial<TestConfiguration> = {},
      environment: Record<string, string> = {},
    ): Promise<Ran> => host.run(host.configureScript({ ...base, ...change }), "create", environment);

    before(async function () {
      requires(this, "postgres");
      host = new TestHost(await freePort(), caller);
      authority = await makeAuthority();
      certificate = await authority.issue("node:a", "127.0.0.1");
      base = { authority, certificate, revocationList: await authority.revocationList(), withCitus };
      assert.equal((await host.run(host.hostScript())).code, 0);
    });
    after(async () => {
      await host.remove();
    });

    it("starts a stopped server with the new files", async () => {
      const ran = await configure();
      assert.deepEqual([ran.code, ran.stdout], [0, "started"], ran.stderr);
      assert.equal(await host.sql("SELECT 1"), "1");
      assert.equal(await host.sql("SHOW shared_preload_libraries"), withCitus ? "citus" : "");
      if (withCitus) assert.equal(await host.sql("SHOW citus.local_hostname"), "127.0.0.1");
      if (withCitus)
        assert.match(
          await host.sql("SHOW citus.node_conninfo"),
          /^sslmode=verify-full .*sslcrl=ca.crl tcp_user_timeout=4000 /,
        );
    });

    it("leaves a private key that only the server's user can read, and no trace of the change", () => {
      assert.equal(statSync(join(host.data, "server.key")).mode & 0o777, 0o600);
      assert.equal(statSync(join(host.data, "server.key")).uid, statSync(host.data).uid);
      assert.throws(() => statSync(join(host.data, "citus.before")));
    });

    it("changes nothing the second time", async () => {
      const ran = await configure();
      assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, "unchanged", ""]);
      assert.equal(host.starts, 1);
    });

    it("reloads for a setting that takes a reload", async () => {
      assert.equal((await configure({ settings: { work_mem: "8MB" } })).stdout, "reloaded");
      assert.equal(await host.sql("SHOW work_mem"), "8MB");
      assert.equal(host.starts, 1);
    });

    it("restarts once for settings that need it, and names them", async () => {
      const ran = await configure({ settings: { max_connections: "150", max_prepared_transactions: "200" } });
      assert.deepEqual([ran.code, ran.stdout], [0, "restarted: max_connections"], ran.stderr);
      assert.equal(await host.sql("SHOW max_connections"), "150");
      assert.equal(host.starts, 2);
      assert.equal((await configure()).stdout, "restarted: max_connections");
    });

    for (const [why, settings, line] of [
      ["a wrong value", { work_mem: "lots" }, /invalid value for parameter "work_mem": "lots"/],
      ["a wrong value that only a start would see", { max_connections: "many" }, /"max_connections"/],
      ["an unknown setting", { wrok_mem: "7MB" }, /unrecognized configuration parameter "wrok_mem"/],
    ] as const) {
      it(`refuses ${why}: the former files stay in force and the server stays up`, async () => {
        const starts = host.starts;
        const ran = await configure({ settings });
        assert.equal(ran.code, 1);
        assert.match(ran.stderr, line);
        assert.match(ran.stderr, /host "a": PostgreSQL refuses the settings/);
        for (const value of Object.values(settings)) assert.ok(!host.read("citus.conf").includes(`'${value}'`));
        assert.equal(await host.sql("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL"), "0");
        assert.equal(host.starts, starts);
        assert.equal((await configure()).stdout, "unchanged");
      });
    }

    it("refuses a setting that Citus does not have", async function () {
      requires(this, "realCitus");
      const ran = await configure({ settings: { "citus.max_background_task_executor": "4" } });
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, /citus.conf line \d+: citus.max_background_task_executor = 4: /);
      assert.equal((await configure()).stdout, "unchanged");
    });

    it("goes back to the former settings when the server does not start with the new ones", async () => {
      const ran = await configure({ preload: ["no_such_library"] });
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, /host "a": PostgreSQL does not restart; the last lines of .*server\.log:/);
      assert.match(ran.stderr, /could not access file "no_such_library"/);
      assert.match(ran.stderr, /it runs again with the former settings/);
      assert.equal(await host.sql("SELECT 1"), "1");
      assert.equal((await configure()).stdout, "unchanged");
    });

    it("serves a renewed certificate after a reload", async () => {
      const renewed = await authority.issue("node:a", "127.0.0.1");
      const starts = host.starts;
      assert.equal((await configure({ certificate: renewed })).stdout, "reloaded");
      assert.equal(await servedSerial(host.port), renewed.serial.toLowerCase());
      assert.equal(host.starts, starts);
      assert.equal((await configure()).stdout, "reloaded");
      assert.equal(await servedSerial(host.port), certificate.serial.toLowerCase());
    });

    it("refuses a key of another certificate and goes on with the old pair", async () => {
      const other = await authority.issue("node:a", "127.0.0.1");
      const ran = await configure({ certificate: { ...other, privateKey: certificate.privateKey } });
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, /the new files were not loaded:\n(.*\n)*.*key values mismatch/i);
      assert.equal(await servedSerial(host.port), certificate.serial.toLowerCase());
      assert.equal((await configure()).stdout, "unchanged");
    });

    it("refuses a certificate that does not name the address", async () => {
      const ran = await configure({ certificate: await authority.issue("node:a", "10.9.8.7") });
      assert.equal(ran.code, 1);
      assert.match(
        ran.stderr,
        /it does not let in its own certificate: .*does not match (host name "127.0.0.1"|certificate's altnames)/,
      );
      assert.equal((await configure()).stdout, "unchanged");
    });

    it("keeps the line of a leaving node, before the lines that come after it", async () => {
      assert.equal((await configure({ peers: ["10.1.2.3"] })).stdout, "reloaded");
      assert.equal((await configure()).code, 0);
      assert.equal((await configure()).stdout, "unchanged");
      const lines = host.read("pg_hba.conf").split("\n");
      const leaving = lines.indexOf("hostssl all all 10.1.2.3/32 cert map=cluster");
      assert.ok(leaving > 0 && leaving < lines.findIndex((line) => line.startsWith("hostssl all postgres ")));
      // Twice, since the kept line must not be kept again.
      await configure({ settings: { work_mem: "5MB" } });
      assert.equal(host.read("pg_hba.conf").split("10.1.2.3").length, 2);
      await configure();
    });

    it("keeps a newer revocation list of the same authority", async () => {
      const newer = await authority.revocationList(["0a"]);
      assert.match((await host.run(host.fenceScript(newer, []))).stdout, /^fenced: reloaded$/);
      assert.equal((await configure()).stdout, "unchanged");
      assert.equal(host.read("ca.crl").trim(), newer.trim());
    });

    it("keeps the private key out of argument lists and environments, whatever the caller exported", async () => {
      const mark = certificate.privateKey.split("\n")[1] ?? "";
      const renewed = await authority.issue("node:a", "127.0.0.1");
      const ran = await configure(
        { certificate: renewed },
        { PRIVATE_KEY: "", CA_KEY: "", PULUMI_CONFIG_PASSPHRASE: "canary" },
      );
      assert.equal(ran.code, 0, ran.stderr);
      assert.ok(!ran.stderr.includes(mark) && !ran.stdout.includes(mark) && !host.log.includes(mark));
      await configure({}, { PULUMI_CONFIG_PASSPHRASE: "canary" });
      const pid = host.read("postmaster.pid").split("\n")[0] ?? "";
      const environment = await host.run(
        host.script({ files: ["tests/components/hosts/show-environment.sh"], values: { SERVER_PID: pid } }),
      );
      assert.ok(environment.stdout.includes("PATH="), environment.stderr);
      assert.ok(!environment.stdout.includes("canary"));
    });

    it("lets the server start with the files of a new authority on a kept folder", async () => {
      assert.equal((await host.run(host.hostScript(), "delete")).code, 0);
      const other = await makeAuthority("another");
      const change = {
        authority: other,
        certificate: await other.issue("node:a", "127.0.0.1"),
        revocationList: await other.revocationList(),
      };
      const ran = await configure(change);
      assert.deepEqual([ran.code, ran.stdout], [0, "started"], ran.stderr);
      assert.equal(host.read("ca.crl").trim(), change.revocationList.trim());
      assert.ok(!host.read("pg_hba.conf").includes("10.1.2.3"));
      assert.equal((await configure()).stdout, "reloaded");
    });

    it("finishes what a killed run began, whenever it was killed", async () => {
      for (const [at, milliseconds] of [40, 110, 180, 250].entries()) {
        const change = {
          settings: { work_mem: `${at + 20}MB` },
          certificate: await authority.issue("node:a", "127.0.0.1"),
        };
        const text = host.configureScript({ ...base, ...change });
        const user = caller === "plain" && isRoot ? host.osUser : undefined;
        const killed = runBash(text, "create", user, {}, (pid) => {
          setTimeout(() => {
            try {
              process.kill(-pid, "SIGKILL");
            } catch {
              // It was faster.
            }
          }, milliseconds);
        });
        await killed;
        const next = await host.run(text);
        assert.equal(next.code, 0, next.stderr);
        assert.equal(await host.sql("SHOW work_mem"), change.settings.work_mem);
        assert.equal(await servedSerial(host.port), change.certificate.serial.toLowerCase());
        assert.equal((await host.run(text)).stdout, "unchanged");
      }
      await configure();
    });

    it("shows the last lines of the log when a start fails", async () => {
      assert.equal((await host.run(host.hostScript(), "delete")).code, 0);
      const ran = await configure({ preload: ["no_such_library"] });
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, /host "a": PostgreSQL does not start; the last lines of/);
      assert.match(ran.stderr, /could not access file "no_such_library"/);
      assert.equal((await configure()).stdout, "started");
    });

    it("admits TLS only, and certificates of its own authority only", async () => {
      const stranger = await (await makeAuthority("stranger")).issue("operator");
      const operator = await authority.issue("operator");
      const revoked = await authority.issue("node:b");
      const dial = async (ssl: false | Issued, user = "postgres") => {
        const client = new Client({
          host: "127.0.0.1",
          port: host.port,
          user,
          database: "postgres",
          password: "wrong",
          ssl: ssl === false ? false : { ca: authority.certificate, cert: ssl.certificate, key: ssl.privateKey },
        });
        client.on("error", () => undefined);
        // A client that never connected does not end either.
        await client.connect();
        try {
          const { rows } = await client.query<{ version: string }>(
            "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
          );
          return rows[0]?.version;
        } finally {
          await client.end();
        }
      };
      assert.equal(await dial(operator), "TLSv1.3");
      assert.equal(await dial(revoked), "TLSv1.3");
      await assert.rejects(dial(false), /no pg_hba.conf entry for host "127.0.0.1".*no encryption/);
      await assert.rejects(dial(stranger), /unknown ca|unable to verify|ECONNRESET|terminated/i);
      await assert.rejects(dial(await authority.issue("node-b")), /certificate authentication failed/);
      await host.run(host.fenceScript(await authority.revocationList([revoked.serial]), []));
      await assert.rejects(dial(revoked), /revoked|ECONNRESET|terminated/i);
    });
  });
}
