/** Settings: some settings of every node, of one node, of a database or of a role. What it was not asked for it never touches.
 *  Calls ALTER SYSTEM, ALTER DATABASE and ALTER ROLE … SET and RESET on each node; reads pg_file_settings and pg_db_role_setting.
 *  Sources: https://www.postgresql.org/docs/current/config-setting.html, https://docs.citusdata.com/en/stable/develop/api_guc.html */
import type * as pulumi from "@pulumi/pulumi";
import { checkExistingDatabaseName, checkRoleName } from "../../sizing/names";
import type { Problem } from "../../sizing/problem";
import { checkSettings, listElements, settingText, type SettingScope, type SettingValues } from "../../sizing/settings";
import type { Context, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { valueOf, valueOnNodes, type ServerMap } from "./engine/server";
import type { Connection } from "./engine/session";
import type { Sql } from "./engine/sql";
import {
  conflictLines,
  differing,
  effectLine,
  isSetAnywhere,
  pendingRestart,
  presentNames,
  restartLines,
  shownSettings,
  type NodeSetting,
  type NodeSettings,
  type PendingRestart,
} from "./settings/comparison";
import { onNodes } from "./settings/nodes";
import { untilLoaded } from "./settings/reload";
import { changeSql, readSql, scopeOf, targetText } from "./settings/target";

/**
 * Settings and what gets them. Without `node`, `database` and `role` it is every server of the cluster (ALTER SYSTEM).
 * Servers that {@link NodeConfiguration} configures have their settings in its file, which wins over this: name them there.
 */
export interface SettingsArgs {
  /**
   * The coordinator, or with `node` that node itself, as a superuser. Without `nodes`: in a database with citus, whose nodes the coordinator
   * dials. Changing it runs no statement.
   */
  connection: pulumi.Input<Connection>;
  /**
   * Every node that gets the settings, the coordinator included, by its stable key; each is dialled directly. Adding one sets them there;
   * taking one out leaves them there. @default - every node that Citus knows; one that is added later is told by the next change or refresh
   */
  nodes?: pulumi.Input<ServerMap>;
  /** Stable key of the one node that gets the settings; `connection` is its own. Not beside `nodes`, `database` or `role`. Changing it replaces the resource. @default - all nodes */
  node?: pulumi.Input<string>;
  /** The database whose sessions get the settings (ALTER DATABASE … SET). Changing it replaces the resource. @default - all databases */
  database?: pulumi.Input<string>;
  /** The role whose sessions get the settings (ALTER ROLE … SET), with `database` those in that database only. Changing it replaces the resource. @default - all roles */
  role?: pulumi.Input<string>;
  /**
   * Settings by PostgreSQL's own names. Text is spelled as in postgresql.conf without quotes (`"5min"`), numbers are in the setting's own unit.
   * One that is taken out is reset, and no other is touched. Unknown names, values out of range and what would break the cluster are refused.
   * Moves of shards obey a `statement_timeout` too: their copies run on the workers as the superuser, their indexes are built as the owner of
   * the table. Where one may take longer, give it to roles that own no distributed table.
   */
  settings: pulumi.Input<Readonly<Record<string, pulumi.Input<string | number | boolean>>>>;
  /** What a delete does: leave the settings in force, or reset them. @default "keep" */
  onDelete?: pulumi.Input<"keep" | "reset">;
}

/** What is read back. */
export interface SettingsState {
  /** By setting: the nodes whose server must be restarted before it is in force. Empty where a reload was enough. */
  readonly pendingRestart: PendingRestart;
}

type Inputs = Resolved<SettingsArgs>;

/** Everything wrong with settings of that scope, each with the path `path.name`. Libraries that the servers load are not known. */
export function settingProblems(settings: SettingValues, path: string, scope: SettingScope): readonly Problem[] {
  // SET knows no empty list: it would name one library, whose name is empty, and end every new session.
  const nameless = Object.keys(settings).filter(
    (name) =>
      name.endsWith("_preload_libraries") && listElements(name, settingText(settings[name]) ?? "")?.length === 0,
  );
  return [
    ...checkSettings(settings, path, { preload: "any", scope }),
    ...nameless.map((name) => ({ path: `${path}.${name}`, reason: "must name a library; leave it out for none" })),
  ];
}

function checkTogether(i: Inputs): readonly Problem[] {
  const others = (["nodes", "database", "role"] as const).filter((name) => i[name] !== undefined);
  return [
    ...(i.node === undefined || others.length === 0
      ? []
      : [{ path: "node", reason: `names one server, so leave out ${others.join(" and ")}` }]),
    ...settingProblems(i.settings, "settings", scopeOf(i)),
    ...(i.role !== undefined &&
    i.role === i.connection.user &&
    i.settings["default_transaction_read_only"] !== undefined
      ? [
          {
            path: "settings.default_transaction_read_only",
            reason: `would shut out "${i.role}", who makes every change`,
          },
        ]
      : []),
  ];
}

/** What the nodes have of these names. */
async function settingsOf(i: Inputs, context: Context, names: readonly string[]): Promise<NodeSettings> {
  const statement = readSql(i, names);
  const results =
    i.node === undefined
      ? await valueOnNodes(context, { connection: i.connection, nodes: i.nodes }, statement)
      : { [i.node]: await valueOf(context, i.connection, statement) };
  return Object.fromEntries(
    Object.entries(results).map(([node, text]) => [node, JSON.parse(text) as Readonly<Record<string, NodeSetting>>]),
  );
}

/** Sets what differs and resets what is there, on the nodes that need it. Says when it is in force, and gives what waits for a restart. */
export async function change(
  i: Inputs,
  context: Context,
  set: SettingValues,
  reset: readonly string[],
): Promise<SettingsState> {
  const names = Object.keys(set);
  const there = await settingsOf(i, context, [...names, ...reset]);
  const wanted = { set: differing(there, set), reset: presentNames(there, reset) };
  const changed = [...Object.keys(wanted.set), ...wanted.reset];
  if (changed.length > 0) {
    const nodes = Object.keys(there).filter((node) => {
      const own = Object.fromEntries(Object.entries(there).filter(([key]) => key === node));
      return Object.keys(differing(own, set)).length > 0 || isSetAnywhere(own, reset);
    });
    const ask = (statement: Sql) => onNodes(i, context, [statement], nodes);
    const tell = () => onNodes(i, context, changeSql(i, wanted), nodes);
    await (scopeOf(i) === "server" ? untilLoaded(ask, tell) : tell());
  }
  const pending = pendingRestart(await settingsOf(i, context, names), names);
  const line = effectLine(i, wanted, pending);
  if (line !== undefined) context.info(line);
  return { pendingRestart: pending };
}

export const settings: Kind<Inputs, SettingsState> = {
  type: "Settings",
  fields: {
    connection: { onChange: "store", secret: true },
    nodes: { onChange: "update" },
    node: { onChange: "replace" },
    database: { onChange: "replace", check: checkExistingDatabaseName },
    role: { onChange: "replace", check: checkRoleName },
    settings: { onChange: "update" },
    onDelete: {
      onChange: "store",
      check: (value) => (["keep", "reset"].includes(value) ? undefined : `must be "keep" or "reset", got "${value}"`),
    },
  },
  outputs: ["pendingRestart"],
  check: checkTogether,
  checkFrom: ["node", "database", "role", "settings"],
  hints: {
    "3D000": "create the database on every node first and list it in dependsOn",
    "42704":
      "create the role on every node first and list it in dependsOn; a setting may need a newer server or a library",
    "42883": "connect to a database with citus, or name the nodes",
  },
  mends: ["settings"],
  id: targetText,
  lock: (i) => i.connection,
  forecastFrom: ["node", "database", "role", "settings"],
  forecast: (old, i) => restartLines(i, old.settings, i.settings),

  read: async (i, context, state) => {
    const names = Object.keys(i.settings);
    const there = await settingsOf(i, context, names);
    if (names.length > 0 && !isSetAnywhere(there, names)) return undefined;
    return {
      inputs: { settings: shownSettings(there, i.settings) },
      state: { pendingRestart: pendingRestart(there, names) },
      // An empty map has nothing to adopt.
      complete: names.length > 0 || state !== undefined,
    };
  },
  create: async (i, context) => {
    const conflicts = conflictLines(await settingsOf(i, context, Object.keys(i.settings)), i.settings);
    if (conflicts.length > 0) {
      throw new Error(
        `it is set already and differs: ${conflicts.join("; ")}. Ask for what is there, or reset it there first`,
      );
    }
    context.begin({ settings: i.settings });
    return await change(i, context, i.settings, []);
  },
  update: async (i, context, old) => {
    context.begin({ settings: { ...old.settings, ...i.settings } });
    const left = Object.keys(old.settings).filter((name) => i.settings[name] === undefined);
    return await change(i, context, i.settings, left);
  },
  keeps: (i) =>
    i.onDelete === "reset"
      ? undefined
      : `kept the settings of ${targetText(i)} (${Object.keys(i.settings).join(", ")}); onDelete: "reset" resets them`,
  delete: async (i, context) => {
    await change(i, context, {}, Object.keys(i.settings));
  },
};

/** Some settings of a cluster, a node, a database or a role. See {@link SettingsArgs}. */
export class Settings extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = settings;
  declare readonly pendingRestart: pulumi.Output<PendingRestart>;

  constructor(name: string, args: SettingsArgs, opts?: pulumi.CustomResourceOptions) {
    super(settings, name, args, opts);
  }
}
