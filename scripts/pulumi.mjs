// The Pulumi CLI, the launcher of dynamic providers, the Node language host and provider plugins, gathered in the cache folder.
import { chmodSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, readSync, closeSync } from "node:fs";
import { readdirSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { isExecutable, lastLines, onPath, run } from "./run.mjs";

/** The version that is downloaded or built where no CLI is installed. */
const cliVersion = "3.259.0";
// Older ones lack the exit codes that tell "changes were found" from a failure (3.227).
const oldestCliVersion = "3.227.0";

const quiet = { PULUMI_SKIP_UPDATE_CHECK: "true", PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK: "true" };

/** A file of the cache folder could not be written. The message says what people can do. */
class CacheError extends Error {}

const cures = {
  ENOSPC: "the disk is full: make room (the tools take about 300 MB), then run it again",
  EDQUOT: "the disk quota is used up: make room (the tools take about 300 MB), then run it again",
  EACCES: "no permission: run it as the folder's owner, or remove the folder",
  EPERM: "no permission: run it as the folder's owner, or remove the folder",
  EROFS: "the file system is read-only: use a copy of the project that can be written",
};

/** Writes a file by way of a temporary name, so that a killed run leaves no half-made one. */
function replaceFile(target, write) {
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(target), { recursive: true });
    rmSync(temporary, { force: true });
    write(temporary);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new CacheError(`cannot write ${target}: ${cures[error.code] ?? error.message}`, { cause: error });
  }
}

/** Makes the cache folder. Why it cannot be written, or undefined. */
export function prepareCache(cache) {
  const probe = join(cache, "bin", "probe");
  try {
    // As much as the small files need; whatever is larger says itself that it does not fit.
    replaceFile(probe, (temporary) => writeFileSync(temporary, Buffer.alloc(256 * 1024)));
    rmSync(probe, { force: true });
    removeLeftovers(cache);
    return undefined;
  } catch (error) {
    if (error instanceof CacheError) return error.message;
    throw error;
  }
}

/** A tool that could not be put into the cache folder is missing, with the reason. */
const orMissing =
  (find) =>
  async (...args) => {
    try {
      return await find(...args);
    } catch (error) {
      if (error instanceof CacheError) return { missing: error.message };
      throw error;
    }
  };

function copyProgram(source, target) {
  replaceFile(target, (temporary) => {
    copyFileSync(source, temporary);
    chmodSync(temporary, 0o755);
  });
}

function link(source, target) {
  replaceFile(target, (temporary) => symlinkSync(source, temporary));
}

function isScript(path) {
  const file = openSync(path, "r");
  try {
    const start = Buffer.alloc(2);
    return readSync(file, start, 0, 2, 0) === 2 && start.toString("latin1") === "#!";
  } finally {
    closeSync(file);
  }
}

/** -1, 0 or 1 for two versions of three numbers. */
function compareVersions(left, right) {
  const [a, b] = [left, right].map((version) => version.split(".").map(Number));
  const at = [0, 1, 2].find((i) => a[i] !== b[i]);
  return at === undefined ? 0 : Math.sign(a[at] - b[at]);
}

const nextMajor = "4.0.0";

/** `{ version }` of a CLI that can be used, or `{ problem }`. */
async function checkCli(program) {
  const { code, reason, output } = await run(program, ["version"], {
    env: { ...process.env, ...quiet },
    timeoutSeconds: 20,
  });
  const version = code === 0 ? /^v?(\d+\.\d+\.\d+)/m.exec(output)?.[1] : undefined;
  if (version === undefined) return { problem: `does not run (${[reason, lastLines(output, 1)].join(" ").trim()})` };
  const fits = compareVersions(version, oldestCliVersion) >= 0 && compareVersions(version, nextMajor) < 0;
  return fits
    ? { version }
    : { problem: `has version ${version}; ${oldestCliVersion} or newer, below ${nextMajor}, is needed` };
}

/** The CLI in the cache folder: `{ version, from, path }`, or `{ missing }` with what to install. */
export const findCli = orMissing(async (root, cache, say) => {
  const target = join(cache, "bin", "pulumi");
  const failures = [];

  const installed = onPath("pulumi", [join(cache, "bin"), join(root, "node_modules", ".bin")]);
  if (installed !== undefined) {
    const { version, problem } = await checkCli(installed);
    if (problem === undefined) {
      const real = realpathSync(installed);
      // A version manager's script finds the real CLI by its own place, so it is called there.
      if (isScript(real)) writeScript(target, `exec ${quoted(installed)} "$@"`);
      else copyProgram(real, target);
      return { version, from: installed, path: target };
    }
    failures.push(`${installed} ${problem}`);
    say(`Pulumi CLI: ${failures.at(-1)}`);
  }

  if (isExecutable(target)) {
    const { version, problem } = await checkCli(target);
    if (problem === undefined) return { version, from: "cache folder", path: target };
    say(`Pulumi CLI: the one in the cache folder ${problem}; it is replaced`);
  }

  for (const [title, attempt] of [
    ["download through the npm package", downloadCli],
    ["build from the Go module", buildCli],
  ]) {
    say(`Pulumi CLI ${cliVersion}: ${title}${attempt === buildCli ? " (about 4 minutes)" : ""}`);
    const failure = await attempt(root, cache, target, say);
    const { version, problem } = failure === undefined ? await checkCli(target) : {};
    if (version !== undefined) return { version, from: title, path: target };
    failures.push(`${title}: ${failure ?? `the result ${problem}`}`);
    say(`  failed: ${failures.at(-1)}`);
  }
  rmSync(target, { force: true });
  const next = `install the Pulumi CLI (https://www.pulumi.com/docs/install/) or Go 1.25.11 or newer`;
  return { missing: `${next}; tried: ${failures.join("; ")}` };
});

/** Says how far a long step is: the last line that it printed, shortened. */
const progressTo = (say) => (seconds, output) =>
  say(`  ${seconds} s: ${lastLines(output, 1).slice(0, 80) || "no output yet"}`);

function writeScript(target, line) {
  replaceFile(target, (temporary) => writeFileSync(temporary, `#!/bin/sh\n${line}\n`, { mode: 0o755 }));
}

/** Undefined when it is done, or why not. */
async function downloadCli(root, cache, target, say) {
  const home = join(cache, "download");
  // What a killed run has left may be half a CLI.
  rmSync(home, { recursive: true, force: true });
  const { output, reason } = await run(
    "npm",
    ["exec", "--yes", "--loglevel=error", `--package=pulumi@${cliVersion}`, "--", "pulumi", "version"],
    {
      cwd: cache,
      env: { ...process.env, ...quiet, PULUMI_HOME: home, PULUMI_VERSION: cliVersion },
      timeoutSeconds: 180,
      progress: progressTo(say),
    },
  );
  const folder = join(home, "versions", cliVersion, "bin");
  if (!isExecutable(join(folder, "pulumi"))) {
    rmSync(home, { recursive: true, force: true });
    return `${reason}, ${lastLines(output, 1)}`;
  }
  const host = join(folder, "pulumi-language-nodejs");
  if (isExecutable(host)) copyProgram(host, join(dirname(target), "pulumi-language-nodejs"));
  copyProgram(join(folder, "pulumi"), target);
  rmSync(home, { recursive: true, force: true });
  return undefined;
}

/** Undefined when it is done, or why not. */
async function buildCli(root, cache, target, say) {
  if (onPath("go") === undefined) return "go is not on PATH";
  const output = `${target}.build.${process.pid}.tmp`;
  const version = `github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${cliVersion}`;
  const result = await run(
    "go",
    // An empty version would fail the Automation API's check.
    [
      "build",
      "-v",
      "-mod=readonly",
      "-buildvcs=false",
      "-trimpath",
      "-tags",
      "osusergo,grpcnotrace",
      "-ldflags",
    ].concat([`-s -w -X ${version}`, "-o", output, "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"]),
    {
      cwd: join(root, "scripts", "pulumi-cli"),
      env: { ...process.env, CGO_ENABLED: "0" },
      timeoutSeconds: 45 * 60,
      // With -v every package that is compiled is a line.
      progress: (seconds, printed) =>
        say(
          `  ${seconds} s: ${printed.split("\n").length - 1} packages read or compiled, last ${lastLines(printed, 1)}`,
        ),
    },
  );
  if (result.code === 0) replaceFile(target, (temporary) => renameSync(output, temporary));
  rmSync(output, { force: true });
  return result.code === 0 ? undefined : `${result.reason}\n${lastLines(result.output)}`;
}

/** The script that starts dynamic providers, from the SDK to beside the CLI. */
export const placeLauncher = orMissing((root, cache) => {
  const source = join(root, "node_modules", "@pulumi", "pulumi", "pulumi-resource-pulumi-nodejs");
  if (!existsSync(source)) return { missing: "not in @pulumi/pulumi; run npm ci" };
  const path = join(cache, "bin", "pulumi-resource-pulumi-nodejs");
  copyProgram(source, path);
  return { version: sdkVersion(root, "pulumi"), from: "@pulumi/pulumi", path };
});

function sdkVersion(root, name) {
  return JSON.parse(readFileSync(join(root, "node_modules", "@pulumi", name, "package.json"), "utf8")).version;
}

/** Value of PULUMI_CITUS_PLUGINS that asks for the offline plugins even where real ones are. */
const offline = "offline";
const forcedOffline = () => process.env.PULUMI_CITUS_PLUGINS === offline;
const pluginFolder = () => (forcedOffline() ? "" : (process.env.PULUMI_CITUS_PLUGINS ?? ""));

/** The Node language host, which plain `pulumi up` needs, to beside the CLI. */
export const findLanguageHost = orMissing(async (cache, cli) => {
  const name = "pulumi-language-nodejs";
  const path = join(cache, "bin", name);
  const beside = cli.from !== undefined && isExecutable(cli.from) ? dirname(realpathSync(cli.from)) : "";
  const folders = [pluginFolder(), beside].filter((folder) => folder !== "");
  const source = folders.map((folder) => join(folder, name)).find(isExecutable) ?? onPath(name, [join(cache, "bin")]);
  if (source !== undefined) copyProgram(realpathSync(source), path);
  if (!isExecutable(path)) return { missing: "install the Pulumi CLI's full release, which holds it" };
  const { output } = await run(path, ["--version"], { timeoutSeconds: 5 });
  return { version: /(\d+\.\d+\.\d+)/.exec(output)?.[1] ?? "unknown", from: source ?? "cache folder", path };
});

/**
 * A provider plugin in exactly the version of its npm package, in the plugin folder of the private PULUMI_HOME:
 * the real one, or this project's offline one. `real` is the real one's path wherever there is one.
 */
export const findPlugin = orMissing(async (root, cache, cli, name) => {
  const version = sdkVersion(root, name);
  const program = `pulumi-resource-${name}`;
  const versioned = join(`resource-${name}-v${version}`, program);
  const path = join(cache, "pulumi-home", "plugins", versioned);
  const { from, others } = await placeRealPlugin(root, cache, cli, { name, version, program, versioned, path });
  const real = asideOf(path);
  if (from !== undefined && !forcedOffline()) {
    if (existsSync(real)) renameSync(real, path);
    return { version, from, path, real: path };
  }
  // The real one stays beside, so that the next run without the wish for offline ones needs no download.
  if (from !== undefined && !existsSync(real)) renameSync(path, real);
  placeOfflinePlugin(root, name, path);
  const why = forcedOffline() ? "as PULUMI_CITUS_PLUGINS asks" : others.join("; ");
  return { version, from: `offline plugin of this project (${why})`, path, ...(existsSync(real) ? { real } : {}) };
});

const asideOf = (path) => `${path}.real`;

/** `from` tells where the real plugin came from, which is then at `path` or beside it; else `others` says what was tried. */
async function placeRealPlugin(root, cache, cli, { name, version, program, versioned, path }) {
  const given = pluginFolder();
  const candidates = [
    ...(given === "" ? [] : [join(given, versioned), join(given, program)]),
    onPath(program),
    join(process.env.PULUMI_HOME ?? join(homedir(), ".pulumi"), "plugins", versioned),
  ].filter((each) => each !== undefined && isExecutable(each) && isWhole(each));
  const others = [];
  for (const candidate of candidates) {
    const found = candidate.endsWith(versioned) ? version : await pluginVersion(cache, cli, candidate);
    if (found === version) {
      rmSync(asideOf(path), { force: true });
      link(realpathSync(candidate), path);
      return { from: candidate, others };
    }
    others.push(`${candidate}: version ${found ?? "unknown"}`);
  }
  if (isExecutable(asideOf(path)) || (isExecutable(path) && !isOfflinePlugin(path)))
    return { from: "cache folder", others };
  if (forcedOffline()) return { others };

  const failure = await downloadPlugin(cache, cli, { name, version, versioned, path });
  return failure === undefined ? { from: "downloaded", others } : { others: [...others, failure] };
}

// The CLI's mark of a plugin whose download has not ended.
const isWhole = (path) => !isOfflinePlugin(path) && !existsSync(`${dirname(path)}.partial`);

const offlineMark = "# Offline plugin of pulumi-citus: test equipment.";

function isOfflinePlugin(path) {
  return isScript(path) && readFileSync(path, "utf8").includes(offlineMark);
}

/** A script that starts the compiled offline plugin. */
export function placeOfflinePlugin(root, name, path) {
  const main = join(root, "dist", "tests", "support", "plugins", name, "plugin.js");
  writeScript(path, `${offlineMark}\nexec ${quoted(process.execPath)} ${quoted(main)} "$@"`);
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// Long enough for a working day without a network, short enough that nobody has to know this file.
const retryAfterHours = 24;

/** Undefined when it is done, or why not. A failure is remembered, so that the next run does not wait for it again. */
async function downloadPlugin(cache, cli, { name, version, versioned, path }) {
  if (cli.path === undefined) return "no CLI to download it with";
  const note = join(cache, "downloads", `${name}-${version}.json`);
  const earlier = readNote(note);
  if (earlier !== undefined) return `download failed at ${earlier.at}: ${earlier.reason}`;
  // In a home of its own: a killed download leaves nothing where plugins are looked up.
  const home = join(cache, "downloads", `${name}-${version}.${process.pid}.tmp`);
  const env = { ...process.env, ...quiet, PULUMI_HOME: home };
  const { reason, output } = await run(cli.path, ["plugin", "install", "resource", name, version], {
    env,
    timeoutSeconds: 180,
  });
  const done = isExecutable(join(home, "plugins", versioned));
  if (done) copyProgram(join(home, "plugins", versioned), path);
  rmSync(home, { recursive: true, force: true });
  if (done) return undefined;
  const failure = { at: new Date().toISOString(), reason: `${reason}, ${lastLines(output, 1).trim()}` };
  replaceFile(note, (temporary) => writeFileSync(temporary, `${JSON.stringify(failure)}\n`));
  return `download failed: ${failure.reason}; tried again after ${retryAfterHours} h`;
}

function readNote(path) {
  try {
    const note = JSON.parse(readFileSync(path, "utf8"));
    return Date.now() - Date.parse(note.at) < retryAfterHours * 3_600_000 ? note : undefined;
  } catch {
    // None, or half of one: both mean that the download is tried.
    return undefined;
  }
}

// A plugin says its version only in its schema, for which the CLI has to start it.
async function pluginVersion(cache, cli, path) {
  if (cli.path === undefined) return undefined;
  const env = { ...process.env, ...quiet, PULUMI_HOME: join(cache, "pulumi-home") };
  const { code, output } = await run(cli.path, ["package", "get-schema", path], { env, timeoutSeconds: 30 });
  return code === 0 ? /^ {2}"version": "v?([^"]+)"/m.exec(output)?.[1] : undefined;
}

/** Half-made files of runs that were killed, and the CLI's logs of earlier days. */
function removeLeftovers(cache) {
  for (const path of ["", "bin", "downloads"].flatMap((folder) => filesOf(join(cache, folder)))) {
    const owner = /\.(\d+)\.tmp$/.exec(path)?.[1];
    if (owner !== undefined && !isRunning(Number(owner))) rmSync(path, { recursive: true, force: true });
  }
  for (const path of filesOf(join(cache, "pulumi-home", "logs"))) {
    if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < Date.now() - 24 * 3600 * 1000)
      rmSync(path, { force: true });
  }
}

const filesOf = (folder) => (existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []);

export function isRunning(id) {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
