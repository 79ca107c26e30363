/** A small SSH server on this machine: runs commands with /bin/sh, forwards connections. For tests of what goes over SSH. */
import { spawn } from "node:child_process";
import { connect, createServer, type Socket } from "node:net";
import { Server, utils, type ServerChannel } from "ssh2";
import { freePorts } from "../servers";
import { sshKeys } from "../ssh-keys";

/** A running server. */
export interface SshServer {
  readonly port: number;
  /** Type and base64, as known_hosts has it. */
  readonly hostKey: string;
  /** How clients authenticated, one entry per session. */
  readonly logins: readonly string[];
  /** Connections that it forwarded, as host:port. */
  readonly forwarded: readonly string[];
  /** How many clients are connected. */
  readonly clients: () => number;
  /** Ends every client's connection at once, as a lost network would. */
  readonly drop: () => void;
  readonly stop: () => Promise<void>;
}

/** What a server does with connections that it is asked to forward. `ignore` never answers. */
export type Forwarding = "allow" | "refuse" | "ignore";

const host = "127.0.0.1";

/** Accepts that user with that password or public key. */
export async function startSshServer(
  user: string,
  password: string,
  publicKey: string,
  forwarding: Forwarding = "allow",
): Promise<SshServer> {
  const own = sshKeys();
  const accepted = utils.parseKey(publicKey);
  if (accepted instanceof Error) throw accepted;
  const [logins, forwarded]: [string[], string[]] = [[], []];
  const sockets = new Set<Socket>();
  const server = new Server({ hostKeys: [own.private] }, (client) => {
    client.on("error", () => undefined);
    client.on("authentication", (attempt) => {
      const isPassword = attempt.method === "password" && attempt.password === password;
      const isKey = attempt.method === "publickey" && attempt.key.data.equals(accepted.getPublicSSH());
      if (attempt.username !== user || !(isPassword || isKey)) attempt.reject(["password", "publickey"]);
      else {
        // A client asks first whether its key would do.
        if (attempt.method !== "publickey" || attempt.signature !== undefined) logins.push(attempt.method);
        attempt.accept();
      }
    });
    client.on("ready", () => {
      client.on("session", (accept) => {
        const session = accept();
        session.on("exec", (acceptCommand, _reject, { command }) => execute(acceptCommand(), command));
      });
      // Where nobody listens, the library refuses as an administrator would.
      if (forwarding === "refuse") return;
      client.on("tcpip", (accept, _reject, { destIP, destPort }) => {
        if (forwarding === "ignore") return;
        forwarded.push(`${destIP}:${destPort}`);
        const [channel, socket] = [accept(), connect(destPort, destIP)];
        channel.on("error", () => undefined);
        socket.on("error", () => channel.end());
        socket.pipe(channel).pipe(socket);
      });
    });
  });
  // The library hands over no socket, and only a socket can be cut.
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
    server.injectSocket(socket);
  });
  const [port = 0] = await freePorts(1);
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(port, host, resolve);
  });
  const drop = () => sockets.forEach((socket) => socket.destroy());
  const stop = () => new Promise<void>((resolve) => listener.close(() => resolve()));
  const hostKey = own.public.split(" ").slice(0, 2).join(" ");
  return { port, hostKey, logins, forwarded, clients: () => sockets.size, drop, stop };
}

function execute(channel: ServerChannel, command: string): void {
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined);
  channel.pipe(child.stdin);
  child.stdout.on("data", (chunk: Buffer) => channel.write(chunk));
  child.stderr.on("data", (chunk: Buffer) => channel.stderr.write(chunk));
  child.on("close", (code) => {
    channel.exit(code ?? 255);
    channel.end();
  });
}
