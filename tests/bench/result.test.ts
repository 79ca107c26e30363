/** From figures to a verdict: bench/result.ts. */
import assert from "node:assert/strict";
import type { Bar, Runs } from "../../bench/measure";
import { judge, median, resultOf, resultText, spread, table } from "../../bench/result";

describe("bench: median", () => {
  const cases: readonly { readonly figures: readonly number[]; readonly is: number; readonly why: string }[] = [
    { figures: [3], is: 3, why: "one figure" },
    { figures: [10, 9, 1], is: 9, why: "the middle by value, not by order" },
    { figures: [1, 2, 4, 100], is: 3, why: "the mean of the two middle ones" },
    { figures: [10, 9, 100], is: 10, why: "figures are sorted as numbers, not as text" },
    { figures: [1, 1, 50], is: 1, why: "one busy moment does not count" },
  ];
  for (const { figures, is, why } of cases) it(why, () => assert.equal(median(figures), is));
  it("does not change what it is given", () => {
    const figures = [3, 1, 2];
    median(figures);
    assert.deepEqual(figures, [3, 1, 2]);
  });
  it("refuses to judge nothing", () => assert.throws(() => median([]), /at least one figure/));
});

describe("bench: spread", () => {
  const cases: readonly { readonly figures: readonly number[]; readonly is: number; readonly why: string }[] = [
    { figures: [2, 2, 2], is: 0, why: "equal runs" },
    { figures: [9, 10, 11], is: 0.2, why: "distance of the extremes, as a part of the median" },
    { figures: [0, 0], is: 0, why: "nothing measured has no spread" },
  ];
  for (const { figures, is, why } of cases) it(why, () => assert.equal(spread(figures), is));
});

describe("bench: bar", () => {
  const runs: Runs = { ours: [4, 6, 5], serial: [10, 10, 10], parallel: [2.5, 2.5, 9] };
  const cases: readonly {
    readonly bar: Bar;
    readonly ratio: number;
    readonly passed: boolean;
    readonly why: string;
  }[] = [
    { bar: { side: "ours", peer: "serial", atMost: 1 }, ratio: 0.5, passed: true, why: "below" },
    { bar: { side: "ours", peer: "parallel", atMost: 2 }, ratio: 2, passed: true, why: "exactly at it is kept" },
    { bar: { side: "ours", peer: "parallel", atMost: 1.9 }, ratio: 2, passed: false, why: "above is missed" },
    { bar: { side: "serial", peer: "ours", atLeast: 2 }, ratio: 2, passed: true, why: "at least, and exactly at it" },
    { bar: { side: "serial", peer: "ours", atLeast: 2.1 }, ratio: 2, passed: false, why: "at least, and below" },
    { bar: { side: "ours", atMost: 4.9 }, ratio: 5, passed: false, why: "without a peer the figure itself" },
  ];
  for (const { bar, ratio, passed, why } of cases)
    it(why, () => assert.deepEqual(judge(bar, runs), { ...bar, ratio, passed }));
  it("refuses a side that nobody measured", () => {
    assert.throws(() => judge({ side: "others", atMost: 1 }, runs), /"others"; measured: ours, serial, parallel/);
    assert.throws(() => judge({ side: "ours", peer: "others", atMost: 1 }, runs), /"others"/);
  });
});

describe("bench: result", () => {
  const circumstances = { machine: { cores: 2 }, date: new Date(Date.UTC(2026, 0, 2, 3, 4, 5)) };
  const measured = {
    name: "formation",
    unit: "s",
    runs: { ours: [4.00049, 6, 5], serial: [10, 10, 10], parallel: [2.5, 2.5, 9] },
  };

  it("leads with the first bar and holds all", () => {
    const bars = [
      { side: "ours", peer: "serial", atMost: 1 },
      { side: "ours", peer: "parallel", atMost: 1.5 },
    ] as const;
    assert.deepEqual(resultOf({ ...measured, bars }, circumstances), {
      name: "formation",
      unit: "s",
      sides: {
        ours: { median: 5, runs: [4, 6, 5] },
        serial: { median: 10, runs: [10, 10, 10] },
        parallel: { median: 2.5, runs: [2.5, 2.5, 9] },
      },
      ratio: 0.5,
      bar: 1,
      passed: false,
      spread: 2.6,
      bars: [
        { side: "ours", peer: "serial", atMost: 1, ratio: 0.5, passed: true },
        { side: "ours", peer: "parallel", atMost: 1.5, ratio: 2, passed: false },
      ],
      machine: { cores: 2 },
      date: "2026-01-02T03:04:05.000Z",
    });
  });

  it("judges the figures before they are rounded", () => {
    const bars = [{ side: "ours", atMost: 1 }] as const;
    const result = resultOf({ ...measured, runs: { ours: [1.0001] }, bars }, circumstances);
    assert.equal(result.ratio, 1);
    assert.equal(result.passed, false);
  });

  it("is one line of JSON", () => {
    const result = resultOf({ ...measured, bars: [{ side: "ours", atMost: 9 }] }, circumstances);
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
  });

  it("tells people each side and each bar", () => {
    const bars = [
      { side: "ours", peer: "serial", atMost: 1 },
      { side: "parallel", atMost: 2 },
    ] as const;
    assert.equal(
      resultText(resultOf({ ...measured, bars }, circumstances)),
      [
        "  side       median   range         runs",
        "  ours       5.00 s   4.00 – 6.00   3",
        "  serial     10.0 s   10.0 – 10.0   3",
        "  parallel   2.50 s   2.50 – 9.00   3",
        "",
        "kept: ours is 0.50 × serial, the bar is at most 1.00 ×",
        "MISSED: parallel is 2.50 s, the bar is at most 2.00 s",
      ].join("\n"),
    );
  });
});

describe("bench: table", () => {
  it("gives every column the width of its longest cell", () => {
    assert.equal(table(["a", "bb"], [["ccc", ""]]), "  a     bb\n  ccc");
  });
});
