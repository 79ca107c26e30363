/** A plan whose nodes all run on one machine, as local servers do: counts stay as planned, sizes follow from each node's share. Pure. */
import type { ClusterPlan, NodePlan } from "./plan";
import { plannedSettings, type PlannedSettings } from "./planned-settings";

/** The machine that all nodes share. */
export interface SharedMachine {
  /** Cores that its processes may use. */
  readonly cores: number;
  /** RAM that its processes may use. Unit: GiB. */
  readonly ramGiB: number;
}

/** The rest is for whoever else works on the machine: editors, browsers, tests. Our choice, 2026-11-26. */
const nodesPart = 0.5;

/**
 * The same plan with the settings of a node's share: half of the RAM and all cores, over all nodes. Shard count, connections, pools and
 * machines stay as planned, so that the cluster behaves as the real one does, only smaller. Nodes count by the next power of two: one
 * that is added seldom changes a setting of the others, which would restart them.
 */
export function onSharedMachine(plan: ClusterPlan, machine: SharedMachine, nodes: number): ClusterPlan {
  const shares = 2 ** Math.ceil(Math.log2(nodes));
  const share = {
    cores: Math.max(1, Math.floor(machine.cores / shares)),
    ramGiB: Math.floor((machine.ramGiB * nodesPart * 10) / shares) / 10,
  };
  const settingsOf = (role: "worker" | "coordinator") => shared(plan, role, share);
  const reason = `share one machine: memory, WAL and parallelism follow from ${share.ramGiB} GiB and ${share.cores} core${share.cores === 1 ? "" : "s"} each (half of its RAM and its cores, in ${shares} shares)`;
  return {
    ...plan,
    worker: { ...plan.worker, settings: settingsOf("worker") },
    coordinator: { ...plan.coordinator, settings: settingsOf("coordinator") },
    findings: [...plan.findings, { severity: "hint", path: "hosts", reason }],
  };
}

function shared(plan: ClusterPlan, role: "worker" | "coordinator", share: SharedMachine): PlannedSettings {
  const node: NodePlan = plan[role];
  const settings = plannedSettings({
    kind: plan.kind,
    role,
    cores: share.cores,
    ramGiB: share.ramGiB,
    maxConnections: node.maxConnections.value,
    cluster: {
      workers: plan.workers.value,
      coresPerWorker: share.cores,
      shards: plan.shardCount.value,
      sharedPool: plan.sharedPool.value,
    },
  });
  return Object.fromEntries(
    Object.entries(settings).map(([name, setting]) => {
      if (setting.value === node.settings[name]?.value) return [name, setting];
      const rule = `${setting.because.rule}; of a node's share of the machine`;
      return [name, { ...setting, because: { ...setting.because, rule } }];
    }),
  );
}
