/** The deployable stack of the root folder as users run it: Pulumi.yaml with its defaults, config set by the `pulumi` command. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ask } from "../support/demo-cluster";
import { layRootStack, withProgram } from "../support/program";
import { freePorts } from "../support/servers";
import { requires, requiresDefaultUser, tool } from "../support/tools";

type Strings = Readonly<Record<string, Readonly<Record<string, string>>>>;

const workload = { coresPerWorker: "2", ramPerWorker: "8 GiB", dataSize: "20 GB", peakClients: "40", shardCount: "48" };

describe("examples/stack", function () {
  this.timeout(600_000);

  it("forms from configuration, takes a workload and another worker from it, and is destroyed", async function () {
    requires(this, "cli", "languageHost", "tls", "command", "citus");
    requiresDefaultUser(this);
    const [coordinator = 0, one = 0, two = 0] = await freePorts(3);
    await withProgram(layRootStack, async (program) => {
      await program.pulumi("config", "set", "folder", join(program.dataFolder, "pg"));
      await program.pulumi("config", "set", "coordinatorPort", String(coordinator));
      await program.pulumi("config", "set", "--path", "workerPorts[0]", String(one));

      await program.pulumi("config", "set", "--path", "workerPorts[1]", String(one));
      await program.pulumi("config", "set", "postgresVersion", "--", "-3");
      assert.match((await program.attempt("preview")).output, new RegExp(`workerPorts: ${one} is there twice`));
      await program.pulumi("config", "rm", "--path", "workerPorts[1]");
      assert.match((await program.attempt("preview")).output, /postgresVersion: must be a supported .* got -3/);
      await program.pulumi("config", "rm", "postgresVersion");
      await program.pulumi("up", "--yes");
      await program.pulumi("up", "--yes", "--expect-no-changes");

      await program.pulumi("config", "set", "--path", "workload.kind", "custom");
      const unplanned = await program.attempt("preview");
      assert.notEqual(unplanned.code, 0);
      assert.match(unplanned.output, /workload\.dataSize: is missing/);
      for (const [field, value] of Object.entries(workload))
        await program.pulumi("config", "set", "--path", `workload.${field}`, value);
      assert.match(await program.pulumi("preview", "--diff"), /shard count: 48 shards\n\s+as given/);
      await program.pulumi("up", "--yes");

      await program.pulumi("config", "set", "--path", "workerPorts[1]", String(two));
      // There is nothing to rebalance for a stand-in.
      const hasShards = tool("citus").standIn !== true;
      await program.pulumi("config", "set", "rebalance", String(hasShards));
      const grown = await program.pulumi("preview");
      assert.match(grown, new RegExp(`adds worker "port-${two}"`));
      assert.equal(grown.includes("citus:Rebalance"), hasShards, grown);
      await program.pulumi("up", "--yes");
      assert.deepEqual(await program.output("nodes"), {
        coordinator: `127.0.0.1:${coordinator}`,
        [`port-${one}`]: `127.0.0.1:${one}`,
        [`port-${two}`]: `127.0.0.1:${two}`,
      });
      const urls = (await program.output("nodePostgres")) as Strings;
      const [shards] = await ask<{ count: string }>(
        urls["app"]?.["app"] ?? "",
        "SELECT current_setting('citus.shard_count') AS count",
      );
      assert.equal(shards?.count, "48");
      const [nodes] = await ask<{ count: number }>(
        urls["app"]?.["app"] ?? "",
        "SELECT count(*)::int FROM pg_dist_node",
      );
      assert.equal(nodes?.count, 3);
      await program.pulumi("destroy", "--yes");
    });
  });
});
