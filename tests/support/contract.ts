/** What every kind of dynamic resource keeps, whatever it is: one suite, run with samples of each kind on real servers. */
import assert from "node:assert/strict";
import { provider } from "../../providers/dynamic/engine/entry";
import type { Kind } from "../../providers/dynamic/engine/kind";
import { changesOf, equal, type Properties } from "../../providers/dynamic/engine/rules";
import type { Connection } from "../../providers/dynamic/engine/session";

/** Put into the password of every connection; certificates are what lets the operator in, so that it must appear nowhere. */
export const canary = "canary-4f1d77";

/** Why a clause cannot hold for a kind. */
export interface NotApplicable {
  readonly because: string;
}

/** One object of a kind, and how it can be changed. */
export interface Samples<Inputs> {
  /** As a user asks for it. Nothing of it exists before the suite. */
  readonly inputs: Inputs;
  /** Another good value for each argument. */
  readonly changes: { readonly [K in keyof Inputs]-?: Inputs[K] };
  /** What changes beside an argument, where its other value is only good together with that. */
  readonly beside?: { readonly [K in keyof Inputs]?: Partial<Inputs> };
  /** Arguments that check refuses, over the inputs. */
  readonly refused: readonly Properties[];
  /** Somebody changes the object by hand; an update with the same inputs mends it. */
  readonly drift: { readonly change: () => Promise<unknown>; readonly shows: keyof Inputs & string };
  /** Something that differs when an object was made anew. */
  readonly fingerprint: () => Promise<unknown>;
  /** The inputs whose delete removes the object. */
  readonly drop: Inputs | NotApplicable;
  /** Inputs that must be refused beside the object, and the reason. */
  readonly conflict: { readonly inputs: Inputs; readonly message: RegExp } | NotApplicable;
}

// What the provider server hands over for a value that a preview does not know.
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const stateBytes = 1_200;

/** The same identity where nobody listens; any attempt to connect fails. */
export const unreachable = (connection: Connection): Connection => ({
  ...connection,
  host: "127.0.0.1",
  port: 1,
  tls: { ca: "none" },
});

const only = (name: string, value: unknown): Properties => Object.fromEntries([[name, value]]);

/** Runs the suite. `samples` is called when the servers are there. */
export function contract<Inputs extends { readonly connection: Connection }, State extends object>(
  kind: Kind<Inputs, State>,
  samples: () => Samples<NoInfer<Inputs>>,
): void {
  const subject = provider(kind);
  const fields = Object.keys(kind.fields);
  const table: Readonly<Record<string, { readonly onChange: string; readonly secret?: true }>> = kind.fields;
  const ruleOf = (name: string) => table[name]?.onChange;
  const changeOf = (name: string): unknown => new Map(Object.entries<unknown>(samples().changes)).get(name);
  const besides = (name: string) => ({
    ...new Map(Object.entries<object | undefined>(samples().beside ?? {})).get(name),
  });
  const wish = () => ({
    ...samples().inputs,
    connection: { ...samples().inputs.connection, password: canary },
    logUrn: "urn:pulumi:x",
  });
  const made = async () => (await subject.create(wish())).outs;
  const withoutSecrets = (properties: Properties) =>
    Object.fromEntries(Object.entries(properties).filter(([name]) => table[name]?.secret !== true));
  const offline = (properties: Properties): Properties => ({
    ...properties,
    connection: unreachable(samples().inputs.connection),
  });

  describe(`contract of ${kind.type}`, () => {
    it("sees no change between equal arguments", async () => {
      const outs = { ...wish(), ...Object.fromEntries(kind.outputs.map((name) => [name, "x"])) };
      const { changes, replaces } = await subject.diff("id", outs, wish());
      assert.deepEqual({ changes, replaces }, { changes: false, replaces: [] });
    });

    it("follows the rule of each argument that changes", async () => {
      for (const name of fields) {
        const changed = { ...wish(), ...besides(name), ...only(name, changeOf(name)) };
        const { changes, replaces, deleteBeforeReplace } = await subject.diff("id", wish(), changed);
        assert.deepEqual(
          { name, changes, replaces },
          { name, changes: true, replaces: ruleOf(name) === "replace" ? [name] : [] },
        );
        assert.equal(deleteBeforeReplace, true);
        assert.deepEqual(
          (await subject.check(wish(), changed)).failures,
          [],
          `${name}: the sample must be a good value`,
        );
      }
    });

    it("tolerates unknown values at any depth", async () => {
      for (const name of fields) {
        for (const value of [unknown, { within: unknown }, [unknown]]) {
          const preview = { ...wish(), ...only(name, value) };
          assert.deepEqual((await subject.check(wish(), preview)).failures, []);
          assert.equal((await subject.diff("id", wish(), preview)).changes, true);
        }
      }
      const nothingKnown = Object.fromEntries(fields.map((name) => [name, unknown]));
      assert.deepEqual((await subject.check({}, nothingKnown)).failures, []);
      await subject.diff("id", wish(), nothingKnown);
    });

    it("refuses with the path in the reason, and without values of secrets", async () => {
      for (const bad of [{ noSuchArgument: canary }, ...samples().refused]) {
        const { failures } = await subject.check({}, { ...wish(), ...bad });
        assert.notEqual(failures.length, 0, JSON.stringify(bad));
        for (const { property, reason } of failures) {
          assert.equal(property, "");
          assert.match(reason, /^[A-Za-z]+(\.[^:]+|\[\d+\])*: \S/);
          assert.ok(!reason.includes(canary), reason);
        }
      }
    });

    it("makes what is asked for, and reads it back", async () => {
      const { id, outs } = await subject.create(wish());
      const read = await subject.read(id, outs);
      assert.equal(read.id, id);
      assert.deepEqual(changesOf(kind, { ...read.props }, wish()), { replace: [], update: [], store: [] });
      assert.ok(equal(read.inputs, wish()), JSON.stringify(withoutSecrets(read.inputs ?? {})));
      for (const name of kind.outputs) assert.ok(equal(read.props?.[name], outs[name]), name);
      assert.equal((await subject.diff(id, { ...read.props }, wish())).changes, false);
    });

    it("adopts what is exactly as asked", async () => {
      const first = await made();
      const before = await samples().fingerprint();
      assert.deepEqual(await made(), first);
      assert.deepEqual(await samples().fingerprint(), before);
    });

    it("refuses what differs, and changes nothing", async () => {
      const { conflict } = samples();
      if ("because" in conflict) {
        assert.notEqual(conflict.because, "");
        return;
      }
      await made();
      const before = await samples().fingerprint();
      await assert.rejects(subject.create({ ...conflict.inputs }), conflict.message);
      assert.deepEqual(await samples().fingerprint(), before);
    });

    it("shows what was changed by hand, and mends it", async () => {
      const { id, outs } = await subject.create(wish());
      const { change, shows } = samples().drift;
      await change();
      const drifted = await subject.read(id, outs);
      const { replace, update, store } = changesOf(kind, { ...drifted.props }, wish());
      assert.deepEqual([...replace, ...update, ...store], [shows]);
      const { outs: mended } = await subject.update(id, { ...drifted.props }, wish());
      assert.deepEqual(changesOf(kind, { ...(await subject.read(id, mended)).props }, wish()), {
        replace: [],
        update: [],
        store: [],
      });
    });

    it("saves what is only stored without a connection", async () => {
      const stored = Object.fromEntries(
        fields
          .filter((name) => ruleOf(name) === "store" && name !== "connection")
          .map((name) => [name, changeOf(name)]),
      );
      const { outs } = await subject.update("id", wish(), offline({ ...wish(), ...stored }));
      for (const [name, value] of Object.entries(stored)) assert.ok(equal(outs[name], value), name);
    });

    it("keeps the object on delete by default, without a connection", async () => {
      const { id, outs } = await subject.create(wish());
      assert.notEqual(kind.keeps?.(samples().inputs), undefined);
      await subject.delete(id, offline(outs));
      assert.notEqual((await subject.read(id, outs)).props, undefined);
    });

    it("keeps plain and small state, without secrets", async () => {
      const outs = await made();
      assert.deepEqual(JSON.parse(JSON.stringify(outs)), outs);
      const clear = JSON.stringify(withoutSecrets(outs));
      assert.ok(clear.length <= stateBytes, `${String(clear.length)} bytes: ${clear}`);
      assert.ok(!clear.includes(canary) && !clear.includes("PRIVATE KEY"));
      assert.ok(!kind.id(samples().inputs).includes(canary));
    });

    it("fails in plain words, without secrets or a stack", async () => {
      const { connection } = samples().inputs;
      const lost = { ...connection, password: canary, tls: { ...connection.tls, ca: "none" } };
      const nodes =
        "nodes" in samples().inputs ? { nodes: { lost: { host: connection.host, port: connection.port } } } : {};
      const error = await subject.read("id", { ...wish(), ...nodes, connection: lost }).then(
        () => assert.fail("its certificate was accepted"),
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof Error);
      assert.match(
        error.message,
        new RegExp(`^cannot read ${kind.type} ".+" on ${connection.host}:${String(connection.port)}: .*certificate`),
      );
      assert.ok(!error.message.includes(canary) && error.stack === "");
    });

    it("removes the object where asked, and is content when it is gone", async () => {
      const { drop } = samples();
      if ("because" in drop) {
        assert.notEqual(kind.keeps?.(samples().inputs), undefined, drop.because);
        return;
      }
      const { id, outs } = await subject.create({ ...wish(), ...drop });
      await subject.delete(id, outs);
      assert.deepEqual(await subject.read(id, outs), {});
      await subject.delete(id, outs);
    });
  });
}
