/** hosts: a cluster formed on six machines over SSH, beside the same on two. The machines are test hosts, which share this machine's cores. */
import { sshClusterOf, targetOf } from "../tests/support/hosts/cluster";
import { startHosts, type TestHosts } from "../tests/support/hosts/hosts";
import { noHosts } from "../tests/support/hosts/namespaces";
import type { Bench, Side } from "./measure";
import type { Scene } from "./scene";
import { openStack } from "./stack";
import { stagesOf, stageTable, type Stage } from "./stages";

const keys = ["coordinator", "a", "b", "d", "e", "f"];
const six = "6 hosts";
const two = "2 hosts";

export const hosts: Bench = {
  compares: "pulumi up of a cluster on six machines over SSH, beside the same on two",
  unit: "s",
  rounds: 3,
  onHosts: true,
  bars: [{ side: six, peer: two, atMost: 1.6 }],
  prepare: async (scene) => {
    const missing = noHosts();
    if (missing !== undefined) throw new Error(missing);
    const machines = await startHosts(keys);
    scene.atEnd(() => machines.remove());
    return [sideOf(scene, machines, six, keys), sideOf(scene, machines, two, keys.slice(0, 2))];
  },
};

function sideOf(scene: Scene, machines: TestHosts, name: string, used: readonly string[]): Side {
  const breakdowns: (readonly Stage[])[] = [];
  scene.note(() => stageTable(`${name}, in s`, breakdowns));
  const target = targetOf(machines, Object.fromEntries(used.map((key) => [key, key])), { deleteData: true });
  return {
    name,
    run: async () => {
      const stack = await openStack(scene, sshClusterOf(scene.folder(), target, { databases: {}, loginRoles: [] }));
      const { seconds, moments } = await stack.up();
      breakdowns.push(stagesOf(moments));
      await stack.destroy();
      return seconds;
    },
  };
}
