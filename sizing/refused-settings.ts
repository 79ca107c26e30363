/** Settings that this package manages, and values that would break a Citus cluster or lose its data: for each the reason and what to do instead. */
import type { Problem } from "./problem";

/** What gets settings: a server as a whole, or sessions in a database or of a role. */
export type SettingScope = "server" | "database" | "role";

/** Why this value is refused, or undefined. Gets the text and the boolean that the server reads from it. */
type Refusal = (value: string, on: boolean | undefined, scope: SettingScope) => string | undefined;

const managed =
  (instead: string): Refusal =>
  () =>
    `is managed by this package; ${instead}`;
const mustBeOn =
  (reason: string): Refusal =>
  (_value, on) =>
    on === false ? `must stay on: ${reason}` : undefined;
const mustBeOff =
  (reason: string): Refusal =>
  (_value, on) =>
    on === true ? `must stay off: ${reason}` : undefined;
const mustNotBeZero =
  (reason: string): Refusal =>
  (value) =>
    /^[+-]?0+$/.test(value.trim()) ? `must be at least 1: ${reason}` : undefined;

const certificates = managed("the cluster's own certificates are always used");
const hostFile = managed("the host's data folder and files are given where the host is described");
const log = managed("the host's log file is where a configuration proves that the server has taken it");
const tlsFloor: Refusal = (value) =>
  value === "" || value.toLowerCase() === "tlsv1.3"
    ? undefined
    : `must be TLSv1.3, got "${value}": every connection to a node uses TLS 1.3`;
const movesNeedIt = "Citus moves shards by logical replication";

/** By setting. A name that is not here has no rule of its own. */
export const refusedSettings: ReadonlyMap<string, Refusal> = new Map<string, Refusal>([
  [
    "shared_preload_libraries",
    managed("name libraries in `preload`: citus has to be the first, or the server does not start"),
  ],
  ["output_plugin_libraries", managed("it has to name citus, or shards cannot be moved")],
  ["citus.node_conninfo", managed("nodes reach each other by verify-full TLS with their own certificates")],
  ["citus.local_hostname", managed("it is the node's own address")],
  ["port", managed("give the port where the host is described")],
  ["listen_addresses", managed("it follows from the addresses of the hosts")],
  ["hba_file", managed("give client networks; pg_hba.conf is written from them")],
  ["ident_file", managed("pg_ident.conf is written from the roles of the certificates")],
  ["data_directory", hostFile],
  ["config_file", hostFile],
  ["external_pid_file", hostFile],
  ["unix_socket_directories", hostFile],
  ["logging_collector", log],
  ["log_destination", log],
  [
    "log_min_messages",
    (value) =>
      ["fatal", "panic"].includes(value.toLowerCase())
        ? `must be log or lower, got "${value}": ${log("", undefined, "server") ?? ""}`
        : undefined,
  ],
  ["ssl_cert_file", certificates],
  ["ssl_key_file", certificates],
  ["ssl_ca_file", certificates],
  ["ssl_crl_file", certificates],
  ["ssl_crl_dir", certificates],
  ["ssl_passphrase_command", certificates],
  ["ssl", mustBeOn("every connection to a node is encrypted")],
  ["ssl_min_protocol_version", tlsFloor],
  ["ssl_max_protocol_version", tlsFloor],
  [
    "wal_level",
    (value) =>
      ["minimal", "replica"].includes(value.toLowerCase())
        ? `must be logical, got "${value}": ${movesNeedIt}`
        : undefined,
  ],
  ["max_wal_senders", mustNotBeZero(movesNeedIt)],
  ["max_replication_slots", mustNotBeZero(movesNeedIt)],
  ["max_logical_replication_workers", mustNotBeZero(movesNeedIt)],
  ["max_worker_processes", mustNotBeZero("Citus runs its maintenance and rebalances in background workers")],
  ["max_prepared_transactions", mustNotBeZero("Citus commits on several nodes by prepared transactions")],
  ["fsync", mustBeOn("a crash would corrupt the data; for faster commits use synchronous_commit=off")],
  ["full_page_writes", mustBeOn("a crash could leave torn pages; for less WAL use wal_compression=on")],
  ["zero_damaged_pages", mustBeOff("it deletes rows of damaged pages")],
  ["ignore_checksum_failure", mustBeOff("it hides damaged data and copies it to other nodes")],
  [
    "default_transaction_read_only",
    (value, on, scope) =>
      scope === "role"
        ? undefined
        : mustBeOff("Citus could not write its metadata; set it per role instead")(value, on, scope),
  ],
  ["citus.enable_ddl_propagation", mustBeOn("nodes would drift apart; turn it off in single sessions instead")],
  ["citus.enable_metadata_sync", mustBeOn("workers would miss changes; turn it off in single sessions instead")],
  [
    "dynamic_library_path",
    () => "decides which code the server loads, so it keeps its default; install libraries in $libdir",
  ],
  [
    "password_encryption",
    (value) =>
      value.toLowerCase() === "md5"
        ? 'must be scram-sha-256, got "md5": pg_hba.conf admits no other passwords'
        : undefined,
  ],
]);

// What applies when the user says nothing: PostgreSQL's defaults.
const assumed: Readonly<Record<string, string>> = {
  max_connections: "100",
  superuser_reserved_connections: "3",
  reserved_connections: "0",
};

/** Settings that are right one by one and stop the server together. */
export function settingConflicts(settings: ReadonlyMap<string, string>, path: string): readonly Problem[] {
  const valueOf = (name: string) => settings.get(name) ?? assumed[name] ?? "";
  const reserved = Number(valueOf("superuser_reserved_connections")) + Number(valueOf("reserved_connections"));
  if (reserved < Number(valueOf("max_connections"))) return [];
  const reason = `must be above superuser_reserved_connections + reserved_connections (${reserved}), got ${valueOf("max_connections")}; the server would not start`;
  return [{ path: `${path}.max_connections`, reason }];
}
