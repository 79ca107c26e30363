/** The whole life of a cluster on separate hosts, real Citus, SQL through SSH: formed, rebooted, moved, a host replaced, one removed,
 *  destroyed, while a client writes. No private key and no password is seen on any host meanwhile. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { keySpellings, spellings, watchProcesses } from "../../support/canaries";
import { ask, url } from "../../support/demo-cluster";
import { sshClusterOf, targetOf } from "../../support/hosts/cluster";
import { operatorAddress, startHosts, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { Ledger } from "../../support/ledger";
import { clearState, withStack, type StackRun } from "../../support/stack";
import { requires } from "../../support/tools";

// Logs, shell history, temporary files, and what the scripts wrote besides keys and tables.
const placesToLook = `
  cat /proc/*/environ /proc/*/cmdline 2>/dev/null
  find /var/log /tmp /var/tmp /root /srv /etc /run/log /var/lib/postgresql -xdev -type f \\
    ! -name '*.key' ! -path '*/ssh_host_*' ! -path '*/base/*' ! -path '*/global/*' ! -path '*/pg_wal/*' -exec cat {} + 2>/dev/null
  journalctl --no-pager -o export 2>/dev/null
  true`;

const describeSteps = ({ steps }: StackRun) => steps.map(({ op, name }) => `${op} ${name}`).join("\n");

describe("CitusCluster on machines over SSH", () => {
  let hosts: TestHosts | undefined;
  let ledger: Ledger | undefined;
  after(async () => {
    await ledger?.abandon();
    await hosts?.remove();
  });

  it("forms, comes back after a reboot, follows a changed address, replaces and removes hosts under writes", async function () {
    requires(this, "cli", "tls", "command", "realCitus");
    requiresHosts(this);
    this.timeout(1_500_000);
    const machines = await startHosts(["c", "m1", "m2", "m3", "m4"]);
    hosts = machines;
    let folder = "";
    const password = `it's a\\b "$HOME" ${randomBytes(12).toString("base64")}`;
    // The client that writes dials from where the test runs; everybody else goes through SSH.
    const program = (keys: Readonly<Record<string, string>>) =>
      sshClusterOf(folder, targetOf(machines, { coordinator: "c", ...keys }), {
        operatorNetworks: [operatorAddress],
        loginRolePasswords: { app: pulumi.secret(password) },
      });
    const watch = watchProcesses(50);
    const printed: string[] = [];

    await withStack(
      (dataFolder) => {
        folder = dataFolder;
        return program({ a: "m1", b: "m2", d: "m3" });
      },
      async (stack) => {
        const up = async () => {
          const run = await stack.up();
          printed.push(run.output);
          return run;
        };
        const formed = await up();
        await stack.expectNoChanges();
        const operator = url(formed, "postgres");
        const nodes = () =>
          ask<{ nodename: string }>(operator, "SELECT nodename FROM pg_dist_node WHERE groupid <> 0 ORDER BY nodename");
        const addresses = (...names: string[]) =>
          names
            .map((name) => ({ nodename: machines.get(name).address }))
            .sort((one, other) => (one.nodename < other.nodename ? -1 : 1));
        assert.deepEqual(await nodes(), addresses("m1", "m2", "m3"));
        await ask(
          operator,
          `CREATE TABLE event (tenant int, id bigint, payload text, PRIMARY KEY (tenant, id));
           SELECT create_distributed_table('event', 'tenant', shard_count => 6)`,
        );
        const placements = () =>
          ask(operator, "SELECT count(*)::int AS count FROM pg_dist_placement WHERE shardstate = 1 AND groupid <> 0");
        assert.deepEqual(await placements(), [{ count: 6 }]);
        const writing = await Ledger.start(operator, "event");
        ledger = writing;

        await writing.window(() => machines.get("m1").reboot());
        await stack.expectNoChanges();

        await writing.window(async () => {
          machines.get("m2").changeAddress("10.77.0.77");
          stack.change(program({ a: "m1", b: "m2", d: "m3" }));
          const moved = await up();
          assert.equal(moved.changes["delete"] ?? 0, 0, describeSteps(moved));
        });
        assert.deepEqual(await nodes(), addresses("m1", "m2", "m3"));
        assert.deepEqual(await placements(), [{ count: 6 }], "no placement was lost");
        await stack.expectNoChanges();

        // In one run: the host that leaves lets the newcomer fetch its shards.
        stack.change(program({ b: "m2", d: "m3", e: "m4" }));
        const replaced = await up();
        assert.deepEqual(await nodes(), addresses("m2", "m3", "m4"));
        assert.equal(replaced.steps.at(-1)?.op, "delete", describeSteps(replaced));
        assert.match(await machines.get("m1").must("pg_lsclusters -h"), / down /, "the replaced host is stopped");

        stack.change(program({ b: "m2", e: "m4" }));
        await up();
        assert.deepEqual(await nodes(), addresses("m2", "m4"));
        assert.deepEqual(await placements(), [{ count: 6 }]);
        await stack.expectNoChanges();

        const book = await writing.stop();
        assert.ok(book.acknowledged.length > 500, `the client wrote ${String(book.acknowledged.length)} rows`);
        assert.deepEqual(book.missing, [], "every acknowledged row is there, once");
        assert.deepEqual(book.failures, [], "no statement failed outside of announced windows");

        const keys = [...clearState(stack).matchAll(/-----BEGIN (?:EC |OPENSSH )?PRIVATE KEY-----(.*?)-----END/gs)];
        const canaries = new Set([...keys.flatMap(([, body = ""]) => keySpellings(body)), ...spellings(password)]);
        assert.ok(canaries.size > 20, "the state knows the keys");
        const found = (text: string) => [...canaries].filter((canary) => text.includes(canary));
        assert.deepEqual(found(watch.stop()), [], "arguments and environments of all processes");
        assert.deepEqual(found(printed.join("\n")), [], "what the CLI printed");
        for (const host of machines.all()) assert.deepEqual(found(await host.must(placesToLook)), [], host.key);

        printed.push((await stack.destroy()).output);
        for (const host of machines.all()) assert.match(await host.must("pg_lsclusters -h"), / down /, host.key);
      },
    );
  });
});
