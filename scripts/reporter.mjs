// Mocha's spec reporter; it also writes what ran, with the error of each failed and the reason of each skipped test, for the summary of scripts/test.mjs.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import Mocha from "mocha";

// Set on a test, a hook or a suite by `requires` in tests/support/tools.ts.
const reasonKey = Symbol.for("pulumi-citus.skipReason");

function skipReason(runnable) {
  for (let at = runnable; at !== undefined; at = at.parent) {
    if (at[reasonKey] !== undefined) return at[reasonKey];
  }
  return "no reason given";
}

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const result = { passed: 0, failed: [], skipped: [] };
    runner.on("pass", () => (result.passed += 1));
    runner.on("fail", (test, error) => {
      result.failed.push({ title: test.titlePath().join(" › "), error: String(error?.message ?? error) });
    });
    runner.on("pending", (test) => {
      result.skipped.push({ title: test.titlePath().join(" › "), reason: skipReason(test) });
    });
    runner.once("end", () => {
      const file = process.env.TEST_RESULT_FILE;
      if (file === undefined) return;
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, JSON.stringify(result));
    });
  }
}
