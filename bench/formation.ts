/** formation: `pulumi up` of a whole cluster, beside a shell script that forms the same one, nodes one after the other or side by side. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { projectFolder } from "../tests/support/tools";
import { clear, factsOf, newPlace, openCluster, type Place } from "./cluster";
import { seconds, type Bench } from "./measure";
import type { Scene } from "./scene";
import { stagesOf, stageTable, type Stage } from "./stages";

const ours = "pulumi up";
const serial = "shell, node after node";
const parallel = "shell, nodes in parallel";

export const formation: Bench = {
  compares: "pulumi up of a coordinator and two workers, beside a shell script that forms the same cluster",
  unit: "s",
  rounds: 5,
  bars: [
    { side: ours, peer: serial, atMost: 1 },
    { side: ours, peer: parallel, atMost: 2 },
  ],
  prepare: (scene) => {
    const same = equality();
    const breakdowns: (readonly Stage[])[] = [];
    scene.note(() => stageTable("stage of pulumi up, in s", breakdowns));
    return Promise.resolve([
      { name: ours, run: () => formByPulumi(scene, same, breakdowns) },
      { name: serial, run: () => formByShell(scene, same, "serial") },
      { name: parallel, run: () => formByShell(scene, same, "parallel") },
    ]);
  },
};

type Same = (place: Place, side: string) => Promise<void>;

/** Refuses to compare clusters that differ. */
function equality(): Same {
  let first: Readonly<Record<string, unknown>> | undefined;
  return async (place, side) => {
    const facts = await factsOf(place);
    const expected = (first ??= facts);
    const lines = Object.keys(expected)
      .filter((name) => !isDeepStrictEqual(facts[name], expected[name]))
      .map((name) => `${name}: ${JSON.stringify(facts[name])}, but ${JSON.stringify(expected[name])} before`);
    if (lines.length > 0) throw new Error(`"${side}" formed another cluster:\n${lines.join("\n")}`);
  };
}

async function formByPulumi(scene: Scene, same: Same, breakdowns: (readonly Stage[])[]): Promise<number> {
  const place = await newPlace(scene);
  const stack = await openCluster(scene, place);
  const { seconds: taken, moments } = await stack.up();
  await same(place, ours);
  breakdowns.push(stagesOf(moments));
  await stack.destroy();
  return taken;
}

async function formByShell(scene: Scene, same: Same, order: "serial" | "parallel"): Promise<number> {
  const place = await newPlace(scene);
  const taken = await seconds(() => runScript(order, place));
  await same(place, order === "serial" ? serial : parallel);
  await clear(place);
  return taken;
}

async function runScript(order: string, { folder, bin, ports }: Place): Promise<void> {
  const script = join(projectFolder, "bench", "form-by-shell.sh");
  const args = [script, order, folder, bin, ...Object.values(ports).map(String)];
  await new Promise<void>((resolve, reject) => {
    const child = spawn("bash", args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`form-by-shell.sh ${order} ended with ${String(code)}: ${errors.trim()}`));
    });
  });
}
