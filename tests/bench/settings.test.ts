/** What is read of pgbench's report: bench/settings.ts. */
import assert from "node:assert/strict";
import { tpsOf } from "../../bench/settings";

const report = `scaling factor: 1
number of transactions actually processed: 4521
number of failed transactions: 0 (0.000%)
latency average = 3.318 ms
initial connection time = 41.009 ms
tps = 301.376013 (without initial connection time)
`;

describe("bench: settings", () => {
  it("reads the transactions per second", () => assert.equal(tpsOf(report), 301.376013));

  it("refuses a run in which a transaction failed, or that ended early", () => {
    assert.throws(() => tpsOf(report.replace("failed transactions: 0", "failed transactions: 3")), /failed.* 3/);
    assert.throws(() => tpsOf("pgbench: error: connection to server failed"), /connection to server failed/);
  });
});
