/** Plan → settings of the operating system for each role, each with its reason: what PostgreSQL's manual asks for under "Managing Kernel Resources",
 *  and nothing else. Pure. The out-of-memory score is left to Debian's unit, which has OOMScoreAdjust=-900 (postgresql-common 248).
 *  Source: https://www.postgresql.org/docs/current/kernel-resources.html */
import { executorPool } from "./planned-settings";
import { sources, type Because } from "./figure";
import { reserveMiB } from "./memory";

/** One setting of the operating system. */
export interface OperatingSystemSetting {
  /** As its file has it, in `unit`. */
  readonly value: number;
  /** What the value counts. */
  readonly unit: "mode" | "% of RAM" | "connections" | "files";
  /** When a change is in force. */
  readonly inForce: "at once" | "server start";
  /** Why it has that value. */
  readonly because: Because;
}

/** Settings of a machine by their own names. */
export interface OperatingSystemSettings {
  /** Of the kernel, for a file in /etc/sysctl.d. */
  readonly kernel: Readonly<Record<string, OperatingSystemSetting>>;
  /** Limits of the server's unit, for systemd. */
  readonly unit: Readonly<Record<string, OperatingSystemSetting>>;
}

/** What they follow from. */
export interface OperatingSystemNeeds {
  readonly ramGiB: number;
  readonly maxConnections: number;
  readonly cluster: { readonly workers: number; readonly coresPerWorker: number; readonly shards: number };
}

// Linux 5.4 and newer.
const kernelQueue = 4096;
// PostgreSQL's default for max_files_per_process.
const filesPerProcess = 1000;
// Sockets, pipes and logs of a session itself. Our choice, 2026-11-26.
const ownFiles = 64;

/** Settings of a machine that carries nothing but its node. */
export function operatingSystemSettings({
  ramGiB,
  maxConnections,
  cluster,
}: OperatingSystemNeeds): OperatingSystemSettings {
  const ramMiB = ramGiB * 1024;
  const reserve = Math.floor(reserveMiB(ramMiB));
  const pool = executorPool(cluster.shards, cluster.workers, cluster.coresPerWorker);
  const files = filesPerProcess + pool * cluster.workers + ownFiles;
  return {
    kernel: {
      // Before the mode that it counts in: a file is put in force line by line.
      "vm.overcommit_ratio": {
        value: Math.floor((100 * (ramMiB - reserve)) / ramMiB),
        unit: "% of RAM",
        inForce: "at once",
        because: {
          rule: "RAM less the reserve of the operating system, which the memory settings leave too; swap comes on top",
          inputs: { "RAM (GiB)": ramGiB, "reserve (MiB)": reserve },
          source: sources.kernel,
        },
      },
      "vm.overcommit_memory": {
        value: 2,
        unit: "mode",
        inForce: "at once",
        because: {
          rule: "2: a session that asks for too much gets an error, where the kernel would kill one and PostgreSQL restart all",
          inputs: {},
          source: sources.kernel,
        },
      },
      "net.core.somaxconn": {
        value: Math.max(kernelQueue, 2 * maxConnections),
        unit: "connections",
        inForce: "server start",
        because: {
          rule: "the queue that PostgreSQL asks for, 2 × max_connections, at least Linux' own 4,096: clients that all come back at once are not refused",
          inputs: { max_connections: maxConnections },
          source: sources.kernel,
        },
      },
    },
    unit: {
      LimitNOFILE: {
        value: 2 ** Math.ceil(Math.log2(files)),
        unit: "files",
        inForce: "server start",
        because: {
          rule: "max_files_per_process 1,000, a session's connections to every worker and 64, up to the next power of two",
          inputs: { "connections per worker": pool, workers: cluster.workers },
          source: sources.kernel,
        },
      },
    },
  };
}
