/** Which rights are given, which are taken back, and what is remembered. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import {
  before,
  holds,
  lacks,
  planGrant,
  type Held,
  type WantedRights,
} from "../../../../providers/dynamic/grant/rights";

const select: WantedRights = { privileges: ["SELECT"], grantable: false };
const both: WantedRights = { privileges: ["SELECT", "INSERT"], grantable: false };
const grantable: WantedRights = { privileges: ["SELECT"], grantable: true };

describe("holds", () => {
  const cases: readonly (readonly [string, boolean, boolean])[] = [
    ["SELECT", false, true],
    ["SELECT*", false, true],
    ["SELECT", true, false],
    ["SELECT*", true, true],
    ["INSERT", false, false],
  ];
  for (const [right, asked, expected] of cases)
    it(`${right} is ${expected ? "" : "not "}enough for SELECT${asked ? " to pass on" : ""}`, () =>
      assert.equal(holds({ t: [right] }, "t", "SELECT", asked), expected));
});

describe("lacks", () => {
  it("passes over objects that a node does not have", () => {
    assert.equal(lacks(select, ["t", "local"], { t: ["SELECT"] }), false);
    assert.equal(lacks(select, ["t"], { t: [] }), true);
  });
});

describe("planGrant", () => {
  const cases: readonly {
    readonly why: string;
    readonly wanted: WantedRights;
    readonly held: Held;
    readonly old?: WantedRights & { readonly before?: readonly string[] };
    readonly steps: readonly object[];
    readonly before: readonly string[];
  }[] = [
    {
      why: "gives what is asked for on all there are",
      wanted: both,
      held: { a: [], b: [] },
      steps: [{ verb: "grant", privileges: ["SELECT", "INSERT"] }],
      before: [],
    },
    {
      why: "remembers what every object had, and what one had",
      wanted: { ...both, names: ["a", "b"] },
      held: { a: ["INSERT", "SELECT"], b: ["SELECT"] },
      steps: [{ verb: "grant", privileges: ["SELECT", "INSERT"], names: ["a", "b"] }],
      before: ["SELECT", "INSERT a"],
    },
    {
      why: "gives a right that may be passed on, and remembers that it was there without",
      wanted: grantable,
      held: { a: ["SELECT"] },
      steps: [{ verb: "grant with grant option", privileges: ["SELECT"] }],
      before: ["SELECT"],
    },
    {
      why: "takes back a right that is not asked for any more",
      wanted: select,
      old: { ...both, before: [] },
      held: { a: ["INSERT", "SELECT"], b: ["INSERT"] },
      steps: [
        { verb: "revoke", privileges: ["INSERT"], names: ["a", "b"] },
        { verb: "grant", privileges: ["SELECT"] },
      ],
      before: [],
    },
    {
      why: "never takes back what was there before",
      wanted: { privileges: [], grantable: false },
      old: { ...both, before: ["INSERT", "SELECT a"] },
      held: { a: ["INSERT", "SELECT"], b: ["INSERT", "SELECT"] },
      steps: [{ verb: "revoke", privileges: ["SELECT"], names: ["b"] }],
      before: [],
    },
    {
      why: "takes back the option alone where the right was there before",
      wanted: { privileges: [], grantable: false },
      old: { ...grantable, before: ["SELECT a", "SELECT* c"] },
      held: { a: ["SELECT*"], b: ["SELECT*"], c: ["SELECT*"] },
      steps: [
        { verb: "revoke", privileges: ["SELECT"], names: ["b"] },
        { verb: "revoke grant option", privileges: ["SELECT"], names: ["a"] },
      ],
      before: [],
    },
    {
      why: "takes back the option when it is not asked for any more",
      wanted: select,
      old: { ...grantable, before: [] },
      held: { a: ["SELECT*"] },
      steps: [
        { verb: "revoke grant option", privileges: ["SELECT"], names: ["a"] },
        { verb: "grant", privileges: ["SELECT"] },
      ],
      before: [],
    },
    {
      why: "takes back on names that are not asked for any more, and forgets them",
      wanted: { ...select, names: ["b", "c"] },
      old: { ...select, names: ["a", "b"], before: ["SELECT b"] },
      held: { a: ["SELECT"], b: ["SELECT"], c: ["SELECT"] },
      steps: [
        { verb: "revoke", privileges: ["SELECT"], names: ["a"] },
        { verb: "grant", privileges: ["SELECT"], names: ["b", "c"] },
      ],
      before: ["SELECT"],
    },
    {
      why: "says nothing about what is gone already",
      wanted: { privileges: [], grantable: false },
      old: { ...both, names: ["a", "dropped"], before: [] },
      held: { a: ["INSERT"] },
      steps: [{ verb: "revoke", privileges: ["INSERT"], names: ["a"] }],
      before: [],
    },
  ];
  for (const { why, wanted, held, old, steps, before: remembered } of cases)
    it(why, () => assert.deepEqual(planGrant(wanted, held, old), { steps, before: remembered }));

  it("never takes back what was there before, whatever was asked for in between", () => {
    const rights = ["SELECT", "INSERT", "UPDATE"];
    const names = ["a", "b", "c d"];
    const privileges = fc.subarray(rights);
    const wanted = fc.record({
      privileges,
      grantable: fc.constant(false),
      names: fc.subarray(names, { minLength: 1 }),
    });
    fc.assert(
      fc.property(
        fc.tuple(privileges, privileges, privileges),
        fc.array(wanted, { minLength: 1, maxLength: 4 }),
        (start, wishes) => {
          const first: Held = Object.fromEntries(names.map((name, index) => [name, start[index] ?? []]));
          let held = first;
          let old: (WantedRights & { before: readonly string[] }) | undefined;
          for (const wish of [...wishes, { privileges: [], grantable: false, names }]) {
            const plan = planGrant(wish, held, old);
            for (const { verb, privileges: which, names: on = names } of plan.steps)
              held = Object.fromEntries(
                Object.entries(held).map(([name, has]) => [
                  name,
                  !on.includes(name)
                    ? has
                    : verb === "grant"
                      ? [...new Set([...has, ...which])]
                      : has.filter((one) => !which.includes(one)),
                ]),
              );
            for (const name of wish.names) for (const one of wish.privileges) assert.ok(holds(held, name, one, false));
            old = { ...wish, before: plan.before };
          }
          for (const name of names) assert.deepEqual([...(held[name] ?? [])].sort(), [...(first[name] ?? [])].sort());
        },
      ),
    );
  });
});

describe("before", () => {
  it("reads a right of all objects and of one", () => {
    assert.equal(before(["SELECT"], "any", "SELECT"), "SELECT");
    assert.equal(before(["SELECT* a b"], "a b", "SELECT"), "SELECT*");
    assert.equal(before(["SELECT a"], "b", "SELECT"), undefined);
    assert.equal(before(["INSERT"], "a", "SELECT"), undefined);
  });
});
