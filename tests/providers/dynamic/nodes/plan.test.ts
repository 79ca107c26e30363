/** planNodes: from rows and wishes to steps. */
import assert from "node:assert/strict";
import {
  planNodes,
  type NodeRow,
  type NodesPlan,
  type Wanted,
  type WorkerNode,
} from "../../../../providers/dynamic/nodes/plan";

const coordinator = { host: "c", port: 5432 };
const place = (host: string, port = 5432) => ({ host, port });
const row = (groupId: number, host: string, other: Partial<NodeRow> = {}): NodeRow => ({
  nodeId: groupId + 10,
  groupId,
  host,
  port: 5432,
  active: true,
  shouldHaveShards: groupId !== 0,
  ...other,
});
const nothing: NodesPlan = {
  setCoordinator: false,
  move: [],
  add: [],
  activate: [],
  disable: [],
  property: [],
  leave: [],
};

interface Case {
  readonly why: string;
  readonly rows: readonly NodeRow[];
  readonly workers: Readonly<Record<string, WorkerNode>>;
  readonly coordinator?: Wanted["coordinator"];
  readonly old?: Readonly<Record<string, WorkerNode>>;
  readonly former?: Wanted["former"];
  readonly plan: Partial<NodesPlan>;
}

const c = row(0, "c");
const a = row(1, "a");
const b = row(2, "b");

const cases: readonly Case[] = [
  {
    why: "a fresh cluster registers its coordinator and every worker, by key",
    rows: [],
    workers: { b: place("b"), a: place("a") },
    plan: {
      setCoordinator: true,
      add: [
        { key: "a", node: place("a") },
        { key: "b", node: place("b") },
      ],
    },
  },
  { why: "what is registered as asked needs nothing", rows: [c, a], workers: { a: place("a") }, plan: {} },
  {
    why: "a second worker is added, the first is left alone",
    rows: [c, a],
    workers: { a: place("a"), b: place("b") },
    old: { a: place("a") },
    plan: { add: [{ key: "b", node: place("b") }] },
  },
  {
    why: "a key that goes leaves with its row",
    rows: [c, a, b],
    workers: { a: place("a") },
    old: { a: place("a"), b: place("b") },
    plan: { leave: [{ key: "b", address: place("b"), row: b }] },
  },
  {
    why: "a key removed by a killed run has no row left, but its server is still to be released",
    rows: [c, a],
    workers: { a: place("a") },
    old: { a: place("a"), b: place("b") },
    plan: { leave: [{ key: "b", address: place("b") }] },
  },
  {
    why: "a node that never was in the map is left alone",
    rows: [c, a, b],
    workers: { a: place("a") },
    old: { a: place("a") },
    plan: {},
  },
  { why: "without an old map nothing leaves", rows: [c, a, b], workers: { a: place("a") }, plan: {} },
  {
    why: "another key for the same address is the same node",
    rows: [c, a],
    workers: { first: place("a") },
    old: { a: place("a") },
    plan: {},
  },
  {
    why: "two keys that swap their addresses are the same two nodes",
    rows: [c, a, b],
    workers: { a: place("b"), b: place("a") },
    old: { a: place("a"), b: place("b") },
    plan: {},
  },
  {
    why: "a key at a new address moves its row",
    rows: [c, a],
    workers: { a: place("a2") },
    old: { a: place("a") },
    plan: { move: [{ key: "a", nodeId: 11, groupId: 1, to: place("a2") }] },
  },
  {
    why: "another port is a new address",
    rows: [c, a],
    workers: { a: place("a", 5433) },
    old: { a: place("a") },
    plan: { move: [{ key: "a", nodeId: 11, groupId: 1, to: place("a", 5433) }] },
  },
  {
    why: "a move that a killed run has made is not made again, and its old address is nobody",
    rows: [c, row(1, "a2")],
    workers: { a: place("a2") },
    old: { a: place("a") },
    plan: {},
  },
  {
    why: "a moved node keeps its other wishes, under the new address",
    rows: [c, a],
    workers: { a: { ...place("a2"), shouldHaveShards: false } },
    old: { a: place("a") },
    plan: {
      move: [{ key: "a", nodeId: 11, groupId: 1, to: place("a2") }],
      property: [{ key: "a", address: place("a2"), shouldHaveShards: false }],
    },
  },
  {
    why: "neither row is there: it is a new node",
    rows: [c],
    workers: { a: place("a2") },
    old: { a: place("a") },
    plan: { add: [{ key: "a", node: place("a2") }] },
  },
  {
    why: "a key that takes the address of one that goes leaves its own node behind",
    rows: [c, a, b],
    workers: { a: place("b") },
    old: { a: place("a"), b: place("b") },
    plan: { leave: [{ key: "a", address: place("a"), row: a }] },
  },
  {
    why: "a row stays where another key has taken its address over",
    rows: [c, a],
    workers: { a: place("a2"), b: place("a") },
    old: { a: place("a") },
    plan: { add: [{ key: "a", node: place("a2") }] },
  },
  {
    why: "an added and a leaving node in one run",
    rows: [c, a],
    workers: { b: place("b") },
    old: { a: place("a") },
    plan: { add: [{ key: "b", node: place("b") }], leave: [{ key: "a", address: place("a"), row: a }] },
  },
  {
    why: "shouldHaveShards is set where it differs",
    rows: [c, a],
    workers: { a: { ...place("a"), shouldHaveShards: false } },
    plan: { property: [{ key: "a", address: place("a"), shouldHaveShards: false }] },
  },
  {
    why: "shouldHaveShards is true by default, also after a drain that was given up",
    rows: [c, row(1, "a", { shouldHaveShards: false })],
    workers: { a: place("a") },
    plan: { property: [{ key: "a", address: place("a"), shouldHaveShards: true }] },
  },
  {
    why: "an inactive node is activated by default",
    rows: [c, row(1, "a", { active: false })],
    workers: { a: place("a") },
    plan: { activate: [{ key: "a", node: place("a") }] },
  },
  {
    why: "active: false disables",
    rows: [c, a],
    workers: { a: { ...place("a"), active: false } },
    plan: { disable: [{ key: "a", node: { ...place("a"), active: false } }] },
  },
  {
    why: "what is disabled already stays so",
    rows: [c, row(1, "a", { active: false })],
    workers: { a: { ...place("a"), active: false } },
    plan: {},
  },
  {
    why: "a coordinator at another address is given its new one",
    rows: [c, a],
    workers: { a: place("a") },
    coordinator: place("c2"),
    plan: { setCoordinator: true },
  },
  {
    why: "a coordinator may hold shards",
    rows: [c],
    workers: {},
    coordinator: { ...coordinator, shouldHaveShards: true },
    plan: { property: [{ key: "coordinator", address: coordinator, shouldHaveShards: true }] },
  },
  {
    why: "a coordinator that was registered by its first table loses its shards' right",
    rows: [row(0, "localhost", { shouldHaveShards: true })],
    workers: {},
    plan: { setCoordinator: true, property: [{ key: "coordinator", address: coordinator, shouldHaveShards: false }] },
  },
  {
    why: "a worker is never the coordinator's row",
    rows: [c],
    workers: { a: place("c") },
    coordinator: place("c2"),
    plan: { setCoordinator: true, add: [{ key: "a", node: place("c") }] },
  },
  { why: "a coordinator never leaves", rows: [c], workers: {}, old: { a: place("c") }, plan: {} },
  {
    why: "the coordinator's new address never leaves",
    rows: [c],
    workers: {},
    coordinator: place("c2"),
    old: { a: place("c2") },
    plan: { setCoordinator: true },
  },
  {
    why: "a former server that is still registered leaves: the run that added it was killed",
    rows: [c, a],
    workers: {},
    former: [{ key: "a", ...place("a") }],
    plan: { leave: [{ key: "a", address: place("a"), row: a }] },
  },
  {
    why: "a former server that is not registered is left alone",
    rows: [c],
    workers: {},
    former: [{ key: "a", ...place("a") }],
    plan: {},
  },
  {
    why: "a former server that is wanted again stays",
    rows: [c, a],
    workers: { z: place("a") },
    former: [{ key: "a", ...place("a") }],
    plan: {},
  },
  {
    why: "a former address of a node that moves is that node, not another one",
    rows: [c, a],
    workers: { a: place("a2") },
    old: { a: place("a") },
    former: [{ key: "a", ...place("a") }],
    plan: { move: [{ key: "a", nodeId: 11, groupId: 1, to: place("a2") }] },
  },
  {
    why: "a node that leaves and is a former server as well leaves once",
    rows: [c, a],
    workers: {},
    old: { a: place("a") },
    former: [{ key: "a", ...place("a") }],
    plan: { leave: [{ key: "a", address: place("a"), row: a }] },
  },
  {
    why: "a key like a method of objects leaves as well",
    rows: [c, a],
    workers: {},
    old: { constructor: place("a") },
    plan: { leave: [{ key: "constructor", address: place("a"), row: a }] },
  },
];

describe("planNodes", () => {
  for (const { why, rows, workers, plan, coordinator: asked, old, former } of cases) {
    it(why, () => {
      const wanted = { coordinator: asked ?? coordinator, workers, former };
      assert.deepEqual(planNodes(rows, wanted, old === undefined ? undefined : { workers: old }), {
        ...nothing,
        ...plan,
      });
    });
  }
});
