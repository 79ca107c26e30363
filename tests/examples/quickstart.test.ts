/** The quickstart as its README tells users to run it: copied, with other ports, and the real `pulumi` command. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ask } from "../support/demo-cluster";
import { withProgram, type TestProgram } from "../support/program";
import { freePorts } from "../support/servers";
import { projectFolder, requires, requiresDefaultUser } from "../support/tools";

const execute = promisify(execFile);
const example = join(projectFolder, "examples", "quickstart");
const screenLines = 40;

type Strings = Readonly<Record<string, Readonly<Record<string, string>>>>;

describe("examples/quickstart", function () {
  this.timeout(600_000);

  it("fits one screen", () => {
    const lines = readFileSync(join(example, "index.ts"), "utf8").trimEnd().split("\n");
    assert.ok(lines.length <= screenLines, String(lines.length));
    assert.deepEqual(
      lines.filter((line) => line.length > 120),
      [],
    );
  });

  it("forms, changes nothing the second time, takes another worker, and is destroyed", async function () {
    requires(this, "cli", "languageHost", "tls", "command", "citus");
    requiresDefaultUser(this);
    const ports = await freePorts(4);
    const [coordinator = 0, a = 0, b = 0, c = 0] = ports;
    await withProgram(
      (folder) => {
        for (const file of readdirSync(example)) copyFileSync(join(example, file), join(folder, file));
      },
      async (program) => {
        program.edit("index.ts", "9700", String(coordinator));
        program.edit("index.ts", "9701", String(a));
        program.edit("index.ts", "9702", String(b));
        await program.pulumi("config", "set", "folder", join(program.dataFolder, "pg"));
        await program.pulumi("up", "--yes");
        await program.pulumi("up", "--yes", "--expect-no-changes");
        await assertStringsWork(program);

        program.edit("index.ts", `b: { port: ${b} }`, `b: { port: ${b} }, c: { port: ${c} }`);
        const preview = await program.pulumi("preview");
        assert.match(preview, new RegExp(`adds worker "c" \\(127\\.0\\.0\\.1:${c}\\).*no shard moves`));
        await program.pulumi("up", "--yes");
        const urls = (await program.output("nodePostgres")) as Strings;
        const added = `SELECT isactive, shouldhaveshards FROM pg_dist_node WHERE nodeport = ${c}`;
        assert.deepEqual(await ask(urls["app"]?.["app"] ?? "", added), [{ isactive: true, shouldhaveshards: true }]);

        const destroyed = await program.pulumi("destroy", "--yes");
        assert.match(destroyed, /kept the database "app"/);
        assert.match(destroyed, /keeps the data of host "c"/);
        await assert.rejects(ask(urls["app"]?.["app"] ?? "", "SELECT 1"));
        for (const key of ["coordinator", "a", "b", "c"])
          assert.ok(readdirSync(join(program.dataFolder, "pg", key, "data")).includes("PG_VERSION"), key);
      },
    );
  });
});

async function assertStringsWork(program: TestProgram): Promise<void> {
  const commands = (await program.output("psql")) as Strings;
  const urls = (await program.output("nodePostgres")) as Strings;
  assert.deepEqual(Object.keys(commands).sort(), ["app", "postgres"]);
  for (const role of Object.keys(commands)) {
    const { stdout } = await execute("bash", ["-c", `${commands[role]?.["app"] ?? ""} -XAtc "SELECT current_user"`]);
    assert.equal(stdout.trim(), role);
    assert.deepEqual(await ask(urls[role]?.["app"] ?? "", "SELECT current_user::text AS role"), [{ role }]);
  }
}
