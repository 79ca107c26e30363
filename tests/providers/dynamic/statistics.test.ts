/** Statistics on a joined cluster. */
import assert from "node:assert/strict";
import { provider } from "../../../providers/dynamic/engine/entry";
import { compile, type Sql } from "../../../providers/dynamic/engine/sql";
import { extension } from "../../../providers/dynamic/extension";
import { nodes } from "../../../providers/dynamic/nodes";
import { resetSql, statistics, statisticsSettings } from "../../../providers/dynamic/statistics";
import { contract } from "../../support/contract";
import { clusterOf, withServers } from "./cluster";

const flat = (statement: Sql) => compile(statement).text.replaceAll(/\s+/g, " ").trim();

describe("Statistics statements", () => {
  it("write numbers without a unit, and nothing that was left out", () => {
    assert.deepEqual(statisticsSettings({ statementsPurgeSeconds: 10, trackTenants: "all", tenantsSampleRate: 0 }), {
      "citus.stat_statements_purge_interval": 10,
      "citus.stat_tenants_track": "all",
      "citus.stat_tenants_untracked_sample_rate": 0,
    });
  });

  it("empty what the extension is there for", () => {
    assert.deepEqual(resetSql(null).map(flat), ["SELECT citus_stat_tenants_local_reset()"]);
    assert.deepEqual(resetSql('"Ex tra"').map(flat), [
      "SELECT citus_stat_tenants_local_reset()",
      "SELECT citus_stat_statements_reset()",
      'SELECT "Ex tra".pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)',
    ]);
  });
});

describe("Statistics", function () {
  this.timeout(120_000);
  const keys = ["coordinator", "a"];
  // Only the real citus.so knows these settings.
  const servers = withServers(keys, {}, "realCitus");
  const cluster = clusterOf(servers);
  const subject = provider(statistics);
  const connection = (key = "coordinator") => servers.connection(key, "app");
  const inputs = () => ({
    connection: connection(),
    nodes: servers.addresses(...keys),
    statementsPurgeSeconds: 20,
    trackTenants: "all" as const,
    tenantsPeriodSeconds: 3_600,
  });
  const file = () =>
    servers.onEach(
      "postgres",
      "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%.auto.conf' AND name ~ 'stat_(statements|tenants)' ORDER BY name",
    );

  before(async () => {
    await cluster.database(...keys);
    await provider(nodes).create(cluster.inputs("a"));
  });
  afterEach(async () => {
    for (const name of ["track", "period", "limit"])
      await servers.onEach("postgres", `ALTER SYSTEM RESET citus.stat_tenants_${name}`);
    for (const name of ["track", "purge_interval", "max"])
      await servers.onEach("postgres", `ALTER SYSTEM RESET citus.stat_statements_${name}`);
  });

  contract(statistics, () => ({
    inputs: inputs(),
    changes: {
      connection: connection("a"),
      nodes: servers.addresses("coordinator"),
      trackStatements: "none" as const,
      statementsPurgeSeconds: 0,
      statementsMax: 1_000,
      postgresStatementsMax: 20_000,
      trackTenants: "none" as const,
      tenantsMax: 10_000,
      tenantsPeriodSeconds: 1,
      tenantsSampleRate: 0.5,
      resetTrigger: "2026-01",
      onDelete: "reset" as const,
    },
    refused: [
      { trackStatements: "top" },
      { statementsMax: 999 },
      { statementsPurgeSeconds: "10s" },
      { tenantsMax: 0 },
      { tenantsPeriodSeconds: 86_401 },
      { tenantsSampleRate: 1.5 },
      { onDelete: "erase" },
      { statementsPurgeSeconds: undefined, trackTenants: undefined, tenantsPeriodSeconds: undefined },
    ],
    drift: {
      change: () => servers.query("a", "postgres", "ALTER SYSTEM SET citus.stat_tenants_track = 'none'"),
      shows: "trackTenants",
    },
    fingerprint: file,
    drop: { ...inputs(), onDelete: "reset" as const },
    conflict: {
      inputs: { ...inputs(), trackTenants: "none" as const },
      message: /it is set already and differs: citus\.stat_tenants_track is all on a, coordinator, asked for "none"/,
    },
  }));

  it("sets plain numbers on every node, takes back what is left out, and says what waits for a restart", async () => {
    const { outs } = await subject.create({ ...inputs(), tenantsMax: 200 });
    const settings = [
      { name: "citus.stat_statements_purge_interval", setting: "20" },
      { name: "citus.stat_tenants_limit", setting: "200" },
      { name: "citus.stat_tenants_period", setting: "3600" },
      { name: "citus.stat_tenants_track", setting: "all" },
    ];
    assert.deepEqual(await file(), [settings, settings]);
    const { outs: less } = await subject.update("app", outs, { ...inputs(), statementsPurgeSeconds: undefined });
    assert.deepEqual(
      (await file()).map((rows) => rows.map(({ name }) => name)),
      [settings, settings].map((rows) => rows.slice(2).map(({ name }) => name)),
    );
    assert.deepEqual(less["pendingRestart"], {});
  });

  it("reports a restart that is due", async () => {
    const { outs } = await subject.create({ ...inputs(), statementsMax: 60_000 });
    assert.deepEqual(outs["pendingRestart"], { "citus.stat_statements_max": ["a", "coordinator"] });
  });

  it("asks for the extension before it counts statements", async () => {
    await assert.rejects(
      subject.create({ ...inputs(), trackStatements: "all" }),
      /cannot create Statistics "app": citus_stat_statements needs the extension pg_stat_statements in the database "app"; create it \(Extension\)/,
    );
    assert.deepEqual(await file(), [[], []]);
  });

  it("counts statements and tenants, and starts anew when the trigger changes", async () => {
    await provider(extension).create({ connection: connection(), name: "pg_stat_statements" });
    const run = (text: string) => cluster.query("coordinator", text);
    await run("CREATE TABLE public.counted (tenant int)");
    await run("SELECT create_distributed_table('public.counted', 'tenant', shard_count => 2)");
    const asked = { ...inputs(), nodes: undefined, trackStatements: "all" as const, resetTrigger: "one" };
    const { outs } = await subject.create(asked);
    // The view looks for pg_stat_statements on the session's path, which is empty in ours.
    const counts = async () => {
      const [row] = await run(`SELECT result FROM run_command_on_coordinator($$
        SELECT json_build_object('statements', (SELECT count(*) FROM citus_stat_statements WHERE query LIKE '%counted%'),
                                 'tenants', (SELECT count(*) FROM citus_stat_tenants)) $$)`);
      return JSON.parse(String(row?.["result"])) as Readonly<Record<string, number>>;
    };
    const deadline = Date.now() + 20_000;
    // A reload reaches each server a little later.
    for (;;) {
      await run("SELECT count(*) FROM public.counted WHERE tenant = 7");
      const now = await counts();
      if (now["statements"] !== 0 && now["tenants"] !== 0) break;
      assert.ok(Date.now() < deadline, JSON.stringify(now));
    }
    await subject.update("app", outs, { ...asked, resetTrigger: "two" });
    assert.deepEqual(await counts(), { statements: 0, tenants: 0 });
  });
});
