/** noop: an `up` that has nothing to do, beside an engine run that carries as many resources and nothing of ours. */
import type { Deployment } from "@pulumi/pulumi/automation";
import { newPlace, openCluster } from "./cluster";
import { emptyProgram, type Counts } from "./empty";
import type { Bench } from "./measure";
import { openStack, type BenchStack } from "./stack";

const ours = "no-op up of the cluster";
const peer = "no-op up of empty resources";
const plugins = "the same, with three plugins";

export const noop: Bench = {
  compares: "an up without changes, beside the engine with as many resources that do nothing",
  unit: "s",
  rounds: 7,
  bars: [{ side: ours, peer, atMost: 1.3 }],
  prepare: async (scene) => {
    scene.say("  forming the cluster");
    const cluster = await openCluster(scene, await newPlace(scene));
    await cluster.up();
    const counts = countResources(await cluster.export());
    scene.note(`Each stack has ${counts.components} components and ${counts.resources} other resources.`);
    const empty = await openStack(scene, emptyProgram(counts));
    await empty.up();
    const withPlugins = await openStack(scene, emptyProgram(counts, { allPlugins: true }));
    await withPlugins.up();
    return [
      { name: ours, run: () => noopUp(cluster) },
      { name: peer, run: () => noopUp(empty) },
      { name: plugins, run: () => noopUp(withPlugins) },
    ];
  },
};

async function noopUp(stack: BenchStack): Promise<number> {
  const { seconds, changes } = await stack.up();
  if (Object.keys(changes).some((op) => op !== "same"))
    throw new Error(`the up was to change nothing: ${JSON.stringify(changes)}`);
  return seconds;
}

/** Components and other resources, without the stack and the default providers, which the engine makes. */
export function countResources({ deployment }: Pick<Deployment, "deployment">): Counts {
  const { resources = [] } = deployment as { resources?: { type: string; custom: boolean }[] };
  const own = resources.filter(({ type }) => !type.startsWith("pulumi:"));
  return {
    components: own.filter(({ custom }) => !custom).length,
    resources: own.filter(({ custom }) => custom).length,
  };
}
