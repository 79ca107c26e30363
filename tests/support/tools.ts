/** Which tools this run has, as scripts/tools.mjs found them, and how a suite says which of them it cannot do without. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One tool. `missing` says why it is not there and what to install; the other fields are then absent. */
export interface Tool {
  readonly version?: string;
  /** Where it was taken from, for people. */
  readonly from?: string;
  /** The program; for PostgreSQL, the folder of its programs. */
  readonly path?: string;
  readonly missing?: string;
}

/** What a suite may need. */
export type ToolName =
  | "node"
  | "packages"
  | "cli"
  | "launcher"
  | "languageHost"
  | "tls"
  | "command"
  | "postgres"
  | "citus"
  | "hll"
  | "shellcheck";

const titles: Readonly<Record<ToolName, string>> = {
  node: "Node",
  packages: "the Node packages",
  cli: "the Pulumi CLI",
  launcher: "the dynamic provider launcher",
  languageHost: "the Node language host",
  tls: "the tls plugin",
  command: "the command plugin",
  postgres: "PostgreSQL",
  citus: "real Citus",
  hll: "the hll extension",
  shellcheck: "shellcheck",
};

/** The root folder of the project. */
export const projectFolder = join(__dirname, "..", "..", "..");

/** The ignored folder that holds the tools of this project. */
export const cacheFolder = join(projectFolder, ".cache");

let found: Readonly<Partial<Record<ToolName, Tool>>> | undefined;

/** One tool as it was found. Throws when nobody has looked for the tools yet. */
export function tool(name: ToolName): Tool {
  const file = join(cacheFolder, "tools.json");
  try {
    found ??= JSON.parse(readFileSync(file, "utf8")) as Readonly<Partial<Record<ToolName, Tool>>>;
  } catch (error) {
    throw new Error(`cannot read ${file}: run node scripts/tools.mjs first`, { cause: error });
  }
  return found[name] ?? { missing: "not looked for" };
}

/** The path of a tool that is there; for PostgreSQL, the folder of its programs. Throws when it is missing. */
export function toolPath(name: ToolName): string {
  const { path, missing } = tool(name);
  if (path === undefined) throw new Error(`${titles[name]} is not installed: ${missing ?? "no path"}`);
  return path;
}

/** Skips the test, or all tests of the suite when called in `before`, unless every tool is there. The summary shows the reason. */
export function requires(context: Mocha.Context, ...names: readonly ToolName[]): void {
  const absent = names.filter((name) => tool(name).missing !== undefined);
  if (absent.length > 0) skip(context, absent.map((name) => `${titles[name]} is not installed`).join(", "));
}

/** Skips with any other reason, such as a kernel that does not allow what the suite does. */
export function skip(context: Mocha.Context, reason: string): never {
  const runnable = context.runnable();
  // A skip in `before` concerns the whole suite of that hook; the reporter asks the suites above a test, too.
  const owner = runnable.title.startsWith('"before all"') ? runnable.parent : (context.currentTest ?? runnable);
  const reasons: Record<symbol, string> = {};
  reasons[Symbol.for("pulumi-citus.skipReason")] = reason;
  Object.assign(owner ?? {}, reasons);
  return context.skip();
}
