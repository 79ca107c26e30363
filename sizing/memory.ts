/** How the RAM of a node is shared out, and how much RAM connections and a working set need. All figures in MiB. Pure. */
import { leastRamGiB } from "./workload";
import { roundDown, roundUp } from "./units";

/**
 * Shares of RAM. shared_buffers: "a reasonable starting value … is 25%" (PostgreSQL manual, resource consumption, 2026-11).
 * reserve, for the operating system and other processes, and maintenance: our choice, 2026-11-23.
 */
export const memoryShares = { sharedBuffers: 0.25, maintenance: 0.125, reserve: 0.1 } as const;

/** The least reserve. Our choice, 2026-11-23. */
const leastReserveMiB = 256;

/** RAM of one session besides work_mem: up to 9.3 MiB private to one that had used 320 shards. Measured on Citus 13.2.2 and PostgreSQL 15, 2026-11-23. */
export const sessionMiB = 10;

/** work_mem is never planned below PostgreSQL's own default. */
export const leastWorkMemMiB = 4;

// Above it a single runaway query takes too much. Our choice, 2026-11-23.
const mostWorkMemMiB = 1024;

/** hash_mem_multiplier: a hash may take this many times work_mem. PostgreSQL's default from 15 on. */
const hashMultiplier = 2;

// Before PostgreSQL 17 a vacuum uses no more than 1 GiB (manual, autovacuum_work_mem).
const mostMaintenanceMiB = 1024;

/** Four times the upper end of shared_buffers, 1,073,741,823 pages of 8 kB. */
export const mostRamGiB = 32 * 1024;

// The setting's upper end: 2,147,483,647 pages of 8 kB.
const mostCacheMiB = 16 * 1024 * 1024 - 1;

/** Who needs memory on a node. */
export interface MemoryNeeds {
  /** max_connections. */
  readonly connections: number;
  /** Parallel workers use work_mem as sessions do; there are as many as cores. */
  readonly cores: number;
  /** What a sort or hash of one shard should have. */
  readonly workMemMiB: number;
  /** Part of the data that should stay in shared_buffers and the page cache. */
  readonly cachedMiB: number;
}

const perSession = (workMemMiB: number) => sessionMiB + hashMultiplier * workMemMiB;

/** The least RAM that holds all needs at once, in whole GiB, rounded up. */
export function neededRamGiB({ connections, cores, workMemMiB, cachedMiB }: MemoryNeeds): number {
  const { sharedBuffers, maintenance, reserve } = memoryShares;
  const sessions = (connections + cores) * perSession(workMemMiB);
  const mebibytes = Math.max(
    sessions / (1 - sharedBuffers - maintenance - reserve),
    (sessions + leastReserveMiB) / (1 - sharedBuffers - maintenance),
    // shared_buffers is a part of the cache.
    cachedMiB === 0 ? 0 : (sessions + cachedMiB) / (1 - maintenance - reserve),
  );
  return Math.max(leastRamGiB, roundUp(mebibytes / 1024));
}

/** Sessions that this RAM carries with the least work_mem. */
export function carriedConnections(ramGiB: number, cores: number): number {
  const { sharedBuffers, maintenance } = memoryShares;
  const left = ramGiB * 1024 * (1 - sharedBuffers - maintenance) - reserveMiB(ramGiB * 1024);
  return Math.max(0, roundDown(left / perSession(leastWorkMemMiB)) - cores);
}

/** What the operating system keeps. */
export const reserveMiB = (ramMiB: number): number => Math.max(leastReserveMiB, ramMiB * memoryShares.reserve);

/** Memory settings of a node, in whole MiB. */
export interface MemorySettings {
  readonly sharedBuffers: number;
  readonly effectiveCacheSize: number;
  readonly maintenanceWorkMem: number;
  readonly workMem: number;
}

/** Shares the RAM out. Together with every session at its worst it stays below RAM less the reserve. */
export function memorySettings(
  ramGiB: number,
  { connections, cores, autovacuumWorkers }: { connections: number; cores: number; autovacuumWorkers: number },
): MemorySettings {
  const ram = ramGiB * 1024;
  const sharedBuffers = roundDown(ram * memoryShares.sharedBuffers);
  const maintenance = ram * memoryShares.maintenance;
  const sessions = connections + cores;
  const left = ram - reserveMiB(ram) - sharedBuffers - maintenance - sessions * sessionMiB;
  return {
    sharedBuffers,
    // Allocates nothing; three quarters: wiki.postgresql.org, Tuning Your PostgreSQL Server (2026-11).
    effectiveCacheSize: Math.min(mostCacheMiB, roundDown(ram * 0.75)),
    // One for a command of the operator besides the autovacuum workers.
    maintenanceWorkMem: Math.min(mostMaintenanceMiB, roundDown(maintenance / (autovacuumWorkers + 1))),
    workMem: Math.min(mostWorkMemMiB, Math.max(leastWorkMemMiB, roundDown(left / sessions / hashMultiplier))),
  };
}

/** RAM in use when every session and every vacuum takes all that it may. */
export function worstCaseMiB(
  settings: Omit<MemorySettings, "effectiveCacheSize">,
  { connections, cores, autovacuumWorkers }: { connections: number; cores: number; autovacuumWorkers: number },
): number {
  const sessions = (connections + cores) * perSession(settings.workMem);
  return settings.sharedBuffers + sessions + (autovacuumWorkers + 1) * settings.maintenanceWorkMem;
}
