/** Separate hosts for tests: each with its own network address, host name, root folder, systemd and sshd, on one bridge.
 *  The test itself is the operator's machine, at 10.77.0.1. Made and removed here; see namespaces.ts for what they live in. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Client, utils } from "ssh2";
import { sshKeys } from "../ssh-keys";
import { hostScript, hostsFolder } from "./namespaces";

/** Where the test, and so the operator, dials from. */
export const operatorAddress = "10.77.0.1";

/** Who logs in over SSH: with limited rights by sudo. Root may log in as well. */
export const loginUser = "admin";

/** What a command on a host printed, and how it ended. */
export interface HostRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How hosts differ from plain ones. */
export interface HostOptions {
  /** Size of the disk. Unit: MiB. @default 1024 */
  readonly diskMiB?: number;
  /** What the login user may do by sudo: lines of a sudoers file. @default - everything */
  readonly sudoers?: string;
}

const bootSeconds = 60;

interface KeyPair {
  readonly public: string;
  readonly private: string;
}

/** One host. */
export class TestHost {
  private process: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private systemd = 0;

  constructor(
    /** Also its host name. */
    readonly key: string,
    /** What others dial. */
    public address: string,
    private readonly network: number,
    private readonly cgroup: string,
    /** One of its sshd's, ed25519, as known_hosts has it: type and base64. It has an RSA and an ECDSA key as well. */
    readonly hostKey: string,
  ) {}

  private get disk(): string {
    return join(hostsFolder, this.key);
  }

  private get link(): string {
    return `host${this.network}`;
  }

  /** Boots it; resolved once its sshd answers and lets users in. */
  async start(): Promise<void> {
    if (!existsSync(this.cgroup)) mkdirSync(this.cgroup);
    const enter = `echo 0 >"$1"/cgroup.procs; shift; exec "$@"`;
    const namespaces = ["--net", "--uts", "--ipc", "--mount", "--pid", "--cgroup", "--fork", "--kill-child"];
    const host = ["unshare", ...namespaces, "bash", hostScript("start-host.sh"), this.disk, this.key];
    const child = spawn("sh", ["-ec", enter, "sh", this.cgroup, ...host], { stdio: ["pipe", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    this.process = child;
    this.ended = new Promise((resolve) => child.on("close", () => resolve()));
    this.systemd = await until(`the first process of ${this.key}`, () => {
      if (child.exitCode !== null) throw new Error(`host ${this.key} does not start: ${errors}`);
      const children = readFileSync(`/proc/${String(child.pid)}/task/${String(child.pid)}/children`, "utf8");
      return /^\d+/.test(children) ? Number.parseInt(children, 10) : undefined;
    });
    // The same card after a reboot: neighbours remember where an address is for half a minute.
    const card = `02:00:00:00:00:${this.network.toString(16).padStart(2, "0")}`;
    const peer = ["name", "eth0", "address", card, "netns", String(this.systemd)];
    // The kernel takes the card of a host that was killed with its network, a little after its last process.
    await until(`the end of ${this.key}'s former card`, () => (hasLink(this.link) ? undefined : true));
    ip("link", "add", this.link, "type", "veth", "peer", ...peer);
    ip("link", "set", this.link, "master", "hosts", "up");
    this.inNetwork("ip", "link", "set", "lo", "up");
    this.setAddress();
    child.stdin.end("\n");
    await until(`sshd of ${this.key}`, async () => {
      if (child.exitCode !== null) throw new Error(`host ${this.key} does not start: ${errors}`);
      // PAM turns everybody but root away as long as that file is there, which may be after sshd has started.
      const isClosed = existsSync(`/proc/${String(this.systemd)}/root/run/nologin`);
      return !isClosed && (await this.answersSsh()) ? true : undefined;
    }).catch(async (error: unknown) => {
      const { stdout, stderr } = await this.run("ps ax; systemctl list-jobs; ip address; journalctl -n 30 --no-pager");
      throw new Error(`${String(error)}\n${stdout}${stderr}`, { cause: error });
    });
  }

  /** Pulls the plug: everything in it ends at once, its disk stays. */
  async kill(): Promise<void> {
    if (this.process === undefined) return;
    if (this.systemd > 0) signal(this.systemd, "SIGKILL");
    await this.ended;
    this.process = undefined;
  }

  /** Shuts it down in good order, and boots it again. */
  async reboot(): Promise<void> {
    // systemd's signal for a power-off, SIGRTMIN+4.
    signal(this.systemd, 38);
    await Promise.race([this.ended, this.killAfter(60)]);
    this.process = undefined;
    await this.start();
  }

  /** Gives it another address, as a provider does after a stop: services see it at their next start. */
  changeAddress(address: string): void {
    this.inNetwork("ip", "address", "flush", "dev", "eth0");
    this.address = address;
    this.setAddress();
  }

  /** Unplugs its network cable. */
  cut(): void {
    ip("link", "set", this.link, "down");
  }

  /** Plugs it in again. */
  mend(): void {
    ip("link", "set", this.link, "up");
  }

  /** Drops packets that come from an address, to one port or to all. */
  dropFrom(address: string, port?: number): void {
    const what = port === undefined ? "" : `tcp dport ${String(port)} `;
    this.inNetwork("nft", "add table inet faults");
    this.inNetwork("nft", "add chain inet faults input { type filter hook input priority -10; }");
    this.inNetwork("nft", `add rule inet faults input ip saddr ${address} ${what}drop`);
  }

  /** Ends all dropping. */
  dropNothing(): void {
    this.inNetwork("nft", "delete table inet faults");
  }

  /** Leaves that much of its disk. Unit: MiB. */
  fillDisk(leaveMiB = 0): void {
    const free = Number(execFileSync("df", ["--output=avail", "-k", this.disk], { encoding: "utf8" }).split("\n")[1]);
    const mebibytes = Math.floor(free / 1024) - leaveMiB;
    if (leaveMiB === 0)
      execFileSync("sh", ["-c", `cat /dev/zero >"$1" 2>/dev/null || true`, "sh", join(this.disk, "filling")]);
    else execFileSync("fallocate", ["-l", `${String(mebibytes)}MiB`, join(this.disk, "filling")]);
  }

  /** Frees what {@link fillDisk} took. */
  freeDisk(): void {
    execFileSync("rm", ["-f", join(this.disk, "filling")]);
  }

  /** Stops processes of that name for now: they keep their sockets and say nothing. */
  async freeze(name: string): Promise<void> {
    await this.must(`pkill -STOP -x ${name}`);
  }

  /** Lets them go on. */
  async thaw(name: string): Promise<void> {
    await this.must(`pkill -CONT -x ${name}`);
  }

  /** Runs a text with bash as root, not through SSH. */
  async run(text: string): Promise<HostRun> {
    return await execute("nsenter", ["--target", String(this.systemd), "--all", "bash", "-s"], `cd /\n${text}`);
  }

  /** The same for a text that has to succeed; gives its standard output. */
  async must(text: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(text);
    if (code !== 0) throw new Error(`on host ${this.key}: ${text}\nended with ${String(code)}: ${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** Runs a program in its network only: to dial from there. */
  inNetwork(...command: readonly string[]): string {
    return execFileSync("nsenter", [`--net=/proc/${String(this.systemd)}/ns/net`, ...command], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** A file of its root folder as it is on its disk: what the host wrote or what it came with. */
  diskFile(path: string): string {
    return join(this.disk, "upper", path);
  }

  private setAddress(): void {
    this.inNetwork("ip", "address", "add", `${this.address}/24`, "dev", "eth0");
    this.inNetwork("ip", "link", "set", "eth0", "up");
    this.inNetwork("ip", "route", "replace", "default", "via", operatorAddress);
  }

  private async answersSsh(): Promise<boolean> {
    return await new Promise((resolve) => {
      const socket = connect({ host: this.address, port: 22, timeout: 1000 });
      const end = (answers: boolean) => {
        socket.destroy();
        resolve(answers);
      };
      socket.on("data", (chunk: Buffer) => end(chunk.toString().startsWith("SSH-")));
      socket.on("error", () => end(false));
      socket.on("timeout", () => end(false));
      socket.on("close", () => resolve(false));
    });
  }

  private async killAfter(seconds: number): Promise<void> {
    const { ended } = this;
    const timer = setTimeout(() => signal(this.systemd, "SIGKILL"), seconds * 1000);
    await ended;
    clearTimeout(timer);
  }
}

/** Hosts of one test. */
export class TestHosts {
  private readonly hosts = new Map<string, TestHost>();
  private readonly pair = sshKeys();
  private readonly cgroup = readFileSync(join(hostsFolder, "own-cgroup"), "utf8").trim();
  private made = 0;

  /** Logs in everywhere, OpenSSH's format. */
  get privateKey(): string {
    return this.pair.private;
  }

  /** Type and base64. */
  get publicKey(): string {
    return this.pair.public;
  }

  /** The host, which the test knows to be there. */
  get(key: string): TestHost {
    const host = this.hosts.get(key);
    if (host === undefined) throw new Error(`the test started no host "${key}"`);
    return host;
  }

  /** All of them. */
  all(): readonly TestHost[] {
    return [...this.hosts.values()];
  }

  /** Runs a command on a host over SSH, with that standard input. */
  async ssh(key: string, user: string, command: string, input = ""): Promise<HostRun> {
    const { address, hostKey } = this.get(key);
    return await new Promise((resolve, reject) => {
      const client = new Client();
      let stdout = "";
      let stderr = "";
      client.on("error", reject).on("ready", () => {
        client.exec(command, (error, channel) => {
          if (error !== undefined) {
            reject(error);
            return;
          }
          channel.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
          channel.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
          channel.on("close", (code: number | null) => {
            client.end();
            resolve({ code: code ?? -1, stdout, stderr });
          });
          channel.end(input);
        });
      });
      const hostVerifier = (sent: Buffer) => hostKey.includes(sent.toString("base64"));
      client.connect({
        host: address,
        username: user,
        privateKey: this.privateKey,
        readyTimeout: 30_000,
        hostVerifier,
      });
    });
  }

  /** Makes another host and boots it. */
  async add(
    key: string,
    { diskMiB = 1024, sudoers = `${loginUser} ALL=(ALL) NOPASSWD: ALL` }: HostOptions = {},
  ): Promise<TestHost> {
    const disk = join(hostsFolder, key);
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", `mode=755,size=${String(diskMiB)}m`, "disk", disk]);
    const own = sshKeys();
    this.made += 1;
    const host = new TestHost(key, `10.77.0.${String(10 + this.made)}`, this.made, join(this.cgroup, key), own.public);
    this.hosts.set(key, host);
    writeDisk(host, this.publicKey, own);
    await host.start();
    await host.must(`cat >/etc/sudoers.d/tests <<'EOF'\n${sudoers}\nEOF\nchmod 440 /etc/sudoers.d/tests`);
    return host;
  }

  /** Ends all hosts and frees what they held. */
  async remove(): Promise<void> {
    for (const host of this.hosts.values()) {
      await host.kill();
      execFileSync("umount", [join(hostsFolder, host.key)]);
      rmdirSync(join(hostsFolder, host.key));
      removeCgroup(join(this.cgroup, host.key));
    }
    this.hosts.clear();
  }
}

/** Boots hosts, all at once. Whoever calls it has called `requiresHosts` before. */
export async function startHosts(keys: readonly string[], options: HostOptions = {}): Promise<TestHosts> {
  const hosts = new TestHosts();
  try {
    await Promise.all(keys.map((key) => hosts.add(key, options)));
    return hosts;
  } catch (error) {
    await hosts.remove();
    throw error;
  }
}

/** What makes a host itself: names, keys, the login user. Its folders lie above those of this machine. */
function writeDisk(host: TestHost, publicKey: string, own: KeyPair): void {
  const write = (path: string, text: string, mode = 0o644) => {
    const file = host.diskFile(path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
  };
  const added = (path: string, line: string, mode = 0o644) => {
    write(path, readFileSync(path, "utf8"), mode);
    appendFileSync(host.diskFile(path), `${line}\n`);
  };
  write("/etc/hostname", `${host.key}\n`);
  write("/etc/hosts", `127.0.0.1 localhost\n127.0.1.1 ${host.key}\n`);
  write("/etc/resolv.conf", "");
  // An empty one would be filled at boot, which would enable every service of this machine.
  write("/etc/machine-id", `${randomBytes(16).toString("hex")}\n`);
  for (const [type, pair] of Object.entries({ ed25519: own, ...otherHostKeys() })) {
    write(`/etc/ssh/ssh_host_${type}_key`, pair.private, 0o600);
    write(`/etc/ssh/ssh_host_${type}_key.pub`, `${pair.public}\n`);
  }
  write("/etc/ssh/sshd_config", sshdConfig);
  write("/etc/ssh/authorized_keys", `${publicKey}\n`);
  added("/etc/passwd", `${loginUser}:x:2000:2000::/srv/${loginUser}:/bin/bash`);
  added("/etc/group", `${loginUser}:x:2000:`);
  added("/etc/shadow", `${loginUser}:*:20000:0:99999:7:::`, 0o600);
  mkdirSync(host.diskFile(`/srv/${loginUser}`), { recursive: true });
  execFileSync("chown", ["2000:2000", host.diskFile(`/srv/${loginUser}`)]);
}

let others: Readonly<Record<"rsa" | "ecdsa", KeyPair>> | undefined;

/** Of all hosts: what a client is offered besides the key that it pins. */
const otherHostKeys = () =>
  (others ??= {
    rsa: utils.generateKeyPairSync("rsa", { bits: 2048 }),
    ecdsa: utils.generateKeyPairSync("ecdsa", { bits: 256 }),
  });

// As Debian has it, but for the place of the public key and passwords.
const sshdConfig = `HostKey /etc/ssh/ssh_host_rsa_key
HostKey /etc/ssh/ssh_host_ecdsa_key
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
`;

function removeCgroup(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(folder, entry.name));
  }
  rmdirSync(folder);
}

function signal(id: number, name: NodeJS.Signals | number): void {
  try {
    process.kill(id, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

const hasLink = (name: string) =>
  execFileSync("ip", ["-o", "link", "show"], { encoding: "utf8" }).includes(` ${name}@`);

const ip = (...args: readonly string[]) => execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });

function execute(command: string, args: readonly string[], input: string): Promise<HostRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on("error", () => undefined);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** Asks until there is an answer. @throws when there is none in time */
async function until<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + bootSeconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what} is not there after ${String(bootSeconds)} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
