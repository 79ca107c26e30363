/** When a planned cluster needs more workers, how its shards spread then, and when their number becomes the limit. Pure. */
import { evenWorkers, neededWorkers, shardSpread } from "./shards";
import { gibibyte, roundUp } from "./units";

/** What growth follows from; a part of every plan. */
export interface GrowthBasis {
  /** Workers of today. */
  readonly workers: number;
  /** Shards of each distributed table. */
  readonly shards: number;
  /** Data of today, indexes included. Unit: bytes. */
  readonly dataBytes: number;
  /** Share by which the data grows in a year: 0.4 for 40 %. */
  readonly growthPerYear: number;
}

/** The cluster at the end of one year. */
export interface GrowthStep {
  /** 1 is the first year. */
  readonly year: number;
  /** All data. Unit: GiB, rounded up. */
  readonly dataGiB: number;
  /** Workers at its end. */
  readonly workers: number;
  /** Workers to add before the end of this year. */
  readonly added: number;
  /** Shards of the emptiest and of the fullest worker. */
  readonly shardsPerWorker: { readonly least: number; readonly most: number };
  /** Data of one worker. Unit: GiB, rounded up. */
  readonly dataPerWorkerGiB: number;
  /** Why that many workers. */
  readonly because: string;
}

/** A cluster's growth, year by year. */
export interface GrowthPlan {
  /** The years in their order, from 1 on. */
  readonly steps: readonly GrowthStep[];
  /** The year in which more workers are needed than there are shards; undefined when that does not happen. */
  readonly limit?: { readonly year: number; readonly because: string };
}

/** Plans the years from 1 to `years`. @throws RangeError when `years` is no whole number from 1 to 30 */
export function growthPlan({ growth: basis }: { readonly growth: GrowthBasis }, years: number): GrowthPlan {
  if (!Number.isInteger(years) || years < 1 || years > 30)
    throw new RangeError(`years: must be a whole number from 1 to 30, got ${String(years)}`);
  const steps: GrowthStep[] = [];
  let workers = basis.workers;
  let limit: GrowthPlan["limit"];
  for (let year = 1; year <= years; year += 1) {
    const step = growthStep(basis, workers, year);
    const needed = neededWorkers(basis.workers, basis.growthPerYear, year);
    if (limit === undefined && needed > basis.shards) {
      const because = `${needed} workers are needed in year ${year}, and ${basis.shards} shards fill at most ${basis.shards}`;
      limit = { year, because };
    }
    steps.push(step);
    workers = step.workers;
  }
  return { steps, limit };
}

function growthStep(
  { workers: first, shards, dataBytes, growthPerYear }: GrowthBasis,
  before: number,
  year: number,
): GrowthStep {
  const needed = neededWorkers(first, growthPerYear, year);
  // More workers than shards would hold nothing.
  const workers = needed <= before ? before : Math.max(before, Math.min(shards, evenWorkers(shards, needed)));
  const bytes = dataBytes * (1 + growthPerYear) ** year;
  return {
    year,
    dataGiB: roundUp(bytes / gibibyte),
    workers,
    added: workers - before,
    shardsPerWorker: shardSpread(shards, workers),
    dataPerWorkerGiB: roundUp(bytes / workers / gibibyte),
    because:
      workers === before && needed <= before
        ? `${needed} of ${workers} workers are needed`
        : `${needed} workers are needed for as much data each as after the first year; ${workers} of them share ${shards} shards${shards % workers === 0 ? " evenly" : ""}`,
  };
}
