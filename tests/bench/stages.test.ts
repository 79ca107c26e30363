/** Where the time of an `up` goes: bench/stages.ts. */
import assert from "node:assert/strict";
import type { EngineEvent, StepEventMetadata } from "@pulumi/pulumi/automation";
import type { Moment } from "../../bench/stack";
import { stagesOf } from "../../bench/stages";

const moment = (at: number, event: Partial<EngineEvent>): Moment => ({
  at,
  event: { sequence: 0, timestamp: 0, ...event },
});

function step(type: string, name: string, begin: number, end: number): Moment[] {
  const metadata = { op: "create", type, urn: `urn:pulumi:bench::bench::${type}::${name}` } as StepEventMetadata;
  return [moment(begin, { resourcePreEvent: { metadata } }), moment(end, { resOutputsEvent: { metadata } })];
}

const inOrder = (...moments: Moment[][]) => moments.flat().sort((one, other) => one.at - other.at);

describe("bench: stages", () => {
  it("spans from the first to the last step and adds up what runs side by side", () => {
    const stages = stagesOf(
      inOrder(
        [moment(0.25, { preludeEvent: { config: {} } })],
        step("pulumi:pulumi:Stack", "bench", 0.5, 9),
        step("tls:index/privateKey:PrivateKey", "key", 1, 2),
        step("tls:index/locallySignedCert:LocallySignedCert", "certificate", 1.5, 3),
        step("command:local:Command", "demo-hosts-a", 2, 5),
        step("command:local:Command", "demo-nodes-a", 5, 6),
        step("pulumi-nodejs:dynamic/citus:Nodes", "demo-app", 6, 8),
        step("command:local:Command", "demo-fencing-a", 8, 8.5),
        step("command:local:Command", "demo-connections-authority", 8, 8.25),
        [moment(10, { cancelEvent: {} })],
      ),
    );
    assert.deepEqual(stages, [
      { name: "engine starts", begin: 0, end: 0.5, work: 0.5 },
      { name: "certificates", begin: 1, end: 3, work: 2.5 },
      { name: "hosts (initdb)", begin: 2, end: 5, work: 3 },
      { name: "nodes (files, start)", begin: 5, end: 6, work: 1 },
      { name: "Nodes", begin: 6, end: 8, work: 2 },
      { name: "client files", begin: 8, end: 8.25, work: 0.25 },
      { name: "fencing", begin: 8, end: 8.5, work: 0.5 },
      { name: "engine ends", begin: 8.5, end: 10, work: 1.5 },
    ]);
  });

  it("counts no step that has not ended", () => {
    const [begun] = step("tls:index/privateKey:PrivateKey", "key", 1, 2);
    assert.deepEqual(
      stagesOf(begun === undefined ? [] : [begun]).map(({ name }) => name),
      ["engine starts", "engine ends"],
    );
  });
});
