/** When two clocks are apart, and when that matters. */
import assert from "node:assert/strict";
import { clockProblems, clockSkewSeconds } from "../../../../providers/dynamic/preflight/clock";

describe("clockSkewSeconds", () => {
  const rows: readonly { readonly why: string; readonly seconds: number; readonly skew: number }[] = [
    { why: "the moment when the look began", seconds: 1_000, skew: 0 },
    { why: "a moment of the look", seconds: 1_002, skew: 0 },
    { why: "a second that has begun before", seconds: 999, skew: 0 },
    { why: "seconds before", seconds: 993, skew: -6 },
    { why: "seconds after", seconds: 1_013, skew: 9 },
  ];
  for (const { why, seconds, skew } of rows)
    it(`is ${String(skew)} for ${why}`, () => assert.equal(clockSkewSeconds(seconds, 1_000_500, 1_003_900), skew));
});

describe("clockProblems", () => {
  for (const skew of [0, -5, 300]) it(`lets ${String(skew)} s pass`, () => assert.deepEqual(clockProblems(skew), []));
  it("refuses a clock that makes new certificates invalid", () => {
    assert.match(
      clockProblems(-6).join(),
      /^its clock is 6 s behind .* not yet valid there; .*timedatectl set-ntp true/,
    );
  });
  it("refuses a clock that ends certificates early", () => {
    assert.match(clockProblems(301).join(), /^its clock is 301 s ahead of .* end early there; .*timedatectl/);
  });
});
