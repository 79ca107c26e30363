/** SSH connections of the engine: against a server in this process that fails as it is told to, and against a real sshd. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { utils } from "ssh2";
import { fingerprint, pinnedKeys, SshError, type SshAddress } from "../../../../providers/dynamic/engine/ssh";
import { openStream, runRemotely } from "../../../../providers/dynamic/engine/tunnel";
import { startSshServer, type Forwarding, type SshServer } from "../../../support/plugins/ssh-server";
import { freePorts } from "../../../support/servers";
import { startSshd, type Sshd } from "../../../support/sshd";
import { sshKeys } from "../../../support/ssh-keys";

const keys = sshKeys();
const host = "127.0.0.1";

/** Waits for what must become true soon. */
async function until(what: string, isTrue: () => boolean, seconds = 5): Promise<void> {
  const deadline = Date.now() + seconds * 1_000;
  while (!isTrue()) {
    assert.ok(Date.now() < deadline, what);
    await delay(20);
  }
}

async function listen(server: Server): Promise<number> {
  const [port = 0] = await freePorts(1);
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  return port;
}

/** Sends a word to the echo server behind the tunnel and gives what comes back. */
async function echo(address: SshAddress, port: number, word = "hello"): Promise<string> {
  const { stream, close } = await openStream(address, { host, port });
  const answer = new Promise<string>((resolve) => stream.once("data", (data: Buffer) => resolve(data.toString())));
  stream.write(word);
  const text = await answer;
  close();
  return text;
}

describe("tunnel", function () {
  this.timeout(60_000);
  const echoes = createServer((socket: Socket) => socket.on("error", () => undefined).pipe(socket));
  const started: SshServer[] = [];
  let echoPort = 0;

  before(async () => {
    echoPort = await listen(echoes);
  });
  after(async () => {
    echoes.close();
    for (const server of started) server.drop();
    await Promise.all(started.map((server) => server.stop()));
  });

  const start = async (forwarding?: Forwarding): Promise<[SshServer, SshAddress]> => {
    const server = await startSshServer("deploy", "", keys.public, forwarding);
    started.push(server);
    const { port, hostKey } = server;
    return [server, { host, port, user: "deploy", privateKey: keys.private, hostKey }];
  };

  it("opens one connection, however many ask for it at once, and closes it when nobody uses it", async () => {
    const [server, address] = await start();
    const words = Array.from({ length: 20 }, (_, index) => `word ${String(index)}`);
    assert.deepEqual(await Promise.all(words.map((word) => echo(address, echoPort, word))), words);
    assert.equal(server.logins.length, 1);
    await until("the connection stays open", () => server.clients() === 0);
    assert.equal(await echo(address, echoPort), "hello");
    assert.equal(server.logins.length, 2, "a later use makes a new one");
  });

  it("stays open while a stream is, and closes when the stream is given up", async () => {
    const [server, address] = await start();
    const { stream, close } = await openStream(address, { host, port: echoPort });
    await delay(3_000);
    assert.equal(server.clients(), 1);
    assert.ok(!stream.destroyed);
    close();
    close();
    await until("the connection stays open", () => server.clients() === 0);
  });

  it("goes through a bastion, one connection for all machines behind it", async () => {
    const [one, address] = await start();
    const [other, otherAddress] = await start();
    const [bastion, jump] = await start();
    const through = (to: SshAddress) => ({ ...to, bastion: jump });
    assert.deepEqual(await Promise.all([address, otherAddress].map((to) => echo(through(to), echoPort))), [
      "hello",
      "hello",
    ]);
    assert.equal(bastion.logins.length, 1);
    assert.deepEqual([...bastion.forwarded].sort(), [`${host}:${one.port}`, `${host}:${other.port}`].sort());
    assert.deepEqual([one.forwarded, other.forwarded], [[`${host}:${echoPort}`], [`${host}:${echoPort}`]]);
    await until("connections stay open", () => [one, other, bastion].every((server) => server.clients() === 0), 10);
  });

  it("tells whoever uses it when it breaks, and is made anew for the next", async () => {
    const [server, address] = await start();
    const { stream } = await openStream(address, { host, port: echoPort });
    const closed = new Promise((resolve) => stream.once("close", resolve));
    stream.resume();
    server.drop();
    await closed;
    assert.equal(await echo(address, echoPort), "hello");
    assert.equal(server.logins.length, 2);
  });

  it("ends within a minute when the network swallows everything", async () => {
    const [, address] = await start();
    const ends: Socket[] = [];
    const network = createServer((near) => {
      const far = connect(address.port ?? 0, host);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const)
        ends.push(one.on("error", () => other.destroy()).on("data", (data) => other.write(data)));
    });
    const port = await listen(network);
    const { stream } = await openStream({ ...address, port }, { host, port: echoPort });
    stream.resume();
    const closed = new Promise((resolve) => stream.once("close", resolve));
    for (const socket of ends) socket.pause();
    const began = Date.now();
    await closed;
    assert.ok(Date.now() - began < 50_000);
    for (const socket of ends) socket.destroy();
    network.close();
  });

  it("breaks a command with it", async () => {
    const [server, address] = await start();
    const running = runRemotely(address, "sleep 5", "", 20);
    await until("nobody logs in", () => server.logins.length === 1);
    await delay(200);
    server.drop();
    await assert.rejects(
      running,
      /^Error: SSH to deploy@127\.0\.0\.1:\d+: the connection ended before the command did$/,
    );
  });

  it("gives what a command wrote, and its exit code", async () => {
    const [, address] = await start();
    const ran = await runRemotely(address, "cat; echo problem >&2; exit 3", "text\n", 20);
    assert.deepEqual(ran, { code: 3, stdout: "text\n", stderr: "problem\n" });
  });

  it("gives up a command at its deadline", async () => {
    const [, address] = await start();
    await assert.rejects(runRemotely(address, "exec sleep 3", "", 1), /it did not answer within 1 s$/);
  });

  describe("refusals", () => {
    const stranger = sshKeys();
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
    const babbling = createServer((socket) =>
      socket.on("error", () => undefined).end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    );
    const [silentPort, babblingPort, closedPort] = [{ port: 0 }, { port: 0 }, { port: 0 }];
    before(async () => {
      silentPort.port = await listen(silent);
      babblingPort.port = await listen(babbling);
      [closedPort.port = 0] = await freePorts(1);
    });
    after(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
      babbling.close();
    });

    interface Row {
      readonly why: string;
      readonly address: () => Promise<SshAddress>;
      readonly message: RegExp;
      readonly retry?: true | "either";
    }
    const rows: readonly Row[] = [
      {
        why: "a private key that the machine does not know",
        address: async () => ({ ...(await start())[1], privateKey: stranger.private }),
        message:
          /: the private key is not accepted; add its public part .* to ~\/\.ssh\/authorized_keys of "deploy" there$/,
      },
      {
        why: "a machine that takes the connection and says nothing",
        address: async () => ({ ...(await start())[1], ...silentPort }),
        message: /: it takes the connection and says nothing of SSH within 10 s; is it frozen/,
      },
      {
        why: "a server that speaks another protocol",
        address: async () => ({ ...(await start())[1], ...babblingPort }),
        message: /; is an SSH server listening there\?$/,
        retry: true,
      },
      {
        why: "a closed port",
        address: async () => ({ ...(await start())[1], ...closedPort }),
        message: /: the connection is refused; is sshd running there, and on port \d+\?$/,
        retry: true,
      },
      {
        why: "a name that nobody has",
        address: async () => ({ ...(await start())[1], host: "nobody.invalid" }),
        message: /^SSH to deploy@nobody\.invalid:\d+: /,
        // A machine without a network does not know that nobody has it.
        retry: "either",
      },
      {
        why: "a machine without the pinned type of key",
        address: async () => ({
          ...(await start())[1],
          hostKey: utils.generateKeyPairSync("ecdsa", { bits: 256 }).public,
        }),
        message:
          /: it has no host key of the pinned type, expected ecdsa-sha2-nistp256 SHA256:\S+; "ssh-keyscan -p \d+ 127/,
      },
      {
        why: "a bastion that refuses to forward",
        address: async () => ({ ...(await start())[1], bastion: (await start("refuse"))[1] }),
        message: /: it refuses to forward to 127\.0\.0\.1:\d+; its sshd_config must allow it \(AllowTcpForwarding/,
      },
      {
        why: "a bastion that does not answer when asked to forward",
        address: async () => ({ ...(await start())[1], bastion: (await start("ignore"))[1] }),
        message: /: within 10 s, 127\.0\.0\.1:\d+ does not answer from there; do firewalls let it through\?$/,
      },
      {
        why: "a machine behind the bastion that says nothing",
        address: async () => ({ ...(await start())[1], ...silentPort, bastion: (await start())[1] }),
        message:
          /^SSH to deploy@127\.0\.0\.1:\d+ through deploy@127\.0\.0\.1:\d+: it takes the connection and says nothing/,
      },
      {
        why: "a private key that is none",
        address: async () => ({ ...(await start())[1], privateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n" }),
        message: /^SSH to deploy@127\.0\.0\.1:\d+: Cannot parse privateKey/,
      },
      {
        why: "an address that is wrong, with everything that is",
        address: async () => ({ ...(await start())[1], hostKey: "", user: "" }),
        message:
          /^SSH cannot be used: user: is missing; .*\nhostKey: is missing; "ssh-keyscan -p \d+ 127\.0\.0\.1" shows it/,
      },
    ];
    const attempt = async (address: Row["address"]) => {
      const began = Date.now();
      const told = await address()
        .then((to) => echo(to, echoPort))
        .catch((error: unknown) => error);
      return { told, milliseconds: Date.now() - began };
    };
    // They wait for deadlines, so they wait side by side.
    const attempts = new Map<string, ReturnType<typeof attempt>>();
    before(() => {
      for (const { why, address } of rows) attempts.set(why, attempt(address));
    });

    for (const { why, message, retry = false } of rows)
      it(`names ${why}`, async () => {
        const { told: error, milliseconds } = (await attempts.get(why)) ?? { told: undefined, milliseconds: 0 };
        assert.ok(error instanceof SshError, String(error));
        assert.match(error.message, message);
        if (retry !== "either") assert.equal(error.retry, retry);
        for (const line of [keys, stranger].flatMap((pair) => pair.private.trim().split("\n").slice(1, -1)))
          assert.ok(!error.message.includes(line));
        assert.ok(milliseconds < 15_000);
      });

    it("names both fingerprints of a host key that changed, and the command that shows it", async () => {
      const [server, address] = await start();
      const [found] = pinnedKeys(address);
      const pinned = { ...address, hostKey: stranger.public };
      const [expected] = pinnedKeys(pinned);
      await assert.rejects(echo(pinned, echoPort), (error) => {
        assert.ok(error instanceof SshError);
        const print = (key?: { readonly blob: Buffer }) => fingerprint(key?.blob ?? Buffer.alloc(0));
        assert.ok(error.message.includes(`its host key is ${print(found)}, expected ssh-ed25519 ${print(expected)}`));
        assert.ok(error.message.includes(`"ssh-keyscan -p ${String(address.port)} 127.0.0.1 | ssh-keygen -lf -"`));
        return true;
      });
      assert.deepEqual(server.logins, [], "nothing is sent to a stranger");
    });

    it("names a server that the SSH server cannot reach", async () => {
      const [, address] = await start();
      const refusing = { ...address, bastion: (await start())[1] };
      await assert.rejects(openStream({ ...refusing, ...closedPort }, { host, port: echoPort }), SshError);
    });

    it("ends at once when no agent is there", async () => {
      const address = { ...(await start())[1], privateKey: undefined };
      const before = process.env["SSH_AUTH_SOCK"];
      process.env["SSH_AUTH_SOCK"] = "/nowhere/agent";
      try {
        await assert.rejects(
          echo({ ...address, agent: true }, echoPort),
          /no agent answers at SSH_AUTH_SOCK; start ssh-agent/,
        );
      } finally {
        if (before === undefined) delete process.env["SSH_AUTH_SOCK"];
        else process.env["SSH_AUTH_SOCK"] = before;
      }
    });

    it("leaves no connection behind", async () => {
      await until("connections stay open", () => started.every((server) => server.clients() === 0));
    });
  });

  it("lets its process end by itself", async () => {
    const [, address] = await start();
    const program = `
      let text = "";
      process.stdin.on("data", (chunk) => (text += chunk)).on("end", async () => {
        const [file, address, target] = JSON.parse(text);
        const { stream } = await require(file).openStream(address, target);
        stream.once("data", () => { console.log("answered"); stream.end(); }).write("hello");
      });`;
    const child = spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] });
    const file = join(__dirname, "..", "..", "..", "..", "providers", "dynamic", "engine", "tunnel.js");
    child.stdin.end(JSON.stringify([file, address, { host, port: echoPort }]));
    let answeredAt = 0;
    child.stdout.on("data", () => (answeredAt = Date.now()));
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 0);
    assert.ok(answeredAt > 0 && Date.now() - answeredAt < 5_000, "the process ends within seconds of its last use");
  });

  describe("with a real sshd", () => {
    const running: Sshd[] = [];
    let sshd: Sshd;
    let closed: Sshd;
    before(async function () {
      running.push((sshd = await startSshd(this)));
      running.push((closed = await startSshd(this, ["AllowTcpForwarding no"])));
    });
    after(() => Promise.all(running.map(({ stop }) => stop())));

    it("forwards to servers, and as a bastion to other machines", async () => {
      assert.equal(await echo(sshd.address, echoPort), "hello");
      const behind = { ...closed.address, bastion: sshd.address };
      assert.equal((await runRemotely(behind, "echo there", "", 20)).stdout, "there\n");
    });

    it("runs commands", async () => {
      const { code, stdout } = await runRemotely(sshd.address, "bash -s word", 'echo "$1"; id -un', 20);
      assert.deepEqual({ code, stdout }, { code: 0, stdout: `word\n${sshd.address.user}\n` });
    });

    it("names a setting that refuses to forward", async () => {
      await assert.rejects(
        echo(closed.address, echoPort),
        /^Error: SSH to .*: it refuses to forward to 127\.0\.0\.1:\d+; its sshd_config must allow it \(AllowTcpForwarding/,
      );
    });

    it("names a server that does not listen", async () => {
      const [port = 0] = await freePorts(1);
      await assert.rejects(
        echo(sshd.address, port),
        /^Error: SSH to .*: 127\.0\.0\.1:\d+ cannot be reached from there: .*refused; is a server listening there\?$/,
      );
    });
  });
});
