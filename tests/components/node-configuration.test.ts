/** The texts of the configuration files, and the component with mocks. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { NodeConfiguration } from "../../components/node-configuration";
import {
  hbaFile,
  identFile,
  networkProblem,
  nodeSettings,
  settingsFile,
} from "../../components/node-configuration/files";
import { describeMade, mockEngine, testHosts, valueOf } from "./hosts/mock-engine";

describe("settingsFile", () => {
  for (const [why, settings, text] of [
    ["numbers and words", { port: "5432", work_mem: "8MB" }, "port = '5432'\nwork_mem = '8MB'"],
    ["quotes and backslashes", { "app.motto": "it's a \\ b" }, "app.motto = 'it''s a \\\\ b'"],
    ["a comment sign as text", { log_line_prefix: "# %m" }, "log_line_prefix = '# %m'"],
  ] as const) {
    it(`writes ${why}`, () => {
      assert.equal(settingsFile(settings), text);
    });
  }

  it("refuses what would begin another setting", () => {
    assert.throws(() => settingsFile({ work_mem: "8MB'\nssl = off" }), /the value of work_mem holds a line end/);
    assert.throws(() => settingsFile({ "work_mem = '1'\nssl": "off" }), /is not the name of a setting/);
  });
});

describe("nodeSettings", () => {
  const base = { address: "10.0.0.5", port: 5600, preload: [], settings: {} };

  it("loads citus first, once, each library as an element of its own", () => {
    const { shared_preload_libraries: libraries } = nodeSettings({
      ...base,
      preload: ["pg_stat_statements", "citus", "auto_explain"],
    });
    assert.equal(libraries, "citus, pg_stat_statements, auto_explain");
  });

  it("lets users set defaults, never what holds the cluster together", () => {
    const settings = nodeSettings({
      ...base,
      settings: { max_wal_senders: "50", ssl: "off", port: "1", "citus.node_conninfo": "sslmode=disable" },
    });
    assert.equal(settings["max_wal_senders"], "50");
    assert.deepEqual([settings["ssl"], settings["port"]], ["on", "5600"]);
    assert.match(String(settings["citus.node_conninfo"]), /^sslmode=verify-full /);
  });

  it("allows twice as many prepared transactions as connections", () => {
    assert.equal(nodeSettings({ ...base, settings: { max_connections: "300" } })["max_prepared_transactions"], "600");
    assert.equal(nodeSettings(base)["max_prepared_transactions"], "200");
  });
});

describe("hbaFile", () => {
  it("has its lines in the order that decides", () => {
    const text = hbaFile({
      osUser: "postgres",
      nodes: ["10.0.0.6", "10.0.0.5", "fd00::1", "node.example", "10.0.0.5"],
      operatorNetworks: ["192.168.0.0/16"],
      clientNetworks: ["10.9.0.0/16", "10.8.0.1"],
      certificateRoles: ["app", "Data team", "app"],
    });
    assert.deepEqual(text.split("\n"), [
      "local all postgres peer",
      "local all all scram-sha-256",
      "hostssl all all 10.0.0.5/32 cert map=cluster",
      "hostssl all all 10.0.0.6/32 cert map=cluster",
      "hostssl all all fd00::1/128 cert map=cluster",
      "hostssl all all node.example cert map=cluster",
      "hostssl all postgres 192.168.0.0/16 cert map=cluster",
      'hostssl all "Data team",app 10.8.0.1/32 cert map=cluster',
      'hostssl all "Data team",app 10.9.0.0/16 cert map=cluster',
      "hostssl all all 10.8.0.1/32 scram-sha-256",
      "hostssl all all 10.9.0.0/16 scram-sha-256",
    ]);
  });

  it("maps another user of the operating system", () => {
    const text = hbaFile({ osUser: "me", nodes: [], operatorNetworks: [], clientNetworks: [], certificateRoles: [] });
    assert.equal(text.split("\n")[0], "local all postgres peer map=local");
  });

  it("refuses words that mean every address, and anything with blanks", () => {
    for (const network of ["all", "samenet", ".example", "10.0.0.0/33", "10.0.0", "10.0.0.1 trust\nhost", ""]) {
      assert.notEqual(networkProblem(network), undefined, network);
      assert.throws(() =>
        hbaFile({
          osUser: "postgres",
          nodes: [],
          operatorNetworks: [network],
          clientNetworks: [],
          certificateRoles: [],
        }),
      );
    }
  });
});

describe("identFile", () => {
  it("lets a node be every role, where PostgreSQL knows the word", () => {
    assert.deepEqual(identFile({ osUser: "postgres", loginRoles: ["app"], postgresVersion: 16 }).split("\n"), [
      "cluster /^node:.*$ all",
      "cluster operator postgres",
      "cluster /^([^:]*)$ \\1",
    ]);
  });

  it("names each role for PostgreSQL 15, and the user of the operating system", () => {
    assert.deepEqual(identFile({ osUser: "me", loginRoles: ["b", "a", "a"], postgresVersion: 15 }).split("\n"), [
      "local me postgres",
      "cluster /^node:.*$ postgres",
      "cluster /^node:.*$ a",
      "cluster /^node:.*$ b",
      "cluster operator postgres",
      "cluster /^([^:]*)$ \\1",
    ]);
  });

  it("quotes names so that none of their characters has a meaning", () => {
    const text = identFile({ osUser: "postgres", loginRoles: ['a "b", #c'], postgresVersion: 15 });
    assert.ok(text.includes('cluster /^node:.*$ "a ""b"", #c"\n'));
    assert.throws(
      () => identFile({ osUser: "postgres", loginRoles: ["a\ncluster x postgres"], postgresVersion: 15 }),
      /cannot be written/,
    );
  });
});

describe("NodeConfiguration", () => {
  const certificates = Object.fromEntries(
    ["coordinator", "a"].map((key) => [
      key,
      { certificate: `certificate of ${key}`, privateKey: pulumi.secret(`key of ${key}`) },
    ]),
  );

  it("is one secret step per host after the host, with the settings in sight", async () => {
    const made = mockEngine();
    const { hosts } = testHosts("hosts", {
      folder: "/var/tmp/c",
      coordinator: { port: 5600 },
      workers: { a: { port: 5601 } },
    });
    const configuration = new NodeConfiguration("nodes", {
      hosts,
      authority: "ca",
      certificates,
      revocationList: "crl",
      settings: { a: { max_connections: "200" } },
      operatorNetworks: ["127.0.0.1"],
    });
    await valueOf(pulumi.all(Object.values(configuration.outcomes)));
    const own = (await made()).filter(({ name }) => name.startsWith("nodes"));
    assert.deepEqual(own.map(describeMade), [
      "citus:index:NodeConfiguration nodes",
      "command:local:Command nodes-a < nodes",
      "command:local:Command nodes-coordinator < nodes",
    ]);
    const [component, a] = own;
    const visible = JSON.stringify(component?.inputs);
    assert.match(visible, /"max_connections":"200"/);
    assert.match(visible, /"hostssl all all 127\.0\.0\.1\/32 cert map=cluster"/);
    assert.ok(!visible.includes("key of"));
    assert.deepEqual(a?.dependsOn, ["hosts-a"]);
    assert.deepEqual(a.secretInputs, ["stdin"]);
    assert.equal(a.inputs["create"], "bash -s create");
    assert.equal(a.inputs["addPreviousOutputInEnv"], false);
    assert.match(String(a.inputs["stdin"]), /^export -n PRIVATE_KEY='key of a'$/m);
    assert.equal(await pulumi.isSecret(configuration.outcomes["a"] ?? pulumi.secret("")), false);
  });

  it("refuses a host without a certificate", () => {
    mockEngine();
    const { hosts } = testHosts("hosts", {
      folder: "/var/tmp/c",
      coordinator: { port: 5600 },
      workers: { b: { port: 5601 } },
    });
    const args = { hosts, authority: "ca", certificates, revocationList: "crl", operatorNetworks: [] };
    assert.throws(() => new NodeConfiguration("nodes", args), /certificates\.b: is missing/);
  });
});
