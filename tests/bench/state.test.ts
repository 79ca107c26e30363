/** What counts as a resource's own state: bench/state.ts; and which resources a peer must have: bench/noop.ts. */
import assert from "node:assert/strict";
import { countResources } from "../../bench/noop";
import { stateSizes } from "../../bench/state";

const type = "pulumi-nodejs:dynamic/citus:Role";
const deployment = (...resources: readonly object[]) => ({ deployment: { resources } });

describe("bench: state", () => {
  it("tells the resource's own bytes from those of its connection and of the engine", () => {
    const resource = {
      type,
      inputs: { name: "app", connection: "x".repeat(100) },
      outputs: { name: "app", connection: "x" },
    };
    const own = 2 * '{"name":"app"}'.length;
    const values = JSON.stringify(resource.inputs).length + JSON.stringify(resource.outputs).length;
    const engine = JSON.stringify(resource).length - values;
    assert.deepEqual(stateSizes(deployment(resource)), [
      { kind: "Role", count: 1, own, ofWhichFixed: 0, connection: values - own, engine },
    ]);
  });

  it("tells what every resource has", () => {
    const [size] = stateSizes(deployment({ type, inputs: { name: "a", logUrn: "urn:x", __provider: "code" } }));
    assert.equal(size?.ofWhichFixed, ',"logUrn":"urn:x","__provider":"code"'.length);
  });

  it("gives the largest of a kind, wherever it stands", () => {
    const of = (name: string) => ({ type, inputs: { name }, outputs: {} });
    const [size] = stateSizes(deployment(of("a"), of("long"), of("b")));
    assert.deepEqual([size?.count, size?.own], [3, '{"name":"long"}{}'.length]);
  });

  it("counts bytes, not characters", () => {
    const [size] = stateSizes(deployment({ type, inputs: { name: "ä" } }));
    assert.equal(size?.own, Buffer.byteLength('{"name":"ä"}{}'));
  });

  it("leaves out what is no resource of ours", () => {
    assert.deepEqual(stateSizes(deployment({ type: "tls:index/privateKey:PrivateKey", inputs: { a: 1 } })), []);
    assert.deepEqual(stateSizes({ deployment: {} }), []);
  });
});

describe("bench: peer of a no-op up", () => {
  it("has as many components and other resources, not counting what the engine makes", () => {
    const counts = countResources(
      deployment(
        { type: "pulumi:pulumi:Stack", custom: false },
        { type: "pulumi:providers:tls", custom: true },
        { type: "citus:index:CitusCluster", custom: false },
        { type, custom: true },
        { type: "command:local:Command", custom: true },
      ),
    );
    assert.deepEqual(counts, { components: 1, resources: 2 });
  });
});
