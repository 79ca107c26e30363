/** The text of pg_dist_authinfo, as libpq reads it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  authInfoText,
  authInfoValues,
  passwordProblem,
  valueProblem,
} from "../../../../providers/dynamic/auth-info/conninfo";

describe("authInfoText", () => {
  it("quotes every value, and leaves out what is absent", () => {
    assert.equal(authInfoText({ password: "secret" }), "password='secret'");
    assert.equal(authInfoText({ password: `pa:ss\\wo'rd"%@ #` }), `password='pa:ss\\\\wo\\'rd"%@ #'`);
    assert.equal(authInfoText({ sslkey: "/a b/k", sslcert: "c" }), "sslcert='c' sslkey='/a b/k'");
    assert.equal(authInfoText({}), "");
  });

  it("is read back as the same values, whatever they hold", () => {
    const value = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: fc.constantFrom("\\", "'", " ", "=", "a", "\n") }),
    );
    fc.assert(
      fc.property(
        fc.record({ password: value, sslcert: value, sslkey: value }, { requiredKeys: [] }),
        (values: { password?: string; sslcert?: string; sslkey?: string }) => {
          assert.deepEqual(authInfoValues(authInfoText(values)), { ...values });
        },
      ),
    );
  });
});

describe("authInfoValues", () => {
  const table: readonly (readonly [text: string, values: Readonly<Record<string, string>> | undefined])[] = [
    ["", {}],
    ["  ", {}],
    ["password=abc", { password: "abc" }],
    [" password = abc  sslcert='c d' ", { password: "abc", sslcert: "c d" }],
    ["password=a\\ b\\'c\\\\", { password: "a b'c\\" }],
    ["password=it's", { password: "it's" }],
    ["password=''", { password: "" }],
    ["password=", { password: "" }],
    ["password=one password=two", { password: "two" }],
    ["password='abc", undefined],
    ["password='a'b", undefined],
    ["password", undefined],
    ["=x", undefined],
  ];
  for (const [text, values] of table) {
    it(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(authInfoValues(text), values);
    });
  }
});

describe("what is refused", () => {
  const refused: readonly (readonly [value: string, reason: RegExp])[] = [
    ["", /empty/],
    ["   ", /blanks/],
    ["a\nb", /line breaks/],
    ["a\r", /line breaks/],
    ["a\0b", /NUL/],
    ["\ud800", /surrogate/],
    ["x".repeat(4097), /has 4097 bytes/],
  ];
  for (const [value, reason] of refused) {
    it(JSON.stringify(value.slice(0, 8)), () => {
      assert.match(valueProblem(value) ?? "", reason);
      assert.match(passwordProblem(value) ?? "", reason);
    });
  }
  it("is a hash in the place of a password", () => {
    for (const hash of [`md5${"0".repeat(32)}`, "SCRAM-SHA-256$4096:x$y:z"])
      assert.match(passwordProblem(hash) ?? "", /hash/);
  });
  it("is nothing else, and no reason shows the value", () => {
    for (const value of [`pa:ss\\wo'rd"%@ #`, "#lead", "*", "trail ", "é", "x".repeat(1_500)])
      assert.equal(passwordProblem(value), undefined);
    assert.doesNotMatch(passwordProblem("canary\n") ?? "", /canary/);
  });
});
