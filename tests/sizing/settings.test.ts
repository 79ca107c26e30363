/** Settings: names, values, and what would break a cluster. The accepted and refused values were compared with real servers of all majors. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { knownSettings } from "../../sizing/known-settings";
import { nearest } from "../../sizing/nearest";
import { listElements, listProblem } from "../../sizing/setting-list";
import { settingValueProblem } from "../../sizing/setting-value";
import { checkSettings, sameSetting, settingInForce } from "../../sizing/settings";

const reasonOf = (name: string, value: string, context: Parameters<typeof checkSettings>[2] = {}) => {
  const [first, ...others] = checkSettings({ [name]: value }, "settings", context);
  assert.deepEqual(others, []);
  if (first !== undefined) assert.equal(first.path, `settings.${name}`);
  return first?.reason;
};

describe("checkSettings", () => {
  const good: readonly [string, string][] = [
    ["shared_buffers", "4GB"],
    ["shared_buffers", "128 MB"],
    ["work_mem", "4.5MB"],
    ["work_mem", "1e3kB"],
    ["checkpoint_timeout", "15min"],
    ["log_min_duration_statement", "-1"],
    ["log_file_mode", "0640"],
    ["random_page_cost", "1.1"],
    ["wal_level", "Logical"],
    ["synchronous_commit", "true"],
    ["client_min_messages", "debug"],
    ["autovacuum", "y"],
    ["TimeZone", "Europe/Berlin"],
    ["TimeZone", "posix/Europe/Berlin"],
    ["TimeZone", "<+03>-3"],
    ["log_line_prefix", "%m [%p] 'it''s' \\ "],
    ["ssl", "on"],
    ["ssl_min_protocol_version", "TLSv1.3"],
    ["citus.shard_count", "64"],
    ["citus.enable_ddl_propagation", "on"],
    ["citus.distributed_deadlock_detection_factor", "-1"],
    ["plpgsql.variable_conflict", "error"],
  ];
  for (const [name, value] of good)
    it(`accepts ${name} = ${value}`, () => assert.equal(reasonOf(name, value), undefined));

  const bad: readonly [string, string, RegExp][] = [
    // Names.
    ["shared_bufers", "1GB", /did you mean "shared_buffers"\?$/],
    ["citus.max_background_task_executor", "4", /did you mean "citus\.max_background_task_executors"\?$/],
    ["shard_count", "64", /did you mean "citus\.shard_count"\?$/],
    ["datestyle", "ISO", /did you mean "DateStyle"\?$/],
    ["include_dir", "conf.d", /is not a setting/],
    ["a; b", "1", /is not a setting/],
    ["x=1\ny", "1", /is not a setting/],
    ["pg_stat_statements.track", "all", /name that in `preload`$/],
    ["server_version", "17", /cannot be set/],
    // Values.
    ["shared_buffers", "128mb", /must be in B, kB, MB, GB, TB \(case matters\), got "128mb"/],
    ["checkpoint_timeout", "5m", /must be in us, ms, s, min, h, d/],
    ["max_connections", "100kB", /plain number without a unit/],
    ["max_connections", "0", /must be 1 to 262143, got "0"/],
    ["work_mem", "8EB", /must be in B/],
    ["work_mem", "1kB", /must be 64 to 2147483647, counted in kB/],
    ["work_mem", "", /must be a number/],
    ["autovacuum", "maybe", /must be on or off/],
    ["autovacuum", "offf", /must be on or off/],
    ["wal_compression", "snappy", /must be one of .*lz4/],
    ["TimeZone", "Mars/Phobos", /must be a time zone/],
    ["notify_buffers", "17", /multiple of 16/],
    ["citus.shard_count", "64001", /must be 1 to 64000/],
    ["citus.distributed_deadlock_detection_factor", "0", /must be -1 or above 1/],
    ["log_line_prefix", "a\nb", /control characters/],
    // What would break the cluster.
    ["shared_preload_libraries", "pg_stat_statements,citus", /name libraries in `preload`/],
    ["ssl", "off", /must stay on/],
    ["ssl_cert_file", "x.crt", /own certificates/],
    ["ssl_min_protocol_version", "TLSv1", /must be TLSv1\.3/],
    ["ssl_min_protocol_version", "TLS1.2", /must be TLSv1\.3/],
    ["ssl_max_protocol_version", "TLSv1.2", /must be TLSv1\.3/],
    ["citus.node_conninfo", "sslmode=disable", /verify-full/],
    ["citus.local_hostname", "localhost", /own address/],
    ["port", "5433", /where the host is described/],
    ["listen_addresses", "*", /addresses of the hosts/],
    ["hba_file", "/etc/hba", /pg_hba\.conf is written/],
    ["ident_file", "/etc/ident", /pg_ident\.conf is written/],
    ["wal_level", "minimal", /must be logical, got "minimal"/],
    ["fsync", "off", /use synchronous_commit=off/],
    ["fsync", "0", /must stay on/],
    ["full_page_writes", "false", /torn pages/],
    ["max_wal_senders", "0", /at least 1/],
    ["max_prepared_transactions", "0", /at least 1/],
    ["zero_damaged_pages", "on", /must stay off/],
    ["password_encryption", "md5", /scram-sha-256/],
    ["dynamic_library_path", "/tmp", /\$libdir/],
    ["citus.enable_ddl_propagation", "off", /must stay on/],
  ];
  for (const [name, value, reason] of bad)
    it(`refuses ${JSON.stringify(name)} = ${JSON.stringify(value)}`, () =>
      assert.match(reasonOf(name, value) ?? "", reason));

  it("accepts settings of preloaded libraries, by the library's own prefix", () => {
    assert.equal(reasonOf("pg_stat_statements.track", "all", { preload: ["pg_stat_statements"] }), undefined);
    assert.equal(reasonOf("cron.database_name", "app", { preload: ["$libdir/pg_cron"] }), undefined);
    assert.match(reasonOf("citus.nonsense_of_mine", "1", { preload: ["citus"] }) ?? "", /is not a setting/);
  });

  it("knows what each PostgreSQL major knows", () => {
    assert.match(
      reasonOf("io_method", "worker", { postgresVersion: 17 }) ?? "",
      /needs PostgreSQL 18 or newer, the nodes have 17/,
    );
    assert.equal(reasonOf("io_method", "io_uring", { postgresVersion: 18 }), undefined);
    assert.match(reasonOf("force_parallel_mode", "on", { postgresVersion: 17 }) ?? "", /up to PostgreSQL 15/);
    assert.match(reasonOf("maintenance_work_mem", "64kB") ?? "", /must be 1024 to/);
    assert.equal(reasonOf("maintenance_work_mem", "64kB", { postgresVersion: 17 }), undefined);
  });

  it("tells all problems at once, in order, with their paths", () => {
    const problems = checkSettings(
      { ssl: false, work_mem: "64MB", max_connections: 0, nonsense_of_mine: "1" },
      "workerSettings",
    );
    assert.deepEqual(
      problems.map(({ path }) => path),
      ["workerSettings.ssl", "workerSettings.max_connections", "workerSettings.nonsense_of_mine"],
    );
  });

  it("refuses connections that are all reserved", () => {
    assert.match(reasonOf("max_connections", "3") ?? "", /must be above .* \(3\), got 3/);
    assert.deepEqual(checkSettings({ max_connections: "4", superuser_reserved_connections: "3" }, "s"), []);
  });

  it("takes the server's own value of every setting", () => {
    for (const setting of knownSettings.values()) {
      if (setting.inForce === "fixed") continue;
      assert.equal(settingValueProblem(setting, setting.builtIn), undefined, `${setting.name} = ${setting.builtIn}`);
    }
  });

  it("takes every number of a range and none beside it", () => {
    const numbers = [...knownSettings.values()].flatMap(({ range, ...setting }) =>
      range === undefined || setting.type !== "int" || /_buffers$|^vacuum_buffer|^io_max_concurrency/.test(setting.name)
        ? []
        : [{ ...setting, range }],
    );
    fc.assert(
      fc.property(fc.constantFrom(...numbers), fc.double({ min: 0, max: 1, noNaN: true }), (setting, share) => {
        const { min, max } = setting.range;
        const inside = Math.round(min + share * (max - min));
        const takes = (value: number) => settingValueProblem(setting, String(value)) === undefined;
        return takes(inside) && takes(min) && takes(max) && !takes(min - 1) && !takes(max + 1);
      }),
    );
  });

  it("suggests only names that exist, and the right one after a single slip", () => {
    const names = [...knownSettings.keys()];
    const suggestion = (name: string) => /did you mean "(.+)"/.exec(reasonOf(name, "1") ?? "")?.[1];
    fc.assert(fc.property(fc.string(), (text) => knownSettings.has(suggestion(`x_${text}`) ?? "port")));
    fc.assert(
      fc.property(fc.constantFrom(...names.filter((name) => name.length > 5)), fc.nat(), (name, at) => {
        const index = at % name.length;
        const slip = `${name.slice(0, index)}#${name.slice(index + 1)}`;
        return suggestion(slip) !== undefined && nearest(slip, names) !== undefined;
      }),
    );
  });
});

describe("checkSettings of a database or a role", () => {
  const of = (scope: "database" | "role", name: string, value: string) => reasonOf(name, value, { scope });

  it("takes what a session can set, and nothing else", () => {
    for (const { name, inForce, builtIn } of knownSettings.values()) {
      if (inForce === "fixed") continue;
      const reason = of("database", name, builtIn);
      if (inForce !== "session")
        assert.match(reason ?? "", /cannot be set for a database; set it for the servers/, name);
      else assert.doesNotMatch(reason ?? "", /set it for the servers/, name);
    }
  });

  it("lets a role be read-only, since Citus writes its metadata as another one", () => {
    assert.match(of("database", "default_transaction_read_only", "on") ?? "", /must stay off/);
    assert.equal(of("role", "default_transaction_read_only", "on"), undefined);
  });
});

describe("checkSettings where nobody knows which libraries are loaded", () => {
  it("takes settings of any library, but no slip in a name of ours", () => {
    assert.equal(reasonOf("app.tenant", "7", { preload: "any" }), undefined);
    assert.match(reasonOf("citsu.shard_count", "7", { preload: "any" }) ?? "", /did you mean "citus.shard_count"/);
    assert.match(reasonOf("app.a.b", "7", { preload: "any" }) ?? "", /is not a setting/);
  });
});

describe("sameSetting", () => {
  const rows: readonly (readonly [string, string, string, boolean])[] = [
    ["work_mem", "64MB", "65536", true],
    ["work_mem", "64MB", "64 MB", true],
    ["work_mem", "64MB", "64kB", false],
    ["statement_timeout", "5min", "300s", true],
    ["random_page_cost", "1.10", "1.1", true],
    ["jit", "off", "FALSE", true],
    ["jit", "off", "on", false],
    ["synchronous_commit", "on", "yes", true],
    ["wal_level", "Logical", "logical", true],
    ["search_path", '"$user", public', '"$user",Public', true],
    ["search_path", '"Public"', "public", false],
    ["search_path", "", '""', true],
    ["log_line_prefix", "a", "A", false],
    ["app.tenant", "1", "01", false],
    ["work_mem", "8EB", "8EB", true],
    ["work_mem", "8EB", "9EB", false],
  ];
  for (const [name, one, other, expected] of rows)
    it(`${expected ? "takes" : "does not take"} ${name} ${one} for ${other}`, () =>
      assert.equal(sameSetting(name, one, other), expected));
});

describe("settingInForce", () => {
  it("knows restart, connection and reload; what it does not know needs a reload", () => {
    assert.deepEqual(["max_connections", "log_connections", "work_mem", "app.tenant"].map(settingInForce), [
      "restart",
      "connection",
      "reload",
      "reload",
    ]);
  });
});

describe("listElements", () => {
  const rows: readonly (readonly [string, string, readonly string[] | undefined])[] = [
    ["search_path", '"$user", Public', ["$user", "public"]],
    ["search_path", '"a ""b"", c",d', ['a "b", c', "d"]],
    ["search_path", ' "A" , b ', ["A", "b"]],
    ["search_path", "", []],
    ["search_path", '""', []],
    ["session_preload_libraries", "$libdir/Plugins/a b, c", ["$libdir/Plugins/a b", "c"]],
    ["search_path", '"a', undefined],
    ["search_path", "a,,b", undefined],
    ["search_path", "a b", undefined],
    ["search_path", 'a"b"', undefined],
    ["DateStyle", "ISO, DMY", undefined],
  ];
  for (const [name, text, expected] of rows)
    it(`reads ${name} ${JSON.stringify(text)}`, () => {
      assert.deepEqual(listElements(name, text), expected);
      if (name !== "DateStyle") assert.equal(listProblem(name, text) === undefined, expected !== undefined);
    });

  it("gives back every name that is quoted", () => {
    const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 })), (names) => {
        assert.deepEqual(listElements("search_path", names.map(quoted).join(", ")), names);
      }),
    );
  });
});
