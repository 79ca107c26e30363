/** The demo from end to end, as `npm run demo` starts it once it has found the tools. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { engineEnvironment } from "../support/stack";
import { projectFolder, requires, serversOf, tool } from "../support/tools";

interface DemoRun {
  readonly code: number | undefined;
  readonly output: string;
}

const folderOf = (output: string) => /Everything is in (\S+)/.exec(output)?.[1] ?? "";

describe("npm run demo", function () {
  this.timeout(600_000);

  /** Runs the demo; `watch` sees the output as it grows. */
  const demo = async (args: readonly string[], watch: (output: string, stop: () => void) => void = () => undefined) =>
    await new Promise<DemoRun>((resolve, reject) => {
      const program = join(projectFolder, "dist", "examples", "demo", "main.js");
      // A group of its own, as in a terminal: the signal goes to the demo and to the engine below it.
      const { bin, user } = serversOf();
      const standIn = tool("citus").standIn === true ? ["--stand-in"] : [];
      const child = spawn(process.execPath, [program, "--bin", bin, "--user", user, ...standIn, ...args], {
        detached: true,
        env: { ...process.env, ...engineEnvironment("") },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const stop = () => {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGINT");
      };
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          output += text;
          watch(output, stop);
        });
      }
      child.on("error", reject);
      child.on("close", (code) => resolve({ code: code ?? undefined, output }));
    });

  before(function () {
    requires(this, "cli", "launcher", "tls", "command", "postgres", "citus");
  });

  it("forms, grows, proves, shrinks and destroys, and leaves nothing", async () => {
    const { code, output } = await demo([]);
    assert.equal(code, 0, output);
    assert.match(output, /adds worker "c"/);
    if (tool("citus").standIn !== true) assert.match(output, /rebalancing moves \d+ shards \(.*\) to "c"/);
    // Paths stay whole, so that they can be copied.
    assert.deepEqual(
      output.split("\n").filter((line) => line.length > 80 && !line.includes("/")),
      [],
    );
    assert.match(output, /done in \S+ s: 0 changes/);
    assert.match(output, /TLSv1\.3/);
    assert.ok(!existsSync(folderOf(output)), output);
  });

  it("destroys what it made when it is interrupted", async () => {
    let isStopped = false;
    const { code, output } = await demo([], (text, stop) => {
      if (isStopped || !text.includes("2. ")) return;
      isStopped = true;
      stop();
    });
    assert.equal(code, 130, output);
    assert.match(output, /Interrupted: pulumi destroy/);
    assert.notEqual(folderOf(output), "");
    assert.ok(!existsSync(folderOf(output)), output);
  });
});
