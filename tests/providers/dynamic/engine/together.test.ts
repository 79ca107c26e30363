/** Questions that are asked as one. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { SqlError } from "../../../../providers/dynamic/engine/errors";
import { alone, together } from "../../../../providers/dynamic/engine/together";

describe("together", () => {
  const asked: (readonly number[])[] = [];
  const double = (questions: readonly number[]) => {
    asked.push([...questions]);
    if (questions.includes(13)) return Promise.reject(new Error("13 has no double"));
    return Promise.resolve(questions.map((question) => question * 2));
  };
  beforeEach(() => asked.splice(0));

  it("asks once for all that come at the same time, and gives each its own answer", async () => {
    const answers = await Promise.all([1, 2, 3].map((question) => together("same", question, double)));
    assert.deepEqual([answers, asked], [[2, 4, 6], [[1, 2, 3]]]);
  });

  it("keeps apart what has another key, and what comes later", async () => {
    await Promise.all([together("one", 1, double), together("other", 2, double)]);
    await together("one", 3, double);
    assert.deepEqual(asked, [[1], [2], [3]]);
  });

  it("takes what comes within a few milliseconds", async () => {
    const first = together("soon", 1, double);
    await delay(1);
    assert.deepEqual([await together("soon", 2, double), await first, asked], [4, 2, [[1, 2]]]);
  });

  it("gathers what comes while others are asked", async () => {
    let answer: () => void = () => undefined;
    const free = new Promise<void>((resolve) => (answer = resolve));
    let first = Promise.resolve(0);
    await new Promise<void>((resolve) => {
      first = together("slow", 1, async (questions: readonly number[]) => {
        resolve();
        await free;
        return await double(questions);
      });
    });
    const second = together("slow", 2, double);
    // Longer than questions are waited for.
    await delay(20);
    const third = together("slow", 3, double);
    answer();
    assert.deepEqual(await Promise.all([first, second, third]), [2, 4, 6]);
    assert.deepEqual(asked, [[1], [2, 3]]);
  });

  it("tells an error to its own asker alone", async () => {
    const results = await Promise.allSettled([1, 13, 3].map((question) => together("bad", question, double)));
    assert.deepEqual(
      results.map((result) => (result.status === "fulfilled" ? result.value : String(result.reason))),
      [2, "Error: 13 has no double", 6],
    );
    assert.deepEqual(asked, [[1, 13, 3], [1], [13], [3]]);
  });

  it("tells everybody at once that no server answers", async () => {
    const down = (questions: readonly number[]) => {
      asked.push([...questions]);
      return Promise.reject<number[]>(new SqlError("no answer", undefined, "10.0.0.5:5432", true));
    };
    const results = await Promise.allSettled([1, 2].map((question) => together("down", question, down)));
    assert.deepEqual(
      results.map(({ status }) => status),
      ["rejected", "rejected"],
    );
    assert.deepEqual(asked, [[1, 2]]);
  });

  it("asks at most 50 as one", async () => {
    const all = Array.from({ length: 120 }, (_, index) => index + 100);
    const answers = await Promise.all(all.map((question) => together("many", question, double)));
    assert.deepEqual(
      answers,
      all.map((question) => question * 2),
    );
    assert.deepEqual(
      asked.map(({ length }) => length),
      [50, 50, 20],
    );
  });

  it("asks a single question once, also when it fails", async () => {
    await assert.rejects(together("single", 13, double), /13 has no double/);
    assert.deepEqual(asked, [[13]]);
  });

  it("waits for nobody where one is asked alone", async () => {
    assert.equal(await alone(4, double), 8);
    assert.deepEqual(asked, [[4]]);
  });
});
