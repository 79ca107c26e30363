/** memory: the most that the process of our dynamic resources takes while a cluster forms, beside one that holds a single empty resource. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { newPlace, openCluster } from "./cluster";
import { emptyProgram } from "./empty";
import type { Bench } from "./measure";
import { table } from "./result";
import type { Scene } from "./scene";
import { openStack, type BenchStack } from "./stack";

const ours = "provider process while the cluster forms";
const peer = "provider process of one empty resource";

export const memory: Bench = {
  compares: "peak resident memory of the dynamic provider's process during formation, beside an empty one",
  unit: "MiB",
  rounds: 3,
  bars: [{ side: ours, atMost: 150 }],
  prepare: (scene) => {
    if (!existsSync("/proc/self/status")) throw new Error("memory is read from /proc, which only Linux has");
    const peaks = new Map<string, number>();
    scene.note(() => {
      const rows = [...peaks].map(([program, mebibytes]) => [program, mebibytes.toFixed(0)]);
      return `\n${table(["highest of all runs, per process", "MiB"], rows)}`;
    });
    return Promise.resolve([
      { name: ours, run: async () => peakOf(scene, await openCluster(scene, await newPlace(scene)), peaks) },
      {
        name: peer,
        run: async () => peakOf(scene, await openStack(scene, emptyProgram({ components: 0, resources: 1 }))),
      },
    ]);
  },
};

async function peakOf(scene: Scene, stack: BenchStack, peaks = new Map<string, number>()): Promise<number> {
  const watch = new MemoryWatch();
  try {
    await stack.up();
  } finally {
    watch.stop();
  }
  const found = watch.peaks();
  for (const { program, mebibytes } of found) peaks.set(program, Math.max(peaks.get(program) ?? 0, mebibytes));
  await stack.destroy();
  scene.goOn();
  // Several processes of it would share the work, and the memory of all counts.
  const dynamic = found.filter(({ program }) => program === dynamicProvider);
  if (dynamic.length === 0) throw new Error("the process of the dynamic provider was not seen");
  return dynamic.reduce((sum, { mebibytes }) => sum + mebibytes, 0);
}

const dynamicProvider = "dynamic provider";

/** One process and the most memory that it had. */
interface Peak {
  readonly program: string;
  readonly mebibytes: number;
}

const sampleMilliseconds = 25;

/** Watches the processes that this one has started. The kernel keeps each one's own peak (VmHWM), so that the last look before its end is enough. */
class MemoryWatch {
  private readonly seen = new Map<string, Peak>();
  private readonly timer = setInterval(() => this.look(), sampleMilliseconds);

  stop(): void {
    this.look();
    clearInterval(this.timer);
  }

  peaks(): readonly Peak[] {
    return [...this.seen.values()];
  }

  private look(): void {
    const all = statuses();
    for (const [id, status] of all) {
      const mebibytes = peakMebibytes(status);
      if (mebibytes === undefined || !isDescendant(id, String(process.pid), all)) continue;
      const program = this.seen.get(id)?.program ?? programOf(readProc(id, "cmdline"));
      if (program !== undefined) this.seen.set(id, { program, mebibytes });
    }
  }
}

function statuses(): ReadonlyMap<string, string> {
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return new Map(ids.map((id) => [id, readProc(id, "status")]));
}

/** Empty for a process that ended while we looked. */
function readProc(id: string, file: string): string {
  try {
    return readFileSync(`/proc/${id}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** Was the process started by that one, directly or through others? Pure. */
export function isDescendant(id: string, ancestor: string, all: ReadonlyMap<string, string>): boolean {
  const parent = /^PPid:\s*(\d+)$/m.exec(all.get(id) ?? "")?.[1];
  if (parent === undefined || parent === "0") return false;
  return parent === ancestor || isDescendant(parent, ancestor, all);
}

/** Which part of Pulumi a command line is; undefined for what only launches one. Pure. */
export function programOf(commandLine: string): string | undefined {
  const [program = "", script = ""] = commandLine.split("\0");
  if (/(^|\/)node$/.test(program)) return script.includes("cmd/dynamic-provider") ? dynamicProvider : undefined;
  return /(?:^|\/)(pulumi|pulumi-resource-\w+)$/.exec(program)?.[1];
}

/** VmHWM of a /proc/<pid>/status; undefined for a process that has ended. Pure. */
export function peakMebibytes(status: string): number | undefined {
  const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
}
