/** What makes a machine unusable, on separate hosts: each is told in time with host, cause and next step, and nothing is changed. */
import assert from "node:assert/strict";
import type { Context } from "../../../providers/dynamic/engine/kind";
import { preflight, type PreflightInputs } from "../../../providers/dynamic/preflight";
import { loginUser, startHosts, type TestHost, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { requires } from "../../support/tools";
import { deadlineSeconds, refusals, traces, type Refusal } from "./refusals";

const context: Context = {
  progress: () => undefined,
  begin: () => undefined,
  together: () => Promise.reject(new Error("a preflight asks no server")),
  info: () => undefined,
  connect: () => Promise.reject(new Error("a preflight connects to nothing")),
};

describe("a machine that cannot be used", function () {
  this.timeout(150_000);
  let hosts: TestHosts;
  let host: TestHost;

  before(async function () {
    requires(this, "realCitus");
    requiresHosts(this);
    hosts = await startHosts(["a", "bastion"], { diskMiB: 400 });
    host = hosts.get("a");
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
  });

  let looks = 0;
  /** Logins of the same address are shared for some seconds, and one look would meet the host as the look before left it: another comment, another login. */
  const login = (to: TestHost) => ({
    host: to.address,
    user: loginUser,
    privateKey: hosts.privateKey,
    hostKey: `${to.hostKey} look-${String((looks += 1))}`,
  });
  const look = async ({ address = {}, throughBastion }: Partial<Refusal>) => {
    const bastion = throughBastion && { bastion: login(hosts.get("bastion")) };
    const inputs: PreflightInputs = {
      host: "a",
      target: { ssh: { address: { ...login(host), ...bastion, ...address }, user: "postgres", cluster: "citus" } },
      address: host.address,
      port: 5432,
      extensions: [],
      deleteData: false,
    };
    try {
      await preflight.create(inputs, context);
      return "";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };

  for (const { why, spoil, mend, message, ...way } of refusals) {
    it(`is told in time from one that can, changed in nothing, and usable once mended: ${why}`, async () => {
      const bastion = hosts.get("bastion");
      await spoil?.(host, bastion);
      const before = await traces(host);
      const start = Date.now();
      const told = await look(way);
      const after = await traces(host);
      await mend?.(host, bastion);
      assert.equal(after, before, "nothing was changed");
      assert.match(told, message);
      assert.match(told, /^cannot use host "a": /);
      assert.ok(!told.includes("PRIVATE KEY"));
      assert.ok(Date.now() - start < deadlineSeconds * 1000, "it was told in time");
      assert.equal(await look({ throughBastion: way.throughBastion }), "", "mended, it is usable");
    });
  }
});
