/** A look at a host over SSH: what it wrote, or why there is nothing. */
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import type { SshAddress } from "../../../../providers/dynamic/engine/ssh";
import { runThere } from "../../../../providers/dynamic/preflight/script-run";
import { startSshServer, type SshServer } from "../../../support/plugins/ssh-server";
import { freePorts } from "../../../support/servers";
import { sshKeys } from "../../../support/ssh-keys";

describe("runThere", function () {
  this.timeout(30_000);
  const keys = sshKeys();
  let server: SshServer;
  let address: SshAddress;
  before(async () => {
    server = await startSshServer("deploy", "", keys.public);
    const { port, hostKey } = server;
    address = { host: "127.0.0.1", port, user: "deploy", privateKey: keys.private, hostKey };
  });
  after(() => server.stop());

  it("gives what the script wrote, and passes a word for the argument list only", async () => {
    assert.equal(await runThere(address, 'printf "%s\\n" "fact word $1"; exit 0\n'), "fact word preflight\n");
  });

  it("tells why a script failed, wherever it wrote that", async () => {
    await assert.rejects(runThere(address, "echo reason >&2; exit 3"), /^Error: looking at it failed: reason$/);
    await assert.rejects(
      runThere(address, "echo This account is closed.; exit 1"),
      /failed: This account is closed\.$/,
    );
  });

  it("ends on a host that takes the connection and says nothing", async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
    const [port = 0] = await freePorts(1);
    await new Promise<void>((resolve) => silent.listen(port, "127.0.0.1", resolve));
    const began = Date.now();
    await assert.rejects(runThere({ ...address, port }, "true"), /it takes the connection and says nothing of SSH/);
    assert.ok(Date.now() - began < 15_000);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
});
