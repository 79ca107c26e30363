/** Fencing on real PostgreSQL: a revoked node is put out and kept out, the others stay. */
import assert from "node:assert/strict";
import { Client } from "pg";
import { Fencing } from "../../components/fencing";
import { makeAuthority, type Issued } from "../support/authority";
import { requires } from "../support/tools";
import { describeMade, mockEngine, testHosts } from "./hosts/mock-engine";
import { freePort, isRoot, TestHost } from "./hosts/test-host";

describe("fence.sh", function () {
  this.timeout(60_000);
  let host: TestHost;

  before(async function () {
    requires(this, "postgres");
    host = new TestHost(await freePort(), isRoot ? "root" : "plain");
  });
  after(async () => {
    await host.remove();
  });

  it("ends connections of a revoked certificate, refuses new ones, and leaves others alone", async () => {
    const authority = await makeAuthority();
    const [certificate, leaving, staying] = await Promise.all(
      ["node:a", "node:b", "node:c"].map((name) => authority.issue(name, "127.0.0.1")),
    );
    assert.ok(certificate && leaving && staying);
    const configuration = {
      authority,
      certificate,
      revocationList: await authority.revocationList(),
      peers: ["10.1.2.3"],
    };
    await host.run(host.hostScript());
    const configured = await host.run(host.configureScript(configuration));
    assert.equal(configured.stdout, "started", configured.stderr);

    const open = async (node: Issued) => {
      const client = new Client({
        ...{ host: "127.0.0.1", port: host.port, user: "postgres", database: "postgres" },
        ssl: { ca: authority.certificate, cert: node.certificate, key: node.privateKey },
      });
      const ended = new Promise<string>((resolve) =>
        client.on("error", (error) => {
          resolve(error.message);
        }),
      );
      await client.connect();
      return { client, ended };
    };
    const [old, other] = [await open(leaving), await open(staying)];
    const list = await authority.revocationList([leaving.serial]);
    const serial = BigInt(`0x${leaving.serial}`).toString();
    const fenced = await host.run(host.fenceScript(list, [serial, "12345"]));
    assert.deepEqual(
      [fenced.code, fenced.stdout],
      [0, "fenced: reloaded, ended 1 connections of revoked certificates"],
      fenced.stderr,
    );
    assert.match(await old.ended, /terminat/);
    assert.equal((await other.client.query<{ one: number }>("SELECT 1 AS one")).rows[0]?.one, 1);
    await other.client.end();
    await assert.rejects(open(leaving), /revoked|ECONNRESET|terminated/i);
    assert.ok(!host.read("pg_hba.conf").includes("10.1.2.3"));

    assert.equal((await host.run(host.fenceScript(list, [serial]))).stdout, "unchanged");
  });

  it("writes the files of a stopped server", async () => {
    assert.equal((await host.run(host.hostScript(), "delete")).code, 0);
    const list = await (await makeAuthority()).revocationList();
    assert.equal((await host.run(host.fenceScript(list, []))).stdout, "fenced: the server is stopped");
    assert.equal(host.read("ca.crl").trim(), list.trim());
  });

  it("refuses a serial that is no number", async () => {
    const refused = await host.run(host.fenceScript("x", ["1'; SELECT 1"]));
    assert.equal(refused.code, 1);
  });
});

describe("Fencing", () => {
  const args = { folder: "/var/tmp/c", coordinator: { port: 5600 }, workers: { a: { port: 5601 } } };

  it("is one step per remaining host, with the serials in sight", async () => {
    const made = mockEngine();
    const { hosts } = testHosts("hosts", args);
    new Fencing("fencing", {
      hosts,
      hba: { coordinator: "x", a: "y" },
      revocationList: "crl",
      revokedSerials: ["7", "9"],
    });
    const own = (await made()).filter(({ name }) => name.startsWith("fencing"));
    assert.deepEqual(own.map(describeMade), [
      "citus:index:Fencing fencing",
      "command:local:Command fencing-a < fencing",
      "command:local:Command fencing-coordinator < fencing",
    ]);
    assert.deepEqual(own[0]?.inputs["revokedSerials"], ["7", "9"]);
    assert.match(String(own[1]?.inputs["stdin"]), /^export -n REVOKED_SERIALS='7 9'$/m);
  });

  it("refuses a host without its pg_hba.conf", () => {
    mockEngine();
    const { hosts } = testHosts("hosts", args);
    assert.throws(
      () => new Fencing("fencing", { hosts, hba: { a: "y" }, revocationList: "crl", revokedSerials: [] }),
      /hba\.coordinator: is missing/,
    );
  });
});
