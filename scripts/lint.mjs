// Every linter of the project. All of them run, so that one run shows all complaints. Run: npm run lint
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onPath, run } from "./run.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ignored = new Set(["node_modules", "dist", ".git", ".cache"]);

function shellFiles(folder = root) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ignored.has(entry.name) ? [] : shellFiles(path);
    if (!entry.isFile()) return [];
    return entry.name.endsWith(".sh") || isShellScript(path) ? [path] : [];
  });
}

function isShellScript(path) {
  // Only names without an extension, such as .ci/run, are worth a look inside.
  return /\/[^./]+$/.test(path) && /^#!.*\b(ba)?sh\b/.test(readFileSync(path, "latin1").slice(0, 80));
}

const tool = (name) => join(root, "node_modules", ".bin", name);

/** `{ passed, failed, skipped, output }`: one entry per linter in the first three. */
export async function lint() {
  const linters = [
    ["eslint", tool("eslint"), ["."]],
    ["prettier", tool("prettier"), ["--check", "--log-level", "warn", "."]],
    ["knip", tool("knip"), ["--no-progress"]],
    ["shellcheck", onPath("shellcheck"), shellFiles()],
  ];
  const result = { passed: [], failed: [], skipped: [] };
  const runs = linters.map(async ([name, command, args]) => {
    if (command === undefined)
      return result.skipped.push({ title: `lint › ${name}`, reason: `${name} is not installed` });
    if (name === "shellcheck" && args.length === 0) return result.passed.push(name);
    const { code, reason, output } = await run(command, args, { cwd: root, timeoutSeconds: 600 });
    if (code === 0) return result.passed.push(name);
    console.log(`\n${name}: ${reason}\n${output.trimEnd()}`);
    return result.failed.push(name);
  });
  await Promise.all(runs);
  return result;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { passed, failed, skipped } = await lint();
  for (const { title, reason } of skipped) console.log(`skipped: ${title}: ${reason}`);
  console.log(`passed: ${passed.join(", ")}${failed.length === 0 ? "" : `; failed: ${failed.join(", ")}`}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}
