/** The scripts of a local host on real PostgreSQL: data folder, stop, keep, delete; as root and as a plain user. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { requires } from "../../support/tools";
import { freePort, isRoot, runBash, TestHost, type Caller } from "./test-host";

const callers: readonly Caller[] = isRoot ? ["root", "plain"] : ["plain"];

for (const caller of callers) {
  describe(`scripts of a local host, run by ${caller === "root" ? "root" : "a plain user"}`, function () {
    this.timeout(60_000);
    let host: TestHost;

    before(async function () {
      requires(this, "postgres");
      host = new TestHost(await freePort(), caller);
    });
    after(async () => {
      await host.remove();
    });

    it("makes a data folder that only the server's user can enter, and starts nothing", async () => {
      const made = await host.run(host.hostScript());
      assert.deepEqual([made.code, made.stdout], [0, "created"], made.stderr);
      assert.equal(statSync(host.data).mode & 0o777, 0o700);
      assert.equal(statSync(join(host.folder, host.key)).mode & 0o777, 0o700);
      assert.ok(!existsSync(join(host.data, "postmaster.pid")));
      assert.deepEqual(readdirSync(join(host.folder, host.key)), ["data"]);
    });

    it("runs a step for the server as its user from the first line on, and with nothing of root's environment", async () => {
      const shown = await host.run(
        host.script({ files: ["tests/components/hosts/show-process.sh"], values: {}, asServer: true }),
        "create",
        { PULUMI_CONFIG_PASSPHRASE: "canary", OS_USER: "exported" },
      );
      const [user, ...names] = shown.stdout.split("\n");
      assert.equal(user, host.osUser, shown.stderr);
      const allowed = ["HOME", "LC_ALL", "LD_LIBRARY_PATH", "OLDPWD", "PATH", "PWD", "SHLVL", "_"];
      if (caller === "root")
        assert.deepEqual(
          names.filter((name) => !allowed.includes(name)),
          [],
        );
    });

    it("keeps a data folder that is there", async () => {
      assert.equal((await host.run(host.hostScript())).stdout, "kept");
    });

    it("stops the server on delete and keeps its data", async () => {
      const started = await host.run(host.script({ files: ["tests/components/hosts/start.sh"], values: {} }));
      assert.equal(started.code, 0, started.stderr);
      const stopped = await host.run(host.hostScript(), "delete");
      assert.equal(stopped.code, 0, stopped.stderr);
      assert.match(stopped.stderr, /stops the server\nkept the data folder/);
      assert.ok(!existsSync(join(host.data, "postmaster.pid")));
      assert.ok(existsSync(join(host.data, "PG_VERSION")));
    });

    it("deletes a stopped server and a missing folder without complaint", async () => {
      assert.equal((await host.run(host.hostScript(), "delete")).code, 0);
      assert.equal((await host.run(host.hostScript(true), "delete")).code, 0);
      assert.ok(!existsSync(join(host.folder, host.key)));
      assert.equal((await host.run(host.hostScript(true), "delete")).code, 0);
    });

    it("refuses a folder that holds something else, and leaves it alone", async () => {
      mkdirSync(host.data, { recursive: true });
      writeFileSync(join(host.data, "letter.txt"), "mine");
      if (caller === "plain" && isRoot) await runBash(`chown -R postgres "${host.folder}"`, "create");
      if (caller === "root") await runBash(`chown -R postgres "${host.folder}/a"`, "create");
      const refused = await host.run(host.hostScript());
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /data is not empty and holds no PostgreSQL cluster; move it away/);
      assert.deepEqual(readdirSync(host.data), ["letter.txt"]);
      await host.run(host.hostScript(true), "delete");
    });

    it("converges after a kill at any moment of initdb", async () => {
      for (const milliseconds of caller === "root" ? [50, 300] : [150]) {
        await host.run(host.hostScript(true), "delete");
        let group = 0;
        const killed = runBash(
          host.hostScript(),
          "create",
          caller === "plain" && isRoot ? host.osUser : undefined,
          {},
          (pid) => {
            group = pid;
          },
        );
        await sleep(milliseconds);
        // Only bash dies, as with a killed provider: initdb goes on behind the next run's back.
        process.kill(group, "SIGKILL");
        const next = await host.run(host.hostScript());
        assert.equal(next.code, 0, `${milliseconds} ms: ${next.stderr}`);
        await killed;
        assert.match(host.read("PG_VERSION"), /^\d+\n$/);
        const started = await host.run(host.script({ files: ["tests/components/hosts/start.sh"], values: {} }));
        assert.equal(started.code, 0, `${milliseconds} ms: ${started.stderr}`);
      }
    });
  });
}
