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

/** Writes a file by way of a temporary name, so that a killed run leaves no half-made one. */
function replaceFile(target, write) {
  const temporary = `${target}.${process.pid}.tmp`;
  mkdirSync(dirname(target), { recursive: true });
  rmSync(temporary, { force: true });
  write(temporary);
  renameSync(temporary, target);
}

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

async function versionOf(program) {
  const { code, output } = await run(program, ["version"], { env: { ...process.env, ...quiet }, timeoutSeconds: 20 });
  return code === 0 ? /^v?(\d+\.\d+\.\d+)/m.exec(output)?.[1] : undefined;
}

const usable = (version) =>
  version !== undefined && compareVersions(version, oldestCliVersion) >= 0 && compareVersions(version, "4.0.0") < 0;

/** The CLI in the cache folder: `{ version, from, path }`, or `{ missing }` with what to install. */
export async function findCli(root, cache, say) {
  const target = join(cache, "bin", "pulumi");
  const failures = [];

  const installed = onPath("pulumi", [join(cache, "bin"), join(root, "node_modules", ".bin")]);
  if (installed !== undefined) {
    const version = await versionOf(installed);
    if (usable(version)) {
      const real = realpathSync(installed);
      // A version manager's script finds the real CLI by its own place, so it is called there.
      if (isScript(real)) writeScript(target, `exec '${installed.replaceAll("'", `'\\''`)}' "$@"`);
      else copyProgram(real, target);
      return { version, from: installed, path: target };
    }
    failures.push(`${installed}: version ${version ?? "unknown"}, at least ${oldestCliVersion} is needed`);
  }

  const earlier = isExecutable(target) ? await versionOf(target) : undefined;
  if (usable(earlier)) return { version: earlier, from: "cache folder", path: target };

  for (const [title, attempt] of [
    ["download through the npm package", downloadCli],
    ["build from the Go module", buildCli],
  ]) {
    say(`Pulumi CLI ${cliVersion}: ${title}${attempt === buildCli ? " (about 4 minutes)" : ""}`);
    const failure = await attempt(root, cache, target);
    if (failure === undefined) {
      const version = await versionOf(target);
      if (usable(version)) return { version, from: title, path: target };
      failures.push(`${title}: the result does not run`);
    } else failures.push(`${title}: ${failure}`);
    say(`  failed: ${failures.at(-1)}`);
  }
  rmSync(target, { force: true });
  const next = `install the Pulumi CLI (https://www.pulumi.com/docs/install/) or Go 1.25.11 or newer`;
  return { missing: `${next}; tried: ${failures.join("; ")}` };
}

function writeScript(target, line) {
  replaceFile(target, (temporary) => writeFileSync(temporary, `#!/bin/sh\n${line}\n`, { mode: 0o755 }));
}

/** Undefined when it is done, or why not. */
async function downloadCli(root, cache, target) {
  const home = join(cache, "download");
  const { output, reason } = await run(
    "npm",
    ["exec", "--yes", "--loglevel=error", `--package=pulumi@${cliVersion}`, "--", "pulumi", "version"],
    {
      cwd: cache,
      env: { ...process.env, ...quiet, PULUMI_HOME: home, PULUMI_VERSION: cliVersion },
      timeoutSeconds: 180,
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
async function buildCli(root, cache, target) {
  if (onPath("go") === undefined) return "go is not on PATH";
  const output = `${target}.${process.pid}.tmp`;
  mkdirSync(dirname(target), { recursive: true });
  const version = `github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${cliVersion}`;
  const result = await run(
    "go",
    // An empty version would fail the Automation API's check.
    ["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-tags", "osusergo,grpcnotrace", "-ldflags"].concat([
      `-s -w -X ${version}`,
      "-o",
      output,
      "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    ]),
    {
      cwd: join(root, "scripts", "pulumi-cli"),
      env: { ...process.env, CGO_ENABLED: "0" },
      timeoutSeconds: 45 * 60,
    },
  );
  if (result.code === 0) renameSync(output, target);
  else rmSync(output, { force: true });
  return result.code === 0 ? undefined : `${result.reason}\n${lastLines(result.output)}`;
}

/** The script that starts dynamic providers, from the SDK to beside the CLI. */
export function placeLauncher(root, cache) {
  const source = join(root, "node_modules", "@pulumi", "pulumi", "pulumi-resource-pulumi-nodejs");
  if (!existsSync(source)) return { missing: "not in @pulumi/pulumi; run npm ci" };
  const path = join(cache, "bin", "pulumi-resource-pulumi-nodejs");
  copyProgram(source, path);
  return { version: sdkVersion(root, "pulumi"), from: "@pulumi/pulumi", path };
}

function sdkVersion(root, name) {
  return JSON.parse(readFileSync(join(root, "node_modules", "@pulumi", name, "package.json"), "utf8")).version;
}

const pluginFolder = () => process.env.PULUMI_CITUS_PLUGINS ?? "";

/** The Node language host, which plain `pulumi up` needs, to beside the CLI. */
export async function findLanguageHost(cache, cli) {
  const name = "pulumi-language-nodejs";
  const path = join(cache, "bin", name);
  const beside = cli.from !== undefined && isExecutable(cli.from) ? dirname(realpathSync(cli.from)) : "";
  const folders = [pluginFolder(), beside].filter((folder) => folder !== "");
  const source = folders.map((folder) => join(folder, name)).find(isExecutable) ?? onPath(name, [join(cache, "bin")]);
  if (source !== undefined) copyProgram(realpathSync(source), path);
  if (!isExecutable(path)) return { missing: "install the Pulumi CLI's full release, which holds it" };
  const { output } = await run(path, ["--version"], { timeoutSeconds: 5 });
  return { version: /(\d+\.\d+\.\d+)/.exec(output)?.[1] ?? "unknown", from: source ?? "cache folder", path };
}

/** A provider plugin in exactly the version of its npm package, to the plugin folder of the private PULUMI_HOME. */
export async function findPlugin(root, cache, cli, name) {
  const version = sdkVersion(root, name);
  const program = `pulumi-resource-${name}`;
  const versioned = join(`resource-${name}-v${version}`, program);
  const home = join(cache, "pulumi-home");
  const target = join(home, "plugins", versioned);
  const given = pluginFolder();

  const candidates = [
    ...(given === "" ? [] : [join(given, versioned), join(given, program)]),
    onPath(program),
    join(process.env.PULUMI_HOME ?? join(homedir(), ".pulumi"), "plugins", versioned),
  ].filter((path) => path !== undefined && isExecutable(path));
  const others = [];
  for (const candidate of candidates) {
    const found = candidate.endsWith(versioned) ? version : await pluginVersion(cache, cli, candidate);
    if (found === version) {
      link(realpathSync(candidate), target);
      return { version, from: candidate, path: target };
    }
    others.push(`${candidate}: version ${found ?? "unknown"}`);
  }
  if (isExecutable(target)) return { version, from: "cache folder", path: target };

  rmSync(dirname(target), { recursive: true, force: true });
  if (cli.path !== undefined) {
    const env = { ...process.env, ...quiet, PULUMI_HOME: home };
    await run(cli.path, ["plugin", "install", "resource", name, version], { env, timeoutSeconds: 180 });
    if (isExecutable(target)) return { version, from: "downloaded", path: target };
  }
  const next = `pulumi plugin install resource ${name} ${version}`;
  return { missing: [`not installed, and its download failed: ${next}`, ...others].join("; ") };
}

// A plugin says its version only in its schema, for which the CLI has to start it.
async function pluginVersion(cache, cli, path) {
  if (cli.path === undefined) return undefined;
  const env = { ...process.env, ...quiet, PULUMI_HOME: join(cache, "pulumi-home") };
  const { code, output } = await run(cli.path, ["package", "get-schema", path], { env, timeoutSeconds: 30 });
  return code === 0 ? /^ {2}"version": "v?([^"]+)"/m.exec(output)?.[1] : undefined;
}

/** Half-made files of runs that were killed, and the CLI's logs of earlier days. */
export function removeLeftovers(cache) {
  for (const path of filesOf(join(cache, "bin"))) {
    const owner = /\.(\d+)\.tmp$/.exec(path)?.[1];
    if (owner !== undefined && !isRunning(Number(owner))) rmSync(path, { force: true });
  }
  for (const path of filesOf(join(cache, "pulumi-home", "logs"))) {
    if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < Date.now() - 24 * 3600 * 1000)
      rmSync(path, { force: true });
  }
}

const filesOf = (folder) => (existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []);

function isRunning(id) {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
