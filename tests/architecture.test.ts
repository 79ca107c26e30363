/** The map of CONTRIBUTING.md as rules: who imports whom, what a kind consists of, what a program folder has. Each rule is also broken once. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import * as ts from "typescript";
import { projectFolder } from "./support/tools";

/** Texts by path from the project's root, with forward slashes. */
type Files = Readonly<Record<string, string>>;

const ignored = new Set(["node_modules", "dist", ".git", ".cache"]);

function readFiles(folder = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(join(projectFolder, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory() && !ignored.has(entry.name)) Object.assign(found, readFiles(path));
    if (entry.isFile()) found[path] = readFileSync(join(projectFolder, path), "utf8");
  }
  return found;
}

/** Layers by the start of their paths, the most special first. A layer may import itself and what it lists. */
const layers: readonly { readonly name: string; readonly start: string; readonly imports: readonly string[] }[] = [
  { name: "examples", start: "examples/", imports: [] },
  { name: "index", start: "index.ts", imports: ["components", "kinds", "engine", "sizing"] },
  { name: "commands", start: "commands/", imports: ["sizing"] },
  { name: "components", start: "components/", imports: ["kinds", "engine", "sizing"] },
  { name: "engine", start: "providers/dynamic/engine/", imports: [] },
  { name: "kinds", start: "providers/dynamic/", imports: ["engine"] },
  { name: "sizing", start: "sizing/", imports: [] },
];

// What "this argument is wrong", "that one was meant" and "this name or setting is allowed" mean is the same everywhere.
const sharedFiles = new Set(["sizing/problem", "sizing/nearest", "sizing/names", "sizing/settings"]);

const layerOf = (path: string) =>
  layers.find(({ start }) => [path, `${path}/`, `${path}.ts`].some((each) => each.startsWith(start)));

function importsOf(text: string): readonly string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
}

function wrongImports(files: Files): string[] {
  return Object.entries(files).flatMap(([path, text]) => {
    const layer = layerOf(path);
    if (layer === undefined || !path.endsWith(".ts")) return [];
    return importsOf(text)
      .filter((specifier) => !mayImport(path, layer, specifier))
      .map((specifier) => `${path} imports ${specifier}`);
  });
}

function mayImport(path: string, layer: (typeof layers)[number], specifier: string): boolean {
  if (!specifier.startsWith(".")) {
    if (layer.name === "sizing") return false;
    return layer.name === "examples" || !/^pulumi-citus(\/|$)/.test(specifier);
  }
  const target = posix.join(posix.dirname(path), specifier);
  if (layer.name === "examples") return target.startsWith(path.split("/").slice(0, 2).join("/"));
  if (sharedFiles.has(target)) return true;
  const other = layerOf(target);
  return other !== undefined && (other.name === layer.name || layer.imports.includes(other.name));
}

const kindPattern = /^export const \w+: Kind</gm;
const isKindFile = (path: string) =>
  /^providers\/dynamic\/[^/]+\.ts$/.test(path) && !/\/(index|provider)\.ts$/.test(path);
const stem = (path: string) => posix.basename(path, ".ts");

function filesWithoutOneKind(files: Files): string[] {
  return Object.entries(files)
    .filter(([path, text]) => isKindFile(path) && text.match(kindPattern)?.length !== 1)
    .map(([path]) => path);
}

function kindsWithoutOneExport(files: Files): string[] {
  const lines = (files["providers/dynamic/index.ts"] ?? "").split("\n");
  return Object.keys(files).filter(
    (path) => isKindFile(path) && lines.filter((line) => line.endsWith(`from "./${stem(path)}";`)).length !== 1,
  );
}

function kindsWithoutTest(files: Files): string[] {
  return Object.keys(files).filter(
    (path) => isKindFile(path) && files[`tests/providers/dynamic/${stem(path)}.test.ts`] === undefined,
  );
}

/** Identifiers and literals; in comments a kind's name may be an ordinary word. */
function wordsOf(text: string): string {
  const words: string[] = [];
  const visit = (node: ts.Node) => {
    if (ts.isIdentifier(node) || ts.isLiteralExpression(node) || ts.isTemplateLiteralToken(node)) words.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("engine.ts", text, ts.ScriptTarget.ES2022));
  return words.join(" ");
}

function kindsNamedInEngine(files: Files): string[] {
  const names = Object.entries(files)
    .filter(([path]) => isKindFile(path))
    .flatMap(([, text]) => /^\s*type: "(\w+)",$/m.exec(text)?.[1] ?? []);
  return Object.entries(files)
    .filter(([path]) => path.startsWith("providers/dynamic/engine/"))
    .flatMap(([path, text]) =>
      names.filter((name) => new RegExp(`\\b${name}\\b`).test(wordsOf(text))).map((name) => `${path} names ${name}`),
    );
}

/** Without its own package.json a program folder takes the package's `exports` for the program, and `up` deletes the stack. */
function wrongPrograms(files: Files): string[] {
  return Object.entries(files).flatMap(([path, text]) => {
    if (posix.basename(path) !== "Pulumi.yaml") return [];
    const folder = posix.dirname(path);
    const main = /^main:\s*["']?([^\s"'#]+)/m.exec(text)?.[1];
    if (main === undefined) return [`${path}: no main`];
    const program = posix.join(folder, main);
    if (files[program] === undefined) return [`${path}: main names no file: ${main}`];
    const folders = new Set([posix.dirname(program), ...(folder === "." ? [] : [folder])]);
    return [...folders].flatMap((each) => wrongManifest(files, posix.join(each, "package.json")));
  });
}

function wrongManifest(files: Files, path: string): string[] {
  const text = files[path];
  if (text === undefined) return [`${path}: missing`];
  const manifest = JSON.parse(text) as Readonly<Record<string, unknown>>;
  return [
    ...(manifest["private"] === true ? [] : [`${path}: not private`]),
    ...["main", "exports"].filter((key) => key in manifest).map((key) => `${path}: has ${key}`),
  ];
}

const vagueNames = /(^|[-./])(utils?|helpers?|commons?|managers?|base|misc)([-./]|$)/;
const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*$/;
const isCode = (path: string) => /\.(ts|mjs|sh)$/.test(path);

const vagueFiles = (files: Files) => Object.keys(files).filter((path) => isCode(path) && vagueNames.test(path));
const notKebabCase = (files: Files) =>
  Object.keys(files).filter((path) => isCode(path) && !kebabCase.test(posix.basename(path)));

const goodKind = 'export const role: Kind<A, B> = {\n  type: "Role",\n};';
const privateManifest = '{ "private": true }';

const rules: readonly {
  readonly rule: string;
  readonly check: (files: Files) => string[];
  /** A small tree for each way to break the rule. */
  readonly broken: readonly Files[];
  readonly kept: Files;
}[] = [
  {
    rule: "imports go one way",
    check: wrongImports,
    broken: [
      { "sizing/plan.ts": 'import { readFileSync } from "node:fs";' },
      { "sizing/plan.ts": 'import type { Host } from "../components/hosts/host";' },
      { "providers/dynamic/role.ts": 'import { plan } from "../../sizing/plan";' },
      { "providers/dynamic/role.ts": 'export { x } from "../../components/database";' },
      { "providers/dynamic/engine/entry.ts": 'import { role } from "../role";' },
      { "components/database.ts": 'import { x } from "../index";' },
      { "components/database.ts": 'const x = await import("pulumi-citus");' },
      { "components/database.ts": 'import { x } from "../tests/support/tools";' },
      { "components/database.ts": 'import { x } from "../bench/measure";' },
      { "index.ts": 'export * from "./examples/quickstart/index";' },
      { "examples/quickstart/index.ts": 'import { x } from "../../components/database";' },
      { "examples/quickstart/index.ts": 'import { x } from "../stack/index";' },
      { "commands/run.ts": 'import { x } from "../components/cluster";' },
    ],
    kept: {
      "sizing/plan.ts": 'import { x } from "./rules/shards";',
      "providers/dynamic/role.ts": 'import type { Problem } from "../../sizing/problem"; import { Client } from "pg";',
      "components/hosts/local.ts": 'import { role } from "../../providers/dynamic/role";',
      "index.ts":
        'export * from "./components/database"; export * from "./providers/dynamic"; export * from "./sizing";',
      "examples/stack/index.ts": 'import { x } from "pulumi-citus"; import { y } from "./config";',
    },
  },
  {
    rule: "each file in providers/dynamic is one kind",
    check: filesWithoutOneKind,
    broken: [{ "providers/dynamic/role.ts": "" }, { "providers/dynamic/role.ts": `${goodKind}\n${goodKind}` }],
    kept: {
      "providers/dynamic/role.ts": goodKind,
      "providers/dynamic/index.ts": "",
      "providers/dynamic/nodes/x.ts": "",
    },
  },
  {
    rule: "each kind has one line in providers/dynamic/index.ts",
    check: kindsWithoutOneExport,
    broken: [
      { "providers/dynamic/role.ts": goodKind },
      { "providers/dynamic/role.ts": goodKind, "providers/dynamic/index.ts": 'export { x } from "./grole";' },
    ],
    kept: { "providers/dynamic/role.ts": goodKind, "providers/dynamic/index.ts": 'export { Role } from "./role";' },
  },
  {
    rule: "each kind has a test of its own",
    check: kindsWithoutTest,
    broken: [{ "providers/dynamic/role.ts": goodKind, "tests/providers/role.test.ts": "" }],
    kept: { "providers/dynamic/role.ts": goodKind, "tests/providers/dynamic/role.test.ts": "" },
  },
  {
    rule: "the engine names no kind",
    check: kindsNamedInEngine,
    broken: [
      { "providers/dynamic/role.ts": goodKind, "providers/dynamic/engine/rules.ts": 'if (type === "Role") skip();' },
    ],
    kept: {
      "providers/dynamic/role.ts": goodKind,
      "providers/dynamic/engine/rules.ts": "/** Role to use. */ const NodeRole = 1;",
    },
  },
  {
    rule: "each Pulumi.yaml names a file in a folder with its own private package.json",
    check: wrongPrograms,
    broken: [
      { "examples/a/Pulumi.yaml": "name: a", "examples/a/package.json": privateManifest },
      { "examples/a/Pulumi.yaml": "main: .", "examples/a/package.json": privateManifest, "examples/a/index.ts": "" },
      { "examples/a/Pulumi.yaml": "main: index.ts", "examples/a/package.json": privateManifest },
      { "examples/a/Pulumi.yaml": "main: index.ts", "examples/a/index.ts": "" },
      { "examples/a/Pulumi.yaml": "main: index.ts", "examples/a/index.ts": "", "examples/a/package.json": "{}" },
      {
        "examples/a/Pulumi.yaml": "main: index.ts",
        "examples/a/index.ts": "",
        "examples/a/package.json": '{ "private": true, "exports": {} }',
      },
      { "Pulumi.yaml": "main: examples/stack/index.ts", "examples/stack/index.ts": "", "package.json": "{}" },
    ],
    kept: {
      "Pulumi.yaml": "name: x\nmain: examples/stack/index.ts\n",
      "package.json": '{ "exports": {} }',
      "examples/stack/index.ts": "",
      "examples/stack/package.json": privateManifest,
    },
  },
  {
    rule: "no file has a name that says nothing",
    check: vagueFiles,
    broken: [{ "tests/support/helpers.ts": "" }, { "components/utils/x.ts": "" }, { "sizing/base-plan.ts": "" }],
    kept: { "components/database.ts": "", "providers/dynamic/connection-manager-of.md": "" },
  },
  {
    rule: "file names are kebab-case",
    check: notKebabCase,
    broken: [{ "components/nodeConfiguration.ts": "" }, { "components/Database.ts": "" }],
    kept: { "components/node-configuration.ts": "", "tests/a.test.ts": "", "README.md": "" },
  },
];

describe("architecture", () => {
  const files = readFiles();
  for (const { rule, check, broken, kept } of rules) {
    it(rule, () => {
      assert.deepEqual(check(files), []);
    });
    it(`${rule}: each violation is seen`, () => {
      for (const tree of broken) assert.notDeepEqual(check(tree), [], JSON.stringify(tree));
      assert.deepEqual(check(kept), []);
    });
  }
});
