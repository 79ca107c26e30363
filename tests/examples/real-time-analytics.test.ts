/** The analytics example as its README tells users to run it, with other ports; then with data, as its users would. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { withProgram } from "../support/program";
import { freePorts } from "../support/servers";
import { projectFolder, requires, requiresDefaultUser } from "../support/tools";

const execute = promisify(execFile);
const example = join(projectFolder, "examples", "real-time-analytics");

interface Table {
  readonly table: string;
  readonly type: string;
  readonly shards: number;
  readonly colocationId: number;
}

describe("examples/real-time-analytics", function () {
  this.timeout(600_000);

  it("plans shards from cores, distributes, rolls up, and changes nothing the second time", async function () {
    requires(this, "cli", "languageHost", "tls", "command", "realCitus");
    requiresDefaultUser(this);
    const ports = await freePorts(3);
    await withProgram(
      (folder) => {
        for (const file of readdirSync(example)) copyFileSync(join(example, file), join(folder, file));
      },
      async (program) => {
        for (const [index, port] of ports.entries()) program.edit("index.ts", String(9710 + index), String(port));
        await program.pulumi("config", "set", "folder", join(program.dataFolder, "pg"));
        const preview = await program.pulumi("preview");
        assert.match(preview, /shard/);
        await program.pulumi("up", "--yes");
        await program.pulumi("up", "--yes", "--expect-no-changes");

        const shardCount = (await program.output("shardCount")) as number;
        const tables = (await program.output("tables")) as readonly Table[];
        assert.deepEqual(
          tables.map(({ table, type, shards }) => [table, type, shards]),
          [
            ["events", "distributed", shardCount],
            ["minutes", "distributed", shardCount],
            ["pages", "reference", 1],
          ],
        );
        assert.equal(tables[0]?.colocationId, tables[1]?.colocationId);
        assert.equal(await program.output("unencrypted"), 0);

        const command = String(await program.output("connect"));
        const psql = async (text: string) =>
          (await execute("bash", ["-c", `${command} -XAtqc "${text}"`])).stdout.trim();
        await psql(
          "INSERT INTO events (site_id, at, page_id, milliseconds) SELECT i % 20, now() - interval '3 minutes', 1, 10 FROM generate_series(1, 1000) i",
        );
        for (let run = 0; run < 2; run += 1) await psql("CALL roll_up(now() - interval '10 minutes', now())");
        assert.equal(
          await psql("SELECT sum(views), sum(milliseconds), count(DISTINCT site_id) FROM minutes"),
          "1000|10000|20",
        );
      },
    );
  });
});
