/** Settings of one real server. */
import assert from "node:assert/strict";
import { provider } from "../../../providers/dynamic/engine/entry";
import { compile } from "../../../providers/dynamic/engine/sql";
import { readSql, resetSql, settings } from "../../../providers/dynamic/settings";
import { contract } from "../../support/contract";
import { withServers } from "./cluster";

describe("Settings statements", () => {
  it("are exactly these", () => {
    assert.deepEqual(compile(readSql({ settings: { work_mem: "8MB" } })).values, [["work_mem"]]);
    assert.equal(compile(resetSql("citus.shard_count")).text, 'ALTER SYSTEM RESET "citus.shard_count"');
  });
});

describe("Settings", function () {
  this.timeout(60_000);
  const servers = withServers(["a"], {
    settings: { work_mem: "8MB", "citus.shard_count": "16", max_connections: "60" },
  });
  const asked = { work_mem: "8MB", "citus.shard_count": "16", max_connections: "60" };
  const inputs = () => ({ connection: servers.connection("a"), node: "a", settings: asked });
  const subject = provider(settings);
  const set = (text: string) => servers.query("a", "postgres", `ALTER SYSTEM SET ${text}`);
  const now = async (name: string) =>
    (await servers.query("a", "postgres", `SELECT current_setting('${name}') AS value`))[0]?.["value"];

  contract(settings, () => ({
    inputs: inputs(),
    changes: { connection: servers.connection("a", "template1"), node: "b", settings: { work_mem: "9MB" } },
    refused: [],
    drift: { change: () => set("work_mem = '64MB'"), shows: "settings" },
    fingerprint: () =>
      servers.query("a", "postgres", "SELECT name, setting, sourcefile FROM pg_file_settings ORDER BY seqno"),
    drop: { because: "the configuration file belongs to the host" },
    conflict: { because: "what ALTER SYSTEM put above the file is taken back, never refused" },
  }));

  it("takes back what ALTER SYSTEM put above the file, in force at once", async () => {
    await set(`"citus.shard_count" = 64`);
    await servers.query("a", "postgres", "SELECT pg_reload_conf()");
    const { outs } = await subject.create(inputs());
    assert.equal(await now("citus.shard_count"), "16");
    assert.deepEqual((await subject.read("a", outs)).props?.["settings"], asked);
  });

  it("leaves ALTER SYSTEM alone for settings that are not its own, or that say the same", async () => {
    await set("maintenance_work_mem = '77MB'");
    await set("work_mem = '8MB'");
    await subject.update("a", {}, inputs());
    const kept = await servers.query(
      "a",
      "postgres",
      "SELECT name FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf' AND name LIKE '%work_mem' ORDER BY 1",
    );
    assert.deepEqual(
      kept.map(({ name }) => name),
      ["maintenance_work_mem", "work_mem"],
    );
  });

  it("says what to do when the file itself says something else", async () => {
    await assert.rejects(
      subject.update("a", {}, { ...inputs(), settings: { work_mem: "9MB" } }),
      /cannot update Settings "a": its configuration file was changed by hand: work_mem is "8MB", asked for "9MB"\. Write the file anew/,
    );
  });
});
