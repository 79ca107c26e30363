// PostgreSQL with Citus as installed on this machine (by pg_config on PATH, or in the folders that distributions use), else an own copy
// with a stand-in for Citus. PULUMI_CITUS_POSTGRES=embedded takes the own copy in any case.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { embeddedPostgres, serverUser } from "./embedded-postgres.mjs";
import { isExecutable, onPath, run } from "./run.mjs";

const oldestMajor = 15;
const newestMajor = 18;

/**
 * `{ postgres, standIn }`: the server to use and the own copy, which are one where this machine has no Citus. Each is
 * `{ version, from, path, shareFolder, user, standIn }` (`user`: who runs servers, where that is not the current user), or `{ missing }`.
 */
export async function findPostgres(root, cache, say, wanted = process.env.PULUMI_CITUS_POSTGRES ?? "") {
  if (!["", "embedded"].includes(wanted)) {
    const missing = `PULUMI_CITUS_POSTGRES is ${JSON.stringify(wanted)}; leave it out, or set it to "embedded"`;
    return { postgres: { missing }, standIn: { missing } };
  }
  const standIn = await embeddedPostgres(root, cache, { say });
  if (wanted === "embedded") return { postgres: standIn, standIn };
  const installed = await installedPostgres();
  const hasCitus = extensionVersion(installed, "citus") !== undefined;
  if (hasCitus || (installed.path !== undefined && standIn.missing !== undefined))
    return { postgres: installed, standIn };
  if (standIn.missing === undefined) return { postgres: standIn, standIn };
  return { postgres: { missing: `${installed.missing}; ${standIn.missing}` }, standIn };
}

/** The highest version that has Citus, else the first server that was found. */
async function installedPostgres() {
  const servers = [];
  const others = [];
  for (const { path, from } of await serverFolders()) {
    const { code, output } = await run(join(path, "postgres"), ["--version"], { timeoutSeconds: 10 });
    const version = code === 0 ? /(\d+(?:\.\d+)*)/.exec(output)?.[1] : undefined;
    const major = Number.parseInt(version ?? "", 10);
    if (major >= oldestMajor && major <= newestMajor) {
      servers.push({ version, from, path, shareFolder: shareFolder(path, major) });
    } else others.push(`${path} is version ${version ?? "unknown"}`);
  }
  const withCitus = servers.filter((server) => extensionVersion(server, "citus") !== undefined);
  const best = withCitus.sort((a, b) => Number.parseFloat(b.version) - Number.parseFloat(a.version))[0] ?? servers[0];
  const range = `PostgreSQL ${oldestMajor} to ${newestMajor}`;
  if (best === undefined) return { missing: [`install ${range} (server)`, ...others].join("; ") };
  const user = await serverUser();
  return { ...best, ...(user === undefined ? {} : { user }) };
}

/** An extension that can be created on that server: `{ version, from, standIn }`, or `{ missing }`. */
export function findExtension(postgres, name, hint) {
  if (postgres.path === undefined) return { missing: "needs PostgreSQL" };
  const version = extensionVersion(postgres, name);
  if (version === undefined) return { missing: `not installed for ${postgres.path}; ${hint}` };
  if (postgres.standIn === true && name === "citus")
    return { version, from: "stand-in, control plane only", standIn: true };
  return { version, from: postgres.shareFolder };
}

async function serverFolders() {
  const found = [];
  const add = (path, from) => {
    const complete = ["postgres", "initdb", "pg_ctl"].every((name) => isExecutable(join(path, name)));
    if (complete && !found.some((other) => other.path === path)) found.push({ path, from });
  };
  const config = onPath("pg_config");
  if (config !== undefined) add((await run(config, ["--bindir"], { timeoutSeconds: 10 })).output.trim(), config);
  const server = onPath("postgres");
  if (server !== undefined) add(dirname(server), "PATH");
  for (const path of distributionFolders()) add(path, path);
  return found;
}

// Newest first: Debian and Ubuntu, the PostgreSQL project's RPMs, Homebrew, built from source.
function distributionFolders() {
  const folders = (parent, pattern, rest) =>
    existsSync(parent)
      ? readdirSync(parent)
          .filter((name) => pattern.test(name))
          .sort((a, b) => Number(/\d+/.exec(b)) - Number(/\d+/.exec(a)))
          .map((name) => join(parent, name, ...rest))
      : [];
  return [
    ...folders("/usr/lib/postgresql", /^\d+$/, ["bin"]),
    ...folders("/usr", /^pgsql-\d+$/, ["bin"]),
    ...folders("/opt/homebrew/opt", /^postgresql@\d+$/, ["bin"]),
    ...folders("/usr/local/opt", /^postgresql@\d+$/, ["bin"]),
    "/usr/local/pgsql/bin",
  ];
}

function shareFolder(path, major) {
  const candidates = [
    join("/usr/share/postgresql", String(major)),
    join(dirname(path), "share"),
    join(dirname(path), "share", "postgresql"),
    join(dirname(path), "share", `postgresql@${major}`),
  ];
  return candidates.find((folder) => existsSync(join(folder, "extension", "plpgsql.control")));
}

function extensionVersion({ shareFolder: folder }, name) {
  const file = join(folder ?? "", "extension", `${name}.control`);
  if (folder === undefined || !existsSync(file)) return undefined;
  return /^\s*default_version\s*=\s*'([^']*)'/m.exec(readFileSync(file, "utf8"))?.[1] ?? "unknown";
}
