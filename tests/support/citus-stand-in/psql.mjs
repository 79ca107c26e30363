// What this project uses of psql, for the embedded PostgreSQL, which has none: one statement by -c or on standard input, unaligned rows.
// Everything else is refused, so that nobody takes it for psql. Source: postgresql.org/docs/16/app-psql.html, libpq-connect.html
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import pg from "pg";

const exit = { failed: 1, noConnection: 2, stopped: 3 };
const withValue = { v: "variable", h: "host", p: "port", U: "user", d: "dbname", c: "command" };
const switches = new Set(["X", "A", "t", "q"]);
const parameters = new Set(
  "host port dbname user password sslmode sslrootcert sslcert sslkey sslcrl connect_timeout application_name options".split(
    " ",
  ),
);
// Of no meaning for one short session.
const ignored = /^(tcp_user_timeout|keepalives(_idle|_interval|_count)?)$/;

class Refusal extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

function refuse(text, code = exit.failed) {
  throw new Refusal(`psql: error: ${text}`, code);
}

function readArguments(args) {
  const given = { switches: new Set(), positional: [] };
  const rest = [...args];
  while (rest.length > 0) {
    const word = rest.shift();
    if (!word.startsWith("-") || word === "-") {
      given.positional.push(word);
      continue;
    }
    if (word.startsWith("--")) refuse(`${word} is not known to this stand-in for psql`);
    readLetters(word.slice(1), rest, given);
  }
  if (given.positional.length > 2) refuse(`too many arguments: ${given.positional.slice(2).join(" ")}`);
  const [dbname, user] = given.positional;
  return { dbname, user, ...given };
}

function readLetters(letters, rest, given) {
  for (const [at, letter] of [...letters].entries()) {
    const name = withValue[letter];
    if (name === undefined) {
      if (!switches.has(letter)) refuse(`-${letter} is not known to this stand-in for psql`);
      given.switches.add(letter);
      continue;
    }
    const value = letters.slice(at + 1) || rest.shift();
    if (value === undefined) refuse(`option -${letter} needs a value`);
    if (given[name] !== undefined) refuse(`-${letter} may be given once to this stand-in for psql`);
    given[name] = value;
    return;
  }
}

/** `name=value` words, a value in single quotes where it holds a blank. */
function readConninfo(text) {
  const values = {};
  const word = /\s*([A-Za-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/y;
  while (text.slice(word.lastIndex).trim() !== "") {
    const start = word.lastIndex;
    const [, name, quoted, plain] =
      word.exec(text) ?? refuse(`cannot read the connection string at "${text.slice(start)}"`);
    values[name] = (quoted ?? plain).replaceAll(/\\(.)/g, "$1");
  }
  return values;
}

function readUri(text) {
  const { hostname, port, pathname, username, searchParams } = new URL(text);
  const found = { host: hostname.replace(/^\[(.*)\]$/, "$1"), port, user: username, dbname: pathname.slice(1) };
  const named = Object.entries(found).filter(([, value]) => value !== "");
  return {
    ...Object.fromEntries(named.map(([name, value]) => [name, decodeURIComponent(value)])),
    ...Object.fromEntries(searchParams),
  };
}

function target({ dbname = "", host, port, user }) {
  let inner = dbname === "" ? {} : { dbname };
  if (/^postgres(ql)?:\/\//.test(dbname)) inner = readUri(dbname);
  else if (dbname.includes("=")) inner = readConninfo(dbname);
  const given = Object.entries({ host, port, user }).filter(([, value]) => value !== undefined);
  const values = { ...Object.fromEntries(given), ...inner };
  for (const name of Object.keys(values)) {
    if (!parameters.has(name) && !ignored.test(name)) refuse(`invalid connection option "${name}"`, exit.noConnection);
  }
  return values;
}

function file(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return refuse(`could not read file "${path}": ${error.message}`, exit.noConnection);
  }
}

function encryption({ host, sslmode, sslrootcert, sslcert, sslkey, sslcrl }) {
  if (host.startsWith("/")) return false;
  if (sslmode !== "verify-full" || sslrootcert === undefined) {
    refuse("over TCP this stand-in for psql needs sslmode=verify-full and sslrootcert", exit.noConnection);
  }
  return {
    ca: file(sslrootcert),
    ...(sslcert === undefined ? {} : { cert: file(sslcert) }),
    ...(sslkey === undefined ? {} : { key: file(sslkey) }),
    ...(sslcrl === undefined ? {} : { crl: file(sslcrl) }),
    // For an address Node would compare "localhost".
    ...(isIP(host) === 0 ? { servername: host } : {}),
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  };
}

function clientFor(values, environment) {
  const {
    host = refuse("this stand-in for psql needs a host", exit.noConnection),
    port = "5432",
    user,
    dbname,
  } = values;
  const seconds = Number(values.connect_timeout ?? environment.PGCONNECT_TIMEOUT ?? 0);
  const options = values.options ?? environment.PGOPTIONS;
  return new pg.Client({
    host,
    port: Number(port),
    user,
    database: dbname ?? user,
    password: values.password ?? environment.PGPASSWORD ?? "",
    application_name: values.application_name ?? "psql",
    ...(options === undefined ? {} : { options }),
    connectionTimeoutMillis: seconds * 1000,
    ssl: encryption({ ...values, host }),
    // Values as the server spells them.
    types: { getTypeParser: () => (text) => text },
  });
}

function place({ host, port = "5432" }) {
  return host.startsWith("/") ? `on socket "${host}/.s.PGSQL.${port}"` : `at "${host}", port ${port}`;
}

const messageOf = ({ severity = "ERROR", message, detail, hint }) =>
  [`${severity}:  ${message}`, ...(detail ? [`DETAIL:  ${detail}`] : []), ...(hint ? [`HINT:  ${hint}`] : [])].join(
    "\n",
  );

function reasonOf({ severity, code = "", message }) {
  if (severity !== undefined) return `${severity}:  ${message}`;
  // Node's codes of certificates that OpenSSL refuses; those of the system and of Node itself begin with E.
  return /^(?!E)[A-Z_]+$/.test(code) ? `SSL error: certificate verify failed: ${message}` : message;
}

function print({ fields = [], rows = [] }) {
  if (fields.length === 0) return;
  for (const row of rows) process.stdout.write(`${row.map((value) => value ?? "").join("|")}\n`);
}

async function main(args, environment) {
  const given = readArguments(args);
  for (const letter of ["A", "t", "X"]) {
    if (!given.switches.has(letter)) refuse(`this stand-in for psql prints unaligned rows only: give -XAt`);
  }
  if (given.variable !== undefined && given.variable !== "ON_ERROR_STOP=1")
    refuse(`-v ${given.variable} is not known to this stand-in for psql`);
  const byCommand = given.command !== undefined;
  const values = target(given);
  const client = clientFor(values, environment);
  client.on("notice", (notice) => process.stderr.write(`${messageOf(notice)}\n`));
  // The query that is running reports it.
  client.on("error", () => undefined);
  const text = byCommand ? given.command : readFileSync(0, "utf8");
  try {
    await client.connect();
  } catch (error) {
    const reason = reasonOf(error);
    refuse(`connection to server ${place(values)} failed: ${reason}`, exit.noConnection);
  }
  try {
    // A second statement on standard input would be one transaction with the first here, and none there: the server refuses it.
    const results = await client.query({ text, rowMode: "array", ...(byCommand ? {} : { queryMode: "extended" }) });
    for (const result of [results].flat()) print(result);
  } catch (error) {
    if (error.severity === undefined) refuse(`connection to server was lost: ${error.message}`, exit.noConnection);
    const failed = given.variable === undefined ? 0 : exit.stopped;
    throw new Refusal(messageOf(error), byCommand ? exit.failed : failed);
  } finally {
    await client.end().catch(() => undefined);
  }
}

if (process.argv[2] === "--version") console.log("psql (stand-in of this project's tests)");
else {
  try {
    await main(process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error instanceof Refusal ? error.code : exit.failed;
  }
}
