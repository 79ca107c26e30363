/** A cluster on separate hosts that come without PostgreSQL and Citus: a whole `up` brings packages and settings of the operating system, and forms it. Before that, hosts that have
 *  different versions: no node is touched. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { CitusClusterArgs, SshHostTargetArgs, Workload } from "../../../index";
import {
  AptRepository,
  bareMachine,
  missingForRepository,
  repackedServer,
  SigningKey,
} from "../../support/apt-repository";
import { sshClusterOf, targetOf } from "../../support/hosts/cluster";
import { operatorAddress, startHosts, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { recordedSysctl } from "../../support/hosts/recorded-sysctl";
import { withStack } from "../../support/stack";
import { requires, skip } from "../../support/tools";

const { major, packages } = repackedServer();

const workload: Workload = {
  kind: "custom",
  workers: 1,
  coresPerWorker: 2,
  ramPerWorker: "4 GiB",
  dataSize: "1 GB",
  peakClients: 10,
};

/** Citus of this machine, which no package brought. */
const citusFiles = () =>
  [`/usr/lib/postgresql/${String(major)}/lib`, `/usr/share/postgresql/${String(major)}/extension`].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.startsWith("citus"))
      .map((file) => join(folder, file)),
  );

describe("CitusCluster on machines without packages", function () {
  this.timeout(600_000);
  let hosts: TestHosts;
  let key: SigningKey | undefined;
  const repository = new AptRepository();
  let url = "";

  before(async function () {
    requires(this, "cli", "tls", "command", "realCitus");
    const missing = missingForRepository();
    if (missing !== undefined) skip(this, missing);
    requiresHosts(this);
    key = new SigningKey();
    for (const name of packages) repository.repack(name);
    repository.add({
      name: `postgresql-${String(major)}-citus-13.2`,
      version: "13.2.0.citus-1",
      depends: `postgresql-${String(major)}`,
      files: citusFiles(),
    });
    repository.publish("stable", key);
    url = await repository.serve(operatorAddress);
    hosts = await startHosts(["one", "two"], { diskMiB: 2048 });
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
    await repository.remove();
    key?.remove();
  });

  const program = (folder: string, target: Partial<SshHostTargetArgs> = {}, args: Partial<CitusClusterArgs> = {}) =>
    sshClusterOf(folder, targetOf(hosts, { coordinator: "one", a: "two" }, target), args);

  it("is refused where versions differ, then installed, formed, found unchanged and taken down without its packages", async () => {
    let folder = "";
    const control = `/usr/share/postgresql/${String(major)}/extension/citus.control`;
    await hosts.get("two").must(`sed -i "s/'13.2-1'/'13.1-1'/" ${control}`);
    await withStack(
      (dataFolder) => {
        folder = dataFolder;
        return program(folder);
      },
      async (stack) => {
        const { output } = await stack.failing("up");
        assert.match(
          output,
          /the hosts have different versions: a has PostgreSQL \d+\.\d+ with Citus 13\.1; coordinator has PostgreSQL \d+\.\d+ with Citus 13\.2\. Install one/,
        );
        for (const host of hosts.all())
          assert.equal(await host.must("pg_lsclusters -h"), "", `${host.key} is untouched`);

        await Promise.all(hosts.all().map((host) => host.must(`${bareMachine}\n${recordedSysctl}`)));
        const repositoryArgs = { url, suite: "stable", key: key?.publicKey };
        stack.change(
          program(
            folder,
            { install: { postgres: repositoryArgs, citus: repositoryArgs } },
            { postgresVersion: major, citusVersion: "13.2", workload },
          ),
        );
        await stack.up();
        await stack.expectNoChanges();
        const nodes = "SELECT count(*) FROM pg_dist_node WHERE isactive AND metadatasynced";
        for (const host of hosts.all()) {
          assert.equal(await host.must(`runuser -u postgres -- psql -XAtd app -c ${JSON.stringify(nodes)}`), "2");
          assert.equal(await host.must("sysctl -n vm.overcommit_memory; sysctl -n net.core.somaxconn"), "2\n4096");
          assert.equal(
            await host.must("awk '/^Max open files/ { print $4 }' /proc/$(pgrep -ox postgres)/limits"),
            "2048",
          );
          assert.match(await host.must("pg_lsclusters -h"), /^\d+ +citus +5432 +online .*$/, "no other cluster");
        }
        const destroyed = await stack.destroy();
        assert.match(destroyed.output, /keeps the packages of host "a" and their repositories/);
        assert.match(await hosts.get("two").must("dpkg-query -W 'postgresql-*-citus-*'"), /13\.2\.0\.citus-1/);
      },
    );
  });
});
