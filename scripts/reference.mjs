// Writes providers/dynamic/README.md: every kind and read function, from types, field tables and doc comments. Needs a build. Run: npm run reference
// With --check it writes nothing and fails where the page is stale. In both cases it fails with the list of what lacks a doc comment.
// For tests: --page is another file to write or check, --entry another file whose exports must have doc comments.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as prettier from "prettier";
import ts from "typescript";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: asked } = parseArgs({
  options: { check: { type: "boolean" }, page: { type: "string" }, entry: { type: "string" } },
});
const page = asked.page ?? join(root, "providers", "dynamic", "README.md");
const entries = asked.entry === undefined ? [join(root, "index.ts"), join(root, "sizing", "index.ts")] : [asked.entry];
const command = "npm run build && npm run reference";

const kinds = Object.values(createRequire(import.meta.url)(join(root, "dist", "providers", "dynamic", "index.js")))
  .map(({ kind }) => kind)
  .sort((one, other) => (one.type < other.type ? -1 : 1));

const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config,
  ts.sys,
  root,
);
const program = ts.createProgram([join(root, "index.ts"), ...entries], { ...options, noEmit: true });
const checker = program.getTypeChecker();
const isOurs = (node) => {
  const path = relative(root, node.getSourceFile().fileName);
  return !path.startsWith("..") && !path.startsWith("node_modules");
};

const resolved = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
const exportsOf = (file) =>
  new Map(
    checker
      .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)))
      .map((symbol) => [symbol.name, resolved(symbol)]),
  );
const publicApi = new Map(entries.flatMap((entry) => [...exportsOf(entry)]));
const kindSymbols = exportsOf(join(root, "providers/dynamic/index.ts"));
const readSymbols = exportsOf(join(root, "providers/dynamic/reads/index.ts"));

const textOf = (symbol) =>
  ts
    .displayPartsToString(symbol.getDocumentationComment(checker))
    .replaceAll(/\s*\n\s*/g, " ")
    .trim();
const tagOf = (symbol, name) => {
  const tag = symbol.getJsDocTags(checker).find((each) => each.name === name);
  return tag === undefined ? undefined : ts.displayPartsToString(tag.text).replaceAll(/\s+/g, " ").replace(/^- /, "");
};
const declarationOf = (symbol) => symbol.valueDeclaration ?? symbol.declarations?.[0];

/** What users read: exported declarations of the package, their fields and methods. */
const undocumented = [...publicApi].flatMap(([name, symbol]) => {
  const declaration = declarationOf(symbol);
  if (declaration === undefined || !isOurs(declaration)) return [];
  const members = ts.isInterfaceDeclaration(declaration)
    ? declaration.members
    : ts.isClassDeclaration(declaration)
      ? declaration.members.filter((member) => ts.isPropertyDeclaration(member) && !isHidden(member))
      : [];
  const lacking = members
    .map((member) => checker.getSymbolAtLocation(member.name))
    .filter((member) => textOf(member) === "" && !isExplained(declaration, member.name))
    .map((member) => `${name}.${member.name}`);
  return textOf(symbol) === "" ? [name, ...lacking] : lacking;
});

/** The type token and the like are the components' own affair. */
function isHidden(member) {
  const modifiers = ts.getCombinedModifierFlags(member);
  return (modifiers & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected | ts.ModifierFlags.Static)) !== 0;
}

/** An output that repeats an argument or what is read back is explained there. */
function isExplained(declaration, name) {
  const kind = kinds.find(({ type }) => type === declaration.name?.text);
  return kind !== undefined && fieldsOf(kind).has(name);
}

/** The symbols of a kind's arguments and of what is read back, by name. */
function fieldsOf(kind) {
  const { args, state } = typesOf(kind);
  return new Map([...(state?.getProperties() ?? []), ...args.getProperties()].map((field) => [field.name, field]));
}

function typesOf(kind) {
  const file = declarationOf(kindSymbols.get(kind.type)).getSourceFile();
  const constructor = checker.getTypeOfSymbol(kindSymbols.get(kind.type)).getConstructSignatures()[0];
  const args = checker.getTypeOfSymbol(constructor.parameters[1]);
  const annotation = file.statements
    .filter(ts.isVariableStatement)
    .flatMap(({ declarationList }) => declarationList.declarations)
    .find(({ type }) => type?.typeName?.text === "Kind")?.type;
  return { args, state: annotation && checker.getTypeAtLocation(annotation.typeArguments[1]), header: headerOf(file) };
}

/** The comment that opens a file, without the file's name before the colon. */
function headerOf(file) {
  const [comment] = ts.getLeadingCommentRanges(file.text, 0) ?? [];
  const text = file.text
    .slice(comment.pos, comment.end)
    .replaceAll(/^\/\*\*|\*\/$|^ \* ?/gm, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  const rest = text.slice(text.indexOf(": ") + 2);
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

const mentioned = new Set();

/** A type as it is written, inputs unwrapped. The types of ours that it names come into the list at the end. */
function typeText(node) {
  const visit = (each) => {
    const symbol = ts.isIdentifier(each) ? checker.getSymbolAtLocation(each) : undefined;
    const declaration = symbol && declarationOf(resolved(symbol));
    if (
      declaration &&
      isOurs(declaration) &&
      (ts.isInterfaceDeclaration(declaration) || ts.isTypeAliasDeclaration(declaration))
    )
      mentioned.add(resolved(symbol));
    ts.forEachChild(each, visit);
  };
  visit(node);
  return unwrapped(node.getText().replaceAll(/\s+/g, " "));
}

/** `pulumi.Input<X>` and its like are X for those who read what goes in and comes out. */
function unwrapped(text) {
  const [wrapper] = /pulumi\.(?:Input|Output|Unwrap)</.exec(text) ?? [];
  if (wrapper === undefined) return text;
  const start = text.indexOf(wrapper);
  const rest = text.slice(start + wrapper.length);
  let depth = 1;
  const end = [...rest].findIndex((letter) => (depth += letter === "<" ? 1 : letter === ">" ? -1 : 0) === 0);
  return unwrapped(text.slice(0, start) + rest.slice(0, end) + rest.slice(end + 1));
}

const linked = (text) => text.replaceAll(/\{@link (\w+)\}/g, "`$1`");

/** One line of a list: what it is, and its text without what the line has said already. */
function fieldLine(field, facts = []) {
  const type = declarationOf(field).type;
  const optional = (field.flags & ts.SymbolFlags.Optional) !== 0;
  const fallback = tagOf(field, "default");
  const range = /Range: ([^.]*(?:\.\d[^.]*)*)\.(?: |$)/.exec(textOf(field))?.[1];
  const words = [
    type === undefined ? undefined : `\`${typeText(type)}\``,
    ...facts,
    fallback === undefined ? (optional ? "may be absent" : undefined) : `default: ${linked(fallback)}`,
    range && `range: ${range}`,
  ];
  const text = linked(textOf(field))
    .replaceAll(/ ?Range: [^.]*(?:\.\d[^.]*)*\.(?= |$)/g, "")
    .trim();
  return `- **${field.name}**: ${words.filter(Boolean).join("; ")}. ${text}`;
}

const changes = {
  replace: "a change replaces the resource",
  update: "a change updates it",
  store: "a change is only stored",
  ignore: "a change is ignored",
};

function kindText(kind) {
  const { args, state, header } = typesOf(kind);
  const fields = Object.entries(kind.fields).map(([name, { onChange, secret }]) => {
    const field = args.getProperty(name);
    const required = (field.flags & ts.SymbolFlags.Optional) === 0;
    return fieldLine(field, [required && "required", changes[onChange], secret && "**secret**"]);
  });
  const outputs = kind.outputs.map((name) => fieldLine(state.getProperty(name)));
  const hints = Object.entries(kind.hints ?? {}).map(([code, hint]) => `- \`${code}\`: ${hint}`);
  const section = (title, lines) => (lines.length === 0 ? "" : `${title}\n\n${lines.join("\n")}\n\n`);
  return `### ${kind.type}\n\n${header}\n\n${linked(textOf(args.symbol))}\n\nToken: \`pulumi-nodejs:dynamic/citus:${kind.type}\`\n\n${section(
    "Arguments:",
    fields,
  )}${section("Outputs, besides the arguments:", outputs)}${section("Next steps by SQLSTATE:", hints)}`;
}

function readText(name, symbol) {
  const declaration = declarationOf(symbol);
  const parameters = declaration.parameters.map(
    (each) => `${each.name.text}${each.initializer ? "?" : ""}: ${typeText(each.type)}`,
  );
  const thrown = tagOf(symbol, "throws");
  return `### ${name}\n\n${headerOf(declaration.getSourceFile())}\n\n\`${name}(${parameters.join(", ")}): ${typeText(declaration.type)}\`; for Outputs \`${name}Output\`.\n\n${linked(
    textOf(symbol),
  )}${thrown === undefined ? "" : `\n\nFails with: ${thrown}.`}\n\n`;
}

/** Types that were named, and those that they name in turn, by name. */
function typesText() {
  const texts = new Map();
  for (const symbol of mentioned) {
    const declaration = declarationOf(symbol);
    const parents = ts.isInterfaceDeclaration(declaration)
      ? (declaration.heritageClauses ?? []).flatMap(({ types }) => types.map(typeText))
      : [typeText(declaration.type)];
    const members = ts.isInterfaceDeclaration(declaration)
      ? declaration.members.map((member) => fieldLine(checker.getSymbolAtLocation(member.name)))
      : [];
    const what =
      parents.length === 0
        ? ""
        : ` ${ts.isInterfaceDeclaration(declaration) ? "All of" : "Short for"} \`${parents.join(", ")}\`.`;
    texts.set(symbol.name, `### ${symbol.name}\n\n${linked(textOf(symbol))}${what}\n\n${members.join("\n")}\n\n`);
  }
  return [...texts]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, text]) => text)
    .join("");
}

function reference() {
  const kindTexts = kinds.map(kindText).join("");
  const readTexts = [...readSymbols]
    .filter(([name, symbol]) => ts.isFunctionDeclaration(declarationOf(symbol)) && !name.endsWith("Output"))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, symbol]) => readText(name, symbol))
    .join("");
  return `<!-- Written by scripts/reference.mjs from types, field tables and comments. Do not edit: ${command} -->

# Reference

Dynamic resources work with any Citus cluster: they need a [Connection](#connection) and nothing else of this package. Each is made by
\`new Kind(name, args, options)\`. Read functions run in the program itself and change nothing.

## Dynamic resources

${kindTexts}## Read functions

${readTexts}## Types

${typesText()}`;
}

const text = await prettier.format(reference(), { ...(await prettier.resolveConfig(page)), parser: "markdown" });
const complaints = [
  ...(undocumented.length === 0
    ? []
    : [
        `without a doc comment:\n${undocumented
          .sort()
          .map((name) => `  ${name}`)
          .join("\n")}`,
      ]),
  ...(asked.check === true && readFileSync(page, "utf8") !== text
    ? [`${relative(root, page)} is stale; renew it: ${command}`]
    : []),
];
for (const complaint of complaints) console.error(complaint);
if (complaints.length > 0) process.exitCode = 1;
else if (asked.check !== true) writeFileSync(page, text);
