/** Connection strings for people and programs, as texts. Pure. They name files and hold no secret.
 *  Sources: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING, pg-connection-string 2.x. */
import { shellWord } from "../../providers/dynamic/engine/script";

/** One way into one database. */
export interface ConnectionTarget {
  /** DNS name or IP address of the coordinator. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** Database. */
  readonly database: string;
  /** Role; the certificate decides whether the server agrees. */
  readonly user: string;
  /** File with the authority's certificate. */
  readonly authorityFile: string;
  /** File with the client's certificate. */
  readonly certificateFile: string;
  /** File with its private key. */
  readonly keyFile: string;
}

/** A complete shell command for any POSIX shell: `psql "host=… sslmode=verify-full …"`. */
export function psqlCommand(target: ConnectionTarget): string {
  const text = conninfo(target);
  // Within double quotes these four have a meaning, and "!" has one in interactive shells.
  return /["$`\\!\n]/.test(text) ? `psql ${shellWord(text)}` : `psql "${text}"`;
}

/** The connection string of libpq, its values quoted where they need it. */
export function conninfo(target: ConnectionTarget): string {
  const pairs: readonly [string, string][] = [
    ["host", target.host],
    ["port", String(target.port)],
    ["dbname", target.database],
    ["user", target.user],
    ["sslmode", "verify-full"],
    ["sslrootcert", target.authorityFile],
    ["sslcert", target.certificateFile],
    ["sslkey", target.keyFile],
  ];
  return pairs.map(([keyword, value]) => `${keyword}=${conninfoValue(value)}`).join(" ");
}

function conninfoValue(value: string): string {
  return /^[A-Za-z0-9_.:/%@+~-]+$/.test(value) ? value : `'${value.replace(/[\\']/g, "\\$&")}'`;
}

/**
 * A connection string for node-postgres: `postgres://role@host:port/database?sslmode=verify-full&…`.
 * Undefined for databases that it cannot read from a URL: names with "?" or "#", and with "." or ".." as a whole part.
 */
export function nodePostgresUrl(target: ConnectionTarget): string | undefined {
  const { host, port, database, user } = target;
  if (/[?#]/.test(database) || database.split("/").some((part) => part === "." || part === "..")) return undefined;
  const files = {
    sslmode: "verify-full",
    sslrootcert: target.authorityFile,
    sslcert: target.certificateFile,
    sslkey: target.keyFile,
  };
  const query = Object.entries(files).map(([name, value]) => `${name}=${encoded(value)}`);
  const server = host.includes(":") ? `[${host}]` : host;
  return `postgres://${encoded(user)}@${server}:${port}/${urlPath(database)}?${query.join("&")}`;
}

// It takes the path through decodeURI, which leaves the codes of these as they are; in a path they may stand for themselves.
const leftByDecodeUri = /%(3B|2F|3A|40|26|3D|2B|24|2C)/g;

const urlPath = (database: string) => encoded(database).replace(leftByDecodeUri, (code) => decodeURIComponent(code));

// encodeURIComponent leaves these alone; shells and Markdown do not.
const encoded = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/** A role's name as the name of a file, the same on file systems that ignore case; never `ca`, hidden, or a path. */
export function clientFileName(role: string): string {
  const plain = /^[a-z0-9_][a-z0-9_-]*$/;
  if (plain.test(role) && role !== "ca") return role;
  const bytes = [...Buffer.from(role)].map((byte) => {
    const character = String.fromCharCode(byte);
    return /[a-z0-9_-]/.test(character) ? character : `%${byte.toString(16).padStart(2, "0")}`;
  });
  const name = bytes.join("");
  return name === "ca" || name.startsWith("-") ? `%${name.charCodeAt(0).toString(16)}${name.slice(1)}` : name;
}
