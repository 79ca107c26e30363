/** Texts of a node's configuration files. Pure; the same on every host but for what only the host knows (configure.sh adds that).
 *  PostgreSQL 15 or newer. Source: postgresql.org/docs/current/auth-pg-hba-conf.html, auth-username-maps.html, config-setting.html */
import { isIP } from "node:net";

/** Settings by their real names, values as PostgreSQL spells them. */
export type Settings = Readonly<Record<string, string>>;

/**
 * How nodes dial each other, the same text on every node: the files lie in each node's own data folder.
 * A dead peer is noticed after about 4 s, instead of a hang.
 */
export const nodeConninfo = [
  "sslmode=verify-full sslrootcert=ca.crt sslcert=server.crt sslkey=server.key sslcrl=ca.crl",
  "tcp_user_timeout=4000 keepalives=1 keepalives_idle=2 keepalives_interval=1 keepalives_count=3",
].join(" ");

// PostgreSQL's own default, written out so that a preview shows what it changes from.
const defaultConnections = 100;

/** What a node's settings follow from. */
export interface NodeSettingsArgs {
  /** What the node is dialled by; it listens there only. */
  readonly address: string;
  readonly port: number;
  /** Libraries to load after citus. */
  readonly preload: readonly string[];
  /** The user's own settings. They win over defaults, never over what holds the cluster together. */
  readonly settings: Settings;
}

/** All settings of a node that we write, in the order of the file. */
export function nodeSettings({ address, port, preload, settings }: NodeSettingsArgs): Settings {
  const connections = Number(settings["max_connections"] ?? defaultConnections);
  return {
    max_connections: String(defaultConnections),
    // Each open transaction may be prepared once per connection; 2 × max_connections is what Citus itself would choose.
    max_prepared_transactions: String(2 * (Number.isInteger(connections) ? connections : defaultConnections)),
    // Room for parallel shard moves: apply workers and slots on both sides, besides the background workers of Citus.
    max_worker_processes: "32",
    max_logical_replication_workers: "16",
    max_replication_slots: "32",
    max_wal_senders: "32",
    // One logical move takes about 6 s whatever its size, so moves run side by side: 27 s instead of 95 s for 16 of them.
    "citus.max_background_task_executors": "8",
    "citus.max_background_task_executors_per_node": "4",
    ...settings,
    port: String(port),
    listen_addresses: address,
    ssl: "on",
    ssl_cert_file: "server.crt",
    ssl_key_file: "server.key",
    ssl_ca_file: "ca.crt",
    ssl_crl_file: "ca.crl",
    ssl_min_protocol_version: "TLSv1.3",
    password_encryption: "scram-sha-256",
    wal_level: "logical",
    // Citus refuses to start behind any other library.
    shared_preload_libraries: ["citus", ...preload.filter((library) => library !== "citus")].join(", "),
    "citus.local_hostname": address,
    "citus.node_conninfo": nodeConninfo,
  };
}

/** The settings file. @throws when a name or value cannot be written */
export function settingsFile(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${settingName(name)} = ${settingValue(name, value)}`)
    .join("\n");
}

function settingName(name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$/.test(name)) {
    throw new Error(`${JSON.stringify(name)} is not the name of a setting`);
  }
  return name;
}

function settingValue(name: string, text: string): string {
  if (/[\n\r\0]/.test(text)) throw new Error(`the value of ${name} holds a line end; a setting is one line`);
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

/** Who may connect to a node. */
export interface HbaArgs {
  /** Operating-system user of the server, who is postgres over the socket. */
  readonly osUser: string;
  /** Addresses of all nodes. */
  readonly nodes: readonly string[];
  /** Networks or addresses from which the operator's certificate is taken. */
  readonly operatorNetworks: readonly string[];
  /** Networks or addresses from which roles log in, with a password but for those below. */
  readonly clientNetworks: readonly string[];
  /** Roles that log in by certificate from there. */
  readonly certificateRoles: readonly string[];
}

const each = (networks: readonly string[], line: (network: string) => string) =>
  [...new Set(networks.map(network))].sort().map(line);

/** The lines of pg_hba.conf that let nodes in. @throws on a bad address */
export const nodeLines = (nodes: readonly string[]) =>
  each(nodes, (address) => `hostssl all all ${address} cert map=cluster`);

/** pg_hba.conf. The first matching line decides, so the order is part of the meaning. @throws on a bad network */
export function hbaFile({ osUser, nodes, operatorNetworks, clientNetworks, certificateRoles }: HbaArgs): string {
  const roles = [...new Set(certificateRoles)].sort().map(roleName).join(",");
  return [
    osUser === "postgres" ? "local all postgres peer" : "local all postgres peer map=local",
    "local all all scram-sha-256",
    ...nodeLines(nodes),
    ...each(operatorNetworks, (address) => `hostssl all postgres ${address} cert map=cluster`),
    ...each(roles === "" ? [] : clientNetworks, (address) => `hostssl all ${roles} ${address} cert map=cluster`),
    ...each(clientNetworks, (address) => `hostssl all all ${address} scram-sha-256`),
  ].join("\n");
}

/** Why the text is not a network or address for pg_hba.conf, or undefined. Reads after the path. */
export function networkProblem(text: string): string | undefined {
  const [address = "", length, ...rest] = text.split("/");
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  const isNetwork =
    bits > 0 && rest.length === 0 && (length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits));
  const isName =
    bits === 0 && length === undefined && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(address) && !/^[\d.]+$/.test(address);
  if (isNetwork || (isName && !["all", "samehost", "samenet"].includes(address))) return undefined;
  return `${JSON.stringify(text)} is not a network such as "10.0.0.0/16", an IP address or a DNS name`;
}

function network(text: string): string {
  const problem = networkProblem(text);
  if (problem !== undefined) throw new Error(problem);
  if (text.includes("/") || isIP(text) === 0) return text;
  return isIP(text) === 4 ? `${text}/32` : `${text}/128`;
}

/** Which certificate may be which role. */
export interface IdentArgs {
  /** Operating-system user of the server. */
  readonly osUser: string;
  /** Roles that log in; PostgreSQL 15 needs each by name. */
  readonly loginRoles: readonly string[];
  /** PostgreSQL's major version. */
  readonly postgresVersion: number;
}

/**
 * pg_ident.conf: a node may be every role, so that it can pass a session on; the operator is postgres;
 * any other certificate is the role that it names. @throws on a role name that cannot be written
 */
export function identFile({ osUser, loginRoles, postgresVersion }: IdentArgs): string {
  // Before 16, "all" means a role of that name. Source: PostgreSQL 16 release notes, "Authentication".
  const roles = postgresVersion >= 16 ? ["all"] : ["postgres", ...[...new Set(loginRoles)].sort().map(roleName)];
  return [
    ...(osUser === "postgres" ? [] : [`local ${roleName(osUser)} postgres`]),
    ...roles.map((role) => `cluster /^node:.*$ ${role}`),
    "cluster operator postgres",
    String.raw`cluster /^([^:]*)$ \1`,
  ].join("\n");
}

function roleName(name: string): string {
  // A file is read line by line, and "\1" is replaced by a part of the certificate's name.
  if (name === "" || /[\n\r\0]/.test(name) || name.includes(String.raw`\1`)) {
    throw new Error(`${JSON.stringify(name)} cannot be written as a role name to pg_hba.conf and pg_ident.conf`);
  }
  // Only plain names stay bare: within quotes no character has a meaning of its own.
  return /^[a-z_][a-z0-9_]*$/.test(name) && name !== "all" ? name : `"${name.replaceAll('"', '""')}"`;
}
