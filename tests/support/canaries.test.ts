/** A search for secrets is worth something only if it sees them however they are written. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { Client } from "pg";
import { spellings } from "./canaries";

const secret = `it's a\\b "$HOME" \`x\` ü/+=`;
const bash = (script: string) => execFileSync("bash", ["-c", script, "bash", secret], { encoding: "utf8" });

describe("spellings", () => {
  const rows: readonly (readonly [how: string, text: () => string])[] = [
    ["as it is", () => `x${secret}x`],
    ["as a literal of SQL", () => `SELECT ${new Client().escapeLiteral(secret)}`],
    ["as a literal of SQL with quotes escaped", () => `SELECT E'${secret.replace(/['\\]/g, "\\$&")}'`],
    ["as printf %q has it", () => bash("LC_ALL=C.UTF-8 printf 'x %q' \"$1\"")],
    ["as bash shows variables", () => bash("LC_ALL=C.UTF-8; s=$1; declare -p s")],
    ["in single quotes of a shell", () => `echo '${secret.replaceAll("'", `'\\''`)}'`],
    ["as JSON", () => JSON.stringify({ secret })],
    ["in a URL", () => new URL(`postgresql://u:${encodeURIComponent(secret)}@h/d`).href],
    ["in hexadecimal", () => Buffer.from(secret).toString("hex")],
    ...["", "a", "ab"].map(
      (before) =>
        [
          `in base64, after ${String(before.length)} letters`,
          () => Buffer.from(`${before}${secret}\n`).toString("base64"),
        ] as const,
    ),
  ];
  for (const [how, text] of rows) {
    it(`find a secret ${how}`, () => {
      const written = text();
      assert.ok(
        spellings(secret).some((spelling) => written.includes(spelling)),
        written,
      );
    });
  }

  it("find nothing where it is not", () => {
    assert.deepEqual(
      spellings(secret).filter((spelling) => "it's a $HOME".includes(spelling)),
      [],
    );
  });
});
