/** Scripts for hosts: data survives the way through the shell, byte for byte. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { composeScript, shellFile, shellWord } from "../../../../providers/dynamic/engine/script";
import { projectFolder } from "../../../support/tools";

function bash(text: string): string {
  const run = spawnSync("bash", ["-s"], { input: text, encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout;
}

/** Any but NUL and halves of pairs. The library's own ("binary") takes seconds to set up. */
const character = fc
  .oneof(
    fc.integer({ min: 1, max: 0x7f }),
    fc.integer({ min: 0x80, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((code) => String.fromCodePoint(code));

describe("shellWord", () => {
  it("gives back what went in, whatever it holds", () => {
    const texts = fc.sample(fc.string({ unit: character }), 200);
    const words = ["", "'", "''", "$(id)", "`id`", "a\nb\n", "\\", "!!", "-n", "ü→\u{1f418}", ...texts];
    assert.deepEqual(
      bash(`printf '%s\\0' ${words.map(shellWord).join(" ")}`)
        .split("\0")
        .slice(0, -1),
      words,
    );
  });

  it("refuses NUL, which no variable can hold", () => {
    assert.throws(() => shellWord("a\0b"), /NUL/);
  });
});

describe("composeScript", () => {
  it("sets the variables in order, then runs the files", () => {
    const text = composeScript(["components/hosts/server.sh"], { B: "it's", A: "1" });
    assert.ok(text.startsWith("{\nexport -n A='1'\nexport -n B='it'\\''s'\nset -euo pipefail\n"));
    assert.ok(text.includes(shellFile("components/hosts/server.sh")));
    assert.ok(text.endsWith("exit 0\n}\n"));
  });

  it("exports nothing, so that no program inherits a secret", () => {
    const text = composeScript([], { SECRET: "canary-7" }).replace("exit 0", "env; exit 0");
    assert.doesNotMatch(bash(text), /canary-7/);
    assert.doesNotMatch(bash(`export SECRET=old\n${text}`), /canary-7/);
  });

  it("is read in full before it runs, so that a program cannot swallow the rest", () => {
    const text = composeScript([], { A: "kept" }).replace("exit 0", 'cat >/dev/null; printf "%s" "$A"; exit 0');
    assert.equal(bash(text), "kept");
  });

  for (const name of ["a", "A-B", "1A", "A B", "", "A=1;id"]) {
    it(`refuses ${JSON.stringify(name)} as a variable`, () => {
      assert.throws(() => composeScript([], { [name]: "x" }), /is not a name/);
    });
  }

  const files = ["components", "providers"].flatMap((folder) =>
    readdirSync(join(projectFolder, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".sh"))
      .map((name) => join(folder, name)),
  );
  for (const file of files)
    it(`leaves comments of ${file} out, and nothing that bash reads`, () => {
      // As bash itself prints what it has read.
      const read = (text: string) => bash(`step() {\n${text}\n}\ndeclare -f step`);
      const whole = readFileSync(join(projectFolder, file), "utf8");
      assert.equal(read(shellFile(file)), read(whole));
      assert.doesNotMatch(shellFile(file), /^\s*#/m);
      assert.match(whole, /^#/);
    });

  it("fails for a file that the package does not have", () => {
    assert.throws(() => shellFile("components/hosts/none.sh"), /ENOENT/);
  });
});
