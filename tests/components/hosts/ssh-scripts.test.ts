/** The scripts of a machine, over SSH on a separate host: as root, and as a user with no rights but those that the example's README lists. */
import assert from "node:assert/strict";
import { stepText, type ResolvedPart } from "../../../components/hosts/shell";
import { loginUser, startHosts, type HostRun, type TestHost, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { skip } from "../../support/tools";
import { documentedSudoers, major, majors } from "./documented-sudoers";

const prelude = {
  files: ["components/hosts/server.sh", "components/hosts/ssh.sh"],
  values: { KEY: "a", CLUSTER: "citus", OS_USER: "postgres", POSTGRES_VERSION: "" },
};

function script(onCreate: ResolvedPart, deleteData = "no"): string {
  const onDelete = { files: ["components/hosts/delete-ssh-host.sh"], values: { DELETE_DATA: deleteData } };
  return stepText(prelude, onCreate, onDelete);
}

const create = {
  files: ["components/hosts/data-folder.sh", "components/hosts/create-ssh-host.sh"],
  values: { FIREWALL: "none" },
};
const start = { files: ["tests/components/hosts/start-unit.sh"], values: {} };

for (const user of [loginUser, "root"]) {
  describe(`scripts of a machine, run by ${user === "root" ? "root" : "a user with limited rights"}`, function () {
    this.timeout(120_000);
    let hosts: TestHosts;
    let host: TestHost;

    before(async function () {
      if (majors().length === 0) skip(this, "the distribution's package of PostgreSQL is not installed");
      requiresHosts(this);
      hosts = await startHosts(["a"], { sudoers: documentedSudoers() });
      host = hosts.get("a");
    });
    after(async () => {
      await (hosts as TestHosts | undefined)?.remove();
    });

    const run = (text: string, word = "create") => hosts.ssh("a", user, `bash -s ${word}`, text);
    const outcome = ({ code, stdout, stderr }: HostRun) => {
      assert.equal(code, 0, stderr);
      return stdout.trimEnd();
    };
    const answers = async () => (await host.run("runuser -u postgres -- psql -XAtc 'SELECT 1' 2>&1")).code === 0;

    it("make a cluster that Debian's tools know, stopped and enabled", async () => {
      assert.equal(outcome(await run(script(create))), "created");
      assert.match(await host.must("pg_lsclusters -h"), /^\d+ +citus +5432 +down +postgres/);
      assert.equal(await host.must(`systemctl is-enabled postgresql@${major()}-citus`), "enabled");
      assert.equal(outcome(await run(script(create))), "kept");
      assert.ok(!(await answers()));
    });

    it("start it as systemd's unit, and it comes back after a reboot and after a kill", async () => {
      assert.equal(outcome(await run(script(start))), "started");
      assert.match(await host.must(`systemctl show -p ActiveState postgresql@${major()}-citus`), /=active/);
      await host.reboot();
      await until(answers);
      await host.kill();
      await host.start();
      await until(answers);
    });

    it("stop it on delete, keep its data, and it stays stopped after a reboot", async () => {
      const deleted = await run(script(create), "delete");
      assert.equal(deleted.code, 0, deleted.stderr);
      assert.match(deleted.stderr, /stops the server\nkept the data folder \/var\/lib\/postgresql\/\d+\/citus\n/);
      assert.ok(!(await answers()));
      assert.notEqual((await host.run(`systemctl is-enabled postgresql@${major()}-citus`)).stdout.trim(), "enabled");
      await host.must("systemctl enable postgresql.service");
      await host.reboot();
      assert.match(await host.must("pg_lsclusters -h"), / down /);
      assert.equal(outcome(await run(script(create))), "kept");
    });

    it("delete the data when asked, and twice is fine", async () => {
      assert.equal((await run(script(create, "yes"), "delete")).code, 0);
      assert.equal(
        await host.must(
          "pg_lsclusters -h; find /var/lib/postgresql /etc/postgresql /var/log/postgresql -name '*citus*'",
        ),
        "",
      );
      const again = await run(script(create, "yes"), "delete");
      assert.equal(again.code, 0, again.stderr);
      assert.match(again.stderr, /is gone already/);
    });

    it("leave a cluster of somebody else alone", async () => {
      await host.must(`pg_createcluster ${major()} citus >/dev/null`);
      const refused = await run(script(create));
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /the cluster \d+\/citus is not one of ours: .* choose another name/);
      assert.match((await run(script(create, "yes"), "delete")).stderr, /is gone already/);
      assert.match(await host.must("pg_lsclusters -h"), /citus/);
    });
  });
}

/** Waits for something that a booting host does by itself. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await isSo())) if (Date.now() > deadline) throw new Error("it did not happen within 60 s");
}
