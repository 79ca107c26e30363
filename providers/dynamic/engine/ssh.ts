/** Where to log in over SSH, and how to know that it is the right machine. Pure: reads and checks what users write; `tunnel.ts` connects. */
import { createHash } from "node:crypto";
import type { Problem } from "../../../sizing/problem";

/** One SSH server, and who logs in there. Exactly one of `privateKey` and `agent` is given. */
export interface SshLogin {
  /** DNS name or IP address of the machine. Behind a bastion: as the bastion resolves it. */
  readonly host: string;
  /** TCP port of sshd. Range: 1 to 65535. @default 22 */
  readonly port?: number;
  /** Operating-system user to log in as. */
  readonly user: string;
  /** Private key without a passphrase, in OpenSSH's form or PEM of RSA or EC. Secret. @default - `agent` is given */
  readonly privateKey?: string;
  /** Log in with the keys of the agent at SSH_AUTH_SOCK of the machine that runs Pulumi. It is never forwarded. @default false */
  readonly agent?: boolean;
  /**
   * The machine's public host keys, the only ones that are accepted. One line, `ssh-ed25519 AAAA…`, or several as ssh-keyscan and
   * known_hosts have them; lines that name other hosts are left aside, hashed names too.
   */
  readonly hostKey: string;
}

/** One SSH server, reached directly or through another. */
export interface SshAddress extends SshLogin {
  /** The machine to log in to first, and to reach `host` from. @default - `host` is dialled directly */
  readonly bastion?: SshLogin;
}

/** A host key: its type and what it is. */
export interface HostKey {
  readonly type: string;
  /** The key as SSH sends it. */
  readonly blob: Buffer;
}

const keyTypes = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
const defaultPort = 22;

/** TCP port of sshd. */
export const sshPort = ({ port }: SshLogin) => port ?? defaultPort;

/** `user@host:port`, for messages. */
export const loginName = (login: SshLogin) => `${login.user}@${login.host}:${String(sshPort(login))}`;

/** A key's fingerprint as ssh, ssh-keyscan and ssh-keygen print it. */
export const fingerprint = (blob: Buffer) =>
  `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;

/** The host keys that `hostKey` pins for this machine, RSA last; none when no line is for it. */
export function pinnedKeys(login: SshLogin): readonly HostKey[] {
  const names = [login.host, `[${login.host}]:${String(sshPort(login))}`];
  const found = login.hostKey.split("\n").flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const at = words.findIndex((word) => keyTypes.includes(word));
    const [type, text] = words.slice(at);
    const isFor = at === 0 || (at === 1 && (words[0] ?? "").split(",").some((name) => names.includes(name)));
    if (type === undefined || text === undefined || !isFor) return [];
    const blob = Buffer.from(text, "base64");
    // The key names its own type, so that a cut or foreign text is seen.
    return blob.subarray(4, 4 + type.length).toString("latin1") === type ? [{ type, blob }] : [];
  });
  // Who can take one only takes the first, and the command plugin knows RSA keys with SHA-1 only, which sshd no longer offers.
  return found.sort((one, other) => keyTypes.indexOf(one.type) - keyTypes.indexOf(other.type));
}

/** The command that shows the host keys of a machine, as it can be typed on the machine that runs Pulumi. */
export function keyscanCommand(login: SshLogin, bastion?: SshLogin): string {
  const scan = `ssh-keyscan -p ${String(sshPort(login))} ${login.host}`;
  return bastion === undefined ? scan : `ssh -p ${String(sshPort(bastion))} ${bastion.user}@${bastion.host} ${scan}`;
}

/** Everything wrong with an address, paths relative to it. Never shows a private key. */
export function checkSshAddress(address: SshAddress): readonly Problem[] {
  const { bastion }: Loose<SshAddress> = address;
  const below = (problems: readonly Problem[]) =>
    problems.map(({ path, reason }) => ({ path: path === "" ? "bastion" : `bastion.${path}`, reason }));
  if (bastion === undefined || bastion === null) return checkLogin(address);
  if (typeof bastion !== "object")
    return [...checkLogin(address), { path: "bastion", reason: "is not an SSH address" }];
  const further =
    "bastion" in bastion ? [{ path: "bastion.bastion", reason: "one bastion at most; leave this one out" }] : [];
  return [...checkLogin(address, address.bastion), ...below(checkLogin(address.bastion ?? address)), ...further];
}

// What programs without a type check may hand over.
type Loose<T> = { readonly [K in keyof T]?: unknown };

/** An output of another resource, in a component: checked when the value is known. */
const isLate = (value: unknown) => typeof value === "object" && value !== null;

function checkLogin(login: SshLogin, bastion?: SshLogin): readonly Problem[] {
  const { host, port, user, hostKey }: Loose<SshLogin> = login;
  const one = (path: string, reason: string | undefined) => (reason === undefined ? [] : [{ path, reason }]);
  const isReachable = hostProblem(host) === undefined && portProblem(port) === undefined;
  return [
    ...one("host", hostProblem(host)),
    ...one("port", portProblem(port)),
    ...one("user", userProblem(user)),
    ...checkCredentials(login),
    // A host or port that is wrong would make the command wrong, too.
    ...(isReachable ? one("hostKey", hostKeyProblem(hostKey, login, bastion)) : []),
  ];
}

// Messages show commands with these in them, so that none may look like an option.
const hostProblem = (host: unknown) =>
  host === undefined || host === ""
    ? "is missing; name the machine"
    : typeof host === "string" && /^[A-Za-z0-9_:][A-Za-z0-9_.:%-]*$/.test(host)
      ? undefined
      : `${JSON.stringify(host)} is not one DNS name or IP address`;

const portProblem = (port: unknown) =>
  port === undefined ||
  port === null ||
  (typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65536)
    ? undefined
    : `must be a whole number from 1 to 65535, got ${JSON.stringify(port)}`;

const userProblem = (user: unknown) =>
  typeof user === "string" && /^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?$/.test(user)
    ? undefined
    : user === undefined || user === ""
      ? "is missing; name the user that logs in"
      : `${JSON.stringify(user)} is no name of a user`;

function hostKeyProblem(hostKey: unknown, login: SshLogin, bastion: SshLogin | undefined): string | undefined {
  const show = `"${keyscanCommand(login, bastion)}" shows it; compare it with "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" on the machine itself`;
  if (isLate(hostKey)) return undefined;
  if (typeof hostKey !== "string" || hostKey.trim() === "") return `is missing; ${show}`;
  if (pinnedKeys(login).length > 0) return undefined;
  return `holds no host key of ${loginName(login)}; one is "ssh-ed25519 AAAA…", and ${show}`;
}

function checkCredentials({ privateKey, agent }: Loose<SshLogin>): readonly Problem[] {
  const hasKey = privateKey !== undefined && privateKey !== null;
  if (agent === true && hasKey) return [{ path: "agent", reason: "is given beside privateKey; leave one of them out" }];
  if (agent === true) return [];
  if (isLate(privateKey)) return [];
  if (!hasKey) return [{ path: "privateKey", reason: "is missing; give a private key, or agent: true" }];
  const reason = privateKeyProblem(typeof privateKey === "string" ? privateKey.trim() : "");
  return reason === undefined ? [] : [{ path: "privateKey", reason }];
}

/** Why the text cannot be used as a private key. Shows nothing of it. */
function privateKeyProblem(text: string): string | undefined {
  const convert = '"ssh-keygen -p -f <file>" writes it anew; of a tls.PrivateKey, take privateKeyOpenssh';
  const [, label, body = ""] = /^-----BEGIN ([A-Z ]+)-----\s+([^-]*)/.exec(text) ?? [];
  if (label === undefined)
    return "is no private key: it does not begin with -----BEGIN; give the text of the key's file";
  if (label.includes("ENCRYPTED") || body.includes("Proc-Type: 4,ENCRYPTED") || isLocked(label, body))
    return 'has a passphrase; give a key without one ("ssh-keygen -p -f <file>"), or load it into an agent and set agent: true';
  return ["OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"].includes(label)
    ? undefined
    : `has the form "${label}"; give it in OpenSSH's form: ${convert}`;
}

/** OpenSSH's form names its cipher at the start (PROTOCOL.key of OpenSSH). */
function isLocked(label: string, body: string): boolean {
  if (label !== "OPENSSH PRIVATE KEY") return false;
  const magic = "openssh-key-v1\0";
  const start = Buffer.from(body.slice(0, 80), "base64").toString("latin1");
  return start.startsWith(magic) && !start.slice(magic.length + 4).startsWith("none");
}

/** The SSH server, or the way to it, failed. The message is complete for users and begins with who logs in where. */
export class SshError extends Error {
  /** Nobody took the connection: the machine is off, or no SSH server listens. */
  readonly isUnreachable: boolean;

  constructor(
    message: string,
    /** May the same succeed a little later? */
    readonly retry: boolean,
    options?: ErrorOptions & { readonly isUnreachable?: boolean },
  ) {
    super(message, options);
    this.isUnreachable = options?.isUnreachable ?? false;
  }
}
