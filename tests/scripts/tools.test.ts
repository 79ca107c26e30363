/** Which Node the tool chain accepts, and the table of what it found. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { projectFolder } from "../support/tools";

const script = `
const [, module, name, argument] = process.argv;
import(module).then((tools) => console.log(tools[name](JSON.parse(argument)) ?? "enough"));`;

/** What a function of the tool chain says, run where it runs. */
const said = (name: string, argument: unknown) =>
  execFileSync(
    process.execPath,
    ["-e", script, pathToFileURL(join(projectFolder, "scripts", "tools.mjs")).href, name, JSON.stringify(argument)],
    { encoding: "utf8" },
  ).trimEnd();

const tooOld = (version: string) => `Node ${version} is too old; install Node 20.19 or newer (https://nodejs.org)`;

describe("Node", () => {
  const rows: readonly (readonly [version: string, verdict: string])[] = [
    ["18.20.4", tooOld("18.20.4")],
    ["20.18.3", tooOld("20.18.3")],
    ["20.19.0", "enough"],
    ["22.0.0", "enough"],
  ];
  for (const [version, verdict] of rows)
    it(`${version} is ${verdict === "enough" ? "enough" : "too old, which is said with the next step"}`, () => {
      assert.equal(said("nodeProblem", version), verdict);
    });

  it("is the one that the package asks for", () => {
    const manifest = JSON.parse(readFileSync(join(projectFolder, "package.json"), "utf8")) as {
      readonly engines: { readonly node: string };
    };
    assert.equal(manifest.engines.node, ">=20.19");
  });
});

describe("the table of tools", () => {
  it("fits into 80 columns, long reasons below each other", () => {
    const missing = `no network: ${"a reason of several words ".repeat(8)}and /a/path/${"x".repeat(70)}`;
    const lines = said("toolTable", { node: { version: "20.19.0", from: "/usr/bin/node" }, cli: { missing } }).split(
      "\n",
    );
    assert.match(lines[0] ?? "", /^Node {8}20\.19\.0 {2}\/usr\/bin\/node$/);
    const long = lines.filter((line) => line.length > 80);
    // Nobody could copy a path that is cut.
    assert.deepEqual(
      long.map((line) => line.trim().startsWith("/a/path/")),
      long.map(() => true),
    );
    assert.ok(lines.slice(2).every((line) => line.startsWith(" ".repeat(21))));
    assert.equal(
      lines
        .slice(1)
        .map((line) => line.slice(21))
        .join(" ")
        .trimEnd(),
      `missing: ${missing}`,
    );
  });
});
