/** check and diff from a field table. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { Kind } from "../../../../providers/dynamic/engine/kind";
import {
  changesOf,
  checkInputs,
  equal,
  inputsOf,
  isUnknown,
  secretNames,
  stateOf,
} from "../../../../providers/dynamic/engine/rules";

const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

interface Inputs {
  readonly name: string;
  readonly size?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly password?: string;
  readonly others?: readonly string[];
}

const kind: Kind<Inputs, { readonly version: string }> = {
  type: "Thing",
  fields: {
    name: { onChange: "replace", check: (value) => (value === "bad" ? `must not be "bad"` : undefined) },
    size: {
      onChange: "update",
      check: (value) => (value >= 0 ? undefined : `must be at least 0, got ${String(value)}`),
    },
    labels: {
      onChange: "update",
      check: (value) =>
        Object.keys(value).flatMap((key) =>
          key === ""
            ? [{ path: "", reason: "has an empty key" }]
            : key === "x"
              ? [{ path: "x", reason: "is reserved" }]
              : [],
        ),
    },
    password: { onChange: "store", secret: true },
    others: { onChange: "ignore" },
  },
  outputs: ["version"],
  check: ({ name, size }) =>
    name === "zero" && size === 0 ? [{ path: "size", reason: "must be more than 0 here" }] : [],
  id: ({ name }) => name,
  read: async () => undefined,
  create: async () => undefined,
  update: async () => undefined,
  delete: async () => undefined,
};

const texts = (inputs: Readonly<Record<string, unknown>>) =>
  checkInputs(kind, inputs).map(({ path, reason }) => `${path}: ${reason}`);

const checks: readonly {
  readonly why: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly problems: readonly string[];
}[] = [
  { why: "good inputs have no problem", inputs: { name: "a", size: 0, labels: { a: "b" } }, problems: [] },
  { why: "zero is a value that is checked", inputs: { name: "a", size: -0 }, problems: [] },
  {
    why: "every problem is told",
    inputs: { name: "bad", size: -1 },
    problems: ['name: must not be "bad"', "size: must be at least 0, got -1"],
  },
  {
    why: "a path within the value is joined",
    inputs: { name: "a", labels: { x: "1" } },
    problems: ["labels.x: is reserved"],
  },
  {
    why: "an empty path within the value is the value",
    inputs: { name: "a", labels: { "": "1" } },
    problems: ["labels: has an empty key"],
  },
  {
    why: "an argument that does not exist is told, with the one that was meant",
    inputs: { name: "a", sise: 1, strange: 1 },
    problems: [
      'sise: is not an argument of Thing; did you mean "size"?',
      "strange: is not an argument of Thing; leave it out",
    ],
  },
  {
    why: "what the engine adds is no argument",
    inputs: { name: "a", __provider: "x", __defaults: [], logUrn: "urn:x" },
    problems: [],
  },
  { why: "null is absent", inputs: { name: "a", size: null }, problems: [] },
  { why: "unknown values pass", inputs: { name: unknown, size: unknown }, problems: [] },
  { why: "a value that holds something unknown passes", inputs: { name: "a", labels: { x: unknown } }, problems: [] },
  {
    why: "rules across arguments run when all are known",
    inputs: { name: "zero", size: 0 },
    problems: ["size: must be more than 0 here"],
  },
  {
    why: "rules across arguments wait for the unknown",
    inputs: { name: "zero", size: 0, labels: unknown },
    problems: [],
  },
  {
    why: "rules across arguments wait for good arguments",
    inputs: { name: "zero", size: 0, extra: 1 },
    problems: ["extra: is not an argument of Thing; leave it out"],
  },
];

describe("checkInputs", () => {
  for (const { why, inputs, problems } of checks) {
    it(why, () => {
      assert.deepEqual(texts(inputs), problems);
    });
  }
});

const old = { name: "a", size: 1, labels: { a: "1", b: "2" }, password: "s", version: "9", logUrn: "urn:x" };
const changes: readonly {
  readonly why: string;
  readonly now: Readonly<Record<string, unknown>>;
  readonly found: ReturnType<typeof changesOf>;
}[] = [
  { why: "the same is no change", now: { ...old }, found: { replace: [], update: [], store: [] } },
  {
    why: "the order of keys is no change",
    now: { ...old, labels: { b: "2", a: "1" } },
    found: { replace: [], update: [], store: [] },
  },
  {
    why: "outputs and the engine's own are no arguments",
    now: { ...old, version: "10", logUrn: "urn:y" },
    found: { replace: [], update: [], store: [] },
  },
  {
    why: "each argument follows its rule",
    now: { ...old, name: "b", size: 2, password: "t" },
    found: { replace: ["name"], update: ["size"], store: ["password"] },
  },
  {
    why: "what is to be ignored is no change",
    now: { ...old, others: ["a"] },
    found: { replace: [], update: [], store: [] },
  },
  { why: "from 1 to 0 is a change", now: { ...old, size: 0 }, found: { replace: [], update: ["size"], store: [] } },
  {
    why: "an argument that goes is a change",
    now: { ...old, size: undefined },
    found: { replace: [], update: ["size"], store: [] },
  },
  {
    why: "a key that goes is a change",
    now: { ...old, labels: { a: "1" } },
    found: { replace: [], update: ["labels"], store: [] },
  },
  {
    why: "an unknown value is a change",
    now: { ...old, labels: { a: "1", b: unknown } },
    found: { replace: [], update: ["labels"], store: [] },
  },
  { why: "a text is not its number", now: { ...old, size: "1" }, found: { replace: [], update: ["size"], store: [] } },
];

describe("changesOf", () => {
  for (const { why, now, found } of changes) {
    it(why, () => {
      assert.deepEqual(changesOf(kind, old, now), found);
    });
  }

  it("takes absent, undefined and null for the same, at any depth", () => {
    assert.ok(equal({ a: null, b: { c: undefined } }, { b: {} }));
    assert.ok(!equal({ a: 0 }, {}));
    assert.ok(!equal([1, 2], [2, 1]));
    assert.ok(!equal([undefined], []));
  });

  it("finds any JSON equal to itself after a trip through text", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => equal(value, JSON.parse(JSON.stringify(value)))));
  });
});

describe("isUnknown", () => {
  it("looks at any depth", () => {
    assert.ok(isUnknown({ a: [{ b: unknown }] }));
    assert.ok(!isUnknown({ a: [{ b: `${unknown}x` }, null, 0] }));
  });
});

describe("inputsOf, stateOf, secretNames", () => {
  it("part arguments and outputs", () => {
    assert.deepEqual(inputsOf(kind, { ...old, size: null }), { name: "a", labels: { a: "1", b: "2" }, password: "s" });
    assert.deepEqual(stateOf(kind, old), { version: "9" });
    assert.deepEqual(secretNames(kind), ["password"]);
  });
});
