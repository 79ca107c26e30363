/** The reporter: what it leaves for the summary at the end of a whole run, where only that may be read. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectFolder } from "../support/tools";

describe("the reporter", () => {
  it("writes what passed, why a test failed, and why one was skipped", function () {
    this.timeout(30_000);
    const folder = mkdtempSync(join(tmpdir(), "reporter-"));
    try {
      const file = join(folder, "sample.js");
      writeFileSync(
        file,
        `describe("a", () => { it("b", () => {}); it("c", () => { throw new Error("first\\nsecond"); }); it.skip("d", () => {}); });`,
      );
      const results = join(folder, "results.json");
      const mocha = join(projectFolder, "node_modules", "mocha", "bin", "mocha.js");
      const reporter = join(projectFolder, "scripts", "reporter.mjs");
      const { status } = spawnSync(process.execPath, [mocha, "--no-config", "--reporter", reporter, file], {
        env: { ...process.env, TEST_RESULT_FILE: results },
      });
      assert.equal(status, 1);
      assert.deepEqual(JSON.parse(readFileSync(results, "utf8")), {
        passed: 1,
        failed: [{ title: "a › c", error: "first\nsecond" }],
        skipped: [{ title: "a › d", reason: "no reason given" }],
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
