/** Which processes count, and what the kernel says of them: bench/memory.ts. */
import assert from "node:assert/strict";
import { isDescendant, peakMebibytes, programOf } from "../../bench/memory";

describe("bench: memory", () => {
  const commands: readonly { readonly words: readonly string[]; readonly is: string | undefined }[] = [
    { words: ["node", "/a/@pulumi/pulumi/cmd/dynamic-provider/index.js", "127.0.0.1:4000"], is: "dynamic provider" },
    { words: ["/usr/bin/node", "/a/@pulumi/pulumi/cmd/dynamic-provider/index.js"], is: "dynamic provider" },
    { words: ["node", "-e", "require.resolve('@pulumi/pulumi/cmd/dynamic-provider')"], is: undefined },
    { words: ["/bin/sh", "/a/pulumi-resource-pulumi-nodejs"], is: undefined },
    { words: ["/a/pulumi-resource-tls", "127.0.0.1:4000"], is: "pulumi-resource-tls" },
    { words: ["/a/bin/pulumi", "up", "--yes"], is: "pulumi" },
    { words: ["bash", "-s", "create"], is: undefined },
    { words: [], is: undefined },
  ];
  for (const { words, is } of commands)
    it(`takes "${words.join(" ")}" for ${is ?? "nothing of Pulumi"}`, () => {
      assert.equal(programOf(words.map((word) => `${word}\0`).join("")), is);
    });

  it("reads the kernel's own peak", () => {
    assert.equal(peakMebibytes("Name:\tnode\nVmHWM:\t  204800 kB\nVmRSS:\t  1024 kB\n"), 200);
  });

  it("sees that a process has ended", () => {
    assert.equal(peakMebibytes("Name:\tnode\nState:\tZ (zombie)\n"), undefined);
    assert.equal(peakMebibytes(""), undefined);
  });

  it("counts only what was started from here, directly or not", () => {
    const all = new Map([
      ["1", "PPid:\t0\n"],
      ["10", "PPid:\t1\n"],
      ["20", "PPid:\t10\n"],
      ["30", "PPid:\t20\n"],
      ["40", "PPid:\t1\n"],
    ]);
    assert.deepEqual(
      [...all.keys()].filter((id) => isDescendant(id, "10", all)),
      ["20", "30"],
    );
    assert.equal(isDescendant("99", "10", all), false);
  });
});
