import assert from "node:assert/strict";
import { hasExpired, mayLogIn } from "../../../../providers/dynamic/role/login";

describe("mayLogIn", () => {
  const table = [
    { why: "through Citus its nodes let it in", wanted: {}, hasNodes: false, may: true },
    { why: "its certificates are with its clients", wanted: {}, hasNodes: true, may: false },
    { why: "a password is at hand", wanted: { password: "p" }, hasNodes: true, may: true },
    { why: "it may not log in", wanted: { password: "p", login: false }, hasNodes: true, may: false },
    { why: "no session is allowed", wanted: { connectionLimit: 0 }, hasNodes: false, may: false },
  ];
  for (const { why, wanted, hasNodes, may } of table)
    it(`${String(may)} where ${why}`, () => assert.equal(mayLogIn(wanted, hasNodes), may));
});

describe("hasExpired", () => {
  const now = Date.parse("2030-01-01T00:00:00Z");
  for (const [validUntil, expired] of [
    [undefined, false],
    ["infinity", false],
    ["2029-12-31T23:59:59Z", true],
    ["2030-01-01T00:00:01Z", false],
  ] as const)
    it(`${String(expired)} for ${validUntil ?? "none"}`, () =>
      assert.equal(hasExpired(validUntil === undefined ? {} : { validUntil }, now), expired));
});
