/** The deployable stack of the root folder as users run it: Pulumi.yaml with its defaults, config set by the `pulumi` command. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { ask } from "../support/demo-cluster";
import { withProgram } from "../support/program";
import { freePorts } from "../support/servers";
import { projectFolder, requires } from "../support/tools";

type Strings = Readonly<Record<string, Readonly<Record<string, string>>>>;

// The folder gets its own Pulumi.dev.yaml; all else is the repository's.
const notLinked = new Set([".git", ".cache", "Pulumi.yaml", "examples"]);

describe("examples/stack", function () {
  this.timeout(300_000);

  it("forms from configuration, takes another worker from it, and is destroyed", async function () {
    requires(this, "cli", "languageHost", "tls", "command", "citus");
    const [coordinator = 0, one = 0, two = 0] = await freePorts(3);
    await withProgram(
      (folder) => {
        for (const entry of readdirSync(projectFolder).filter((name) => !notLinked.has(name)))
          symlinkSync(join(projectFolder, entry), join(folder, entry));
        cpSync(join(projectFolder, "Pulumi.yaml"), join(folder, "Pulumi.yaml"));
        mkdirSync(join(folder, "examples"));
        cpSync(join(projectFolder, "examples", "stack"), join(folder, "examples", "stack"), { recursive: true });
      },
      async (program) => {
        await program.pulumi("config", "set", "folder", join(program.dataFolder, "pg"));
        await program.pulumi("config", "set", "coordinatorPort", String(coordinator));
        await program.pulumi("config", "set", "--path", "workerPorts[0]", String(one));
        await program.pulumi("up", "--yes");
        await program.pulumi("up", "--yes", "--expect-no-changes");

        await program.pulumi("config", "set", "--path", "workerPorts[1]", String(two));
        assert.match(await program.pulumi("preview"), new RegExp(`adds worker "port-${two}"`));
        await program.pulumi("up", "--yes");
        assert.deepEqual(await program.output("nodes"), {
          coordinator: `127.0.0.1:${coordinator}`,
          [`port-${one}`]: `127.0.0.1:${one}`,
          [`port-${two}`]: `127.0.0.1:${two}`,
        });
        const urls = (await program.output("nodePostgres")) as Strings;
        const [nodes] = await ask<{ count: number }>(
          urls["app"]?.["app"] ?? "",
          "SELECT count(*)::int FROM pg_dist_node",
        );
        assert.equal(nodes?.count, 3);
        await program.pulumi("destroy", "--yes");
      },
    );
  });
});
