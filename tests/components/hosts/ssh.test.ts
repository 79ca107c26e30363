/** SshHosts: what its arguments may be, how it logs in, and what it makes, with mocks. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { utils } from "ssh2";
import { connectionOf } from "../../../components/hosts/shell";
import { checkSshHosts, SshHosts, sshHosts, type SshHostTargetArgs } from "../../../components/hosts/ssh";
import { planCluster } from "../../../sizing/plan";
import { describeMade, mockEngine } from "./mock-engine";
import { sshKeys } from "../../support/ssh-keys";

const { private: privateKey, public: hostKey } = sshKeys();

const good: SshHostTargetArgs = {
  user: "deploy",
  privateKey,
  coordinator: { address: "10.0.0.1", hostKey },
  workers: { a: { address: "10.0.0.2", hostKey, port: 5433, sshHost: "a.example", sshPort: 2222, user: "ops" } },
};

describe("checkSshHosts", () => {
  it("accepts what works, also values that are known later", () => {
    assert.deepEqual(checkSshHosts(good), []);
    assert.deepEqual(sshHosts({ ...good, privateKey: undefined, agent: true }).check(), []);
    assert.deepEqual(checkSshHosts({ ...good, bastion: { host: "bastion.example", hostKey } }), []);
    const later = pulumi.output("later");
    assert.deepEqual(
      checkSshHosts({ ...good, privateKey: later, coordinator: { address: later, hostKey: later }, workers: {} }),
      [],
    );
  });

  const machine = { address: "10.0.0.2", hostKey };
  const rows: readonly {
    readonly why: string;
    readonly change: object;
    readonly path: string;
    readonly reason: RegExp;
  }[] = [
    { why: "no coordinator", change: { coordinator: undefined }, path: "coordinator", reason: /^is missing; every/ },
    { why: "no address", change: { workers: { a: { hostKey } } }, path: "workers.a.address", reason: /^is missing/ },
    {
      why: "several addresses",
      change: { workers: { a: { ...machine, address: "10.0.0.2,10.0.0.3" } } },
      path: "workers.a.address",
      reason: /must be one address without blanks/,
    },
    {
      why: "one machine for two nodes",
      change: { workers: { a: { ...machine, address: "10.0.0.1" } } },
      path: "workers.a.address",
      reason: /"10.0.0.1" is the machine of coordinator too/,
    },
    {
      why: "no pinned host key",
      change: { workers: { a: { address: "10.0.0.2" } } },
      path: "workers.a.hostKey",
      reason: /^is missing; "ssh-keyscan -p 22 10.0.0.2" shows it; compare it with "ssh-keygen -lf/,
    },
    {
      why: "no pinned host key behind a bastion",
      change: { bastion: { host: "bastion.example", hostKey }, workers: { a: { address: "10.0.0.2" } } },
      path: "workers.a.hostKey",
      reason: /"ssh -p 22 deploy@bastion.example ssh-keyscan -p 22 10.0.0.2" shows it/,
    },
    {
      why: "a host key of nobody",
      change: { coordinator: { address: "10.0.0.1", hostKey: "x" } },
      path: "coordinator.hostKey",
      reason: /^holds no host key/,
    },
    {
      why: "an RSA key only, which the command plugin cannot check",
      change: {
        coordinator: { address: "10.0.0.1", hostKey: utils.generateKeyPairSync("rsa", { bits: 2048 }).public },
      },
      path: "coordinator.hostKey",
      reason: /^pins an RSA key only/,
    },
    {
      why: "no key to log in with",
      change: { privateKey: undefined },
      path: "privateKey",
      reason: /^is missing; give/,
    },
    { why: "a key and an agent", change: { agent: true }, path: "agent", reason: /^is given beside privateKey/ },
    { why: "no user", change: { user: "" }, path: "user", reason: /^is missing/ },
    {
      why: "a port that is none",
      change: { workers: { a: { ...machine, port: 0 } } },
      path: "workers.a.port",
      reason: /from 1 to 65535, got 0/,
    },
    {
      why: "an SSH port that is none",
      change: { workers: { a: { ...machine, sshPort: 70000 } } },
      path: "workers.a.sshPort",
      reason: /from 1 to 65535, got 70000/,
    },
    {
      why: "a bastion without a host key",
      change: { bastion: { host: "bastion.example" } },
      path: "bastion.hostKey",
      reason: /^is missing; "ssh-keyscan -p 22 bastion.example"/,
    },
    {
      why: "a key of no host",
      change: { workers: { A_1: machine } },
      path: "workers.A_1",
      reason: /"A_1" is no key of a host/,
    },
    {
      why: "a worker called coordinator",
      change: { workers: { coordinator: machine } },
      path: "workers.coordinator",
      reason: /cannot be called so/,
    },
    {
      why: "a name that certificates and Citus would not find",
      change: { workers: { a: { ...machine, address: "DB1.example" } } },
      path: "workers.a.address",
      reason: /must be in lower case and without a final dot: "db1\.example"/,
    },
    {
      why: "a field of a machine that nobody reads",
      change: { workers: { a: { ...machine, sshport: 2222 } } },
      path: "workers.a.sshport",
      reason: /^is not a field; did you mean "sshPort"\?$/,
    },
    {
      why: "a field of the bastion that nobody reads",
      change: { bastion: { host: "bastion.example", hostKey, sshPort: 2222 } },
      path: "bastion.sshPort",
      reason: /^is not a field; there are host, port, user, hostKey, privateKey$/,
    },
    { why: "no machine", change: { workers: { a: null } }, path: "workers.a", reason: /^is no machine/ },
    {
      why: "a firewall that we do not write",
      change: { firewall: "ufw" },
      path: "firewall",
      reason: /^must be "nftables" or "none", got "ufw"$/,
    },
    {
      why: "a name where a firewall compares addresses",
      change: { firewall: "nftables", workers: { a: { ...machine, address: "a.example" } } },
      path: "workers.a.address",
      reason: /^"a\.example" is a name, and nftables compares IP addresses; give its IP address/,
    },
    {
      why: "a cluster's name with a blank",
      change: { cluster: "my db" },
      path: "cluster",
      reason: /"my db" is no name of a cluster/,
    },
  ];
  for (const { why, change, path, reason } of rows) {
    it(`refuses ${why}`, () => {
      const problems = checkSshHosts({ ...good, ...change });
      assert.ok(
        problems.some((problem) => problem.path === path && reason.test(problem.reason)),
        JSON.stringify(problems),
      );
      assert.ok(!JSON.stringify(problems).includes(privateKey.split("\n")[2] ?? "-"), "no private key is shown");
    });
  }

  it("tells once what concerns every machine", () => {
    assert.equal(checkSshHosts({ ...good, privateKey: undefined }).length, 1);
  });
});

describe("connectionOf", () => {
  const login = { host: "10.0.0.1", user: "deploy", privateKey, hostKey: `10.0.0.1 ${hostKey} root@a` };
  const dialled = { dialErrorLimit: 5, perDialTimeout: 10 };

  it("pins the host key of every machine on the way", () => {
    assert.deepEqual(connectionOf({ ...login, port: 2222, hostKey, bastion: { ...login, host: "bastion", hostKey } }), {
      host: "10.0.0.1",
      port: 2222,
      user: "deploy",
      privateKey,
      hostKey,
      ...dialled,
      proxy: { host: "bastion", port: 22, user: "deploy", privateKey, hostKey, ...dialled },
    });
    assert.equal(connectionOf(login).hostKey, hostKey);
  });

  it("refuses a machine whose host key is not pinned", () => {
    assert.throws(
      () => connectionOf({ ...login, hostKey: `10.0.0.9 ${hostKey}` }),
      /no host key of 10.0.0.1 is pinned/,
    );
  });
});

describe("SshHosts", () => {
  it("looks at every machine before it touches one, and sends logins as secrets only", async () => {
    const made = mockEngine();
    const { hosts } = new SshHosts("hosts", good);
    const all = await made();
    assert.deepEqual(all.map(describeMade), [
      "citus:index:SshHosts hosts",
      "command:remote:Command hosts-a < hosts",
      "pulumi-nodejs:dynamic/citus:Preflight hosts-a-preflight < hosts",
      "command:remote:Command hosts-coordinator < hosts",
      "pulumi-nodejs:dynamic/citus:Preflight hosts-coordinator-preflight < hosts",
      "pulumi-nodejs:dynamic/citus:SameVersions hosts-versions < hosts",
    ]);
    for (const { type, dependsOn, secretInputs, inputs } of all) {
      if (type.endsWith("Preflight")) assert.deepEqual(secretInputs, ["target"]);
      if (!type.endsWith("Command")) continue;
      assert.deepEqual(dependsOn, ["hosts-a-preflight", "hosts-coordinator-preflight", "hosts-versions"]);
      assert.deepEqual([...secretInputs].sort(), ["connection", "stdin"]);
      assert.deepEqual([inputs["create"], inputs["delete"]], ["bash -s create", "bash -s delete"]);
      assert.ok(!String(inputs["stdin"]).includes("PRIVATE KEY"));
    }
    assert.deepEqual(
      Object.values(hosts).map(({ key, role, port, osUser }) => [key, role, port, osUser]),
      [
        ["coordinator", "coordinator", 5432, "postgres"],
        ["a", "worker", 5433, "postgres"],
      ],
    );
  });

  it("installs packages on every machine once all are known to take them, then looks at all again", async () => {
    const key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBE6X\n-----END PGP PUBLIC KEY BLOCK-----\n";
    const made = mockEngine();
    new SshHosts("hosts", { ...good, install: { citus: { key } }, postgresVersion: 17, citusVersion: "13.2.1" });
    const all = await made();
    assert.deepEqual(
      all.map(({ name, dependsOn }) => [name, dependsOn]),
      [
        ["hosts", []],
        ["hosts-a", ["hosts-a-preflight", "hosts-coordinator-preflight", "hosts-versions"]],
        ["hosts-a-packages", ["hosts-a-packages-preflight", "hosts-coordinator-packages-preflight"]],
        ["hosts-a-packages-preflight", []],
        ["hosts-a-preflight", ["hosts-a-packages", "hosts-coordinator-packages"]],
        ["hosts-coordinator", ["hosts-a-preflight", "hosts-coordinator-preflight", "hosts-versions"]],
        ["hosts-coordinator-packages", ["hosts-a-packages-preflight", "hosts-coordinator-packages-preflight"]],
        ["hosts-coordinator-packages-preflight", []],
        ["hosts-coordinator-preflight", ["hosts-a-packages", "hosts-coordinator-packages"]],
        ["hosts-versions", ["hosts-a-preflight", "hosts-coordinator-preflight"]],
      ],
    );
    const step = all.find(({ name }) => name === "hosts-a-packages");
    assert.match(String(step?.inputs["stdin"]), /\nexport -n CITUS_VERSION='13\.2'\n/);
    assert.ok(!("delete" in (step?.inputs ?? {})), "packages stay");
  });

  it("looks at present machines only: one that is gone can be taken out of the map", async () => {
    const install = { citus: { key: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n" } };
    const versions = { install, postgresVersion: 17, citusVersion: "13.2" };
    const gone = { address: "10.0.0.3", hostKey };
    const lookedAt = async (workers: SshHostTargetArgs["workers"]) => {
      const made = mockEngine({ "pulumi-nodejs:dynamic/citus:Preflight": { facts: {} } });
      new SshHosts("hosts", { ...good, ...versions, workers });
      const looks = (await made()).filter(({ type }) => /:(Preflight|SameVersions)$/.test(type));
      return looks.map(({ name, inputs }) => [
        name,
        Object.keys(inputs["nodes"] ?? inputs["versions"] ?? {})
          .sort()
          .join(),
      ]);
    };
    assert.equal((await lookedAt({ ...good.workers, gone })).length, 7);
    assert.deepEqual(await lookedAt(good.workers), [
      ["hosts-a-packages-preflight", "a,coordinator"],
      ["hosts-a-preflight", "a,coordinator"],
      ["hosts-coordinator-packages-preflight", "a,coordinator"],
      ["hosts-coordinator-preflight", "a,coordinator"],
      ["hosts-versions", "a,coordinator"],
    ]);
  });

  it("gives machines the plan's settings of the operating system, unless they are to be left alone", async () => {
    const plan = planCluster({
      kind: "custom",
      workers: 1,
      coresPerWorker: 4,
      ramPerWorker: "16 GiB",
      dataSize: "100 GB",
      peakClients: 20,
    });
    for (const tuneSystem of [undefined, false]) {
      const made = mockEngine();
      const { hosts } = new SshHosts("hosts", { ...good, plan, tuneSystem });
      const [component] = await made();
      const { values } = hosts["a"]?.beforeConfiguration ?? {};
      assert.equal("operatingSystem" in (component?.inputs ?? {}), tuneSystem !== false, "reviewers see them");
      if (tuneSystem === false) assert.equal(values, undefined);
      else
        assert.match(
          values?.["KERNEL_SETTINGS"] ?? "",
          /^# .*\nvm\.overcommit_ratio = \d+\nvm\.overcommit_memory = 2\nnet\.core/,
        );
    }
  });

  it("throws everything that is wrong before anything is made", () => {
    assert.throws(
      () => new SshHosts("hosts", { ...good, user: "", cluster: "" }),
      (error) =>
        error instanceof pulumi.RunError && /user: is missing[\s\S]*cluster: "" is no name/.test(error.message),
    );
  });
});
