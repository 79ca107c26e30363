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
  "pulumi-nodejs:dynamic/citus:ConfigurationFile demo-a",
  "pulumi-nodejs:dynamic/citus:ConfigurationFile demo-b",
  "pulumi-nodejs:dynamic/citus:ConfigurationFile demo-coordinator",
  "pulumi-nodejs:dynamic/citus:Database demo-app",
  "pulumi-nodejs:dynamic/citus:Extension demo-app-pg_stat_statements",
  "pulumi-nodejs:dynamic/citus:LeavingHosts demo-leaving-hosts",
  "pulumi-nodejs:dynamic/citus:Nodes demo-app",
  "pulumi-nodejs:dynamic/citus:Preflight demo-hosts-a-preflight",
  "pulumi-nodejs:dynamic/citus:Preflight demo-hosts-b-preflight",
  "pulumi-nodejs:dynamic/citus:Preflight demo-hosts-coordinator-preflight",
  "pulumi-nodejs:dynamic/citus:RevocationList demo-revocation-list",
  "pulumi-nodejs:dynamic/citus:Role demo-app",
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
    for (const fence of only("Command").filter(({ name }) => /^demo-fencing-/.test(name))) {
      const missing = ["demo-app", ...commands("demo-nodes")].filter((name) => !fence.dependsOn.includes(name));
      assert.deepEqual(missing, [], fence.dependsOn.join());
    }
    // A component that waited would be one more step for its children.
    for (const component of [...only("Fencing"), ...only("CitusDatabase")])
      assert.deepEqual(
        component.dependsOn.filter((name) => name !== "demo-revocation-list"),
        [],
      );
    for (const host of only("Command").filter(({ name }) => /^demo-hosts-/.test(name)))
      assert.deepEqual(
        host.dependsOn,
        commands("demo-hosts").map((name) => `${name}-preflight`),
        "no host before every preflight",
      );
  });

  it("remembers the version of hosts that leave, which may have data of another one as well", async () => {
    const leaving = (await madeBy({ postgresVersion: 17 })).find(({ type }) => type.endsWith("LeavingHosts"));
    const hosts = leaving?.inputs["hosts"] as Record<string, { readonly postgresVersion?: number }>;
    assert.equal(hosts["a"]?.postgresVersion, 17);
  });

  it("gives settings to databases and roles only where asked, on every node", async () => {
    const of = async (args: Parameters<typeof madeBy>[0]) =>
      (await madeBy(args)).filter(({ type }) => type.endsWith(":Settings"));
    assert.deepEqual(await of({}), []);
    const made = await of({
      databases: { app: { settings: { statement_timeout: "5min" } } },
      loginRoleSettings: { app: {} },
    });
    const shown = made.map(({ name, inputs, dependsOn }) => ({
      name,
      target: [inputs["database"], inputs["role"]],
      settings: inputs["settings"],
      nodes: Object.keys(inputs["nodes"] ?? {}).sort(),
      waits: dependsOn.includes("demo-app"),
    }));
    const nodes = ["a", "b", "coordinator"];
    assert.deepEqual(
      shown.sort((one) => (one.target[0] === undefined ? 1 : -1)),
      [
        { name: "demo-app", target: ["app", undefined], settings: { statement_timeout: "5min" }, nodes, waits: true },
        { name: "demo-app", target: [undefined, "app"], settings: {}, nodes, waits: true },
      ],
    );
  });

  it("makes a database as it was asked for", async () => {
    const asked = {
      template: "template1",
      encoding: "UTF8",
      locale: "C.UTF-8",
      icuLocale: "de-AT",
      extensionVersion: "13.2-1",
    };
    const made = (await madeBy({ databases: { app: asked } })).find(({ type }) => type.endsWith(":Database"));
    assert.deepEqual(Object.fromEntries(Object.keys(asked).map((name) => [name, made?.inputs[name]])), asked);
  });

  it("moves shards only where asked, over the nodes that may hold them", async () => {
    const of = async (args: Parameters<typeof madeBy>[0]) =>
      (await madeBy(args)).filter(({ type }) => type.endsWith(":Rebalance"));
    assert.deepEqual((await of({})).map(identity), []);
    assert.deepEqual(await of({ databases: { app: { rebalance: false } } }), []);
    const [made] = await of({ transferMode: "block_writes", databases: { app: { rebalance: true } } });
    assert.deepEqual(Object.keys(made?.inputs["nodes"] ?? {}), ["a", "b"]);
    assert.equal(made?.inputs["transferMode"], "block_writes");
    assert.ok(made.dependsOn.includes("demo-app"), made.dependsOn.join());
    const [own] = await of({
      coordinatorHoldsShards: true,
      databases: { app: { rebalance: { strategy: "by_shard_count", transferMode: "force_logical" } } },
    });
    assert.deepEqual(Object.keys(own?.inputs["nodes"] ?? {}).sort(), ["a", "b", "coordinator"]);
    assert.deepEqual([own?.inputs["strategy"], own?.inputs["transferMode"]], ["by_shard_count", "force_logical"]);
  });

  it("lets login roles in from client networks by certificate, or by password where they have one", async () => {
    const made = await madeBy({
      loginRoles: ["app", "report"],
      loginRolePasswords: { report: pulumi.secret("correct horse") },
      clientNetworks: ["10.9.0.0/16"],
    });
    const configuration = made.find(({ type }) => type === "citus:index:NodeConfiguration");
    const { a } = configuration?.inputs["nodes"] as Record<string, { hba: string[] }>;
    assert.deepEqual(
      a?.hba.filter((line) => line.includes("10.9.0.0")),
      ["hostssl all app 10.9.0.0/16 cert map=cluster", "hostssl all all 10.9.0.0/16 scram-sha-256"],
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
