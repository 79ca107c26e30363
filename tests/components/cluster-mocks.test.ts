/** CitusCluster with mocks: the identity of every resource, which is a contract with every state, and what waits for what. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { CitusCluster, localHosts, type CitusClusterArgs } from "../../index";
import { mockEngine, type Made } from "./hosts/mock-engine";

/** The arguments of examples/quickstart. */
const quickstart: CitusClusterArgs = {
  hosts: localHosts({
    folder: "/var/tmp/citus-quickstart",
    coordinator: { port: 9700 },
    workers: { a: { port: 9701 }, b: { port: 9702 } },
  }),
  databases: { app: { owner: "app", extensions: { pg_stat_statements: {} } } },
  loginRoles: ["app"],
};

async function madeBy(args: Partial<CitusClusterArgs> = {}): Promise<readonly Made[]> {
  const made = mockEngine({
    "tls:index/privateKey:PrivateKey": { privateKeyPem: "key" },
    "tls:index/certRequest:CertRequest": { certRequestPem: "request" },
    "tls:index/locallySignedCert:LocallySignedCert": { certPem: "certificate" },
    "tls:index/selfSignedCert:SelfSignedCert": { certPem: "authority" },
    "pulumi-nodejs:dynamic/citus:RevocationList": { initial: "list", current: "list", revokedSerials: [] },
  });
  new CitusCluster("demo", { ...quickstart, ...args });
  return await made();
}

const identity = ({ type, name }: Made) => `${type} ${name}`;

// Changing a line replaces that resource in the stacks of users: it needs an alias and a release note.
const identities = [
  "citus:index:Certificates demo-certificates",
  "citus:index:CitusCluster demo",
  "citus:index:CitusDatabase demo-app",
  "citus:index:Connections demo-connections",
  "citus:index:Fencing demo-fencing",
  "citus:index:LocalHosts demo-hosts",
  "citus:index:NodeConfiguration demo-nodes",
  "command:local:Command demo-connections-authority",
  "command:local:Command demo-connections-client-app",
  "command:local:Command demo-connections-client-postgres",
  "command:local:Command demo-fencing-a",
  "command:local:Command demo-fencing-b",
  "command:local:Command demo-fencing-coordinator",
  "command:local:Command demo-hosts-a",
  "command:local:Command demo-hosts-b",
  "command:local:Command demo-hosts-coordinator",
  "command:local:Command demo-nodes-a",
  "command:local:Command demo-nodes-b",
  "command:local:Command demo-nodes-coordinator",
  "pulumi-nodejs:dynamic/citus:Database demo-app",
  "pulumi-nodejs:dynamic/citus:Extension demo-app-pg_stat_statements",
  "pulumi-nodejs:dynamic/citus:Nodes demo-app",
  "pulumi-nodejs:dynamic/citus:Preflight demo-hosts-a-preflight",
  "pulumi-nodejs:dynamic/citus:Preflight demo-hosts-b-preflight",
  "pulumi-nodejs:dynamic/citus:Preflight demo-hosts-coordinator-preflight",
  "pulumi-nodejs:dynamic/citus:RevocationList demo-revocation-list",
  "pulumi-nodejs:dynamic/citus:Role demo-app",
  "pulumi-nodejs:dynamic/citus:Settings demo-a",
  "pulumi-nodejs:dynamic/citus:Settings demo-b",
  "pulumi-nodejs:dynamic/citus:Settings demo-coordinator",
  ...["CertRequest", "LocallySignedCert", "PrivateKey"].flatMap((type) =>
    ["node-a", "node-b", "node-coordinator", "operator", "role-app"].map(
      (child) => `tls:index/${lowerFirst(type)}:${type} demo-certificates-${child}`,
    ),
  ),
  "tls:index/privateKey:PrivateKey demo-certificates-authority",
  "tls:index/selfSignedCert:SelfSignedCert demo-certificates-authority",
].sort();

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

describe("CitusCluster with mocks", () => {
  it("makes the quickstart of these types and names", async () => {
    assert.deepEqual((await madeBy()).map(identity).sort(), identities);
  });

  it("gives every resource but itself a parent", async () => {
    const orphans = (await madeBy()).filter(({ parent }) => parent === "" || parent.includes("stack"));
    assert.deepEqual(orphans.map(identity), ["citus:index:CitusCluster demo"]);
  });

  it("changes nothing of other workers when one leaves: names come from keys", async () => {
    const smaller = localHosts({
      folder: "/var/tmp/citus-quickstart",
      coordinator: { port: 9700 },
      workers: { b: { port: 9702 } },
    });
    const left = new Set((await madeBy({ hosts: smaller })).map(identity));
    assert.deepEqual(
      identities.filter((each) => !left.has(each)).map((each) => each.split(" ")[1]),
      identities
        .map((each) => each.split(" ")[1] ?? "")
        .filter((name) => /-(a|a-preflight)$/.test(name) && name !== "demo-app"),
    );
  });

  it("registers nodes when every node is configured, and fences after that", async () => {
    const made = await madeBy();
    const commands = (prefix: string) => ["a", "b", "coordinator"].map((key) => `${prefix}-${key}`);
    const only = (type: string) => made.filter((each) => each.type.endsWith(`:${type}`));
    for (const nodes of only("Nodes")) {
      const missing = commands("demo-nodes").filter((name) => !nodes.dependsOn.includes(name));
      assert.deepEqual(missing, [], nodes.dependsOn.join());
      assert.ok(nodes.dependsOn.includes("demo-app"), "the database and its owner first");
    }
    // Children wait for the URN of their component, which waits for these.
    const [fencing] = only("Fencing");
    assert.deepEqual(fencing?.dependsOn, ["demo-app", ...commands("demo-nodes"), "demo-revocation-list"]);
    for (const host of only("Command").filter(({ name }) => /^demo-hosts-/.test(name)))
      assert.deepEqual(
        host.dependsOn,
        commands("demo-hosts").map((name) => `${name}-preflight`),
        "no host before every preflight",
      );
  });

  it("sends connections and scripts as secrets", async () => {
    const made = await madeBy();
    const open = made.filter(({ type, inputs, secretInputs }) => {
      const needs = ["stdin", "connection"].filter((name) => name in inputs && !type.startsWith("citus:"));
      return needs.some((name) => !secretInputs.includes(name));
    });
    assert.deepEqual(open.map(identity), []);
  });

  it("can be previewed while keys, certificates and scripts are unknown", async () => {
    const names: string[] = [];
    await pulumi.runtime.setMocks(
      {
        // As in a first preview: outputs of resources that do not exist are unknown.
        newResource: ({ name, inputs }: { name: string; inputs: Record<string, unknown> }) => {
          names.push(name);
          return { id: undefined, state: inputs };
        },
        call: () => ({}),
      },
      "project",
      "stack",
      true,
    );
    const cluster = new CitusCluster("demo", quickstart);
    assert.deepEqual(Object.keys(cluster.nodes), ["coordinator", "a", "b"]);
    assert.deepEqual(Object.keys(cluster.databases), ["app"]);
    await pulumi.runtime.disconnect();
    assert.ok(names.length >= identities.length, `${names.length} resources registered`);
  });
});
