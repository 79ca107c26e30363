/** What nodes have beside what they were asked for: tables. */
import assert from "node:assert/strict";
import {
  conflictLines,
  differing,
  effectLine,
  isSetAnywhere,
  pendingRestart,
  presentNames,
  restartLines,
  shownSettings,
  type NodeSettings,
} from "../../../../providers/dynamic/settings/comparison";

/** Nodes by key, each with values by lower-case name. */
const nodes = (values: Readonly<Record<string, Readonly<Record<string, string>>>>): NodeSettings =>
  Object.fromEntries(
    Object.entries(values).map(([node, settings]) => [
      node,
      Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, { value, failed: false }])),
    ]),
  );

describe("shownSettings", () => {
  const rows: readonly (readonly [string, NodeSettings, string])[] = [
    ["the value asked for", nodes({ a: { work_mem: "8MB" }, b: { work_mem: "8MB" } }), "8MB"],
    ["the same in another unit", nodes({ a: { work_mem: "8192" }, b: { work_mem: "8192kB" } }), "8MB"],
    ["one node that differs", nodes({ a: { work_mem: "9MB" }, b: { work_mem: "8MB" } }), "9MB on a"],
    ["one that lacks it", nodes({ a: { work_mem: "8MB" }, b: {} }), "not set on b"],
    [
      "nodes by what they have",
      nodes({ c: { work_mem: "9MB" }, b: {}, a: { work_mem: "9MB" } }),
      "9MB on a, c; not set on b",
    ],
    ["no node", {}, "8MB"],
  ];
  for (const [why, there, expected] of rows)
    it(`shows ${why}`, () => assert.deepEqual(shownSettings(there, { work_mem: "8MB" }), { work_mem: expected }));

  it("keeps the spelling that was asked for, in names too", () => {
    const there = nodes({ a: { timezone: "UTC", jit: "off" } });
    assert.deepEqual(shownSettings(there, { TimeZone: "UTC", jit: false }), { TimeZone: "UTC", jit: false });
  });
});

describe("differing, presentNames, isSetAnywhere", () => {
  const there = nodes({ a: { work_mem: "8MB", jit: "off" }, b: { work_mem: "8MB" } });
  it("tell what is to be set", () => {
    assert.deepEqual(differing(there, { work_mem: "8MB", jit: "off" }), { jit: "off" });
    assert.deepEqual(differing(there, { work_mem: "9MB" }), { work_mem: "9MB" });
  });
  it("tell what can be reset", () => {
    assert.deepEqual(presentNames(there, ["jit", "wal_level", "work_mem"]), ["jit", "work_mem"]);
    assert.equal(isSetAnywhere(there, ["wal_level"]), false);
    assert.equal(isSetAnywhere(there, []), false);
  });
});

describe("conflictLines", () => {
  it("show both sides of what somebody has set otherwise, and nothing that is not set", () => {
    const there = nodes({ a: { work_mem: "9MB" }, b: { work_mem: "8MB" }, c: {} });
    assert.deepEqual(conflictLines(there, { work_mem: "8MB", jit: false }), ['work_mem is 9MB on a, asked for "8MB"']);
  });
});

describe("pendingRestart", () => {
  it("names what only a restart puts in force, with its nodes", () => {
    const waits = { value: "200", failed: true };
    const there = { b: { max_connections: waits }, a: { max_connections: waits }, c: {} };
    assert.deepEqual(pendingRestart(there, ["max_connections", "work_mem"]), { max_connections: ["a", "b"] });
    assert.deepEqual(pendingRestart({ a: { work_mem: { value: "x", failed: true } } }, ["work_mem"]), {});
  });
});

describe("effectLine", () => {
  const rows: readonly (readonly [string, Parameters<typeof effectLine>, string | undefined])[] = [
    ["nothing", [{}, { set: {}, reset: [] }, {}], undefined],
    [
      "a database",
      [{ database: "app" }, { set: { work_mem: "8MB" }, reset: ["jit"] }, {}],
      "in force in new sessions of database app: work_mem, jit",
    ],
    [
      "a role in a database",
      [{ role: "r", database: "app" }, { set: { work_mem: "8MB" }, reset: [] }, {}],
      "in force in new sessions of role r in database app: work_mem",
    ],
    [
      "servers",
      [
        {},
        {
          set: { work_mem: "8MB", log_connections: true, max_connections: 200, wal_level: "logical" },
          reset: ["port"],
        },
        { max_connections: ["a", "b"] },
      ],
      "in force by a reload: work_mem, wal_level; in force in new connections: log_connections; " +
        "max_connections waits for a restart of the server of a, b; port waits for a restart of each server",
    ],
  ];
  for (const [why, args, expected] of rows) it(`says it of ${why}`, () => assert.equal(effectLine(...args), expected));
});

describe("restartLines", () => {
  it("forecast a restart where a value of a server changes, comes or goes", () => {
    const old = { max_connections: 100, wal_level: "logical", work_mem: "8MB", huge_pages: "on" };
    const lines = restartLines({}, old, { max_connections: 200, wal_level: "logical", max_wal_senders: 9 });
    assert.deepEqual(
      lines.map((line) => line.split(" ")[0]),
      ["max_connections", "huge_pages", "max_wal_senders"],
    );
    assert.deepEqual(restartLines({ database: "app" }, old, {}), []);
  });
});
