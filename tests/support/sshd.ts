/** A real sshd of this machine for tests: own port, own keys, one user, removed at the end. */
import { spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { SshAddress } from "../../providers/dynamic/engine/ssh";
import { freePorts } from "./servers";
import { serversOf, skip } from "./tools";
import { sshKeys } from "./ssh-keys";

/** A running sshd. */
export interface Sshd {
  /** How its one user logs in. */
  readonly address: SshAddress;
  /** What it wrote so far. */
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

const program = "/usr/sbin/sshd";
const host = "127.0.0.1";

/** Starts one, as the user of the servers; skips the calling suite where sshd is not installed. `lines` go into its sshd_config. */
export async function startSshd(context: Mocha.Context, lines: readonly string[] = []): Promise<Sshd> {
  if (!existsSync(program)) skip(context, `sshd is not installed; Debian's package is openssh-server`);
  const { user } = serversOf();
  const folder = mkdtempSync(join(tmpdir(), "citus-sshd-"));
  const [own, login] = [sshKeys(), sshKeys()];
  const [port = 0] = await freePorts(1);
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const config = [
    `Port ${String(port)}`,
    `ListenAddress ${host}`,
    `HostKey ${write("host-key", own.private)}`,
    `AuthorizedKeysFile ${write("authorized-keys", `${login.public}\n`)}`,
    "PidFile none",
    "UsePAM no",
    "StrictModes no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    ...lines,
  ];
  const arguments_ = ["-D", "-e", "-f", write("config", `${config.join("\n")}\n`)];
  // Root would need a folder below /run, and any other user is let in as itself.
  const identity = process.getuid?.() === 0 ? idsOf(user) : undefined;
  if (identity !== undefined)
    for (const path of ["", "host-key", "authorized-keys", "config"])
      chownSync(join(folder, path), identity.uid, identity.gid);
  const child = spawn(program, arguments_, { ...identity, cwd: "/", stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const ended = new Promise((resolve) => child.on("close", resolve).on("error", resolve));
  const stop = async () => {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + 10_000;
  while (!(await isListening(port))) {
    if (child.exitCode === null && Date.now() < deadline) await delay(50);
    else {
      await stop();
      throw new Error(`sshd does not listen on port ${String(port)}: ${log}`);
    }
  }
  const hostKey = own.public.split(" ").slice(0, 2).join(" ");
  return { address: { host, port, user, privateKey: login.private, hostKey }, log: () => log, stop };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    }).on("error", () => resolve(false));
  });
}

function idsOf(user: string): { readonly uid: number; readonly gid: number } {
  const entry = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${user}:`));
  const [, , uid, gid] = entry?.split(":") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}
