/** Which names of databases, roles, extensions and hosts are accepted. What passes is used byte for byte: nothing is trimmed, folded or cut.
 *  Sources: https://www.postgresql.org/docs/current/sql-syntax-lexical.html and src/backend/commands/{extension,user}.c of PostgreSQL. */

// NAMEDATALEN - 1. The server cuts longer names silently.
const longestNameBytes = 63;

/** Why the name is refused for a database to be made, or undefined. Reserved: template0, template1, postgres and names that Citus drops. */
export function checkDatabaseName(name: string): string | undefined {
  if (name === "postgres") return '"postgres" is the maintenance database of every server; choose a name of its own';
  return checkExistingDatabaseName(name);
}

/** Why the name is refused for a database to connect to, or undefined: as {@link checkDatabaseName}, but postgres is accepted. */
export function checkExistingDatabaseName(name: string): string | undefined {
  if (["template0", "template1"].includes(name)) return `"${name}" is reserved by PostgreSQL`;
  if (name.startsWith("citus_temp_database_")) {
    return `${JSON.stringify(name)} starts with "citus_temp_database_"; Citus drops such databases`;
  }
  return identifierProblem(name);
}

/** Why the name is refused for a role, or undefined. Reserved: public, none, pg_… and names that Citus gives to roles of shard moves. */
export function checkRoleName(name: string): string | undefined {
  if (["public", "none"].includes(name) || name.startsWith("pg_")) {
    return `${JSON.stringify(name)} is reserved by PostgreSQL (public, none and names that start with "pg_")`;
  }
  if (/^citus_shard_(move|split)_subscription_role_/.test(name)) {
    return `${JSON.stringify(name)} is a name that Citus gives to roles of shard moves, and drops`;
  }
  return identifierProblem(name);
}

/** Why the name is refused for a role that exists, or undefined: as {@link checkRoleName}, but PostgreSQL's own roles (`pg_monitor`) are accepted. */
export function checkExistingRoleName(name: string): string | undefined {
  return name.startsWith("pg_") ? identifierProblem(name) : checkRoleName(name);
}

/** Why the name is refused for a schema, table or another object that exists, or undefined: PostgreSQL would cut it, or it cannot be printed. */
export function checkObjectName(name: string): string | undefined {
  return identifierProblem(name);
}

/** Why the name is refused for an extension, or undefined: it is part of a file name on the server. */
export function checkExtensionName(name: string): string | undefined {
  const reason = identifierProblem(name);
  if (reason !== undefined) return reason;
  if (name.includes("--") || name.startsWith("-") || name.endsWith("-")) {
    return `${JSON.stringify(name)} must not hold "--" nor start or end with "-"`;
  }
  return /[/\\]/.test(name) ? `${JSON.stringify(name)} must not hold "/" or "\\"` : undefined;
}

/** Why the value is refused for a TCP port, or undefined: a whole number from 1 to 65535. */
export function checkPort(port: unknown): string | undefined {
  if (typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65535) return undefined;
  return `must be a whole number from 1 to 65535, got ${typeof port === "string" ? JSON.stringify(port) : String(port)}`;
}

/**
 * Why the text is refused as the address of a host, or undefined: one DNS name in lower case, one IPv4 or one IPv6 address without brackets.
 * It is registered in Citus, dialled by libpq and named by the certificate, so it has to mean one server to all three.
 */
export function checkHostAddress(address: string): string | undefined {
  const got = JSON.stringify(address);
  if (address === "") return "must not be empty: PostgreSQL would use a Unix socket";
  // libpq reads a comma as several hosts, a slash as a socket folder and "=" as a connection string.
  if (/[\s,/=\p{Cc}\p{Cf}\p{Surrogate}]/u.test(address)) {
    return `${got} must be one address without blanks, ",", "/", "=" or invisible characters`;
  }
  if (/[[\]]/.test(address)) return `${got}: brackets belong in URLs only; write the IPv6 address alone`;
  if (["0.0.0.0", "::"].includes(address)) return `${got} stands for every address; give the one that other nodes dial`;
  if (address.includes(":")) return ipv6Problem(address);
  if (["all", "samehost", "samenet"].includes(address)) {
    return `${got} has a meaning of its own in pg_hba.conf; use another name or an IP address`;
  }
  if (!/^\p{ASCII}*$/u.test(address)) return `${got}: write an internationalised name in its xn-- form`;
  return isIpv4(address) ? undefined : dnsNameProblem(address);
}

/** Is it an IP address, or a network such as 10.0.0.0/16, and no name? How long the network's part is does not matter. */
export function isIpNetwork(text: string): boolean {
  const [address = ""] = text.split("/");
  return isIpv4(address) || isIpv6(address);
}

function isIpv4(text: string): boolean {
  return /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/.test(text);
}

/** Eight groups, of which "::" may stand for one or more; the last two may be written as IPv4. */
function isIpv6(text: string): boolean {
  const lastColon = text.lastIndexOf(":");
  const tail = text.slice(lastColon + 1);
  const whole = isIpv4(tail) ? `${text.slice(0, lastColon)}:0:0` : text;
  const halves = whole.split("::");
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  if (!groups.every((group) => /^[\da-fA-F]{1,4}$/.test(group))) return false;
  return halves.length === 1 ? groups.length === 8 : halves.length === 2 && groups.length < 8;
}

function ipv6Problem(address: string): string | undefined {
  const got = JSON.stringify(address);
  if (address.includes("%"))
    return `${got}: a zone means something on one machine only; use an address that every node can dial`;
  if (!isIpv6(address)) return `${got} is not an IPv6 address; a port is given apart from the address`;
  if (/^::ffff:/i.test(address)) return `${got} is an IPv4 address in IPv6 form; write the IPv4 address`;
  return address === address.toLowerCase()
    ? undefined
    : `${got} must be in lower case: ${JSON.stringify(address.toLowerCase())}`;
}

function dnsNameProblem(name: string): string | undefined {
  const got = JSON.stringify(name);
  const canonical = name.toLowerCase().replace(/\.$/, "");
  // Citus, libpq and certificates compare names as text.
  if (canonical !== name && canonical !== "")
    return `${got} must be in lower case and without a final dot: ${JSON.stringify(canonical)}`;
  if (name.length > 253) return `is longer than the 253 characters of a DNS name (${name.length})`;
  const labels = name.split(".");
  const wrong = labels.find((label) => !/^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
  if (wrong !== undefined) {
    return `${got} is no DNS name: each part has 1 to 63 letters, digits, "-" or "_", and "-" is not at its ends`;
  }
  // libpq would read 10.1 as 10.0.0.1.
  return /^(\d+|0x[\da-f]*)$/.test(labels[labels.length - 1] ?? "")
    ? `${got} is not a complete IPv4 address`
    : undefined;
}

function identifierProblem(name: string): string | undefined {
  if (name === "") return "must not be empty";
  // Checked before the name is shown: what cannot be printed is not printed.
  if (/\p{Surrogate}/u.test(name)) return "holds half of a Unicode character (a lone surrogate)";
  if (/\p{Cc}/u.test(name))
    return `${JSON.stringify(name)} must not hold control characters such as line breaks or tabs`;
  const bytes = Buffer.byteLength(name);
  return bytes > longestNameBytes
    ? `${JSON.stringify(name)} has ${bytes} bytes, more than the ${longestNameBytes} of a name`
    : undefined;
}
