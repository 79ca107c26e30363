/** Destroying a cluster of which one machine is frozen or off: it ends in time with host, cause and next step, no machine is changed and the data
 *  stays; once the machine is back, the next destroy converges. A worker whose machine is off can leave, and its next step leads to the end. */
import assert from "node:assert/strict";
import { sshClusterOf, targetOf } from "../../support/hosts/cluster";
import { startHosts, type TestHost, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { withStack } from "../../support/stack";
import { requires } from "../../support/tools";

const deadlineSeconds = 120;

describe("destroying a cluster with a machine that does not answer", function () {
  this.timeout(600_000);
  let hosts: TestHosts;
  before(async function () {
    requires(this, "cli", "tls", "command", "realCitus");
    requiresHosts(this);
    hosts = await startHosts(["c", "a"]);
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
  });

  it("ends in time, changes no machine, and converges once it is back", async () => {
    const machines = hosts;
    const [c, a] = [machines.get("c"), machines.get("a")];
    const args = { coordinatorHoldsShards: true };
    const state = (host: TestHost) => host.must("pg_lsclusters -h");
    await withStack(
      (folder) => sshClusterOf(folder, targetOf(machines, { coordinator: "c", a: "a" }), args),
      async (stack) => {
        await stack.up();
        const rows = [
          {
            spoil: () => a.freeze("sshd"),
            mend: () => a.thaw("sshd"),
            message: /host "a" does not answer: SSH to admin@\S+: it takes the connection and says nothing/,
          },
          { spoil: () => a.kill(), mend: () => a.start(), message: /host "a" does not answer: SSH to admin@\S+: / },
        ];
        for (const { spoil, mend, message } of rows) {
          await spoil();
          const start = Date.now();
          const { output } = await stack.failing("destroy");
          const seconds = (Date.now() - start) / 1000;
          await mend();
          assert.match(output, message);
          assert.match(
            output,
            /no host was changed; start it and run again; where it is gone for good, .*pulumi state delete/,
          );
          assert.ok(seconds < deadlineSeconds, `told after ${String(seconds)} s`);
          assert.match(await state(c), / online /, "the other one runs on");
        }

        await a.kill();
        stack.change(sshClusterOf(stack.dataFolder, targetOf(machines, { coordinator: "c" }), args));
        const start = Date.now();
        const { output } = await stack.failing("up");
        assert.ok((Date.now() - start) / 1000 < deadlineSeconds, output);
        assert.match(
          output,
          /host "a" cannot be told .*: SSH to admin@\S+: [\s\S]* it leaves all the same, .*pulumi state delete/,
        );
        await a.start();
        await stack.up();
        await stack.destroy();
        for (const host of [c, a]) {
          assert.match(await state(host), / down /, host.key);
          assert.match(await host.must("cat /var/lib/postgresql/*/citus/PG_VERSION"), /^\d+$/, "its data is kept");
        }
      },
    );
  });
});
