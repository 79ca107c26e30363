import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { connectionText, withConnectionText } from "../../../../providers/dynamic/engine/connection-text";
import type { Provider } from "../../../../providers/dynamic/engine/entry";
import { PartialChangeError } from "../../../../providers/dynamic/engine/errors";
import { equal, normal, type Properties } from "../../../../providers/dynamic/engine/rules";
import type { Connection } from "../../../../providers/dynamic/engine/session";

const key = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n";
const connection: Connection = {
  host: "coordinator",
  port: 5432,
  database: "app",
  user: "postgres",
  tls: { ca: "ca", cert: "cert", key },
};
const text = JSON.stringify(connection);
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A provider process that was just started, with what reaches the kind. */
function newProcess() {
  const seen: Properties[] = [];
  const inner: Provider = {
    check: (_olds, news) => {
      seen.push({ ...news });
      return Promise.resolve({ inputs: { ...news }, failures: [] });
    },
    diff: (_id, olds, news) =>
      Promise.resolve({ changes: !equal(olds, news), replaces: [], deleteBeforeReplace: true as const }),
    create: (news) => {
      seen.push({ ...news });
      return Promise.resolve({ id: "id", outs: { ...news } });
    },
    read: (id, properties) => {
      seen.push({ ...properties });
      return Promise.resolve({ id, props: { ...properties }, inputs: { ...properties } });
    },
    update: (_id, _olds, news) => {
      seen.push({ ...news });
      return Promise.resolve({ outs: { ...news } });
    },
    delete: (_id, properties) => {
      seen.push({ ...properties });
      return Promise.resolve();
    },
  };
  return { subject: withConnectionText(inner), seen, inner };
}

const checked = async (subject: Provider, news: Properties = { connection: text }) =>
  (await subject.check({}, news)).inputs;

describe("connectionText", () => {
  const valueOf = (output: pulumi.Output<string>) => new Promise<string>((resolve) => output.apply(resolve));

  it("is the same for equal connections, whatever the order of their parts", async () => {
    const { tls, ...others } = connection;
    const { ca, ...pair } = tls;
    const other: Connection = { tls: { ...pair, ca }, ...others };
    assert.equal(await valueOf(connectionText(other)), await valueOf(connectionText(pulumi.output(connection))));
  });

  it("is secret, and made once for one Output", async () => {
    const output = pulumi.output(connection);
    assert.equal(connectionText(output), connectionText(output));
    assert.equal(await pulumi.isSecret(connectionText(output)), true);
  });

  it("follows a plain object that is changed between two resources", async () => {
    const plain = { ...connection };
    const before = await valueOf(connectionText(plain));
    plain.database = "other";
    assert.notEqual(await valueOf(connectionText(plain)), before);
  });
});

describe("withConnectionText", () => {
  it("gives the kind the connection, inputs its digest and outputs its text", async () => {
    const { subject, seen } = newProcess();
    const inputs = await checked(subject);
    assert.match(String(inputs["connection"]), /^sha256:[\w+/]{43}=$/);
    const { outs } = await subject.create(inputs);
    assert.ok(equal(JSON.parse(String(outs["connection"])), connection));
    assert.ok(seen.every((each) => equal(each["connection"], connection)));
  });

  it("needs nothing but the outputs to compare, read, update and delete in another process", async () => {
    const first = newProcess().subject;
    const inputs = await checked(first);
    const { outs } = await first.create(inputs);
    assert.equal((await newProcess().subject.diff("id", outs, inputs)).changes, false);
    assert.deepEqual((await newProcess().subject.read("id", outs)).inputs, inputs);
    assert.deepEqual((await newProcess().subject.read("id", outs)).props, outs);
    assert.deepEqual((await newProcess().subject.update("id", outs, inputs)).outs, outs);
    const last = newProcess();
    await last.subject.delete("id", outs);
    assert.ok(equal(last.seen, [{ connection }]));
  });

  it("sees another connection", async () => {
    const { subject } = newProcess();
    const { outs } = await subject.create(await checked(subject));
    const other = await checked(subject, { connection: JSON.stringify({ ...connection, port: 1 }) });
    assert.equal((await subject.diff("id", outs, other)).changes, true);
  });

  it("keeps the text of a change that failed half-way", async () => {
    const { subject, seen, inner } = newProcess();
    const half = (news: object) =>
      Promise.reject(new PartialChangeError(new Error("half"), "id", { ...news, name: "a" }));
    inner.create = half;
    inner.update = (_id, _olds, news) => half(news);
    const inputs = await checked(subject);
    const isKept = (error: unknown) => {
      assert.ok(error instanceof PartialChangeError);
      assert.deepEqual([error.id, error.message, error.properties], ["id", "half", { name: "a", connection: kept }]);
      return true;
    };
    const kept = JSON.stringify(normal(connection));
    await assert.rejects(subject.create(inputs), isKept);
    await assert.rejects(subject.update("id", { connection: kept }, inputs), isKept);
    assert.ok(equal(seen, [{ connection }]));
  });

  it("reads state that holds the connection as an object", async () => {
    const inputs = await checked(newProcess().subject);
    assert.equal((await newProcess().subject.diff("id", { connection }, inputs)).changes, false);
    const { subject, seen } = newProcess();
    assert.equal((await subject.diff("id", { connection }, await checked(subject))).changes, false);
    await subject.delete("id", { connection });
    assert.ok(equal(seen.at(-1), { connection }));
    assert.equal(
      (await subject.read("id", { connection })).props?.["connection"],
      (await subject.create({ connection })).outs["connection"],
    );
  });

  it("passes on what a preview does not know, and what has no connection", async () => {
    const { subject } = newProcess();
    assert.deepEqual(await checked(subject, { connection: unknown }), { connection: unknown });
    assert.deepEqual(await checked(subject, { name: "a" }), { name: "a" });
    assert.deepEqual((await subject.create({ name: "a" })).outs, { name: "a" });
  });

  it("takes the digest that ignoreChanges hands over where the outputs hold the connection, and refuses it alone", async () => {
    const first = newProcess().subject;
    const inputs = await checked(first);
    const { outs } = await first.create(inputs);
    const { subject } = newProcess();
    assert.deepEqual(await checked(subject, inputs), inputs);
    assert.equal((await subject.diff("id", outs, inputs)).changes, false);
    await assert.rejects(newProcess().subject.create(inputs), (error: Error) => {
      assert.match(error.message, /^connection: only its digest is known.*ignoreChanges/);
      assert.equal(error.stack, "");
      return true;
    });
  });
});
