// The demo on this machine's tools, or on what replaces them. Run: npm run demo [-- --keep | --remove <folder>]
import { spawn } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./run.mjs";
import { findTools, toolTable } from "./tools.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, ".cache");

function fail(text) {
  console.error(text);
  process.exit(1);
}

const parts = await findTools();
console.log(toolTable(parts));
const needed = ["packages", "cli", "launcher", "tls", "command", "postgres", "citus"];
const missing = needed.filter((name) => parts[name]?.missing !== undefined || parts[name] === undefined);
if (missing.length > 0) fail(`the demo needs ${missing.map((name) => `${name} (${parts[name]?.missing})`).join("; ")}`);

console.log("Builds the project");
const build = await run("npm", ["run", "--silent", "build"], { cwd: root, timeoutSeconds: 600 });
if (build.code !== 0) fail(`the build failed:\n${build.output}`);

const args = [
  join(root, "dist", "examples", "demo", "main.js"),
  ...process.argv.slice(2),
  ...["--bin", parts.postgres.path],
  ...(parts.postgres.user === undefined ? [] : ["--user", parts.postgres.user]),
  ...(parts.citus.standIn === true ? ["--stand-in"] : []),
];
const child = spawn(process.execPath, args, {
  cwd: root,
  stdio: "inherit",
  env: {
    ...process.env,
    PATH: [join(cache, "bin"), process.env.PATH ?? ""].join(delimiter),
    PULUMI_HOME: join(cache, "pulumi-home"),
    PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  },
});
// The terminal sends the signal to both; the demo destroys what it made and ends by itself.
process.on("SIGINT", () => undefined);
child.on("close", (code) => (process.exitCode = code ?? 1));
