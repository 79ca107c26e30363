/** The loop of measurements and what it leaves: bench/measure.ts, bench/scene.ts. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { figureText, measure, seconds, type Bench } from "../../bench/measure";
import { withScene, type Scene } from "../../bench/scene";

const silent: Scene = {
  say: () => undefined,
  note: () => undefined,
  folder: () => "",
  atEnd: () => undefined,
  goOn: () => undefined,
};

const benchOf = (prepare: Bench["prepare"]): Bench => ({
  compares: "one beside the other",
  unit: "s",
  rounds: 2,
  bars: [{ side: "one", atMost: 1 }],
  prepare,
});

describe("bench: measure", () => {
  it("runs the sides by turns and keeps the order of the runs", async () => {
    const ran: string[] = [];
    const side = (name: string) => ({ name, run: () => Promise.resolve(ran.push(name)) });
    const runs = await measure(
      benchOf(() => Promise.resolve([side("one"), side("other")])),
      silent,
    );
    assert.deepEqual(ran, ["one", "other", "one", "other"]);
    assert.deepEqual(runs, { one: [1, 3], other: [2, 4] });
  });

  it("begins no further run once it is interrupted", async () => {
    let count = 0;
    const bench = benchOf((scene) => {
      const run = () => {
        process.emit("SIGINT");
        return Promise.resolve((count += 1));
      };
      scene.atEnd(() => (count += 10));
      return Promise.resolve([{ name: "one", run }]);
    });
    await assert.rejects(
      withScene((scene) => measure(bench, { ...scene, say: () => undefined })),
      /^Error: interrupted$/,
    );
    assert.equal(count, 11, "one run and one clearing");
  });

  it("takes the time of the work", async () => {
    const taken = await seconds(() => new Promise((resolve) => setTimeout(resolve, 20)));
    assert.ok(taken > 0.015 && taken < 5, String(taken));
  });

  for (const [figure, text] of [
    [0.054, "0.05"],
    [9.994, "9.99"],
    [12.34, "12.3"],
    [1234.5, "1235"],
  ] as const)
    it(`shows ${figure} as ${text}`, () => assert.equal(figureText(figure), text));
});

describe("bench: scene", () => {
  it("removes its folders after success", async () => {
    const { result, notes } = await withScene((scene) => {
      const folder = scene.folder();
      writeFileSync(join(folder, "file"), "");
      scene.note("a line");
      return Promise.resolve(folder);
    });
    assert.equal(existsSync(result), false);
    assert.deepEqual(notes, ["a line"]);
  });

  it("ends everything, the last first, and tells the first failure", async () => {
    const ended: number[] = [];
    let folder = "";
    const work = withScene((scene) => {
      folder = scene.folder();
      scene.atEnd(() => ended.push(existsSync(folder) ? 1 : 0));
      scene.atEnd(() => {
        ended.push(2);
        throw new Error("a later failure");
      });
      return Promise.reject(new Error("the cause"));
    });
    await assert.rejects(work, /the cause/);
    assert.deepEqual(ended, [2, 1]);
    assert.equal(existsSync(folder), false);
  });

  it("fails when only the clearing fails", async () => {
    const work = withScene((scene) => {
      scene.atEnd(() => Promise.reject(new Error("something is left")));
      return Promise.resolve();
    });
    await assert.rejects(work, /something is left/);
  });

  it("leaves no signal handler", async () => {
    const before = process.listenerCount("SIGINT");
    await withScene(() => Promise.resolve());
    assert.equal(process.listenerCount("SIGINT"), before);
  });
});
