/** No private key is anywhere but where it is used: not in arguments, environments, what the CLI prints, logs, or state in clear. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { keySpellings, watchProcesses } from "../support/canaries";
import { clusterOf, portsFor } from "../support/demo-cluster";
import { clearState, withStack } from "../support/stack";
import { requires } from "../support/tools";

/** Regular files only: a server's folder holds a socket, too. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("CitusCluster, secrets", () => {
  it("keeps every private key out of arguments, environments, output, logs and clear state", async function () {
    requires(this, "cli", "tls", "command", "citus");
    this.timeout(600_000);
    if (process.platform !== "linux") this.skip();
    const ports = await portsFor("a", "b");
    let folder = "";
    await withStack(
      (dataFolder) => {
        folder = dataFolder;
        return clusterOf(dataFolder, ports, ["a"]);
      },
      async (stack) => {
        const watch = watchProcesses();
        const printed: string[] = [];
        printed.push((await stack.up()).output);
        stack.change(clusterOf(folder, ports, ["a", "b"], { settings: { work_mem: "8MB" } }));
        printed.push((await stack.preview()).output, (await stack.up()).output, (await stack.refresh()).output);
        stack.change(clusterOf(folder, ports, ["a", "b"], { settings: { work_mem: "8 elephants" } }));
        printed.push((await stack.failing("preview")).output);
        // A name that PostgreSQL accepts and no server has: fails in the provider, after all checks.
        stack.change(clusterOf(folder, ports, ["a", "b"], { databases: { app: { owner: "app", locale: "xx_XX" } } }));
        printed.push((await stack.failing("up")).output);
        const processes = watch.stop();

        const keys = [...clearState(stack).matchAll(/-----BEGIN (?:EC )?PRIVATE KEY-----(.*?)-----END/gs)].map(
          ([, body = ""]) => body,
        );
        // The authority, the coordinator, two workers, the operator, one login role.
        assert.ok(new Set(keys).size >= 6, `the state knows ${String(new Set(keys).size)} keys`);
        const canaries = [
          ...new Set(keys.flatMap(keySpellings)),
          String(stack.environment["PULUMI_CONFIG_PASSPHRASE"]),
        ];
        const found = (text: string) => canaries.filter((canary) => text.includes(canary));

        const state = filesBelow(join(stack.workFolder, "state")).map((file) => readFileSync(file, "latin1"));
        const logs = filesBelow(folder).filter((file) => file.endsWith(".log"));
        assert.ok(logs.length >= 3, "the servers have logs");
        const others = filesBelow(folder).filter(
          (file) => !/\.key$/.test(file) && !/\/data\/(base|global|pg_wal)\//.test(file),
        );
        // The passphrase is in the environment of the CLI and what it starts, where Pulumi wants it.
        const [passphrase = ""] = canaries.slice(-1);
        assert.deepEqual(
          found(processes).filter((canary) => canary !== passphrase),
          [],
          "arguments and environments",
        );
        assert.deepEqual(found(printed.join("\n")), [], "what the CLI printed");
        assert.deepEqual(found(state.join("\n")), [], "state and its history");
        assert.deepEqual(found(logs.map((file) => readFileSync(file, "utf8")).join("\n")), [], "server logs");
        assert.deepEqual(
          others.filter((file) => found(readFileSync(file, "latin1")).length > 0),
          [],
          "files of the hosts besides keys",
        );
        const loose = filesBelow(folder).filter(
          (file) => file.endsWith(".key") && (statSync(file).mode & 0o777) !== 0o600,
        );
        assert.deepEqual(loose, [], "keys are for their owner only");
        stack.change(clusterOf(folder, ports, ["a", "b"]));
      },
    );
  });
});
