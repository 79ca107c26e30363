/** SSH connections of this process: one per address, shared by everything that goes over it, closed soon after its last use.
 *  Streams to servers that the SSH server reaches, and commands on it. Host keys are pinned; nothing of this machine is forwarded. */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Client, ClientChannel, ServerHostKeyAlgorithm } from "ssh2";
import { describeProblems } from "../../../sizing/problem";
import {
  checkSshAddress,
  fingerprint,
  keyscanCommand,
  loginName,
  pinnedKeys,
  SshError,
  sshPort,
  type SshAddress,
  type SshLogin,
} from "./ssh";

/** A stream to a server behind an SSH server, with what node-postgres expects of a socket. */
export interface TunnelStream {
  readonly stream: Duplex;
  /** Gives it up, also when nobody answers any more. */
  readonly close: () => void;
}

/** How a command on another machine ended. */
export interface RemoteRun {
  /** Exit code, or undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const loginSeconds = 10;
const openSeconds = 10;
const keepaliveSeconds = 10;
const idleMilliseconds = 2_000;

/** One SSH connection that is logged in. */
interface Tunnel {
  readonly client: Client;
  /** Who logs in where, for messages. */
  readonly name: string;
  /** Keeps it open until the returned function is called, once or more often. */
  readonly hold: () => () => void;
}

const tunnels = new Map<string, Promise<Tunnel>>();

/**
 * A stream to that host and port, dialled from the SSH server.
 * @throws SshError within 10 seconds for each machine on the way, with who logs in where, the cause and the next step
 */
export async function openStream(
  address: SshAddress,
  target: { readonly host: string; readonly port: number },
): Promise<TunnelStream> {
  const tunnel = await tunnelTo(address);
  const release = tunnel.hold();
  const to = `${target.host}:${String(target.port)}`;
  return await openChannel(
    tunnel,
    `${to} does not answer from there; do firewalls let it through?`,
    (done) => tunnel.client.forwardOut("127.0.0.1", 0, target.host, target.port, done),
    (channel) => {
      channel.once("close", release);
      const close = () => {
        channel.destroy();
        release();
      };
      return { stream: asSocket(channel), close };
    },
  ).catch((cause: unknown) => {
    release();
    throw cause instanceof SshError ? cause : forwardError(tunnel.name, to, cause);
  });
}

/**
 * Runs a command on the SSH server with that text on its standard input.
 * @throws SshError when it cannot be reached, or the command has not ended after so many seconds
 */
export async function runRemotely(
  address: SshAddress,
  command: string,
  input: string,
  seconds: number,
): Promise<RemoteRun> {
  const tunnel = await tunnelTo(address);
  const release = tunnel.hold();
  return await openChannel(
    tunnel,
    "it starts no command; is the machine overloaded?",
    (done) => tunnel.client.exec(command, done),
    (channel) => endOf(channel, tunnel.name, input, seconds),
  )
    .catch((cause: unknown) => {
      throw cause instanceof SshError
        ? cause
        : new SshError(`${tunnel.name}: it refuses to run commands`, false, { cause });
    })
    .finally(release);
}

function endOf(channel: ClientChannel, name: string, input: string, seconds: number): Promise<RemoteRun> {
  return new Promise((resolve, reject) => {
    let [stdout, stderr] = ["", ""];
    let exit: number | null | undefined;
    const timer = setTimeout(() => {
      channel.signal("KILL");
      channel.destroy();
      reject(new SshError(`${name}: it did not answer within ${String(seconds)} s`, false));
    }, seconds * 1_000);
    channel.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    channel.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    channel.on("exit", (code: number | null) => (exit = code));
    // A command that ends early closes its input; its exit code says why.
    channel.on("error", () => undefined);
    channel.on("close", () => {
      clearTimeout(timer);
      if (exit === undefined) reject(new SshError(`${name}: the connection ended before the command did`, true));
      else resolve({ code: exit ?? undefined, stdout, stderr });
    });
    channel.end(input);
  });
}

/** The open tunnel, or the one that is being opened, or a new one. */
function tunnelTo(address: SshAddress): Promise<Tunnel> {
  const key = JSON.stringify(address);
  const known = tunnels.get(key);
  if (known !== undefined) return known;
  const forget = () => {
    if (tunnels.get(key) === opened) tunnels.delete(key);
  };
  const opened = openTunnel(address, forget);
  opened.catch(forget);
  tunnels.set(key, opened);
  return opened;
}

async function openTunnel(address: SshAddress, forget: () => void): Promise<Tunnel> {
  const problems = checkSshAddress(address);
  if (problems.length > 0) throw new SshError(`SSH cannot be used: ${describeProblems(problems)}`, false);
  const { bastion, ...login } = address;
  const name = bastion === undefined ? loginName(login) : `${loginName(login)} through ${loginName(bastion)}`;
  // Loaded here, so that a stack without SSH does not pay for it.
  const { Client } = await import("ssh2");
  const at = { host: login.host, port: sshPort(login) };
  const under = bastion && (await openStream(bastion, at));
  const wire = under?.stream ?? connect({ ...at, noDelay: true });
  const client = new Client();
  const end = () => {
    forget();
    client.end();
    wire.destroy();
    under?.close();
  };
  client.once("end", end).once("close", end);
  try {
    await logIn(client, wire, address, `SSH to ${name}`);
  } catch (error) {
    end();
    throw error;
  }
  return { client, name: `SSH to ${name}`, hold: holdWhileUsed(end) };
}

/** Calls `end` when nobody has held it for two seconds. */
function holdWhileUsed(end: () => void): () => () => void {
  let holders = 0;
  let timer: NodeJS.Timeout | undefined;
  return () => {
    holders += 1;
    clearTimeout(timer);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      holders -= 1;
      if (holders === 0) timer = setTimeout(end, idleMilliseconds);
    };
  };
}

function logIn(client: Client, wire: Duplex, address: SshAddress, name: string): Promise<void> {
  const pinned = pinnedKeys(address);
  const progress: Progress = { stage: "reach" };
  client.once("connect", () => (progress.stage = "greet")).once("handshake", () => (progress.stage = "authenticate"));
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(loginError(name, address, progress, cause));
    client.once("ready", resolve).once("close", () => fail(new Error("the connection was closed")));
    // Stays for ever: whatever comes later is followed by the end, which whoever uses the tunnel sees.
    client.on("error", fail);
    try {
      client.connect({
        sock: wire,
        username: address.user,
        readyTimeout: loginSeconds * 1_000,
        keepaliveInterval: keepaliveSeconds * 1_000,
        algorithms: { serverHostKey: [...new Set(pinned.flatMap(({ type }) => algorithmsOf(type)))] },
        hostVerifier: (key: Buffer) => {
          const isPinned = pinned.some(({ blob }) => blob.equals(key));
          if (!isPinned) progress.foreignKey = key;
          return isPinned;
        },
        ...(address.agent === true
          ? { agent: process.env["SSH_AUTH_SOCK"] ?? "", authHandler: ["agent"] }
          : { privateKey: address.privateKey ?? "", authHandler: ["publickey"] }),
      });
    } catch (cause) {
      // ssh2 says which form it met, and nothing of the key.
      const { message } = detailsOf(cause);
      reject(new SshError(`${name}: ${String(message)}; give the key as ssh-keygen writes it`, false, { cause }));
    }
  });
}

/** What ssh2 and Node add to their errors. */
const detailsOf = (cause: unknown): { readonly [name in "code" | "level" | "message" | "reason"]?: unknown } =>
  typeof cause === "object" && cause !== null ? cause : { message: String(cause) };

/** How far a login came. */
interface Progress {
  stage: "reach" | "greet" | "authenticate";
  /** The key that the machine showed, when it is not pinned. */
  foreignKey?: Buffer;
}

// An RSA key signs in several ways; SHA-1 is none of ours.
const algorithmsOf = (type: string) =>
  (type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type]) as ServerHostKeyAlgorithm[];

/** Why a login failed, with the next step. */
function loginError(name: string, address: SshAddress, { stage, foreignKey }: Progress, cause: Error): SshError {
  const error = (reason: string, retry = false) =>
    new SshError(`${name}: ${reason}`, retry, { cause, isUnreachable: stage === "reach" });
  const { level, code } = detailsOf(cause);
  const expected = pinnedKeys(address)
    .map(({ type, blob }) => `${type} ${fingerprint(blob)}`)
    .join(" or ");
  const compare = `"${keyscanCommand(address, address.bastion)} | ssh-keygen -lf -" shows what it has`;
  if (foreignKey !== undefined)
    return error(
      `its host key is ${fingerprint(foreignKey)}, expected ${expected}; either another machine answers, or its key was changed: ${compare}; pin the new one once the machine itself confirms it`,
    );
  if (/no matching host key format/.test(cause.message))
    return error(`it has no host key of the pinned type, expected ${expected}; ${compare}`);
  if (level === "client-timeout") return error(silence[stage]);
  if (level === "agent" || (address.agent === true && process.env["SSH_AUTH_SOCK"] === undefined))
    return error(
      "no agent answers at SSH_AUTH_SOCK; start ssh-agent and ssh-add the key where Pulumi runs, or give privateKey",
    );
  if (level === "client-authentication") return error(`${refusedKey(address)} of "${address.user}" there`);
  if (code === "ECONNREFUSED")
    return error(`the connection is refused; is sshd running there, and on port ${String(sshPort(address))}?`, true);
  if (code === "ENOTFOUND") return error("no machine has that name; correct host");
  // A full sshd closes what it cannot take, and a machine that starts does so, too.
  return error(`${cause.message}; is an SSH server listening there?`, true);
}

const silence: Readonly<Record<Progress["stage"], string>> = {
  reach: `no answer within ${String(loginSeconds)} s; is the machine up, and do firewalls let this one in?`,
  greet: `it takes the connection and says nothing of SSH within ${String(loginSeconds)} s; is it frozen, or is another server on that port?`,
  authenticate: `the login did not end within ${String(loginSeconds)} s; is the machine overloaded?`,
};

const refusedKey = ({ agent }: SshLogin) =>
  agent === true
    ? "no key of the agent is accepted; add one (ssh-add -L lists them) to ~/.ssh/authorized_keys"
    : "the private key is not accepted; add its public part (ssh-keygen -y -f <file>) to ~/.ssh/authorized_keys";

// RFC 4254, section 5.1.
const forbidden = 1;
const connectFailed = 2;

function forwardError(name: string, target: string, cause: unknown): SshError {
  const { reason, message } = detailsOf(cause);
  if (reason === forbidden)
    return new SshError(
      `${name}: it refuses to forward to ${target}; its sshd_config must allow it (AllowTcpForwarding, PermitOpen, DisableForwarding)`,
      false,
      { cause },
    );
  const text = String(message).replace("(SSH) Channel open failure: ", "");
  // A server that is just starting refuses, as it does without a tunnel; a connection that broke is made anew.
  const next = reason === connectFailed ? "; is a server listening there?" : "";
  return new SshError(`${name}: ${target} cannot be reached from there: ${text}${next}`, true, { cause });
}

/** What `take` makes of the new channel. @throws SshError at the deadline, else what ssh2 says */
function openChannel<T>(
  { name }: Tunnel,
  /** What the deadline means, with the next step. */
  silent: string,
  open: (done: (error: Error | undefined, channel: ClientChannel) => void) => unknown,
  /** Called at once: what the channel brings may be here already. */
  take: (channel: ClientChannel) => T | Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new SshError(`${name}: within ${String(openSeconds)} s, ${silent}`, false));
    }, openSeconds * 1_000);
    const done = (error: Error | undefined, channel: ClientChannel | undefined) => {
      clearTimeout(timer);
      if (isLate) channel?.destroy();
      else if (channel === undefined) reject(error ?? new Error("no channel was opened"));
      else resolve(take(channel));
    };
    try {
      open(done);
    } catch (error) {
      // The connection broke a moment ago, and the event is still to come.
      done(error instanceof Error ? error : new Error(String(error)), undefined);
    }
  });
}

/** node-postgres sets options of a socket and connects it; a channel is connected already and has none. */
function asSocket(channel: ClientChannel): Duplex {
  return Object.assign(channel, {
    setNoDelay: () => undefined,
    setKeepAlive: () => undefined,
    connect: () => process.nextTick(() => channel.emit("connect")),
  });
}
