/** The example for machines that exist, with its own Pulumi.yaml, on separate hosts: as README says it. */
import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loginUser, startHosts, type TestHosts } from "../support/hosts/hosts";
import { requiresHosts } from "../support/hosts/namespaces";
import { withProgram } from "../support/program";
import { projectFolder, requires } from "../support/tools";

const example = join(projectFolder, "examples/existing-hosts");

describe("examples/existing-hosts", () => {
  let hosts: TestHosts | undefined;
  after(async () => {
    await hosts?.remove();
  });

  it("forms a cluster on two machines, changes nothing the second time, and stops it", async function () {
    requires(this, "cli", "languageHost", "tls", "command", "realCitus");
    requiresHosts(this);
    this.timeout(600_000);
    const machines = await startHosts(["one", "two"]);
    hosts = machines;
    await withProgram(
      (folder) => {
        for (const file of ["Pulumi.yaml", "index.ts", "package.json"])
          copyFileSync(join(example, file), join(folder, file));
      },
      async (program) => {
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
        assert.deepEqual(await program.output("nodes"), {
          coordinator: `${machines.get("one").address}:5432`,
          a: `${machines.get("two").address}:5432`,
        });
        const count = "runuser -u postgres -- psql -XAtd app -c 'SELECT count(*) FROM pg_dist_node'";
        for (const host of machines.all()) assert.equal(await host.must(count), "2", host.key);
        const kept = await program.pulumi("destroy", "--yes", "--skip-preview");
        assert.match(kept, /keeps the data of host "a" in \/var\/lib\/postgresql\/\*\/citus/);
      },
    );
  });

  it("says in its README how the host key is seen and which rights suffice", () => {
    const text = readFileSync(join(example, "README.md"), "utf8");
    assert.match(text, /ssh-keyscan/);
    assert.match(text, /```sudoers\n/);
  });
});
