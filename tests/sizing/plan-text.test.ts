/** Plans and reasons as text: units, digits, lines that fit a terminal. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { becauseText, planCluster } from "../../sizing";
import { ruleText } from "../../sizing/figure";
import { figureTexts, planFigures, reasonText, wrapped } from "../../sizing/plan-text";
import { workloads } from "./workloads";

describe("ruleText", () => {
  const rows: readonly { readonly inputs: Readonly<Record<string, number | string>>; readonly text: string }[] = [
    { inputs: {}, text: "a rule" },
    { inputs: { workers: 2 }, text: "a rule (workers = 2)" },
    { inputs: { "data (GiB)": 1500, growth: "40%" }, text: "a rule (data = 1,500 GiB, growth = 40%)" },
  ];
  for (const { inputs, text } of rows)
    it(text, () => assert.equal(ruleText({ rule: "a rule", inputs, source: "somebody" }), text));

  it("names its source where that is asked for", () => {
    const because = { rule: "a rule", inputs: {}, source: "somebody" };
    assert.equal(becauseText(because), "a rule – somebody");
    assert.deepEqual([reasonText(because), reasonText(because, false)], ["    a rule – somebody", "    a rule"]);
  });
});

describe("wrapped", () => {
  it("breaks between words only, keeps every word, and fits 80 columns where Pulumi indents it", () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,30}$/), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(words, (list) => {
        const text = wrapped(list.join(" "));
        assert.deepEqual(text.split(/\s+/), list);
        for (const line of text.split("\n")) assert.ok(line.length <= 76, line);
      }),
    );
  });
});

describe("figures as text", () => {
  it("are there for every figure of a plan, each with its unit", () => {
    const [workload] = fc.sample(workloads, { numRuns: 1, seed: 1 });
    assert.ok(workload !== undefined);
    const plan = planCluster(workload);
    const texts = figureTexts(plan);
    assert.deepEqual(Object.keys(texts), Object.keys(planFigures(plan)));
    for (const text of Object.values(texts))
      assert.match(text, /^[\d,]+ (workers|cores|GiB|shards|connections|queries)$/);
  });
});
