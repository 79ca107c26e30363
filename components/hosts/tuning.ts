/** The plan's settings of the operating system as files of a machine: one for sysctl, one for the unit of its server. Pure. */
import type { ScriptValues } from "../../providers/dynamic/engine/script";
import { memoryValues, type PromisedMemory } from "../../providers/dynamic/preflight";
import { memoryShares, sessionMiB } from "../../sizing/memory";
import type { OperatingSystemSetting } from "../../sizing/operating-system";
import type { NodePlan } from "../../sizing/plan";

/** What of a node's plan its operating system follows from. */
type SystemPlan = Pick<NodePlan, "operatingSystem"> & { readonly ram: Pick<NodePlan["ram"], "value"> };

const header = "# Written by pulumi-citus with each configuration; the plan gives the reasons.";

const lines = (
  settings: Readonly<Record<string, OperatingSystemSetting>>,
  text: (name: string, value: number) => string,
) => Object.entries(settings).map(([name, { value }]) => text(name, value));

// systemd's own hard limit, which servers may raise theirs to: 512 × 1024.
const hardFiles = 524_288;

// Processes of PostgreSQL and Citus themselves and the first sessions. Our choice, 2026-11-26.
const processesAtStart = 16;

/** How much memory the machine may promise, and what its server asks of that at once. */
export const promisedMemory = ({ ram, operatingSystem: { kernel } }: SystemPlan): PromisedMemory => ({
  overcommitRatio: kernel["vm.overcommit_ratio"]?.value ?? 0,
  serverMiB: Math.ceil(ram.value * 1024 * memoryShares.sharedBuffers) + processesAtStart * sessionMiB,
});

/** Values of tune.sh. */
export function tuningValues(plan: SystemPlan): ScriptValues {
  const { kernel, unit } = plan.operatingSystem;
  return {
    ...memoryValues(promisedMemory(plan)),
    KERNEL_SETTINGS: [header, ...lines(kernel, (name, value) => `${name} = ${String(value)}`)].join("\n"),
    UNIT_SETTINGS: [
      header,
      "[Service]",
      ...lines(unit, (name, value) => `${name}=${String(value)}:${String(Math.max(value, hardFiles))}`),
    ].join("\n"),
  };
}
