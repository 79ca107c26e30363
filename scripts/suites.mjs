// Runs every test file in a process of its own, as many at once as there are processors, and prints each one's output whole.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { lastLines } from "./run.mjs";

const remindSeconds = 30;

/** Of all files: how many passed, what failed with its error, and what was skipped with its reason. Arguments go to mocha. */
export async function runSuites({ root, cache, args, say }) {
  const tests = join(root, "dist", "tests");
  const durations = new Durations(join(cache, "test-durations.json"));
  // The longest first, so that no processor waits for one that began late.
  const waiting = durations.longestFirst(
    readdirSync(tests, { recursive: true }).filter((file) => file.endsWith(".test.js")),
  );
  const results = mkdtempSync(join(cache, "test-results-"));
  const all = { passed: 0, failed: [], skipped: [] };
  const running = new Map();
  const reminder = setInterval(() => {
    const names = [...running].map(([file, start]) => `${file} for ${seconds(start)}`);
    say(`   … ${names.join(", ")}; ${waiting.length} files wait`);
  }, remindSeconds * 1000);

  const lane = async (number) => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const start = Date.now();
      running.set(file, start);
      const { output, result } = await runFile({ root, file: join(tests, file), args, results, lane: number });
      running.delete(file);
      durations.set(file, Date.now() - start);
      all.passed += result.passed;
      all.failed.push(...result.failed);
      all.skipped.push(...result.skipped);
      if (result.passed + result.failed.length + result.skipped.length > 0) {
        say(`── ${file.replace(/\.js$/, "")} · ${seconds(start)}\n${output.trimEnd()}\n`);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: laneCount() }, (_, number) => lane(number)));
  } finally {
    clearInterval(reminder);
    rmSync(results, { recursive: true, force: true });
  }
  if (args.length === 0) durations.write();
  return all;
}

const laneCount = () => Number(process.env.TEST_LANES ?? Math.min(availableParallelism(), 8));

const seconds = (start) => `${((Date.now() - start) / 1000).toFixed(0)} s`;

async function runFile({ root, file, args, results, lane }) {
  const resultFile = join(results, `${lane}.json`);
  rmSync(resultFile, { force: true });
  const mocha = join(root, "node_modules", "mocha", "bin", "mocha.js");
  const child = spawn(process.execPath, [mocha, file, ...args], {
    cwd: root,
    // A lane has ports of its own, see tests/support/servers.ts.
    env: { ...process.env, TEST_RESULT_FILE: resultFile, TEST_LANE: String(lane) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise((resolve) => child.on("close", resolve).on("error", () => resolve(undefined)));
  const result = existsSync(resultFile)
    ? JSON.parse(readFileSync(resultFile, "utf8"))
    : { passed: 0, failed: [], skipped: [] };
  // Mocha may also fail as a whole: a file that does not load, or a rejection after the last test.
  if (code !== 0 && result.failed.length === 0)
    result.failed.push({ title: `${file}: mocha ended with exit code ${code}`, error: lastLines(output) });
  return { output, result };
}

/** How long each file took in the last whole run. */
class Durations {
  constructor(file) {
    this.file = file;
    try {
      this.milliseconds = JSON.parse(readFileSync(file, "utf8"));
    } catch {
      // The first run, or a file that was cut off: the order costs time only.
      this.milliseconds = {};
    }
  }

  longestFirst(files) {
    const of = (file) => this.milliseconds[file] ?? Number.MAX_SAFE_INTEGER;
    return files.sort((one, other) => of(other) - of(one));
  }

  set(file, milliseconds) {
    this.milliseconds[file] = milliseconds;
  }

  write() {
    writeFileSync(this.file, `${JSON.stringify(this.milliseconds, undefined, 2)}\n`);
  }
}
