/** README.md: its code is the code of an example, word by word. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "./support/tools";

const readme = readFileSync(join(projectFolder, "README.md"), "utf8");

describe("README.md", () => {
  const blocks = [...readme.matchAll(/<!-- (\S+\.ts) -->\n+```ts\n(.*?)```\n+<!-- end -->/gs)];

  it("shows the quickstart", () => {
    assert.deepEqual(
      blocks.map(([, file]) => file),
      ["examples/quickstart/index.ts"],
    );
  });

  it("shows examples exactly as they are", () => {
    for (const [, file = "", code] of blocks) assert.equal(code, readFileSync(join(projectFolder, file), "utf8"), file);
  });

  it("shows no other TypeScript", () => {
    assert.equal(readme.split("```ts\n").length - 1, blocks.length);
  });

  it("links to files that exist", () => {
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = ""]) => path);
    assert.deepEqual(
      links.filter((path) => !existsSync(join(projectFolder, path))),
      [],
    );
  });
});
