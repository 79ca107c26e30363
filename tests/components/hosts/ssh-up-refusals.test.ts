/** A whole `up` with one machine that cannot be used: it ends in time with host, cause and next step, no machine is changed, the other one neither,
 *  and once all is mended the next `up` converges. One stack for all mistakes, as for somebody who meets one after the other. */
import assert from "node:assert/strict";
import { machineOf, sshClusterOf, targetOf } from "../../support/hosts/cluster";
import { startHosts, type TestHost, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { withStack } from "../../support/stack";
import { requires } from "../../support/tools";
import { deadlineSeconds, refusals, traces, type Refusal } from "./refusals";

const engineSeconds = 60;

describe("an up with a machine that cannot be used", function () {
  this.timeout(900_000);
  let hosts: TestHosts;
  before(async function () {
    requires(this, "cli", "tls", "command", "realCitus");
    requiresHosts(this);
    hosts = await startHosts(["c", "a", "bastion"], { diskMiB: 400 });
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
  });

  it("says which, why and what to do, changes none, and converges once it is mended", async () => {
    const machines = hosts;
    const [c, a, bastion] = ["c", "a", "bastion"].map((key) => machines.get(key)) as [TestHost, TestHost, TestHost];
    const program = (folder: string, { address = {}, throughBastion }: Partial<Refusal>) => {
      const target = targetOf(machines, { coordinator: "c", a: "a" });
      const { privateKey = target.privateKey, hostKey = a.hostKey } = address;
      return sshClusterOf(folder, {
        ...target,
        privateKey,
        workers: { a: { ...machineOf(a), hostKey } },
        ...(throughBastion && { bastion: { host: bastion.address, hostKey: bastion.hostKey } }),
      });
    };
    let folder = "";
    await withStack(
      (dataFolder) => program((folder = dataFolder), {}),
      async (stack) => {
        const allTraces = async () => `${await traces(c)}\n${await traces(a)}`.split("\n");
        for (const { why, spoil, mend, message, ...way } of refusals) {
          stack.change(program(folder, way));
          await spoil?.(a, bastion);
          const before = await allTraces();
          const start = Date.now();
          const { output } = await stack.failing("up");
          const seconds = (Date.now() - start) / 1000;
          const after = await allTraces();
          await mend?.(a, bastion);
          assert.match(output, message, why);
          assert.match(output, /cannot use host "a": /, why);
          const changed = after.filter((line) => !before.includes(line));
          assert.deepEqual(changed, [], `${why}: nothing was changed`);
          assert.equal(after.length, before.length, `${why}: nothing was removed`);
          assert.ok(seconds < deadlineSeconds + engineSeconds, `${why}: told after ${String(seconds)} s`);
          assert.ok(!output.includes("PRIVATE KEY"), why);
        }
        stack.change(program(folder, {}));
        await stack.up();
        await stack.expectNoChanges();
        const count = "runuser -u postgres -- psql -XAtd app -c 'SELECT count(*) FROM pg_dist_node'";
        for (const host of [c, a]) assert.equal(await host.must(count), "2", host.key);
      },
    );
  });
});
