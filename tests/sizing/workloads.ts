/** Random workloads for properties: every kind, every size that a cluster may have. */
import fc from "fast-check";
import type { AnalyticsWorkload, CustomWorkload, SaasWorkload, Workload } from "../../sizing";

const shared = {
  growthPerYear: fc.integer({ min: 0, max: 300 }).map((percent) => `${percent}%` as const),
  planYears: fc.integer({ min: 1, max: 10 }),
};
const gigabytes = fc.integer({ min: 1, max: 200_000 }).map((count) => `${count} GB` as const);

export const saasWorkloads: fc.Arbitrary<SaasWorkload> = fc.record({
  kind: fc.constant("saas" as const),
  oldServer: fc.record({
    cores: fc.integer({ min: 1, max: 512 }),
    ram: fc.integer({ min: 1, max: 4096 }).map((count) => `${count} GiB` as const),
  }),
  dataSize: gigabytes,
  peakClients: fc.integer({ min: 10, max: 2000 }),
  concurrentQueries: fc.integer({ min: 1, max: 10 }),
  ...shared,
});

export const analyticsWorkloads: fc.Arbitrary<AnalyticsWorkload> = fc
  .record({
    desired: fc.integer({ min: 50, max: 5000 }),
    factor: fc.integer({ min: 1, max: 50 }),
    coresUsed: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
    dataSize: gigabytes,
    workingSetPercent: fc.integer({ min: 1, max: 100 }),
    concurrentQueries: fc.integer({ min: 1, max: 30 }),
    memory: fc.integer({ min: 1, max: 2000 }).map((count) => `${count} MB` as const),
    ...shared,
  })
  .map(({ desired, factor, workingSetPercent, memory, ...others }) => ({
    kind: "analytics" as const,
    ...others,
    currentLatency: `${desired * factor} ms` as const,
    desiredLatency: `${desired} ms` as const,
    workingSet: `${(parseInt(others.dataSize) * workingSetPercent) / 100} GB` as const,
    explainAnalyze: { memory },
  }));

export const customWorkloads: fc.Arbitrary<CustomWorkload> = fc.record({
  kind: fc.constant("custom" as const),
  workers: fc.integer({ min: 1, max: 32 }),
  coresPerWorker: fc.integer({ min: 1, max: 64 }),
  ramPerWorker: fc.integer({ min: 16, max: 512 }).map((count) => `${count} GiB` as const),
  dataSize: gigabytes,
  peakClients: fc.integer({ min: 1, max: 300 }),
  ...shared,
});

export const workloads: fc.Arbitrary<Workload> = fc.oneof(saasWorkloads, analyticsWorkloads, customWorkloads);
