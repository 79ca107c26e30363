/** LeavingHosts: whom a host that leaves lets in besides, on a real server; and that nothing is deleted while a host does not answer. */
import assert from "node:assert/strict";
import type { Context } from "../../../providers/dynamic/engine/kind";
import { leavingHosts, type ReachableHost } from "../../../providers/dynamic/leaving-hosts";
import { makeAuthority } from "../../support/authority";
import { requires, serversOf } from "../../support/tools";
import { freePort, TestHost } from "../../components/hosts/test-host";

const context: Context = {
  progress: () => undefined,
  begin: () => undefined,
  info: () => undefined,
  connect: () => Promise.reject(new Error("no server is asked")),
  together: () => Promise.reject(new Error("no server is asked")),
};

const line = (address: string) => `hostssl all all ${address}/32 cert map=cluster`;

describe("LeavingHosts", function () {
  this.timeout(60_000);
  let host: TestHost | undefined;
  after(async () => {
    await host?.remove();
  });

  it("has hosts that leave and newcomers let each other in at once, and changes nothing on those that stay", async function () {
    requires(this, "postgres");
    const local = new TestHost(await freePort(), "root");
    host = local;
    const authority = await makeAuthority();
    assert.equal((await local.run(local.hostScript())).code, 0);
    const configured = await local.run(
      local.configureScript({
        authority,
        certificate: await authority.issue("node:a", "127.0.0.1"),
        revocationList: await authority.revocationList(),
      }),
    );
    assert.equal(configured.code, 0, configured.stderr);
    const reach: ReachableHost = {
      target: { local: { folder: local.folder, ...serversOf() } },
      port: local.port,
    };
    const elsewhere: ReachableHost = { target: { local: { folder: "/nowhere", ...serversOf() } }, port: 1 };
    const inputs = (hosts: Readonly<Record<string, ReachableHost>>, ...addresses: string[]) => ({
      hosts,
      hbaLines: addresses.map(line).join("\n"),
      allowed: addresses.join("\n"),
    });
    const before = local.read("pg_hba.conf");
    const old = inputs({ a: reach, b: elsewhere }, "127.0.0.1");
    assert.ok(leavingHosts.update);
    await leavingHosts.update(inputs({ a: reach, b: elsewhere, c: elsewhere }, "127.0.0.1", "192.0.2.7"), context, old);
    assert.equal(local.read("pg_hba.conf"), before, "nobody leaves");

    const now = inputs({ b: elsewhere }, "127.0.0.1", "192.0.2.7");
    await leavingHosts.update(now, context, old);
    const lines = local.read("pg_hba.conf").trimEnd().split("\n");
    assert.deepEqual(
      lines.filter((each) => each !== line("192.0.2.7")),
      before.trimEnd().split("\n"),
      "what was there stays",
    );
    const [first] = lines.filter((each) => each.startsWith("hostssl"));
    assert.equal(first, line("192.0.2.7"));
    assert.equal(
      await local.sql("SELECT count(*) FROM pg_hba_file_rules WHERE address = '192.0.2.7' AND error IS NULL"),
      "1",
    );
    await leavingHosts.update(now, context, old);
    assert.deepEqual(local.read("pg_hba.conf").trimEnd().split("\n"), lines, "once is enough");

    const comes = inputs({ b: elsewhere, a: reach }, "127.0.0.1");
    await leavingHosts.update(comes, context, inputs({ b: elsewhere, c: elsewhere }, "127.0.0.1", "192.0.2.8"));
    assert.ok(local.read("pg_hba.conf").includes(line("192.0.2.8")), "a newcomer lets in what leaves");
    await assert.rejects(
      leavingHosts.update(inputs({ d: elsewhere }), context, inputs({ a: reach })),
      /host "d" cannot be told to let the other nodes in: its data folder was not found; mend that/,
    );
  });

  it("refuses the delete while a machine does not answer, and names all of them with the next step", async () => {
    const ssh = (port: number): ReachableHost => ({
      target: {
        ssh: {
          address: {
            host: "127.0.0.1",
            port,
            user: "nobody",
            privateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\nx",
            hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTEx",
          },
          user: "postgres",
          cluster: "citus",
        },
      },
      port: 5432,
    });
    const [one, two] = [await freePort(), await freePort()];
    const gone = { hosts: { a: ssh(one), b: ssh(two) }, hbaLines: "", allowed: "" };
    await assert.rejects(leavingHosts.delete(gone, context, {}), (error) => {
      assert.ok(error instanceof Error);
      assert.match(error.message, /host "a" does not answer: SSH to nobody@127\.0\.0\.1:\d+: /);
      assert.match(
        error.message,
        /host "b" does not answer: [\s\S]*no host was changed; start it and run again; .*pulumi state delete/,
      );
      return true;
    });
  });
});
