// The one test command: tools, types, linters, tests; then what was skipped and why, and one closing line of counts.
// Arguments go to mocha: npm test -- --grep Nodes. One file alone, without the rest: npx mocha dist/tests/sizing/plan.test.js
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { lint } from "./lint.mjs";
import { run } from "./run.mjs";
import { findTools, toolTable } from "./tools.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const counts = { passed: 0, failed: [], skipped: [] };

function item(title, problem) {
  if (problem === undefined) counts.passed += 1;
  else counts.failed.push(title);
  console.log(problem === undefined ? `${title}: passed` : `${title}: FAILED\n${problem}`);
}

async function checkTypes() {
  const { code, output } = await run("npm", ["run", "--silent", "build"], { cwd: root, timeoutSeconds: 600 });
  item("types", code === 0 ? undefined : output.trimEnd());
}

async function checkStyle() {
  const { failed, skipped } = await lint();
  counts.skipped.push(...skipped);
  item("lint", failed.length === 0 ? undefined : failed.join(", "));
}

async function runTests(args) {
  const file = join(root, ".cache", `test-result-${process.pid}.json`);
  const mocha = join(root, "node_modules", "mocha", "bin", "mocha.js");
  const child = spawn(process.execPath, [mocha, "dist/tests/**/*.test.js", ...args], {
    cwd: root,
    env: { ...process.env, TEST_RESULT_FILE: file },
    stdio: "inherit",
  });
  const code = await new Promise((resolve) => child.on("close", resolve).on("error", () => resolve(undefined)));
  const result = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  rmSync(file, { force: true });
  counts.passed += result?.passed ?? 0;
  counts.failed.push(...(result?.failed ?? []));
  counts.skipped.push(...(result?.skipped ?? []));
  // Mocha may also fail as a whole: a test file that does not load, or a rejection after the last test.
  if (code !== 0 && (result?.failed.length ?? 0) === 0) item("mocha", `exit code ${code}`);
}

const parts = await findTools();
console.log(toolTable(parts));
const missing = parts.packages.missing ?? parts.cli.missing;
if (missing !== undefined) item("tools", missing);
if (parts.packages.missing === undefined) {
  await checkTypes();
  await checkStyle();
  await runTests(process.argv.slice(2));
}

console.log("");
for (const title of counts.failed) console.log(`failed: ${title}`);
for (const { title, reason } of counts.skipped) console.log(`skipped: ${title}: ${reason}`);
process.exitCode = counts.failed.length === 0 ? 0 : 1;
console.log(`${counts.passed} passed, ${counts.failed.length} failed, ${counts.skipped.length} skipped`);
