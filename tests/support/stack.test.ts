/** The harness itself, with a resource whose whole provider is a literal text. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import type { TestStack } from "./stack";
import { withStack } from "./stack";
import { requires } from "./tools";

// The package must be found from the project's folder, as the stub of every real kind needs it.
const provider = `exports.handler = () => ({
  check: async (olds, news) => {
    require.resolve("pulumi-citus/package.json");
    return { inputs: news, failures: news.value === "refused" ? [{ property: "", reason: "value: refused" }] : [] };
  },
  diff: async (id, olds, news) => ({ changes: olds.value !== news.value }),
  create: async (inputs) => ({ id: "one", outs: inputs }),
  update: async (id, olds, news) => ({ outs: news }),
  read: async (id, outs) => {
    const present = outs.value === "drifts" ? { ...outs, value: "drifted" } : outs;
    return { id, props: present, inputs: present };
  },
  delete: async () => {},
});`;

class Note extends pulumi.CustomResource {
  constructor(name: string, value: string, opts?: pulumi.CustomResourceOptions) {
    super("pulumi-nodejs:dynamic/test:Note", name, { value, __provider: provider }, opts);
  }
}

const program = (...values: string[]) => {
  return async (): Promise<pulumi.Inputs> => {
    let last: Note | undefined;
    for (const value of values) {
      last = new Note(`note-${value.slice(0, 1)}`, value, last === undefined ? {} : { dependsOn: last });
    }
    return { count: values.length };
  };
};

describe("withStack", function () {
  this.timeout(60_000);
  before(function () {
    requires(this, "cli", "launcher");
  });

  it("makes, keeps, changes and removes resources, and counts what it did", async () => {
    let used: TestStack | undefined;
    await withStack(
      () => program("a", "b"),
      async (stack) => {
        used = stack;
        const plan = await stack.preview();
        assert.equal(plan.changesByType["pulumi-nodejs:dynamic/test:Note"]?.["create"], 2);
        const up = await stack.up();
        assert.deepEqual(
          up.steps.map(({ op, name }) => `${op} ${name}`),
          ["create note-a", "create note-b"],
        );
        assert.equal(up.outputs["count"]?.value, 2);
        assert.doesNotMatch(up.output, /warning/);
        await stack.expectNoChanges();

        stack.change(program("a2"));
        const change = await stack.up();
        assert.deepEqual(
          change.steps.map(({ op, name }) => `${op} ${name}`),
          ["update note-a", "delete note-b"],
        );
        assert.deepEqual((await stack.refresh()).steps, []);
        assert.match(JSON.stringify(await stack.export()), /"a2"/);
      },
    );
    assert.ok(used !== undefined && !existsSync(used.workFolder) && !existsSync(used.dataFolder));
  });

  it("shows what a refresh finds changed", async () => {
    await withStack(
      () => program("drifts"),
      async (stack) => {
        await stack.up();
        const refresh = await stack.refresh();
        assert.deepEqual(
          refresh.steps.map(({ op, name }) => `${op} ${name}`),
          ["update note-d"],
        );
        await assert.rejects(stack.expectNoChanges(), /update .*note-d/);
      },
    );
  });

  it("gives the reason of a run that fails", async () => {
    await withStack(
      () => program("refused"),
      async (stack) => {
        const failure = await stack.failing("preview");
        assert.match(failure.output, /value: refused/);
        await assert.rejects(stack.up(), /value: refused/);
      },
    );
  });

  it("fails with the test's own error, and still removes everything", async () => {
    let used: TestStack | undefined;
    const attempt = withStack(
      () => program("a"),
      async (stack) => {
        used = stack;
        await stack.up();
        throw new Error("the test's own");
      },
    );
    await assert.rejects(attempt, /the test's own/);
    assert.ok(used !== undefined && !existsSync(used.workFolder));
    assert.deepEqual(used.processes(), []);
  });
});
