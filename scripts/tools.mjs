// Finds or makes every tool that the tests and the demo need, and prints what it took from where. Run: node scripts/tools.mjs
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findExtension, findPostgres } from "./postgres.mjs";
import { findCli, findLanguageHost, findPlugin, placeLauncher, prepareCache } from "./pulumi.mjs";
import { lastLines, onPath, run } from "./run.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, ".cache");
const say = (line) => console.log(line);

/** Why that version of Node cannot run this project, or undefined. The oldest that can is `engines` of package.json. */
export function nodeProblem(version) {
  const [major, minor] = version.split(".").map(Number);
  const isEnough = major > 20 || (major === 20 && minor >= 19);
  return isEnough ? undefined : `Node ${version} is too old; install Node 20.19 or newer (https://nodejs.org)`;
}

/** Installs the packages of the lock file where none are, or where the lock file is newer. */
async function installPackages() {
  const marker = join(root, "node_modules", ".package-lock.json");
  const lock = join(root, "package-lock.json");
  const from = "package-lock.json";
  if (!existsSync(marker) || statSync(marker).mtimeMs < statSync(lock).mtimeMs) {
    say("Node packages: npm ci");
    // Nothing that we use needs an install script; our own build runs later, where its errors are shown.
    const { code, reason, output } = await run("npm", ["ci", "--ignore-scripts"], {
      cwd: root,
      timeoutSeconds: 900,
      progress: (seconds) => say(`  ${seconds} s`),
    });
    if (code !== 0)
      return {
        missing: `npm ci failed: ${reason}\n${lastLines(output)}\nThe first run needs a registry in reach; run it again then`,
      };
  }
  const count = Object.keys(JSON.parse(readFileSync(marker, "utf8")).packages).length;
  return { version: `${count} packages`, from };
}

async function findShellcheck() {
  const path = onPath("shellcheck");
  if (path === undefined) return { missing: "install shellcheck" };
  const { output } = await run(path, ["--version"], { timeoutSeconds: 10 });
  return { version: /version: (\S+)/.exec(output)?.[1] ?? "unknown", from: path, path };
}

/** Everything by its key; a part that is not there has `missing` with the reason and the next step. */
export async function findTools() {
  const parts = { node: { version: process.versions.node, from: process.execPath, path: process.execPath } };
  const blocked = nodeProblem(process.versions.node) ?? prepareCache(cache);
  if (blocked !== undefined) return { ...parts, packages: { missing: blocked } };
  parts.packages = await installPackages();
  if (parts.packages.missing === undefined) {
    parts.cli = await findCli(root, cache, say);
    parts.launcher = await placeLauncher(root, cache);
    [parts.languageHost, parts.tls, parts.command] = await Promise.all([
      findLanguageHost(cache, parts.cli),
      findPlugin(root, cache, parts.cli, "tls"),
      findPlugin(root, cache, parts.cli, "command"),
    ]);
  }
  const { postgres, standIn } = await findPostgres(root, cache, say);
  parts.postgres = postgres;
  parts.citus = findExtension(parts.postgres, "citus", "see https://docs.citusdata.com/en/stable/installation/");
  parts.hll = findExtension(parts.postgres, "hll", "Debian's package is postgresql-<version>-hll");
  parts.shellcheck = await findShellcheck();
  parts.standIn = standIn;
  writeWhole(join(cache, "tools.json"), `${JSON.stringify(parts, undefined, 2)}\n`);
  return parts;
}

function writeWhole(file, text) {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}

const titles = {
  node: "Node",
  packages: "Node packages",
  cli: "Pulumi CLI",
  launcher: "dynamic provider launcher",
  languageHost: "Node language host",
  tls: "tls plugin",
  command: "command plugin",
  postgres: "PostgreSQL",
  citus: "Citus",
  hll: "hll extension",
  shellcheck: "shellcheck",
  standIn: "stand-in PostgreSQL",
};

const columns = 80;

/** Lines of at most that width, broken between words; a word that is longer stays whole. */
function wrap(text, width) {
  const lines = [];
  for (const word of text.split(/\s+/)) {
    const longer = `${lines.at(-1) ?? ""} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines.push(`${lines.pop()} ${word}`);
    else lines.push(word);
  }
  return lines;
}

/** The table that tests and demo open with. */
export function toolTable(parts) {
  const entries = Object.entries(parts).filter(([key]) => key !== "standIn" || parts.postgres?.standIn !== true);
  const rows = entries.map(([key, { version, from, missing }]) =>
    missing === undefined ? [titles[key], version, from] : [titles[key], "-", `missing: ${missing}`],
  );
  const width = (column) => Math.max(...rows.map((row) => row[column].length));
  const [first, second] = [width(0), width(1)];
  const before = first + second + 4;
  return rows
    .map(
      ([title, version, text]) =>
        `${title.padEnd(first)}  ${version.padEnd(second)}  ${wrap(text, columns - before).join(`\n${" ".repeat(before)}`)}`,
    )
    .join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const parts = await findTools();
  say(toolTable(parts));
  // Without these two nothing of ours can run; the rest costs some tests.
  process.exitCode = parts.packages.missing === undefined && parts.cli?.missing === undefined ? 0 : 1;
}
