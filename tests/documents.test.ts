/** The documents of the root: code in them is the code of an example word by word, links lead somewhere, each dependency has its reason. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "./support/tools";

const textOf = (file: string) => readFileSync(join(projectFolder, file), "utf8");
const readme = textOf("README.md");

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
});

describe("documents", () => {
  for (const file of ["README.md", "CONTRIBUTING.md", "GLOSSARY.md", "CHANGELOG.md"]) {
    it(`${file} links to files that exist`, () => {
      const links = [...textOf(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = ""]) => path);
      assert.deepEqual(
        links.filter((path) => !existsSync(join(projectFolder, path))),
        [],
      );
    });
  }

  it("CONTRIBUTING.md gives a reason for each dependency, and for nothing else", () => {
    const [, table = ""] = textOf("CONTRIBUTING.md").split("## Dependencies");
    const named = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name);
    const manifest = JSON.parse(textOf("package.json")) as Readonly<Record<string, Readonly<Record<string, string>>>>;
    const used = ["dependencies", "peerDependencies", "devDependencies", "optionalDependencies"].flatMap((field) =>
      Object.keys(manifest[field] ?? {}),
    );
    assert.deepEqual(named.sort(), [...new Set(used)].sort());
  });
});
