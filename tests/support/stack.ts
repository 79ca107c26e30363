/** Runs a program on the real Pulumi engine: an own state, own folders, the tools of the cache folder, and nothing left afterwards. */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PulumiFn } from "@pulumi/pulumi/automation";
import * as automation from "@pulumi/pulumi/automation";
import { specialSecretSig, specialSigKey } from "@pulumi/pulumi/runtime/rpc";
import { reportedErrors } from "./reported-errors";
import { cacheFolder, toolPath } from "./tools";

/** One operation on one resource. */
export interface Step {
  /** The engine's word: create, update, delete, replace, … */
  readonly op: string;
  readonly urn: string;
  /** Type token. */
  readonly type: string;
  /** Name in the program, the last part of the URN. */
  readonly name: string;
}

/** What one run of the engine did and printed. */
export interface StackRun {
  readonly stdout: string;
  readonly stderr: string;
  /** Everything printed, for searches that do not care where. */
  readonly output: string;
  /** Why it failed, or undefined. */
  readonly error: Error | undefined;
  /** Number of resources per operation, unchanged ones as "same". */
  readonly changes: Readonly<Partial<Record<string, number>>>;
  /** The same per type token, without unchanged ones. */
  readonly changesByType: Readonly<Partial<Record<string, Readonly<Partial<Record<string, number>>>>>>;
  /**
   * Operations in the order in which they were done; in a preview, in which they were planned. Without unchanged ones,
   * and without the stack and its default providers. In a refresh, what differs: `update` or `delete`.
   */
  readonly steps: readonly Step[];
  /** Operations that failed. */
  readonly failed: readonly Step[];
  /** Messages of the engine and the providers, progress lines too (`ephemeral`). */
  readonly diagnostics: readonly automation.DiagnosticEvent[];
  /** Outputs of the stack after an `up`. */
  readonly outputs: automation.OutputMap;
}

/** A process that works in one of the stack's folders. */
export interface StackProcess {
  readonly id: number;
  /** Its program and arguments. */
  readonly command: string;
}

/** How a stack differs from an empty one. */
export interface StackOptions {
  /** Folder of a program whose Pulumi.yaml applies, with the defaults of its config. @default - a project without config */
  readonly projectFolder?: string;
  /** Config values by key. */
  readonly config?: Readonly<Record<string, string>>;
  /** Additional environment of the engine and the providers. */
  readonly environment?: Readonly<Record<string, string>>;
}

type Operation = "preview" | "up" | "refresh" | "destroy";

/** A stack in the hands of a test. Runs that fail reject, except those asked for with `failing`. */
export class TestStack {
  /** Nothing is left of it: the last run was a destroy that succeeded. */
  isDestroyed = false;

  constructor(
    private readonly stack: automation.Stack,
    /** The project's folder: inside this repository, so that programs and providers find the packages. */
    readonly workFolder: string,
    /** For data folders and other files: a short path outside the repository that other users may enter. */
    readonly dataFolder: string,
    /** Environment of the engine, for running the CLI in another way. */
    readonly environment: Readonly<Record<string, string>>,
  ) {}

  /** Replaces the program for the following runs. */
  change(program: PulumiFn): void {
    this.stack.workspace.program = reporting(program);
  }

  /** Says what an `up` would do. `refresh` asks the servers first. */
  async preview(options: { readonly refresh?: boolean } = {}): Promise<StackRun> {
    return succeeded(await this.run("preview", options));
  }

  /** Makes what the program asks for. */
  async up(options: { readonly refresh?: boolean } = {}): Promise<StackRun> {
    return succeeded(await this.run("up", options));
  }

  /** Reads every resource's present state. */
  async refresh(): Promise<StackRun> {
    return succeeded(await this.run("refresh"));
  }

  /** Deletes all resources. */
  async destroy(): Promise<StackRun> {
    return succeeded(await this.run("destroy"));
  }

  /** A run that has to fail; its `error` tells why. Rejects when it succeeds. */
  async failing(operation: Operation): Promise<StackRun & { readonly error: Error }> {
    const { error, ...result } = await this.run(operation);
    if (error === undefined) throw new Error(`${operation} was expected to fail:\n${result.output}`);
    return { ...result, error };
  }

  /** An `up` that must not change anything. */
  async expectNoChanges(): Promise<StackRun> {
    const result = await this.up();
    if (result.steps.length > 0) throw new Error(`expected no changes:\n${describeSteps(result)}\n${result.output}`);
    return result;
  }

  /** The state as `pulumi stack export` writes it, secrets encrypted. */
  async export(): Promise<automation.Deployment> {
    return this.stack.exportStack();
  }

  /** Releases the state's lock that a killed run has left. */
  async unlock(): Promise<void> {
    await this.stack.cancel();
  }

  /** Processes that work in the stack's folders: the CLI, providers, servers. Linux only; elsewhere none are found. */
  processes(): readonly StackProcess[] {
    return processesIn([this.workFolder, this.dataFolder]);
  }

  private async run(operation: Operation, options: { readonly refresh?: boolean } = {}): Promise<StackRun> {
    const events: automation.EngineEvent[] = [];
    let stdout = "";
    let stderr = "";
    let outputs: automation.OutputMap = {};
    let error: Error | undefined;
    const shared = {
      color: "never" as const,
      onEvent: (event: automation.EngineEvent) => events.push(event),
      onOutput: (text: string) => (stdout += text),
      onError: (text: string) => (stderr += text),
    };
    try {
      switch (operation) {
        case "preview":
          await this.stack.preview({ ...shared, ...options });
          break;
        case "up":
          await this.stack.up({ ...shared, ...options });
          outputs = outputsOf(this, events);
          break;
        case "refresh":
          await this.stack.refresh(shared);
          break;
        case "destroy":
          await this.stack.destroy(shared);
          break;
      }
      this.isDestroyed = operation === "destroy";
    } catch (caught) {
      this.isDestroyed = false;
      error = caught instanceof Error ? caught : new Error(String(caught));
    }
    return { stdout, stderr, output: `${stdout}${stderr}`, error, outputs, ...summary(operation, events) };
  }
}

/** The state with its secrets in clear. */
export const clearState = (stack: TestStack): string => inClear(stack, "export");

function inClear({ workFolder, environment }: TestStack, ...what: readonly string[]): string {
  return execFileSync(toolPath("cli"), ["stack", ...what, "--show-secrets", "--stack", "test"], {
    cwd: workFolder,
    env: { ...process.env, ...environment },
    encoding: "utf8",
    maxBuffer: 100_000_000,
  });
}

/** The program's outputs, as the engine told them; only where it masked a secret is the CLI started for them. */
function outputsOf(stack: TestStack, events: readonly automation.EngineEvent[]): automation.OutputMap {
  const last = events.filter(({ resOutputsEvent }) => resOutputsEvent?.metadata.type === "pulumi:pulumi:Stack").at(-1);
  const told: Readonly<Record<string, unknown>> = last?.resOutputsEvent?.metadata.new?.outputs ?? {};
  const hasSecret = JSON.stringify(told).includes(specialSecretSig);
  const clear = hasSecret ? (JSON.parse(inClear(stack, "output", "--json")) as typeof told) : told;
  return Object.fromEntries(
    Object.entries(clear).map(([name, value]) => [name, { value, secret: isSecret(told[name]) }]),
  );
}

const isSecret = (value: unknown) =>
  typeof value === "object" &&
  value !== null &&
  Object.entries(value).some(([name, mark]) => name === specialSigKey && mark === specialSecretSig);

/** What makes the CLI use the tools of this project, and that state. */
export function engineEnvironment(stateFolder: string): Readonly<Record<string, string>> {
  return {
    PATH: `${join(cacheFolder, "bin")}:${process.env["PATH"] ?? ""}`,
    PULUMI_BACKEND_URL: `file://${stateFolder}`,
    PULUMI_CONFIG_PASSPHRASE: "a passphrase for tests",
    PULUMI_HOME: join(cacheFolder, "pulumi-home"),
    PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
}

function reporting(program: PulumiFn): PulumiFn {
  return async () => {
    try {
      return await program();
    } catch (error) {
      if (typeof error === "object" && error !== null) reportedErrors.add(error);
      throw error;
    }
  };
}

function succeeded(result: StackRun): StackRun {
  if (result.error !== undefined) throw new Error(result.output, { cause: result.error });
  return result;
}

function summary(operation: Operation, events: readonly automation.EngineEvent[]) {
  const steps: Step[] = [];
  const failed: Step[] = [];
  const diagnostics: automation.DiagnosticEvent[] = [];
  const changesByType: Partial<Record<string, Partial<Record<string, number>>>> = {};
  let changes: Partial<Record<string, number>> = {};
  for (const event of events) {
    const planned = operation === "preview" ? event.resourcePreEvent : undefined;
    const metadata = (planned ?? (operation === "preview" ? undefined : event.resOutputsEvent))?.metadata;
    if (metadata !== undefined && metadata.op !== "same" && !isEngines(metadata.type)) {
      const step = toStep(metadata);
      steps.push(step);
      const counts = (changesByType[step.type] ??= {});
      counts[step.op] = (counts[step.op] ?? 0) + 1;
    }
    if (event.resOpFailedEvent !== undefined) failed.push(toStep(event.resOpFailedEvent.metadata));
    if (event.diagnosticEvent !== undefined && !isDebug(event.diagnosticEvent)) diagnostics.push(event.diagnosticEvent);
    if (event.summaryEvent !== undefined) changes = event.summaryEvent.resourceChanges;
  }
  return { steps, failed, diagnostics, changes, changesByType };
}

// The stack itself and the default providers, which the engine makes on its own.
const isEngines = (type: string) => type === "pulumi:pulumi:Stack" || type.startsWith("pulumi:providers:");

// The SDK's messages for its own developers, which hold whole resources with their secrets; no user sees them.
const isDebug = ({ severity }: { readonly severity: string }) => severity === "debug";

function toStep({ op, urn, type }: automation.StepEventMetadata): Step {
  return { op, urn, type, name: urn.slice(urn.lastIndexOf("::") + 2) };
}

/** One line per operation, for messages of failed assertions. */
function describeSteps({ steps }: Pick<StackRun, "steps">): string {
  return steps.map(({ op, type, name }) => `${op} ${type} ${name}`).join("\n");
}

/**
 * Gives `use` a stack of that program. Afterwards, also when `use` fails: destroys it, ends and reports what still runs,
 * removes the folders. The program gets the stack's folder for data.
 */
export async function withStack(
  program: (dataFolder: string) => PulumiFn,
  use: (stack: TestStack) => Promise<void>,
  options: StackOptions = {},
): Promise<void> {
  const workFolder = makeFolder(join(cacheFolder, "stacks"));
  const dataFolder = makeFolder(tmpdir());
  const errors: unknown[] = [];
  const attempt = async (step: () => Promise<unknown>) => {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  };
  try {
    const stack = await createStack(program(dataFolder), workFolder, dataFolder, options);
    await attempt(() => use(stack));
    if (errors.length > 0) await attempt(() => stack.unlock());
    if (!stack.isDestroyed) await attempt(() => stack.destroy());
    await attempt(() => endProcesses(stack));
  } catch (error) {
    errors.push(error);
  } finally {
    for (const folder of [workFolder, dataFolder]) rmSync(folder, { recursive: true, force: true });
  }
  // The first is the cause; what follows from it would hide it.
  if (errors.length > 0) throw errors[0];
}

function makeFolder(parent: string): string {
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "citus-"));
  chmodSync(folder, 0o755);
  return folder;
}

async function createStack(
  program: PulumiFn,
  workFolder: string,
  dataFolder: string,
  { projectFolder, config = {}, environment = {} }: StackOptions,
): Promise<TestStack> {
  const project = join(workFolder, "Pulumi.yaml");
  if (projectFolder === undefined) writeFileSync(project, "name: test\nruntime: nodejs\n");
  else copyFileSync(join(projectFolder, "Pulumi.yaml"), project);
  // Without it the engine would take the package of this repository for the program.
  writeFileSync(join(workFolder, "package.json"), `${JSON.stringify({ private: true })}\n`);
  mkdirSync(join(workFolder, "state"));

  toolPath("cli");
  const variables = {
    ...engineEnvironment(join(workFolder, "state")),
    ...environment,
  };
  const workspace = await automation.LocalWorkspace.create({
    workDir: workFolder,
    program: reporting(program),
    envVars: variables,
    pulumiCommand: await automation.PulumiCommand.get({ root: cacheFolder, skipVersionCheck: true }),
  });
  const stack = await automation.Stack.create("test", workspace);
  // Asked for after every run, each with a start of the CLI of its own; tests take the outputs from the engine, and nothing from the history.
  stack.info = () => Promise.resolve(undefined);
  stack.outputs = () => Promise.resolve({});
  for (const [key, value] of Object.entries(config)) await stack.setConfig(key, { value });
  return new TestStack(stack, workFolder, dataFolder, variables);
}

function processesIn(folders: readonly string[]): StackProcess[] {
  if (!existsSync("/proc/self/cwd")) return [];
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return ids.flatMap((id) => {
    try {
      const at = readlinkSync(`/proc/${id}/cwd`);
      if (!folders.some((folder) => at === folder || at.startsWith(`${folder}/`))) return [];
      return [{ id: Number(id), command: readFileSync(`/proc/${id}/cmdline`, "utf8").replaceAll("\0", " ").trim() }];
    } catch {
      // It ended while we looked, or it is another user's and we are not root.
      return [];
    }
  });
}

// Providers end by themselves shortly after the CLI; whatever stays longer is a defect, and must not stay for ever.
async function endProcesses(stack: TestStack): Promise<void> {
  const deadline = Date.now() + 5000;
  while (stack.processes().length > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  const left = stack.processes();
  if (left.length === 0) return;
  for (const { id } of left) {
    try {
      process.kill(id, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  throw new Error(`still running after destroy:\n${left.map(({ id, command }) => `${id} ${command}`).join("\n")}`);
}
