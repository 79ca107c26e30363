/** What the operating system of a node is set to. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { reserveMiB } from "../../sizing/memory";
import { operatingSystemSettings, type OperatingSystemNeeds } from "../../sizing/operating-system";

const needs = (change: Partial<OperatingSystemNeeds> = {}): OperatingSystemNeeds => ({
  ramGiB: 32,
  maxConnections: 300,
  cluster: { workers: 4, coresPerWorker: 8, shards: 64 },
  ...change,
});
const valuesOf = (of: OperatingSystemNeeds) => {
  const { kernel, unit } = operatingSystemSettings(of);
  return Object.fromEntries(Object.entries({ ...kernel, ...unit }).map(([name, { value }]) => [name, value]));
};

describe("operatingSystemSettings", () => {
  const rows = [
    { why: "a usual worker", change: {}, ratio: 90, queue: 4096, files: 2048 },
    { why: "little RAM, of which the system needs more", change: { ramGiB: 1 }, ratio: 75, queue: 4096, files: 2048 },
    {
      why: "more clients than the kernel's queue",
      change: { maxConnections: 3000 },
      ratio: 90,
      queue: 6000,
      files: 2048,
    },
    {
      why: "so many workers that their connections count",
      change: { cluster: { workers: 100, coresPerWorker: 8, shards: 1600 } },
      ratio: 90,
      queue: 4096,
      files: 4096,
    },
  ];
  for (const { why, change, ratio, queue, files } of rows)
    it(why, () => {
      assert.deepEqual(valuesOf(needs(change)), {
        "vm.overcommit_memory": 2,
        "vm.overcommit_ratio": ratio,
        "net.core.somaxconn": queue,
        LimitNOFILE: files,
      });
    });

  it("gives each a unit, a reason and the manual as its source", () => {
    const { kernel, unit } = operatingSystemSettings(needs());
    for (const [name, setting] of Object.entries({ ...kernel, ...unit })) {
      assert.ok(setting.unit.length > 0 && setting.because.rule.length > 0, name);
      assert.match(setting.because.source, /^PostgreSQL manual, managing kernel resources/, name);
    }
  });

  it("never promises more memory than RAM less the reserve, nor a percent less", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), (ramGiB) => {
        const { ["vm.overcommit_ratio"]: ratio = 0 } = valuesOf(needs({ ramGiB }));
        const free = ramGiB * 1024 - Math.floor(reserveMiB(ramGiB * 1024));
        const promised = (ramGiB * 1024 * ratio) / 100;
        return promised <= free && promised > free - ramGiB * 10.24;
      }),
    );
  });
});
