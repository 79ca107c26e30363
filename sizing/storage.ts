/** Disk of the nodes: data, moves, WAL, and what Citus keeps free. Whole GiB, rounded up. Pure. */
import { sources, type Figure } from "./figure";
import { gibibyte, roundUp } from "./units";

/** Moves of one node at once: the most that we have measured. 2026-11-23. */
export const mostMovesPerNode = 4;

/** citus.desired_percent_disk_available_after_move: a move that would leave less than 10 % free is refused. Default of Citus 13.2. */
const keptFree = 0.1;

/** Metadata are a few MB (article, coordinator failure); the rest is for logs and the system. Our choice, 2026-11-23. */
const coordinatorFloorGiB = 10;

// Checkpoints are this far apart at least; it is also four times PostgreSQL's default. Our choice, 2026-11-23.
const leastWalGiB = 4;
const mostWalGiB = 64;

/** max_wal_size: as large as shared_buffers, the most that one checkpoint can have to write; 4 to 64 GiB. */
export function maxWalGiB(sharedBuffersMiB: number): number {
  return Math.min(mostWalGiB, Math.max(leastWalGiB, roundUp(sharedBuffersMiB / 1024)));
}

/** The least disk that holds today's data and lets shards move. Unit: GiB, not rounded. */
export const leastDiskGiB = (dataBytes: number, workers: number): number =>
  dataBytes / workers / gibibyte / (1 - keptFree);

/** Disk of a worker: its data after a year, four shards that move in at once, twice max_wal_size, and a tenth free. */
export function workerDisk(load: {
  readonly dataBytes: number;
  readonly growth: number;
  readonly workers: number;
  readonly shardBytes: number;
  readonly walGiB: number;
}): Figure {
  const { dataBytes, growth, workers, shardBytes, walGiB } = load;
  const toGiB = (bytes: number) => (bytes * (1 + growth)) / gibibyte;
  const moves = mostMovesPerNode * toGiB(shardBytes);
  return {
    value: roundUp((toGiB(dataBytes) / workers + moves + 2 * walGiB) / (1 - keptFree)),
    unit: "GiB",
    because: {
      rule: "(data after a year ÷ workers + 4 shards that move in at once + 2 × max_wal_size) ÷ 0.9, rounded up; Citus keeps 10 % free after moves",
      inputs: {
        "data after a year (GiB)": roundUp(toGiB(dataBytes)),
        workers,
        "4 shards (GiB)": roundUp(moves),
        "max_wal_size (GiB)": walGiB,
      },
      source: `${sources.citus}; WAL: ${sources.ours}`,
    },
  };
}

/** Disk of the coordinator: metadata and logs, and WAL. */
export function coordinatorDisk(walGiB: number): Figure {
  return {
    value: coordinatorFloorGiB + 2 * walGiB,
    unit: "GiB",
    because: {
      rule: "10 GiB for metadata (a few MB) and logs, and 2 × max_wal_size",
      inputs: { "max_wal_size (GiB)": walGiB },
      source: sources.ours,
    },
  };
}
