/** How many shards a distributed table gets, and how they spread over workers. Pure. Citus: citus.shard_count, create_distributed_table. */
import { sources, type Figure } from "./figure";
import type { Finding } from "./finding";
import { grouped, roundUp } from "./units";

/** SaaS: the article's range, and the size from which its upper part is meant. "100 GB" is read as 10^11 bytes; exactly that is not below. */
export const saasShards = { small: 32, larger: [64, 128] } as const;
export const smallDataBytes = 100e9;

/** Upper end of citus.shard_count (Citus 13.2). */
export const mostShards = 64_000;

/** Analytics: shards per present worker core. */
const perCore = { usual: 2, withGrowth: 4 } as const;

/** Workers that the growth asks for: today's for the first year, which the disks are sized for; then in proportion to the data. */
export function neededWorkers(workers: number, growth: number, year: number): number {
  return roundUp(workers * (1 + growth) ** Math.max(0, year - 1));
}

/** SaaS: 32 below 100 GB, else 64 or 128; of those the first that leaves each worker two shards at the end of the plan. */
export function saasShardCount(dataBytes: number, workers: number, growth: number, years: number): Figure {
  const isSmall = dataBytes < smallDataBytes;
  const atEnd = neededWorkers(workers, growth, years);
  const counts = isSmall ? [saasShards.small, ...saasShards.larger] : saasShards.larger;
  // Two each, so that the number of workers can double once more.
  const value = counts.find((count) => count >= 2 * atEnd) ?? saasShards.larger[1];
  return {
    value,
    unit: "shards",
    because: {
      rule: `SaaS: 32 shards below 100 GB of data, from there 64 or 128; the first of ${counts.join(", ")} that gives every worker two shards after ${years} years`,
      inputs: { "data (GB)": Math.round(dataBytes / 1e9), workers, [`workers after ${years} years`]: atEnd },
      source: sources.shardCount,
    },
  };
}

/** Analytics: 2 × the worker cores, or 4 × where growth is expected, so that later workers find shards to take. Both are multiples of the workers. */
export function analyticsShardCount(workers: number, coresPerWorker: number, growth: number): Figure {
  const factor = growth > 0 ? perCore.withGrowth : perCore.usual;
  return {
    value: factor * workers * coresPerWorker,
    unit: "shards",
    because: {
      rule: `analytics: ${factor} × the worker cores (2 × without growth, 4 × with it); at least one shard per core keeps every core busy`,
      inputs: { workers, "cores per worker": coresPerWorker, "growth per year": `${Math.round(growth * 1000) / 10}%` },
      source: sources.shardCount,
    },
  };
}

/**
 * Size that a shard is planned with, from the count that the rules take without growth. Where more data means more shards (100 GB) it
 * keeps its size until the shards are as large again: more data never means less disk.
 */
export function plannedShardBytes(dataBytes: number, count: number): number {
  return Math.max(dataBytes / count, Math.min(dataBytes, smallDataBytes) / Math.max(count / 2, saasShards.small));
}

/** Shards of the emptiest and the fullest worker when they are spread as evenly as possible. */
export function shardSpread(shards: number, workers: number): { readonly least: number; readonly most: number } {
  return { least: Math.floor(shards / workers), most: Math.ceil(shards / workers) };
}

/** The number of workers, at least `needed`, over which the shards spread evenly; `needed` itself where that would more than double it. */
export function evenWorkers(shards: number, needed: number): number {
  for (let workers = needed; workers <= Math.min(shards, 2 * needed); workers += 1) {
    if (shards % workers === 0) return workers;
  }
  return needed;
}

/** What the number of shards means for these workers: an uneven spread, workers without data. */
export function checkSpread(shards: number, workers: number, path: string): readonly Finding[] {
  if (shards < workers) {
    const reason = `${grouped(shards)} shards leave ${workers - shards} of ${workers} workers without data; alter_distributed_table can raise the count, which rewrites the table`;
    return [{ severity: "warning", path, reason }];
  }
  if (shards % workers === 0) return [];
  const { least, most } = shardSpread(shards, workers);
  const even = evenWorkers(shards, workers);
  const better =
    even === workers ? `a multiple of ${workers} shards` : `${even} workers, or a multiple of ${workers} shards`;
  const reason = `${grouped(shards)} shards do not spread evenly over ${workers} workers: some hold ${most}, others ${least}; ${better} would`;
  return [{ severity: "hint", path, reason }];
}

/** Does the count leave room to grow? Says when it ends. */
export function checkGrowth(shards: number, workers: number, growth: number, years: number): readonly Finding[] {
  for (let year = 1; year <= years; year += 1) {
    const needed = neededWorkers(workers, growth, year);
    if (needed <= shards) continue;
    const count = grouped(neededWorkers(workers, growth, years));
    const reason = `blocks growth in year ${year}: ${grouped(needed)} workers are needed then, and ${grouped(shards)} shards fill at most ${grouped(shards)}; start with at least ${count} shards, or plan alter_distributed_table for that year, which rewrites the table`;
    return [{ severity: "hint", path: "shardCount", reason }];
  }
  return [];
}
