/** Statistics: what a cluster counts of statements (citus_stat_statements) and tenants (citus_stat_tenants), how much, how long, and when it starts anew.
 *  Settings go the way of `Settings`. Calls citus_stat_statements_reset, citus_stat_tenants_local_reset and pg_stat_statements_reset. Citus 13.0 or newer.
 *  Source: https://docs.citusdata.com/en/stable/admin_guide/table_management.html */
import type * as pulumi from "@pulumi/pulumi";
import type { Problem } from "../../sizing/problem";
import { checkSettings, type SettingValues } from "../../sizing/settings";
import type { Context, Field, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import type { ServerMap } from "./engine/server";
import type { Connection } from "./engine/session";
import { sql, type Sql } from "./engine/sql";
import { change, settings } from "./settings";
import { restartLines, type PendingRestart } from "./settings/comparison";
import { onNodes } from "./settings/nodes";

/**
 * What is counted. A setting that is left out is not touched. citus_stats, the statistics of columns, comes from ANALYZE and has nothing to set.
 * Servers that {@link NodeConfiguration} configures have their settings in its file: name them there, and only `resetTrigger` here beside one of them.
 */
export interface StatisticsArgs {
  /** The coordinator, in the database whose statistics are meant, as a superuser. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /**
   * Every node, the coordinator included, by its stable key; each is dialled directly. Adding one sets the settings there; taking one out leaves
   * them there. @default - every node that Citus knows; one that is added later is told by the next change or refresh
   */
  nodes?: pulumi.Input<ServerMap>;
  /**
   * Are statements counted in citus_stat_statements (citus.stat_statements_track)? "all" needs the extension pg_stat_statements, preloaded after
   * citus. In force by a reload. @default - as it is, by Citus "none"
   */
  trackStatements?: pulumi.Input<"all" | "none">;
  /**
   * How often entries that pg_stat_statements has dropped are dropped from citus_stat_statements, too (citus.stat_statements_purge_interval).
   * Unit: seconds; 0 or less means never. Citus reads a unit wrongly there, so none is written. In force by a reload. @default - as it is, by Citus 10
   */
  statementsPurgeSeconds?: pulumi.Input<number>;
  /** Most statements that citus_stat_statements keeps (citus.stat_statements_max), 140 bytes each. Range: 1000 to 10000000. In force after a restart, which is reported. @default - as it is, by Citus 50000 */
  statementsMax?: pulumi.Input<number>;
  /** The same of pg_stat_statements (pg_stat_statements.max); equal limits make joins of both reliable. In force after a restart, which is reported. @default - as it is, by PostgreSQL 5000 */
  postgresStatementsMax?: pulumi.Input<number>;
  /** Is the load of tenants counted in citus_stat_tenants (citus.stat_tenants_track)? In force by a reload. @default - as it is, by Citus "none" */
  trackTenants?: pulumi.Input<"all" | "none">;
  /** Most tenants that citus_stat_tenants shows (citus.stat_tenants_limit). Range: 1 to 10000. In force after a restart, which is reported. @default - as it is, by Citus 100 */
  tenantsMax?: pulumi.Input<number>;
  /** Length of the periods in which citus_stat_tenants counts (citus.stat_tenants_period). Unit: seconds. Range: 1 to 86400. @default - as it is, by Citus 60 */
  tenantsPeriodSeconds?: pulumi.Input<number>;
  /** Share of the statements of tenants that are not counted yet by which one may come in (citus.stat_tenants_untracked_sample_rate). Range: 0 to 1. @default - as it is, by Citus 1 */
  tenantsSampleRate?: pulumi.Input<number>;
  /** Any text. Changing it empties citus_stat_statements, citus_stat_tenants and, of this database, pg_stat_statements on every node. A first value empties nothing. @default - never */
  resetTrigger?: pulumi.Input<string>;
  /** What a delete does: leave the settings in force, or reset them. What has been counted stays. @default "keep" */
  onDelete?: pulumi.Input<"keep" | "reset">;
}

/** What is read back. */
export interface StatisticsState {
  /** By setting: the nodes whose server must be restarted before it is in force. */
  readonly pendingRestart: PendingRestart;
}

type Inputs = Resolved<StatisticsArgs>;

const settingNames = {
  trackStatements: "citus.stat_statements_track",
  statementsPurgeSeconds: "citus.stat_statements_purge_interval",
  statementsMax: "citus.stat_statements_max",
  postgresStatementsMax: "pg_stat_statements.max",
  trackTenants: "citus.stat_tenants_track",
  tenantsMax: "citus.stat_tenants_limit",
  tenantsPeriodSeconds: "citus.stat_tenants_period",
  tenantsSampleRate: "citus.stat_tenants_untracked_sample_rate",
} as const;
type Named = keyof typeof settingNames;
const named = Object.keys(settingNames) as readonly Named[];

/** The settings that the arguments stand for. Numbers stay without a unit. */
export function statisticsSettings(i: Pick<Inputs, Named>): SettingValues {
  return Object.fromEntries(
    named.flatMap((name) => {
      const value = i[name];
      return value === undefined ? [] : [[settingNames[name], value]];
    }),
  );
}

const asSettings = (i: Inputs) => ({
  connection: i.connection,
  ...(i.nodes === undefined ? {} : { nodes: i.nodes }),
  settings: statisticsSettings(i),
});

/** Schema of pg_stat_statements, null where it is not created; and whether its library is loaded. */
export const extensionSql = sql`
  SELECT (SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_stat_statements') AS schema,
         current_setting('pg_stat_statements.max', true) IS NOT NULL AS preloaded`;

/** What empties the statistics of one node. `schema` is written by the server. */
export const resetSql = (schema: string | null): readonly Sql[] => [
  sql`SELECT citus_stat_tenants_local_reset()`,
  ...(schema === null
    ? []
    : [
        sql`SELECT citus_stat_statements_reset()`,
        sql`SELECT ${{ parts: [schema] }}.pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)`,
      ]),
];

async function statementsSchema(i: Inputs, context: Context): Promise<string | null> {
  const [row] = await context.connect(i.connection, (session) =>
    session.query<{ schema: string | null; preloaded: boolean }>(extensionSql),
  );
  if (i.trackStatements === "all" && row?.preloaded !== true) {
    throw new Error(
      "citus_stat_statements needs pg_stat_statements in shared_preload_libraries, after citus, on every node; add it and restart the servers",
    );
  }
  if (i.trackStatements === "all" && row?.schema === null) {
    throw new Error(
      `citus_stat_statements needs the extension pg_stat_statements in the database "${i.connection.database}"; create it (Extension) and list it in dependsOn`,
    );
  }
  return row?.schema ?? null;
}

const ofSetting = <Value extends string | number>(name: Named): Field<Value> & { readonly onChange: "update" } => ({
  onChange: "update",
  check: (value) => {
    if (!name.startsWith("track") && typeof value !== "number")
      return `must be a number without a unit, got ${JSON.stringify(value)}`;
    const [problem] = checkSettings({ [settingNames[name]]: value }, "", { preload: "any", scope: "server" });
    return problem?.reason;
  },
});

const checkTogether = (i: Inputs): readonly Problem[] =>
  named.some((name) => i[name] !== undefined)
    ? []
    : [{ path: "trackStatements", reason: `give it or another setting (${named.slice(1).join(", ")})` }];

export const statistics: Kind<Inputs, StatisticsState> = {
  type: "Statistics",
  fields: {
    connection: { onChange: "store", secret: true },
    nodes: { onChange: "update" },
    trackStatements: ofSetting("trackStatements"),
    statementsPurgeSeconds: ofSetting("statementsPurgeSeconds"),
    statementsMax: ofSetting("statementsMax"),
    postgresStatementsMax: ofSetting("postgresStatementsMax"),
    trackTenants: ofSetting("trackTenants"),
    tenantsMax: ofSetting("tenantsMax"),
    tenantsPeriodSeconds: ofSetting("tenantsPeriodSeconds"),
    tenantsSampleRate: ofSetting("tenantsSampleRate"),
    resetTrigger: { onChange: "update" },
    onDelete: {
      onChange: "store",
      check: (value) => (["keep", "reset"].includes(value) ? undefined : `must be "keep" or "reset", got "${value}"`),
    },
  },
  outputs: ["pendingRestart"],
  check: checkTogether,
  checkFrom: named,
  hints: settings.hints,
  mends: named,
  id: (i) => i.connection.database,
  lock: (i) => i.connection,
  forecastFrom: [...named, "resetTrigger"],
  forecast: (old, i) => [
    ...restartLines({}, statisticsSettings(old), statisticsSettings(i)),
    ...(old.resetTrigger === i.resetTrigger
      ? []
      : ["the statistics of statements and tenants start anew on every node"]),
  ],

  read: async (i, context, state) => {
    const found = await settings.read(asSettings(i), context, state);
    if (found === undefined) return undefined;
    const now: Readonly<Record<string, unknown>> = { ...found.inputs.settings };
    return {
      inputs: Object.fromEntries(
        named.filter((name) => i[name] !== undefined).map((name) => [name, now[settingNames[name]]]),
      ),
      state: found.state,
      complete: found.complete,
    };
  },
  create: async (i, context) => {
    await statementsSchema(i, context);
    return await settings.create(asSettings(i), {
      ...context,
      begin: () => {
        context.begin();
      },
    });
  },
  update: async (i, context, old) => {
    const schema = await statementsSchema(i, context);
    context.begin(Object.fromEntries(named.flatMap((name) => (i[name] === undefined ? [] : [[name, i[name]]]))));
    const wanted = statisticsSettings(i);
    const left = Object.keys(statisticsSettings(old)).filter((name) => wanted[name] === undefined);
    const state = await change(asSettings(i), context, wanted, left);
    if (old.resetTrigger !== i.resetTrigger) {
      await onNodes(asSettings(i), context, resetSql(schema));
      context.info("the statistics of statements and tenants have started anew on every node");
    }
    return state;
  },
  keeps: (i) =>
    i.onDelete === "reset"
      ? undefined
      : `kept the settings of statistics (${Object.keys(statisticsSettings(i)).join(", ")}); onDelete: "reset" resets them`,
  delete: async (i, context) => {
    await change(asSettings(i), context, {}, Object.keys(statisticsSettings(i)));
  },
};

/** What a cluster counts of statements and tenants. See {@link StatisticsArgs}. */
export class Statistics extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = statistics;
  declare readonly pendingRestart: pulumi.Output<PendingRestart>;

  constructor(name: string, args: StatisticsArgs, opts?: pulumi.CustomResourceOptions) {
    super(statistics, name, args, opts);
  }
}
