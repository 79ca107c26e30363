// Measurements beside named peers, on this machine's tools or on what replaces them. Run: npm run bench [<name> [-- --rounds <number>]]
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./run.mjs";
import { findTools, toolTable } from "./tools.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function fail(text) {
  console.error(text);
  process.exit(1);
}

const parts = await findTools();
console.log(toolTable(parts));
const needed = ["packages", "cli", "launcher", "tls", "command", "postgres", "citus"];
const missing = needed.filter((name) => parts[name]?.missing !== undefined || parts[name] === undefined);
if (missing.length > 0)
  fail(`a measurement needs ${missing.map((name) => `${name} (${parts[name]?.missing})`).join("; ")}`);

console.log("Builds the project");
const build = await run("npm", ["run", "--silent", "build"], { cwd: root, timeoutSeconds: 600 });
if (build.code !== 0) fail(`the build failed:\n${build.output}`);

const child = spawn(process.execPath, [join(root, "dist", "bench", "run.js"), ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
// The terminal sends the signal to both; the measurement removes what it made and ends by itself.
process.on("SIGINT", () => undefined);
child.on("close", (code) => (process.exitCode = code ?? 1));
