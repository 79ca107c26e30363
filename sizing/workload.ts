/** What a user expects of the cluster, and everything that is wrong with how it is written. The first stage of a plan. */
import { nearest, unknownReason } from "./nearest";
import type { Problem } from "./problem";
import { mostShards } from "./shards";
import { readDuration, readPercent, readSize, shown, type Duration, type Percent, type Read, type Size } from "./units";

/** Numbers that win over the rules. The plan fills in what is left out and checks what is given. */
export interface GivenFigures {
  /** Number of workers. Range: 1 to 1024. @default - from the cores and the RAM that are needed */
  readonly workers?: number;
  /** Cores of each worker. Range: 1 to 1024. @default - the needed cores over the workers, rounded up */
  readonly coresPerWorker?: number;
  /** RAM of each worker. From 1 GiB. @default - the needed RAM over the workers, rounded up to whole GiB */
  readonly ramPerWorker?: Size;
  /** Disk of each worker. @default - data, a year's growth, moves, WAL, and the tenth that Citus keeps free */
  readonly diskPerWorker?: Size;
  /** Cores of the coordinator. Range: 1 to 1024. @default - those of one worker */
  readonly coordinatorCores?: number;
  /** RAM of the coordinator. From 1 GiB. @default - 2 GiB per core, at most that of one worker */
  readonly coordinatorRam?: Size;
  /** Disk of the coordinator. @default - a floor for metadata and logs, and WAL */
  readonly coordinatorDisk?: Size;
  /** Shards of a distributed table. Range: 1 to 64000. @default - by the kind of workload */
  readonly shardCount?: number;
  /** `max_connections` of each worker. Range: 1 to 262143. @default - what clients and distributed queries need */
  readonly maxConnections?: number;
  /** `max_connections` of the coordinator. Range: 1 to 262143. @default - one per client and a reserve */
  readonly coordinatorMaxConnections?: number;
}

/** What every workload may say. */
export interface ExpectedLoad extends GivenFigures {
  /** Size of the data with its indexes, as `pg_database_size` tells. */
  readonly dataSize: Size;
  /** How much the data grows in a year. @default "0%" */
  readonly growthPerYear?: Percent;
  /** How many years the shard count is to last. Range: 1 to 30. @default 3 */
  readonly planYears?: number;
  /** Client sessions on the coordinator at the same time. Range: 1 to 100000. @default - concurrentQueries */
  readonly peakClients?: number;
  /** Queries over all shards at the same time. Range: 1 to 100000. @default - the plan says how many are possible */
  readonly concurrentQueries?: number;
}

/** Many tenants, most queries concern one of them; today on one PostgreSQL server. */
export interface SaasWorkload extends ExpectedLoad {
  /** Chooses the rules. */
  readonly kind: "saas";
  /** The single server of today. */
  readonly oldServer: {
    /** Its cores. Range: 1 to 16384. */
    readonly cores: number;
    /** Its RAM. */
    readonly ram: Size;
  };
  /** Number of tenants. Fewer tenants than shards leave shards empty. @default - not checked */
  readonly tenants?: number;
  /** Client sessions on the coordinator at the same time. Range: 1 to 100000. */
  readonly peakClients: number;
}

/** Large queries over all the data, which are to be faster than on the single server of today. */
export interface AnalyticsWorkload extends ExpectedLoad {
  /** Chooses the rules. */
  readonly kind: "analytics";
  /** How long a typical query takes on the single server. */
  readonly currentLatency: Duration;
  /** How long it may take on Citus. At most `currentLatency`. */
  readonly desiredLatency: Duration;
  /** Cores that this query keeps busy on the single server. Range: 1 to 16384. @default 1 */
  readonly coresUsed?: number;
  /** The part of the data that queries read all the time. @default - all of `dataSize` */
  readonly workingSet?: Size;
  /** What `EXPLAIN ANALYZE` says about the largest query. @default - work_mem follows from RAM and connections alone */
  readonly explainAnalyze?: {
    /** Sum of `Memory` over its sorts and hashes. @default - none */
    readonly memory?: Size;
    /** Sum of `Disk` over its sorts and hashes. @default - none */
    readonly disk?: Size;
  };
  /** Queries over all shards at the same time. Range: 1 to 100000. */
  readonly concurrentQueries: number;
}

/** The machines are given; the plan fills in the rest and checks it. */
export interface CustomWorkload extends ExpectedLoad {
  /** Chooses the rules. */
  readonly kind: "custom";
  /** Number of workers. Range: 1 to 1024. */
  readonly workers: number;
  /** Cores of each worker. Range: 1 to 1024. */
  readonly coresPerWorker: number;
  /** RAM of each worker. From 1 GiB. */
  readonly ramPerWorker: Size;
  /** Client sessions on the coordinator at the same time. Range: 1 to 100000. */
  readonly peakClients: number;
}

/** What a cluster is to carry. Plain values: a plan is printed in a preview. */
export type Workload = SaasWorkload | AnalyticsWorkload | CustomWorkload;

/** How one field is read. */
type Field =
  | { readonly is: "whole"; readonly from: number; readonly to: number }
  | { readonly is: "size" | "duration" | "percent" }
  | { readonly is: "fields"; readonly fields: Fields; readonly required: readonly string[] };
type Fields = Readonly<Record<string, Field>>;

const whole = (from: number, to: number): Field => ({ is: "whole", from, to });
const size: Field = { is: "size" };
const duration: Field = { is: "duration" };

// Upper ends keep slips out, such as bytes for gigabytes. 262143: max_connections.
const shared: Fields = {
  dataSize: size,
  growthPerYear: { is: "percent" },
  planYears: whole(1, 30),
  peakClients: whole(1, 100_000),
  concurrentQueries: whole(1, 100_000),
  workers: whole(1, 1024),
  coresPerWorker: whole(1, 1024),
  ramPerWorker: size,
  diskPerWorker: size,
  coordinatorCores: whole(1, 1024),
  coordinatorRam: size,
  coordinatorDisk: size,
  shardCount: whole(1, mostShards),
  maxConnections: whole(1, 262_143),
  coordinatorMaxConnections: whole(1, 262_143),
};

const kinds: Readonly<Record<Workload["kind"], { readonly fields: Fields; readonly required: readonly string[] }>> = {
  saas: {
    fields: {
      ...shared,
      oldServer: { is: "fields", fields: { cores: whole(1, 16_384), ram: size }, required: ["cores", "ram"] },
      tenants: whole(1, 1e12),
    },
    required: ["oldServer", "dataSize", "peakClients"],
  },
  analytics: {
    fields: {
      ...shared,
      currentLatency: duration,
      desiredLatency: duration,
      coresUsed: whole(1, 16_384),
      workingSet: size,
      explainAnalyze: { is: "fields", fields: { memory: size, disk: size }, required: [] },
    },
    required: ["currentLatency", "desiredLatency", "dataSize", "concurrentQueries"],
  },
  custom: {
    fields: shared,
    required: ["workers", "coresPerWorker", "ramPerWorker", "dataSize", "peakClients"],
  },
};

/** Every number of a workload by its path: bytes, milliseconds, factors, counts. Only what is given. */
export type Numbers = ReadonlyMap<string, number>;

/** The workload's numbers, or everything that is wrong with how it is written. Takes anything, since files and untyped programs hold anything. */
export function readWorkload(
  workload: unknown,
): { readonly kind: Workload["kind"]; readonly numbers: Numbers } | { readonly problems: readonly Problem[] } {
  if (typeof workload !== "object" || workload === null || Array.isArray(workload))
    return { problems: [{ path: "", reason: `a workload is a map of fields, got ${shown(workload)}` }] };
  const { kind, ...fields } = workload as Readonly<Record<string, unknown>>;
  if (!isKind(kind)) return { problems: [{ path: "kind", reason: kindReason(kind) }] };
  const numbers = new Map<string, number>();
  const problems = [
    ...readFields(fields, kinds[kind].fields, kinds[kind].required, "", numbers),
    ...contradictions(numbers),
  ];
  return problems.length > 0 ? { problems } : { kind, numbers };
}

const isKind = (kind: unknown): kind is Workload["kind"] => typeof kind === "string" && Object.hasOwn(kinds, kind);

function kindReason(kind: unknown): string {
  const names = Object.keys(kinds);
  if (kind === undefined) return `is missing; it is one of ${names.join(", ")}`;
  const meant = nearest(typeof kind === "string" ? kind : "", names);
  return `must be one of ${names.join(", ")}, got ${shown(kind)}${meant === undefined ? "" : `; did you mean "${meant}"?`}`;
}

function readFields(
  values: Readonly<Record<string, unknown>>,
  fields: Fields,
  required: readonly string[],
  prefix: string,
  numbers: Map<string, number>,
): readonly Problem[] {
  const isGiven = (name: string) => values[name] !== undefined && values[name] !== null;
  const missing = required.filter((name) => !isGiven(name)).map((name) => missingField(prefix, name, isGiven));
  const others = Object.keys(values).flatMap((name) => {
    const path = prefix + name;
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) return [{ path, reason: unknownReason(name, Object.keys(fields)) }];
    return isGiven(name) ? readField(values[name], field, path, numbers) : [];
  });
  return [...missing, ...others];
}

function missingField(prefix: string, name: string, isGiven: (name: string) => boolean): Problem {
  if (name === "dataSize" && isGiven("tenants"))
    return { path: "tenants", reason: "tenants without dataSize say nothing about sizes; add dataSize" };
  return { path: prefix + name, reason: "is missing" };
}

function readField(value: unknown, field: Field, path: string, numbers: Map<string, number>): readonly Problem[] {
  if (field.is === "fields") {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return [{ path, reason: `must hold ${Object.keys(field.fields).join(" and ")}, got ${shown(value)}` }];
    return readFields(value as Record<string, unknown>, field.fields, field.required, `${path}.`, numbers);
  }
  const read = readers[field.is](value, field);
  if ("reason" in read) return [{ path, reason: read.reason }];
  numbers.set(path, read.value);
  return [];
}

const readers: Readonly<Record<Exclude<Field["is"], "fields">, (value: unknown, field: Field) => Read>> = {
  size: readSize,
  duration: readDuration,
  percent: readPercent,
  whole: (value, field) => {
    const { from, to } = field.is === "whole" ? field : { from: 0, to: 0 };
    const isWhole = typeof value === "number" && Number.isInteger(value) && value >= from && value <= to;
    return isWhole ? { value } : { reason: `must be a whole number from ${from} to ${to}, got ${shown(value)}` };
  },
};

// The rule for shared_buffers begins there. Source: PostgreSQL manual, resource consumption (2026-11).
export const leastRamGiB = 1;

/** What is right field by field and wrong together. Both sides are named. */
function contradictions(numbers: Numbers): readonly Problem[] {
  const [current, desired] = [numbers.get("currentLatency"), numbers.get("desiredLatency")];
  const [data, workingSet] = [numbers.get("dataSize"), numbers.get("workingSet")];
  const [workers, shards] = [numbers.get("workers"), numbers.get("shardCount")];
  const [clients, queries] = [numbers.get("peakClients"), numbers.get("concurrentQueries")];
  const floor = ["ramPerWorker", "coordinatorRam"].flatMap((path) => {
    const bytes = numbers.get(path);
    return bytes === undefined || bytes >= leastRamGiB * 2 ** 30
      ? []
      : [{ path, reason: `must be at least ${leastRamGiB} GiB, the least that PostgreSQL's manual sizes memory for` }];
  });
  return [
    ...floor,
    ...(current !== undefined && desired !== undefined && desired > current
      ? [{ path: "desiredLatency", reason: `is above currentLatency (${desired} ms above ${current} ms)` }]
      : []),
    ...(data !== undefined && workingSet !== undefined && workingSet > data
      ? [{ path: "workingSet", reason: "is above dataSize; it is a part of the data" }]
      : []),
    ...(clients !== undefined && queries !== undefined && clients < queries
      ? [
          {
            path: "concurrentQueries",
            reason: `${queries} queries at once need as many clients, peakClients is ${clients}`,
          },
        ]
      : []),
    ...(workers !== undefined && shards !== undefined && shards < workers
      ? [
          {
            path: "shardCount",
            reason: `${shards} shards leave ${workers - shards} of the ${workers} workers (workers) without data; take at least ${workers} shards or at most ${shards} workers`,
          },
        ]
      : []),
  ];
}
