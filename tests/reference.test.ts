/** The reference page is what the generator makes of the code, and everything that users can import has a doc comment. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as kinds from "../providers/dynamic";
import * as reads from "../providers/dynamic/reads";
import { cacheFolder, projectFolder } from "./support/tools";

const page = join(projectFolder, "providers", "dynamic", "README.md");

const reference = (...args: readonly string[]) =>
  new Promise<{ code: number; output: string }>((resolve) => {
    execFile(process.execPath, [join(projectFolder, "scripts", "reference.mjs"), ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: `${stdout}${stderr}` }),
    );
  });

describe("providers/dynamic/README.md", function () {
  this.timeout(120_000);
  let folder: string;

  before(() => {
    // Inside the project, whose types alone are asked for.
    folder = mkdtempSync(join(cacheFolder, "reference-"));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("is what the generator makes: npm run build && npm run reference", async () => {
    assert.deepEqual(await reference("--check"), { code: 0, output: "" });
  });

  it("has every kind with every argument, output and next step, and every read function", () => {
    const text = readFileSync(page, "utf8");
    const sections = new Map(
      text.split(/^### /m).map((section) => [section.slice(0, section.indexOf("\n")), section] as const),
    );
    for (const { kind } of Object.values({ ...kinds }) as readonly (typeof kinds)["Role"][]) {
      const section = sections.get(kind.type) ?? "";
      for (const [name, { onChange }] of Object.entries(kind.fields)) {
        const line = new RegExp(`^- \\*\\*${name}\\*\\*: .*a change (is )?(only )?${onChange}`, "m");
        assert.match(section, line, kind.type);
      }
      for (const name of kind.outputs) assert.match(section, new RegExp(`^- \\*\\*${name}\\*\\*: `, "m"), kind.type);
      for (const code of Object.keys(kind.hints ?? {})) assert.ok(section.includes(`- \`${code}\`: `), kind.type);
    }
    for (const name of Object.keys(reads)) assert.ok(text.includes(name), name);
    assert.match(sections.get("Role") ?? "", /\*\*connection\*\*: .*\*\*secret\*\*/);
  });

  it("is refused when it is stale, with the command, and while anything that users can import lacks a doc comment", async () => {
    const stale = join(folder, "README.md");
    writeFileSync(stale, readFileSync(page, "utf8").replace("a change replaces", "a change updates"));
    const entry = join(folder, "entry.ts");
    writeFileSync(
      entry,
      `/** Has one. */
export interface Good {
  /** Has one. */
  one: string;
  other: string;
}
export interface Bad {
  /** Has one. */
  one: string;
}
export function bad() {}
/** Has one. */
export class Ugly { visible = 1; private hidden = 2 }
`,
    );
    const { code, output } = await reference("--check", "--page", stale, "--entry", entry);
    assert.equal(code, 1);
    const [lacking, renew] = output.split(/\n(?=\S+README)/);
    assert.equal(lacking, "without a doc comment:\n  Bad\n  Good.other\n  Ugly.visible\n  bad");
    assert.match(renew ?? "", /README\.md is stale; renew it: npm run build && npm run reference$/m);
  });
});
