// The one test command: tools, types, linters, tests; then what was skipped and why, and one closing line of counts.
// Arguments go to mocha: npm test -- --grep Nodes. One file alone, without the rest: npx mocha dist/tests/sizing/plan.test.js
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { lint } from "./lint.mjs";
import { run } from "./run.mjs";
import { runSuites } from "./suites.mjs";
import { findTools, toolTable } from "./tools.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const counts = { passed: 0, failed: [], skipped: [] };

function item(title, problem) {
  if (problem === undefined) counts.passed += 1;
  else counts.failed.push({ title, error: problem });
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
  const { passed, failed, skipped } = await runSuites({ root, cache: join(root, ".cache"), args, say: console.log });
  counts.passed += passed;
  counts.failed.push(...failed);
  counts.skipped.push(...skipped);
}

// Enough to see what went wrong where only the end of the output is kept.
const linesOfErrorStart = 6;
const linesOfErrorEnd = 24;
const lettersOfLine = 300;

/** The start says what was expected; the end of what a command printed says how it failed. */
function shortened(lines) {
  const left = lines.length - linesOfErrorStart - linesOfErrorEnd;
  if (left <= 1) return lines;
  return [...lines.slice(0, linesOfErrorStart), `… ${left} lines …`, ...lines.slice(-linesOfErrorEnd)];
}

function listFailed() {
  for (const { title, error } of counts.failed) {
    console.log(`failed: ${title}`);
    for (const line of shortened(error.split("\n"))) console.log(`  ${line.slice(0, lettersOfLine)}`);
  }
}

/** One paragraph per reason. */
function listSkipped() {
  for (const reason of new Set(counts.skipped.map((item) => item.reason))) {
    const items = counts.skipped.filter((item) => item.reason === reason);
    console.log(`skipped ${items.length}: ${reason}`);
    for (const { title } of items) console.log(`  ${title}`);
  }
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
listSkipped();
listFailed();
process.exitCode = counts.failed.length === 0 ? 0 : 1;
console.log(`${counts.passed} passed, ${counts.failed.length} failed, ${counts.skipped.length} skipped`);
