/** refusals and moveRefusals: who may join, who may move. */
import assert from "node:assert/strict";
import {
  moveRefusals,
  refusals,
  type ClusterFacts,
  type ServerFacts,
} from "../../../../providers/dynamic/nodes/arrival";

const cluster: ClusterFacts = {
  citusVersion: "13.2-1",
  tables: ["public.orders"],
  identifiers: { "10.0.0.1:5432": "1" },
};
const free: ServerFacts & { readonly address: string } = {
  address: "10.0.0.9:5432",
  systemIdentifier: "9",
  inRecovery: false,
  citusVersion: "13.2-1",
  groupId: 0,
  nodeCount: 0,
  relations: [],
};
const withoutCitus: typeof free = { ...free, citusVersion: undefined };

const cases: readonly { readonly why: string; readonly arrival: typeof free; readonly reasons: readonly RegExp[] }[] = [
  { why: "a free server may join", arrival: free, reasons: [] },
  {
    why: "tables of other names may stay",
    arrival: { ...free, relations: ["public.notes", "other.orders"] },
    reasons: [],
  },
  {
    why: "the same server under a second name would end in a deadlock",
    arrival: { ...free, systemIdentifier: "1" },
    reasons: [/same server as 10\.0\.0\.1:5432/],
  },
  {
    why: "a twin belongs to this cluster, which is no second reason",
    arrival: { ...free, systemIdentifier: "1", groupId: 3, nodeCount: 2 },
    reasons: [/same server/],
  },
  { why: "a standby cannot be written to", arrival: { ...free, inRecovery: true }, reasons: [/in recovery.*promote/] },
  { why: "without citus there is nothing to join", arrival: withoutCitus, reasons: [/no citus extension.*Database/] },
  {
    why: "another version would write wrong metadata",
    arrival: { ...free, citusVersion: "13.1-1" },
    reasons: [/citus 13\.1-1, the coordinator 13\.2-1/],
  },
  {
    why: "Citus takes over a worker of another cluster without a question",
    arrival: { ...free, groupId: 3, nodeCount: 2, coordinator: "10.9.9.9:5432" },
    reasons: [/belongs to a cluster.*10\.9\.9\.9:5432/],
  },
  {
    why: "its coordinator may be unknown",
    arrival: { ...free, groupId: 3 },
    reasons: [/whose coordinator is not known/],
  },
  {
    why: "a coordinator of others is no worker",
    arrival: { ...free, nodeCount: 1 },
    reasons: [/coordinator of a cluster of its own/],
  },
  {
    why: "a table of the same name would be dropped",
    arrival: { ...free, relations: ["public.orders", "public.notes"] },
    reasons: [/same name.*: public\.orders;/],
  },
  {
    why: "every reason is told at once",
    arrival: { ...free, inRecovery: true, citusVersion: "13.1-1", groupId: 3, relations: ["public.orders"] },
    reasons: [/recovery/, /13\.1-1/, /belongs to/, /same name/],
  },
];

describe("refusals", () => {
  for (const { why, arrival, reasons } of cases) {
    it(why, () => {
      const found = refusals(cluster, { z: arrival });
      assert.equal(found.length, reasons.length, found.join("\n"));
      for (const [index, reason] of reasons.entries()) {
        assert.match(found[index] ?? "", reason);
        assert.match(found[index] ?? "", /^node "z" \(10\.0\.0\.9:5432\) /);
      }
    });
  }

  it("tells the reasons of every server", () => {
    const found = refusals(cluster, {
      y: { ...free, inRecovery: true },
      z: { ...free, systemIdentifier: "8", groupId: 1 },
    });
    assert.deepEqual(
      found.map((reason) => reason.slice(0, 8)),
      ['node "y"', 'node "z"'],
    );
  });

  it("sees two arrivals that are one server", () => {
    const found = refusals(cluster, { y: free, z: { ...free, address: "other:5432" } });
    assert.equal(found.length, 1);
    assert.match(found[0] ?? "", /^node "z" \(other:5432\) is the same server as 10\.0\.0\.9:5432/);
  });

  it("names five tables at most", () => {
    const tables = Array.from({ length: 9 }, (_, index) => `public.t${String(index)}`);
    const [reason] = refusals({ ...cluster, tables }, { z: { ...free, relations: tables } });
    assert.match(reason ?? "", /public\.t4;/);
  });
});

describe("moveRefusals", () => {
  const move = { key: "a", groupId: 3, to: { host: "10.0.0.8", port: 5433 } };
  const moves: readonly { readonly why: string; readonly facts: ServerFacts; readonly reasons: readonly RegExp[] }[] = [
    { why: "the same group is the same node", facts: { ...free, groupId: 3, nodeCount: 2 }, reasons: [] },
    {
      why: "an empty server is another node",
      facts: free,
      reasons: [/^node "a": the server at 10\.0\.0\.8:5433 is not this node: its group is 0, the node's 3/],
    },
    { why: "another worker is another node", facts: { ...free, groupId: 4 }, reasons: [/its group is 4/] },
    {
      why: "a standby must be promoted first",
      facts: { ...free, groupId: 3, inRecovery: true },
      reasons: [/in recovery; promote it first/],
    },
  ];
  for (const { why, facts, reasons } of moves) {
    it(why, () => {
      const found = moveRefusals([move], { a: facts });
      assert.equal(found.length, reasons.length, found.join("\n"));
      for (const [index, reason] of reasons.entries()) assert.match(found[index] ?? "", reason);
    });
  }
});
