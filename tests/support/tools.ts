/** Which tools this run has, as scripts/tools.mjs found them, and how a suite says which of them it cannot do without. */
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";

/** One tool. `missing` says why it is not there and what to install; the other fields are then absent. */
export interface Tool {
  readonly version?: string;
  /** Where it was taken from, for people. */
  readonly from?: string;
  /** The program; for PostgreSQL, the folder of its programs. */
  readonly path?: string;
  /** For PostgreSQL: who runs its servers, where that is not the current user. */
  readonly user?: string;
  /** For PostgreSQL and Citus: the copy whose Citus is a stand-in without shards. */
  readonly standIn?: boolean;
  readonly missing?: string;
  /** Of a plugin: the real one, where there is one. `path` may be the offline one all the same. */
  readonly real?: string;
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
  | "realCitus"
  | "standIn"
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
  citus: "Citus",
  realCitus: "real Citus",
  standIn: "the stand-in for Citus",
  hll: "the hll extension",
  shellcheck: "shellcheck",
};

/** The root folder of the project. */
export const projectFolder = join(__dirname, "..", "..", "..");

/** The ignored folder that holds the tools of this project. */
export const cacheFolder = join(projectFolder, ".cache");

const toolsFile = join(cacheFolder, "tools.json");

let found: Readonly<Partial<Record<ToolName, Tool>>> | undefined;

/** One tool as it was found. Throws when nobody has looked for the tools yet. */
export function tool(name: ToolName): Tool {
  try {
    found ??= JSON.parse(readFileSync(toolsFile, "utf8")) as Readonly<Partial<Record<ToolName, Tool>>>;
  } catch (error) {
    throw new Error(`cannot read ${toolsFile}: run node scripts/tools.mjs first`, { cause: error });
  }
  if (name === "realCitus") return realCitus(found["citus"]);
  return found[name] ?? { missing: "not looked for" };
}

// What has shards, or behaves as only the real one does.
const realCitus = (citus: Tool = { missing: "not looked for" }): Tool =>
  citus.standIn === true ? { missing: "its stand-in has no shards" } : citus;

/** Servers of a PostgreSQL that was found: its programs, and who runs them. Throws when it is missing. */
export function serversOf(name: "postgres" | "standIn" = "postgres"): { readonly bin: string; readonly user: string } {
  return { bin: toolPath(name), user: tool(name).user ?? userInfo().username };
}

/** The path of a tool that is there; for PostgreSQL, the folder of its programs. Throws when it is missing. */
export function toolPath(name: ToolName): string {
  const { path, missing } = tool(name);
  if (path === undefined) throw new Error(`${titles[name]} is not installed: ${missing ?? "no path"}`);
  return path;
}

/** Puts psql and pg_config of the stand-in first on PATH, where they are looked up by what users run. */
export function useStandInPrograms(): void {
  if (!existsSync(toolsFile)) return;
  const { path, standIn } = tool("postgres");
  if (path !== undefined && standIn === true) process.env["PATH"] = [path, process.env["PATH"] ?? ""].join(delimiter);
}

/** Skips the test, or all tests of the suite when called in `before`, unless every tool is there. The summary shows the reason. */
export function requires(context: Mocha.Context, ...names: readonly ToolName[]): void {
  const absent = names.filter((name) => tool(name).missing !== undefined);
  if (absent.length > 0) skip(context, absent.map(needs).join(", "));
}

const needs = (name: ToolName) =>
  name === "realCitus" ? `needs real Citus: ${tool(name).missing ?? ""}` : `${titles[name]} is not installed`;

/** Skips where programs that name no user cannot run servers: as root they take "postgres". */
export function requiresDefaultUser(context: Mocha.Context): void {
  const { user } = serversOf();
  if (process.getuid?.() === 0 && user !== "postgres") skip(context, "there is no operating-system user postgres");
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
