/** ConfigurationFile of one real server. */
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { nodeSettings } from "../../../components/node-configuration/files";
import {
  configurationFile,
  driftLines,
  fileSettings,
  readSql,
  resetSql,
  settingsDigest,
  type FileEntry,
} from "../../../providers/dynamic/configuration-file";
import { provider } from "../../../providers/dynamic/engine/entry";
import { compile } from "../../../providers/dynamic/engine/sql";
import { contract } from "../../support/contract";
import { requires } from "../../support/tools";
import { withServers } from "./cluster";

describe("settingsDigest", () => {
  it("is of one size and does not depend on the order", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (settings) => {
        const reversed = Object.fromEntries(Object.entries(settings).reverse());
        return /^[0-9a-f]{32}$/.test(settingsDigest(settings)) && settingsDigest(settings) === settingsDigest(reversed);
      }),
    );
  });

  it("differs when a name, a value or their border does", () => {
    const texts = [{ a: "b" }, { a: "c" }, { b: "b" }, { ab: "" }, { a: "b", c: "" }, {}].map((settings) =>
      settingsDigest(Object.fromEntries(Object.entries(settings))),
    );
    assert.equal(new Set(texts).size, texts.length);
  });
});

describe("fileSettings", () => {
  const entry = (file: string, name: string, setting: string): FileEntry => ({ file, name, setting, waits: false });
  const rows: readonly (readonly [string, readonly FileEntry[], readonly string[]])[] = [
    ["nothing", [], []],
    ["one entry", [entry("citus.conf", "work_mem", "8MB")], ["work_mem 8MB 8MB citus.conf"]],
    [
      "the last of two entries",
      [entry("citus.conf", "work_mem", "8MB"), entry("citus.conf", "work_mem", "9MB")],
      ["work_mem 9MB 9MB citus.conf"],
    ],
    [
      "a file that is read before",
      [entry("postgresql.conf", "work_mem", "1MB"), entry("citus.conf", "work_mem", "8MB")],
      ["work_mem 8MB 8MB citus.conf"],
    ],
    [
      "ALTER SYSTEM in another spelling of the name",
      [entry("citus.conf", "DateStyle", "ISO"), entry("postgresql.auto.conf", "datestyle", "SQL")],
      ["DateStyle ISO SQL postgresql.auto.conf"],
    ],
    ["what the host adds", [entry("citus.conf", "unix_socket_directories", "/tmp")], []],
  ];
  for (const [why, entries, expected] of rows)
    it(`knows ${why}`, () =>
      assert.deepEqual(
        fileSettings(entries).map(({ name, asked, winner }) => `${name} ${asked} ${winner.setting} ${winner.file}`),
        expected,
      ));
});

describe("driftLines", () => {
  const lines = (digest: string, ...entries: readonly FileEntry[]) =>
    driftLines({ node: "a", digest }, fileSettings(entries));
  const own = { file: "citus.conf", name: "work_mem", setting: "8MB", waits: false };
  const asked = settingsDigest({ work_mem: "8MB" });

  it("are none where the file is in force", () => assert.deepEqual(lines(asked, own), []));

  it("name the node, the setting, both values and where the winning one is from", () => {
    const above = (file: string) => lines(asked, own, { ...own, file, setting: "64MB" });
    assert.deepEqual(above("postgresql.auto.conf"), [
      'on node "a", work_mem is "64MB" by ALTER SYSTEM, "8MB" in the configuration file',
    ]);
    assert.deepEqual(above("postgresql.conf"), [
      'on node "a", work_mem is "64MB" by postgresql.conf, "8MB" in the configuration file',
    ]);
  });

  it("tell a file that was changed by hand, and one that is empty", () => {
    const byHand = ['on node "a", its configuration file was changed by hand'];
    assert.deepEqual(lines(asked, { ...own, setting: "9MB" }), byHand);
    assert.deepEqual(lines(asked), byHand);
  });
});

describe("ConfigurationFile statements", () => {
  it("are exactly these", () => {
    assert.deepEqual(compile(readSql).values, ["%/citus.conf"]);
    assert.equal(compile(resetSql("citus.shard_count")).text, 'ALTER SYSTEM RESET "citus.shard_count"');
  });
});

describe("ConfigurationFile", function () {
  this.timeout(60_000);
  const own = {
    work_mem: "8MB",
    "citus.shard_count": "16",
    max_connections: "60",
    "citus.stat_statements_max": "60000",
    log_line_prefix: "it's \\ %m",
  };
  const servers = withServers(["a"], { settings: own });
  const written = () => {
    const { host: address, port } = servers.address("a");
    return nodeSettings({ address, port, preload: ["pg_stat_statements"], settings: { fsync: "off", ...own } });
  };
  const inputs = (changes: Readonly<Record<string, string>> = {}) => ({
    connection: servers.connection("a"),
    node: "a",
    digest: settingsDigest({ ...written(), ...changes }),
  });
  const subject = provider(configurationFile);
  const ask = (text: string) => servers.query("a", "postgres", text);
  const set = (text: string) => ask(`ALTER SYSTEM SET ${text}`);
  const now = async (name: string) => (await ask(`SELECT current_setting('${name}') AS value`))[0]?.["value"];

  contract(configurationFile, () => ({
    inputs: inputs(),
    changes: {
      connection: servers.connection("a", "template1"),
      node: "b",
      digest: settingsDigest({}),
    },
    refused: [],
    drift: { change: () => set("work_mem = '64MB'"), shows: "digest" },
    fingerprint: () => ask("SELECT name, setting, sourcefile FROM pg_file_settings ORDER BY seqno"),
    drop: { because: "the configuration file belongs to the host" },
    conflict: { because: "what ALTER SYSTEM put above the file is taken back, never refused" },
  }));

  it("has a state of one size", async () => {
    const { outs } = await subject.create(inputs());
    assert.deepEqual(Object.keys(outs).sort(), ["connection", "digest", "node"]);
  });

  it("takes back what ALTER SYSTEM put above the file, in force at once", async () => {
    // Several times: new sessions see a reload only some milliseconds after it was asked for.
    for (let round = 0; round < 20; round += 1) {
      await set(`"citus.shard_count" = ${String(64 + round)}`);
      await ask("SELECT pg_reload_conf()");
      const { outs } = await subject.create(inputs());
      assert.equal(await now("citus.shard_count"), "16");
      assert.equal((await subject.read("a", outs)).props?.["digest"], inputs().digest);
    }
  });

  it("leaves ALTER SYSTEM alone for settings that are not in the file, or that say the same", async () => {
    await set("maintenance_work_mem = '77MB'");
    await set("work_mem = '8MB'");
    await subject.update("a", {}, inputs());
    const kept = await ask(
      "SELECT name FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf' AND name LIKE '%work_mem' ORDER BY 1",
    );
    assert.deepEqual(
      kept.map(({ name }) => name),
      ["maintenance_work_mem", "work_mem"],
    );
  });

  // The stand-in defines no setting of Citus, so the server takes any value of one.
  const waiting = [
    ["max_connections", "61", "citus"],
    ["citus.stat_statements_max", "70000", "realCitus"],
  ] as const;
  for (const [name, value, needs] of waiting)
    it(`says that ${name} waits for a restart${needs === "realCitus" ? ", which pg_settings hides" : ""}`, async function () {
      requires(this, needs);
      await set(`"${name}" = ${value}`);
      await servers.get("a").stop();
      await servers.get("a").start();
      await assert.rejects(
        subject.update("a", {}, inputs()),
        new RegExp(`^Error: cannot update ConfigurationFile "a": ${name} waits for a restart of the node's server`),
      );
      await servers.get("a").stop();
      await servers.get("a").start();
      await subject.update("a", {}, inputs());
    });

  it("says where another file is above it", async () => {
    const { folder } = servers.all();
    const file = join(folder, "a", "data", "postgresql.conf");
    const before = readFileSync(file, "utf8");
    appendFileSync(file, "\ncitus.shard_count = 99\n");
    try {
      await assert.rejects(
        subject.update("a", {}, inputs()),
        /citus\.shard_count is "99" by postgresql\.conf, "16" in the configuration file\. Take it out there/,
      );
    } finally {
      writeFileSync(file, before);
    }
  });

  it("says what to do when the file itself says something else", async () => {
    await assert.rejects(
      subject.update("a", {}, inputs({ work_mem: "9MB" })),
      /cannot update ConfigurationFile "a": its configuration file was changed by hand\. Write the file anew/,
    );
  });
});
