/** The deployable stack of the root folder with machines over SSH from its configuration, on separate hosts. */
import assert from "node:assert/strict";
import { loginUser, startHosts, type TestHosts } from "../support/hosts/hosts";
import { requiresHosts } from "../support/hosts/namespaces";
import { layRootStack, withProgram } from "../support/program";
import { requires } from "../support/tools";

describe("examples/stack with hosts: ssh", () => {
  let hosts: TestHosts | undefined;
  after(async () => {
    await hosts?.remove();
  });

  it("says what the configuration lacks, forms on the machines that it names, and changes nothing the second time", async function () {
    requires(this, "cli", "languageHost", "tls", "command", "realCitus");
    requiresHosts(this);
    this.timeout(600_000);
    const machines = await startHosts(["one", "two"]);
    hosts = machines;
    await withProgram(layRootStack, async (program) => {
      await program.pulumi("config", "set", "hosts", "cloud");
      assert.match((await program.attempt("preview")).output, /hosts: must be "local" or "ssh", got "cloud"/);
      await program.pulumi("config", "set", "hosts", "ssh");
      assert.match(
        (await program.attempt("preview")).output,
        /hosts\.coordinator\.address: is missing; name what others dial[\s\S]*hosts\.privateKey: is missing[\s\S]*hosts\.workers: must have at least one worker/,
      );
      await program.pulumi("config", "set", "user", loginUser);
      await program.pulumi("config", "set", "--secret", "privateKey", "--", machines.privateKey);
      for (const [path, host] of [
        ["coordinator", "one"],
        ["workers.a", "two"],
      ] as const) {
        const { address, hostKey } = machines.get(host);
        await program.pulumi("config", "set", "--path", `${path}.address`, address);
        await program.pulumi("config", "set", "--path", `${path}.hostKey`, hostKey);
      }
      await program.pulumi("up", "--yes", "--skip-preview");
      await program.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes");
      const count = "runuser -u postgres -- psql -XAtd app -c 'SELECT count(*) FROM pg_dist_node'";
      for (const host of machines.all()) assert.equal(await host.must(count), "2", host.key);
    });
  });
});
