/** A cluster on machines that the operator reaches through a bastion only: not one packet goes to them directly, whether for SSH or for SQL. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { CitusCluster, sshHosts } from "../../../index";
import { spellings, watchProcesses } from "../../support/canaries";
import { loginUser, operatorAddress, startHosts, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { sshKeys } from "../../support/ssh-keys";
import { withStack } from "../../support/stack";
import { requires } from "../../support/tools";

/** The lines of a key that nobody could guess; the first ones hold its public part. */
const secretLines = (pem: string) =>
  pem
    .split("\n")
    .filter((line) => /^[A-Za-z0-9+/=]{24,}$/.test(line))
    .slice(2);

describe("CitusCluster behind a bastion", function () {
  this.timeout(600_000);
  let hosts: TestHosts;
  before(async function () {
    // Machines have what is installed here, which the stand-in is not.
    requires(this, "cli", "tls", "command", "realCitus");
    requiresHosts(this);
    hosts = await startHosts(["bastion", "coordinator", "a"]);
    for (const key of ["coordinator", "a"]) hosts.get(key).dropFrom(operatorAddress);
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
  });

  const machine = (key: string) => ({ address: hosts.get(key).address, hostKey: hosts.get(key).hostKey });
  const program =
    (folder: string, hostKeyOfA = hosts.get("a").hostKey) =>
    () => {
      const { address: host, hostKey } = machine("bastion");
      const cluster = new CitusCluster("demo", {
        hosts: sshHosts({
          user: loginUser,
          privateKey: pulumi.secret(hosts.privateKey),
          bastion: { host, hostKey },
          coordinator: machine("coordinator"),
          workers: { a: { ...machine("a"), hostKey: hostKeyOfA } },
        }),
        databases: { app: {} },
        clientFolder: join(folder, "clients"),
      });
      return Promise.resolve({ nodes: cluster.nodes });
    };

  it("is formed, found unchanged and taken down, with the login's key nowhere but in the state's secrets", async () => {
    let folder = "";
    await withStack(
      (dataFolder) => {
        folder = dataFolder;
        return program(dataFolder, sshKeys().public);
      },
      async (stack) => {
        const watch = watchProcesses(10);
        const printed: string[] = [];
        let processes = "";
        try {
          const refused = await stack.failing("up");
          printed.push(refused.output);
          assert.match(
            refused.output,
            /cannot use host "a": SSH to admin@\S+ through admin@\S+: its host key is SHA256:\S+, expected ssh-ed25519 SHA256:/,
          );
          assert.equal((await hosts.get("coordinator").run("pg_lsclusters -h")).stdout, "", "no host was touched");

          stack.change(program(folder));
          printed.push(
            (await stack.up()).output,
            (await stack.expectNoChanges()).output,
            (await stack.refresh()).output,
          );
          const nodes = "SELECT count(*) FROM pg_dist_node WHERE isactive AND metadatasynced";
          const answer = await hosts
            .get("coordinator")
            .must(`runuser -u postgres -- psql -XAtd app -c ${JSON.stringify(nodes)}`);
          assert.equal(answer, "2");
        } finally {
          processes = watch.stop();
        }
        const state = readdirSync(join(stack.workFolder, "state"), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
        const canaries = secretLines(hosts.privateKey).flatMap(spellings);
        assert.ok(canaries.length >= 6);
        const places = { processes, printed: printed.join(), state: state.join() };
        for (const [place, text] of Object.entries(places))
          assert.deepEqual(
            canaries.filter((canary) => text.includes(canary)),
            [],
            place,
          );
        const patterns = canaries.flatMap((canary) => ["-e", canary]);
        for (const host of hosts.all())
          assert.equal(filesWith(host.diskFile("/"), patterns), "", `on the disk of host ${host.key}`);
      },
    );
  });
});

function filesWith(folder: string, patterns: readonly string[]): string {
  try {
    return execFileSync("grep", ["-rlF", "--devices=skip", ...patterns, folder], { encoding: "utf8" });
  } catch {
    // Nothing found.
    return "";
  }
}
