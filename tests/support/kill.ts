/** `pulumi up` whose processes can be killed one by one: the real CLI, and program and provider as processes below it. Linux only. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { EngineEvent } from "@pulumi/pulumi/automation";
import { engineEnvironment } from "./stack";
import { cacheFolder, toolPath } from "./tools";

/** What the program of the sweep asks for. */
export interface Shape {
  readonly database: string;
  readonly coordinator: { readonly host: string; readonly port: number };
  readonly workers: Readonly<Record<string, { readonly host: string; readonly port: number }>>;
  readonly transferMode: "auto" | "block_writes";
}

/** The process that is killed. */
export type Victim = "CLI" | "program" | "provider";

/** One end of one operation on one resource, by the resource's name in the program. */
export interface Boundary {
  readonly resource: string;
  readonly at: "start" | "end";
}

interface RunProcess {
  readonly id: number;
  readonly command: string;
}

interface RunOptions {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly input: string;
}

// Descendants inherit it, also those whose parent is gone; nobody else has it.
const markerName = "PULUMI_CITUS_KILL_SWEEP_RUN";
const exitSeconds = 180;
const graceMilliseconds = 3_000;

// The path of the script that Node runs tells which of ours it is.
const scripts: Readonly<Record<Exclude<Victim, "CLI">, RegExp>> = {
  program: /^\S*node .*@pulumi\/pulumi\/cmd\/run\b/,
  provider: /^\S*node .*@pulumi\/pulumi\/cmd\/dynamic-provider\b/,
};

/** One run of the CLI with everything that it started. */
export class CliRun {
  /** Operations that began or ended so far, unchanged resources left out, with the time since the start. */
  readonly boundaries: (Boundary & { readonly milliseconds: number })[] = [];
  private said = "";
  private readonly started = Date.now();
  private readonly marker: string;
  private readonly child: ChildProcess;
  private readonly closed: Promise<number | undefined>;
  private readonly listeners: ((boundary: Boundary) => void)[] = [];

  constructor(program: string, args: readonly string[], { folder, environment, input }: RunOptions) {
    this.marker = `${markerName}=${randomUUID()}`;
    const [name = "", value = ""] = this.marker.split("=");
    this.child = spawn(program, args, {
      cwd: folder,
      env: { ...process.env, ...environment, [name]: value },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const { stdin, stdout, stderr } = this.child;
    stdin?.end(input);
    if (stdout !== null) createInterface(stdout).on("line", (line) => this.read(line));
    stderr?.on("data", (chunk: Buffer) => (this.said += chunk.toString()));
    // Not "close": processes that outlive the CLI keep its output open.
    this.closed = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      this.child.on("exit", (code) => resolve(code ?? undefined));
    });
  }

  /** What it said: the engine's messages, and every line that is no engine event. */
  get output(): string {
    return this.said;
  }

  /** Runs `act` at once when the boundary is reached. */
  when(boundary: Boundary, act: () => void): void {
    this.listeners.push(({ resource, at }) => {
      if (resource === boundary.resource && at === boundary.at) act();
    });
  }

  /** True when the operation has reached that boundary. */
  reached({ resource, at }: Boundary): boolean {
    return this.boundaries.some((boundary) => boundary.resource === resource && boundary.at === at);
  }

  /** Sends SIGKILL; false when there is no such process (any more). */
  kill(victim: Victim): boolean {
    if (victim === "CLI") return this.child.exitCode === null && this.child.kill("SIGKILL");
    const pattern = scripts[victim];
    return this.processes()
      .filter(({ command }) => pattern.test(command))
      .map(({ id }) => killed(id))
      .includes(true);
  }

  /** Waits for the end of the CLI. Its exit code, or undefined when it was killed. @throws when it does not end */
  async exit(): Promise<number | undefined> {
    const patience = new AbortController();
    const late = delay(exitSeconds * 1_000, undefined, { signal: patience.signal }).then(() => {
      throw new Error(`the CLI runs for more than ${String(exitSeconds)} seconds:\n${this.output}`);
    });
    try {
      return await Promise.race([this.closed, late]);
    } finally {
      patience.abort();
    }
  }

  /** What it started and what does not end by itself shortly after it. */
  async leftovers(): Promise<readonly string[]> {
    const deadline = Date.now() + graceMilliseconds;
    while (this.processes().length > 0 && Date.now() < deadline) await delay(20);
    return this.processes().map(({ command }) => command);
  }

  /** Kills all that is left of the run. */
  async killAll(): Promise<void> {
    // What is killed may have started another process just before.
    while (this.processes().some(({ id }) => killed(id))) await delay(20);
    await this.closed;
  }

  private processes(): readonly RunProcess[] {
    return readdirSync("/proc").flatMap((id) => {
      try {
        // A zombie has no environment any more.
        if (!/^\d+$/.test(id) || !readFileSync(`/proc/${id}/environ`, "utf8").split("\0").includes(this.marker))
          return [];
        return [{ id: Number(id), command: readFileSync(`/proc/${id}/cmdline`, "utf8").replaceAll("\0", " ").trim() }];
      } catch {
        // It ended while we looked, or it is another user's.
        return [];
      }
    });
  }

  private read(line: string): void {
    const event = parsed(line);
    const message = event === undefined ? `${line}\n` : event.diagnosticEvent;
    if (typeof message === "string") this.said += message;
    else if (message !== undefined && !isDebug(message)) this.said += `${message.urn ?? ""} ${message.message}`;
    const metadata = event?.resourcePreEvent?.metadata ?? event?.resOutputsEvent?.metadata;
    if (metadata === undefined || metadata.op === "same") return;
    const boundary: Boundary = {
      resource: metadata.urn.slice(metadata.urn.lastIndexOf("::") + 2),
      at: event?.resourcePreEvent === undefined ? "end" : "start",
    };
    this.boundaries.push({ ...boundary, milliseconds: Date.now() - this.started });
    for (const listener of this.listeners) listener(boundary);
  }
}

// The SDK's messages for its own developers.
const isDebug = ({ severity }: { readonly severity: string }) => severity === "debug";

function parsed(line: string): EngineEvent | undefined {
  return line.startsWith("{") ? (JSON.parse(line) as EngineEvent) : undefined;
}

function killed(id: number): boolean {
  try {
    return process.kill(id, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** A stack of one program, run by the CLI; `renew` makes it an empty one. */
export class KillStack {
  private readonly runs: CliRun[] = [];

  private constructor(
    private readonly folder: string,
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  /** `program` is a compiled file; `secrets` are config values. */
  static async create(program: string, secrets: Readonly<Record<string, string>>): Promise<KillStack> {
    const parent = join(cacheFolder, "stacks");
    mkdirSync(parent, { recursive: true });
    const folder = mkdtempSync(join(parent, "kill-"));
    const runtime = "runtime:\n  name: nodejs\n  options:\n    typescript: false\n";
    writeFileSync(join(folder, "Pulumi.yaml"), `name: kill-sweep\nmain: index.js\n${runtime}`);
    writeFileSync(join(folder, "package.json"), `${JSON.stringify({ private: true })}\n`);
    writeFileSync(join(folder, "index.js"), `require(${JSON.stringify(relative(folder, program))});\n`);
    for (const name of ["state", "tmp"]) mkdirSync(join(folder, name));
    const stack = new KillStack(folder, {
      ...engineEnvironment(join(folder, "state")),
      // A killed language host leaves its pipes.
      TMPDIR: join(folder, "tmp"),
    });
    await succeeded(stack.run(["stack", "init"]));
    // On stdin, so that a secret is in no argument.
    for (const [key, value] of Object.entries(secrets)) {
      await succeeded(stack.run(["config", "set", "--secret", key], value));
    }
    cpSync(join(folder, "state"), join(folder, "empty-state"), { recursive: true });
    return stack;
  }

  /** Forgets all resources and locks, without touching what they stand for. */
  renew(): void {
    rmSync(join(this.folder, "state"), { recursive: true });
    cpSync(join(this.folder, "empty-state"), join(this.folder, "state"), { recursive: true });
  }

  /** What the program asks for from the next run on. */
  shape(shape: Shape): void {
    writeFileSync(join(this.folder, "shape.json"), JSON.stringify(shape));
  }

  /** Starts an `up` without a preview. */
  up(...args: readonly string[]): CliRun {
    return this.run(["up", "--yes", "--skip-preview", "--json", ...args]);
  }

  /** Removes the lock of a killed CLI. */
  async unlock(): Promise<void> {
    await succeeded(this.run(["cancel", "--yes"]));
  }

  /** Ends what failed tests have left running and removes the folder. */
  async remove(): Promise<void> {
    for (const run of this.runs) await run.killAll();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private run(args: readonly string[], input = ""): CliRun {
    const all = [...args, "--non-interactive", "--stack", "test"];
    const run = new CliRun(toolPath("cli"), all, { folder: this.folder, environment: this.environment, input });
    this.runs.push(run);
    return run;
  }
}

/** Waits for the run. @throws what it wrote, when it fails or leaves processes */
export async function succeeded(run: CliRun): Promise<CliRun> {
  try {
    const code = await run.exit();
    if (code !== 0) throw new Error(`the CLI ended with ${String(code)}:\n${run.output}`);
    const left = await run.leftovers();
    if (left.length > 0) throw new Error(`processes of the run were left: ${left.join("; ")}`);
    return run;
  } finally {
    await run.killAll();
  }
}
