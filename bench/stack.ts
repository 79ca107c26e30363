/** A stack on the real engine, for measurements: how long the CLI took, and when the engine said what. Removed with the scene. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as automation from "@pulumi/pulumi/automation";
import { engineEnvironment } from "../tests/support/stack";
import { cacheFolder } from "../tests/support/tools";
import type { Scene } from "./scene";

/** One event of the engine. */
export interface Moment {
  /** Seconds since the CLI was started. */
  readonly at: number;
  readonly event: automation.EngineEvent;
}

/** One `pulumi up`. */
export interface Up {
  /** From the start of the CLI to the engine's last event. What the Automation API asks the CLI for afterwards is not in it. */
  readonly seconds: number;
  readonly moments: readonly Moment[];
  /** Number of resources per operation. */
  readonly changes: Readonly<Partial<Record<string, number>>>;
}

/** Any other run of the engine. */
export type Run = Pick<Up, "seconds" | "changes">;

/** A stack in the hands of a measurement. */
export interface BenchStack {
  /** The folder that the CLI and the providers work in. */
  readonly folder: string;
  readonly up: () => Promise<Up>;
  /** The first up where that is not measured: the engine writes the state once, at the end, instead of twice per resource. */
  readonly make: () => Promise<Up>;
  /** What an `up` would do. */
  readonly preview: () => Promise<Run>;
  /** Reads every resource. */
  readonly refresh: () => Promise<Run>;
  readonly destroy: () => Promise<void>;
  /** The state as `pulumi stack export` writes it. */
  readonly export: () => Promise<automation.Deployment>;
}

/** Makes an empty stack of that program; destroyed at the end, unless the measurement has done it. */
export async function openStack(scene: Scene, program: automation.PulumiFn): Promise<BenchStack> {
  const folder = workFolder();
  scene.atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const state = join(folder, "state");
  mkdirSync(state);
  const stack = await automation.LocalWorkspace.createStack(
    { stackName: "bench", projectName: "bench", program },
    {
      workDir: folder,
      pulumiCommand: await automation.PulumiCommand.get({ root: cacheFolder, skipVersionCheck: true }),
      envVars: { ...engineEnvironment(state) },
    },
  );
  let isDestroyed = true;
  const destroy = async () => {
    if (isDestroyed) return;
    await withoutCheckpoints(() => stack.destroy());
    isDestroyed = true;
  };
  scene.atEnd(async () => {
    // An operation that was interrupted leaves the state locked.
    if (!isDestroyed) await stack.cancel();
    await destroy();
  });
  const timed = async <T>(run: (options: { onEvent: (event: automation.EngineEvent) => void }) => Promise<T>) => {
    const moments: Moment[] = [];
    const start = performance.now();
    const result = await run({ onEvent: (event) => moments.push({ at: (performance.now() - start) / 1000, event }) });
    return { result, seconds: moments.at(-1)?.at ?? 0, moments };
  };
  const up = async (): Promise<Up> => {
    isDestroyed = false;
    const { result, seconds, moments } = await timed((options) => stack.up({ ...options, color: "never" }));
    return { seconds, moments, changes: result.summary.resourceChanges ?? {} };
  };
  return {
    folder,
    destroy,
    up,
    make: () => withoutCheckpoints(up),
    preview: async () => {
      const { result, seconds } = await timed((options) => stack.preview({ ...options, color: "never" }));
      return { seconds, changes: result.changeSummary };
    },
    refresh: async () => {
      const { result, seconds } = await timed((options) => stack.refresh({ ...options, color: "never" }));
      return { seconds, changes: result.summary.resourceChanges ?? {} };
    },
    export: () => stack.exportStack(),
  };
}

const skipCheckpoints = { PULUMI_EXPERIMENTAL: "true", PULUMI_SKIP_CHECKPOINTS: "true" };

// With a thousand resources the file backend takes minutes for its checkpoints.
async function withoutCheckpoints<T>(use: () => Promise<T>): Promise<T> {
  Object.assign(process.env, skipCheckpoints);
  try {
    return await use();
  } finally {
    for (const name of Object.keys(skipCheckpoints)) Reflect.deleteProperty(process.env, name);
  }
}

// Inside this repository, so that programs and providers find the packages.
function workFolder(): string {
  const parent = join(cacheFolder, "stacks");
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "bench-"));
  chmodSync(folder, 0o755);
  // Without it the engine would take the package of this repository for the program.
  writeFileSync(join(folder, "package.json"), `${JSON.stringify({ private: true })}\n`);
  return folder;
}
