/** A cluster with a firewall on separate hosts, logged in to with the rights that the README lists: whoever is outside reaches SSH only, as found by
 *  dialling every port; clients and nodes reach PostgreSQL, SQL of the operator goes through SSH. Also after a reboot, and gone on destroy. */
import assert from "node:assert/strict";
import { stepText, type ResolvedPart } from "../../../components/hosts/shell";
import { parseReport, preflightScript } from "../../../providers/dynamic/preflight";
import { url } from "../../support/demo-cluster";
import { sshClusterOf, targetOf } from "../../support/hosts/cluster";
import { loginUser, startHosts, type TestHost, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { withStack } from "../../support/stack";
import { requires } from "../../support/tools";
import { documentedSudoers } from "./documented-sudoers";

// Dials ports of an address and prints those that answer, whatever they say then.
const scanner = `
  const { connect } = require("node:net");
  const [address, first, last] = process.argv.slice(1);
  let port = Number(first);
  const open = [];
  const next = () => {
    if (port > Number(last)) return;
    const at = port++;
    const socket = connect({ host: address, port: at });
    const end = () => { socket.destroy(); };
    socket.setTimeout(2000, end).on("error", end).on("connect", () => { open.push(at); end(); }).on("close", next);
  };
  for (let lane = 0; lane < 500; lane += 1) next();
  process.on("exit", () => console.log(open.join(" ")));`;

const openPorts = (from: TestHost, to: TestHost, first = 1, last = 65_535) =>
  from.inNetwork(process.execPath, "-e", scanner, to.address, String(first), String(last)).trim();

/** The role that a client on that machine logs in as. */
const whoAmI = (from: TestHost, connectionString: string) =>
  from
    .inNetwork(
      process.execPath,
      "-e",
      `const { Client } = require(${JSON.stringify(require.resolve("pg"))});
       const client = new Client({ connectionString: process.argv[1] });
       client.connect().then(() => client.query("SELECT current_user")).then(({ rows }) => {
         console.log(rows[0].current_user);
         return client.end();
       })`,
      connectionString,
    )
    .trim();

const traces = "ls /etc/nftables.d; nft list tables";

describe("CitusCluster on machines with a firewall", function () {
  this.timeout(600_000);
  let hosts: TestHosts;
  before(async function () {
    requires(this, "cli", "tls", "command", "realCitus");
    requiresHosts(this);
    hosts = await startHosts(["c", "a", "b", "client", "outside"], {
      sudoers: documentedSudoers({ withFirewall: true }),
    });
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
  });

  it("answers nodes and clients, and to all others on SSH only", async () => {
    const machines = hosts;
    const nodes = ["c", "a"].map((key) => machines.get(key));
    const [client, outside] = [machines.get("client"), machines.get("outside")];
    const program = (folder: string, firewall: "nftables" | "none", worker = "a") =>
      sshClusterOf(folder, targetOf(machines, { coordinator: "c", [worker]: worker }, { firewall }), {
        clientNetworks: [`${client.address}/32`],
      });
    let folder = "";
    await withStack(
      (dataFolder) => program((folder = dataFolder), "nftables"),
      async (stack) => {
        const unprepared = await stack.failing("up");
        const [, command = ""] = /run there as root: (install .*)$/m.exec(unprepared.output) ?? [];
        assert.match(
          command,
          /^install -d -m 755 \/etc\/nftables\.d && echo .* && systemctl enable nftables$/,
          unprepared.output,
        );
        for (const node of nodes) assert.equal((await node.run("pg_lsclusters -h")).stdout, "", "nothing was touched");
        for (const node of nodes) await node.must(command);

        const formed = await stack.up();
        await stack.expectNoChanges();
        const everywhere = (from: TestHost) => nodes.map((node) => openPorts(from, node));
        assert.deepEqual(everywhere(outside), ["22", "22"], "all ports, from outside");
        const postgres = (from: TestHost, to: TestHost) => openPorts(from, to, 5432, 5432);
        for (const node of nodes) assert.equal(postgres(client, node), "5432", "from a client network");
        const [c, a] = nodes as [TestHost, TestHost];
        const string = url(formed, "app");
        assert.equal(whoAmI(client, string), "app", "the role's certificate, from a client network");
        assert.throws(() => whoAmI(client, string.replace(/sslcert=[^&]*&sslkey=[^&]*/, "")), /certificate/);
        assert.throws(() => whoAmI(a, string.replace("//app@", "//postgres@")), /certificate authentication failed/);
        assert.equal(postgres(a, c), "5432", "from node to node");

        await a.reboot();
        // Its PostgreSQL starts after its sshd.
        for (const deadline = Date.now() + 60_000; postgres(c, a) !== "5432";)
          assert.ok(Date.now() < deadline, "it is back after a reboot");
        assert.equal(postgres(outside, a), "", "after a reboot");
        await stack.expectNoChanges();

        stack.change(program(folder, "none"));
        await stack.up();
        assert.equal(postgres(outside, a), "5432", "without a firewall the scan sees the port");
        stack.change(program(folder, "nftables"));
        await stack.up();
        assert.equal(postgres(outside, a), "", "with one again");

        const b = machines.get("b");
        await b.must(command);
        await c.must(`runuser -u postgres -- psql -qXd app <<<"CREATE TABLE event (id int PRIMARY KEY);
          INSERT INTO event SELECT generate_series(1, 1000);
          SELECT create_distributed_table('event', 'id', shard_count => 4)"`);
        stack.change(program(folder, "nftables", "b"));
        await stack.up();
        assert.equal(
          await c.must("runuser -u postgres -- psql -XAtd app -c 'SELECT count(*) FROM event'"),
          "1000",
          "a machine is replaced in one run, and no row is lost",
        );
        assert.equal(postgres(a, c), "", "and is shut out then");
        assert.equal(postgres(b, c), "5432");

        await stack.destroy();
        for (const node of [c, a, b]) assert.doesNotMatch(await node.must(traces), /pulumi/, node.key);
      },
    );
  });
});

describe("scripts of a firewall, run by a user with limited rights", function () {
  this.timeout(120_000);
  let hosts: TestHosts;
  let host: TestHost;
  before(async function () {
    requiresHosts(this);
    hosts = await startHosts(["a"], { sudoers: documentedSudoers({ withFirewall: true }) });
    host = hosts.get("a");
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
  });

  const file = "/etc/nftables.d/pulumi-citus-citus.nft";
  const prelude = {
    files: ["components/hosts/server.sh", "components/hosts/ssh.sh"],
    values: { KEY: "a", CLUSTER: "citus", OS_USER: "postgres", POSTGRES_VERSION: "" },
  };
  const run = (part: ResolvedPart) => hosts.ssh("a", loginUser, "bash -s create", stepText(prelude, part));
  const write = (exact: "yes" | "no", ...allowed: readonly string[]) =>
    run({
      files: ["components/hosts/firewall.sh"],
      values: { PORT: "5432", ALLOWED: allowed.join("\n"), EXACT: exact },
    });
  const written = async (exact: "yes" | "no", ...allowed: readonly string[]) => {
    const { code, stderr } = await write(exact, ...allowed);
    assert.equal(code, 0, stderr);
  };
  const remove = () => run({ files: ["tests/components/hosts/remove-firewall.sh"], values: {} });
  const table = "nft list table inet pulumi_citus_citus";
  const letIn = async () => [...(await host.must(table)).matchAll(/5432 ip6? saddr (\S+) accept/g)].map(([, by]) => by);
  const problems = async () => {
    const { address } = host;
    const login = { host: address, user: loginUser, hostKey: host.hostKey };
    const ssh = { address: login, user: "postgres", cluster: "citus", firewall: true };
    const inputs = { host: "a", target: { ssh }, address, port: 5432, extensions: [], deleteData: false };
    const { stdout } = await hosts.ssh("a", loginUser, "bash -s preflight", preflightScript(inputs));
    return parseReport(stdout).problems.filter((problem) => /nftables|firewall/.test(problem));
  };

  it("are refused where boots would not load them, or would remove the rules of others", async () => {
    await host.must("mkdir -p /etc/ufw && echo ENABLED=yes >/etc/ufw/ufw.conf");
    const [beside = "", ...others] = await problems();
    assert.match(beside, /^ufw is active there, .* take the line "flush ruleset" out .*, or leave firewall out/);
    assert.deepEqual(others, []);
    await host.must("sed -i '/^flush ruleset/d' /etc/nftables.conf");
    const [unprepared = ""] = await problems();
    const [, command = ""] = /run there as root: (.*)$/.exec(unprepared) ?? [];
    await host.must(command);
    assert.deepEqual(await problems(), []);
    await host.must("chmod 700 /etc/nftables.d");
    assert.deepEqual(await problems(), [unprepared], "who logs in cannot look into the folder");
    await host.must("chmod 755 /etc/nftables.d");
  });

  it("keep whom they let in before until the exact ones come, or say that they cannot", async () => {
    await written("no", "192.0.2.1", "192.0.2.2");
    await written("no", "192.0.2.1", "2001:db8::/32");
    const all = ["192.0.2.1", "192.0.2.2", "2001:db8::/32"];
    assert.deepEqual(await letIn(), all, "one that leaves still gets in");
    await host.must(`chmod 600 ${file}`);
    const unread = await write("no", "192.0.2.1");
    assert.equal(unread.code, 1);
    assert.match(unread.stderr, /cannot be read from .*; run there as root: .* chmod 644/);
    assert.deepEqual(await letIn(), all);
    await host.must(`chmod 644 ${file}`);
    await written("yes", "192.0.2.1");
    assert.deepEqual(await letIn(), ["192.0.2.1"]);
  });

  it("refuse a name", async () => {
    const refused = await write("no", "192.0.2.1", "db.example");
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /cannot let in db\.example; give an IP address/);
    assert.deepEqual(await letIn(), ["192.0.2.1"]);
  });

  it("are not written beside those of a cluster that had another name", async () => {
    await host.must(`sed s/citus_citus/citus_old/ ${file} >/etc/nftables.d/pulumi-citus-old.nft
      nft -f /etc/nftables.d/pulumi-citus-old.nft`);
    const [other = ""] = await problems();
    assert.match(other, /^the firewall of the cluster "old" closes port 5432; where that cluster is gone, run there/);
    await host.must(other.replace(/^.*as root: /, ""));
    assert.deepEqual(await problems(), []);
    assert.doesNotMatch(await host.must(traces), /old/);
  });

  it("leave nothing behind on removal, wherever a run before was killed", async () => {
    const gone = async () => {
      const { code, stderr } = await remove();
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(await host.must(traces), /pulumi/);
    };
    await host.must(`cp /usr/sbin/nft /root/nft; printf '#!/bin/sh\\necho busy; exit 1\\n' >/usr/sbin/nft`);
    const refused = await remove();
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /pulumi_citus_citus of nftables cannot be deleted: busy/);
    await host.must("cp /root/nft /usr/sbin/nft");
    await gone();
    await gone();
    await written("yes", "192.0.2.1");
    await host.must("nft delete table inet pulumi_citus_citus");
    await gone();
    await written("yes", "192.0.2.1");
    await host.must(`mv ${file} ${file}.new`);
    await gone();
  });
});
