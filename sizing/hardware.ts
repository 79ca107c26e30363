/** Number of workers, cores and RAM of each node. The second stage of a plan, after the workload. Pure. */
import { sources, type Figure } from "./figure";
import { memoryShares } from "./memory";
import type { Numbers, Workload } from "./workload";
import { gibibyte, grouped, roundUp } from "./units";

/**
 * The largest worker that the rules choose by themselves: beyond it they take more workers. 8 GiB per core is what memory-optimised
 * machine types have; 16 TiB is the largest gp2 volume of AWS. Our choice, 2026-11-23; `workers` overrides it.
 */
export const largestWorker = { cores: 16, ramGiB: 128, diskGiB: 16 * 1024 } as const;

/** Compute-optimised machine types have 2 GiB per core (AWS c, Azure F; 2026-11). */
const coordinatorRamPerCoreGiB = 2;

// Powers of two, so that they divide 32, 64 and 128 shards and double when they grow. One worker alone shares no load.
const workerCounts = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

const cacheShare = 1 - memoryShares.maintenance - memoryShares.reserve;

/** What all workers have together. */
export interface Totals {
  readonly cores: Figure;
  /** Unit: GiB, not rounded. */
  readonly ramGiB: number;
  readonly ramRule: string;
}

/** Cores and RAM of all workers together, by the kind of workload. */
export function workerTotals(kind: Workload["kind"], numbers: Numbers): Totals {
  const number = (path: string) => numbers.get(path) ?? 0;
  switch (kind) {
    case "saas":
      return {
        cores: {
          value: number("oldServer.cores"),
          unit: "cores",
          because: {
            rule: "SaaS: all workers together have the cores of the old server; expect two to three times its performance",
            inputs: { "oldServer.cores": number("oldServer.cores") },
            source: sources.hardware,
          },
        },
        ramGiB: number("oldServer.ram") / gibibyte,
        ramRule: "SaaS: all workers together have the RAM of the old server",
      };
    case "analytics":
      return {
        cores: analyticsCores(number("currentLatency"), number("desiredLatency"), numbers.get("coresUsed")),
        ramGiB: (numbers.get("workingSet") ?? number("dataSize")) / gibibyte / cacheShare,
        ramRule: "analytics: the RAM of each worker holds its part of the working set, besides maintenance and reserve",
      };
    case "custom":
      return {
        cores: {
          value: number("workers") * number("coresPerWorker"),
          unit: "cores",
          because: {
            rule: "workers × coresPerWorker, as given",
            inputs: { workers: number("workers"), coresPerWorker: number("coresPerWorker") },
            source: "the user",
          },
        },
        ramGiB: (number("workers") * number("ramPerWorker")) / gibibyte,
        ramRule: "as given",
      };
  }
}

/**
 * Analytics: how many times faster it is to be. The article reads the quotient as a number of cores, which holds where the query kept
 * one core busy; otherwise it is a factor of the cores in use. Rounded up: a core less would miss the wish.
 */
export function analyticsCores(currentMs: number, desiredMs: number, coresUsed: number | undefined): Figure {
  const asFactor = coresUsed !== undefined;
  return {
    value: roundUp((currentMs * (coresUsed ?? 1)) / desiredMs),
    unit: "cores",
    because: {
      rule: asFactor
        ? "analytics: current latency ÷ desired latency as a factor of the cores that the query uses today, rounded up; holds while the working set fits in RAM"
        : "analytics: current latency ÷ desired latency as the number of cores, rounded up (one core per query today, since coresUsed is not given); holds while the working set fits in RAM",
      inputs: {
        "currentLatency (ms)": currentMs,
        "desiredLatency (ms)": desiredMs,
        ...(asFactor ? { coresUsed } : {}),
      },
      source: sources.hardware,
    },
  };
}

/** The fewest workers that are not larger than the largest worker, or than what the user gives for each. */
export function workerCount(totals: Totals, dataBytes: number, numbers: Numbers): Figure {
  const cores = numbers.get("coresPerWorker") ?? largestWorker.cores;
  const ramGiB = (numbers.get("ramPerWorker") ?? largestWorker.ramGiB * gibibyte) / gibibyte;
  const diskGiB = (numbers.get("diskPerWorker") ?? largestWorker.diskGiB * gibibyte) / gibibyte;
  const dataGiB = dataBytes / gibibyte;
  const fits = (workers: number) =>
    workers * cores >= totals.cores.value && workers * ramGiB >= totals.ramGiB && workers * diskGiB >= dataGiB;
  return {
    value: workerCounts.find(fits) ?? Infinity,
    unit: "workers",
    because: {
      rule: `the fewest of 2, 4, 8, … workers with at most ${cores} cores, ${grouped(Math.round(ramGiB))} GiB RAM and ${grouped(Math.round(diskGiB))} GiB data each; powers of two divide 32, 64 and 128 shards`,
      inputs: { cores: totals.cores.value, "RAM (GiB)": roundUp(totals.ramGiB), "data (GiB)": roundUp(dataGiB) },
      source: sources.ours,
    },
  };
}

/** Cores of one worker. */
export function coresPerWorker({ cores }: Totals, workers: number): Figure {
  return {
    value: roundUp(cores.value / workers),
    unit: "cores",
    because: {
      rule: `${cores.because.rule}; ÷ workers, rounded up`,
      inputs: { ...cores.because.inputs, cores: cores.value, workers },
      source: cores.because.source,
    },
  };
}

/** RAM of one worker: by the rule, and more where its sessions need more. */
export function ramPerWorker({ ramGiB, ramRule }: Totals, workers: number, neededGiB: number): Figure {
  const byRule = roundUp(ramGiB / workers);
  const raised = neededGiB > byRule;
  return {
    value: Math.max(byRule, neededGiB),
    unit: "GiB",
    because: {
      rule: `${ramRule}; ÷ workers, rounded up${raised ? `; raised to what sessions, cache and the reserve need` : ""}`,
      inputs: { "RAM by the rule (GiB)": byRule, workers, "RAM needed (GiB)": neededGiB },
      source: raised ? `${sources.hardware}; need: ${sources.measured}` : sources.hardware,
    },
  };
}

/** Cores of the coordinator: it plans and merges what one worker would compute. */
export function coordinatorCores(workerCores: number): Figure {
  return {
    value: workerCores,
    unit: "cores",
    because: {
      rule: "compute-heavy: as many cores as one worker; set coordinatorCores when the load on the coordinator is known",
      inputs: { "cores per worker": workerCores },
      source: `${sources.hardware}; number: ${sources.ours}`,
    },
  };
}

/** RAM of the coordinator: less than a worker's, as a compute-optimised machine has it, and enough for its clients. */
export function coordinatorRam(cores: number, workerRamGiB: number, neededGiB: number): Figure {
  return {
    value: Math.max(Math.min(coordinatorRamPerCoreGiB * cores, workerRamGiB), neededGiB),
    unit: "GiB",
    because: {
      rule: "less memory than a worker: 2 GiB per core as compute-optimised machines have, at least what its sessions need",
      inputs: { cores, "RAM per worker (GiB)": workerRamGiB, "RAM needed (GiB)": neededGiB },
      source: sources.hardware,
    },
  };
}
