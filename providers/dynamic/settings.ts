/** Settings: the settings of one node are in force as its configuration file says; what ALTER SYSTEM put above them is seen and taken back.
 *  Calls ALTER SYSTEM RESET and pg_reload_conf; reads pg_file_settings and pg_settings.
 *  Source: https://www.postgresql.org/docs/current/view-pg-file-settings.html */
import type * as pulumi from "@pulumi/pulumi";
import type { Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import type { Connection, Session } from "./engine/session";
import { ident, sql } from "./engine/sql";

/** The settings of one node. */
export interface SettingsArgs {
  /** The node itself, as a superuser. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /** Stable key of the node. Changing it replaces the resource. */
  node: pulumi.Input<string>;
  /**
   * Every setting of the node's configuration file, by name, spelled as there. Changing one checks that it is in force;
   * `NodeConfiguration` has written it before.
   */
  settings: pulumi.Input<Readonly<Record<string, pulumi.Input<string>>>>;
}

type Inputs = Resolved<SettingsArgs>;
type State = object;

/** The value that wins for each name, and whether ALTER SYSTEM put it there. */
export const readSql = (i: Pick<Inputs, "settings">) => sql`
  SELECT DISTINCT ON (name) name, setting, sourcefile LIKE '%/postgresql.auto.conf' AS "byAlterSystem"
    FROM pg_file_settings WHERE name = ANY (${Object.keys(i.settings)}) ORDER BY name, seqno DESC`;
export const resetSql = (name: string) => sql`ALTER SYSTEM RESET ${ident(name)}`;
const reloadSql = sql`SELECT pg_reload_conf()`;
const pendingSql = (i: Pick<Inputs, "settings">) => sql`
  SELECT name FROM pg_settings WHERE pending_restart AND name = ANY (${Object.keys(i.settings)}) ORDER BY name`;

interface Row {
  readonly name: string;
  readonly setting: string;
  readonly byAlterSystem: boolean;
}

async function inForce(session: Session, i: Inputs): Promise<readonly Row[]> {
  return await session.query<Row>(readSql(i));
}

async function takeBack(i: Inputs, session: Session): Promise<void> {
  const overridden = (await inForce(session, i)).filter(
    ({ name, setting, byAlterSystem }) => byAlterSystem && setting !== i.settings[name],
  );
  for (const { name } of overridden) await session.query(resetSql(name));
  if (overridden.length > 0) await session.query(reloadSql);
  const rows = await inForce(session, i);
  const wrong = Object.entries(i.settings).filter(
    ([name, value]) => rows.find((row) => row.name === name)?.setting !== value,
  );
  if (wrong.length > 0) {
    const list = wrong.map(
      ([name, value]) =>
        `${name} is ${JSON.stringify(rows.find((row) => row.name === name)?.setting ?? "not set")}, asked for ${JSON.stringify(value)}`,
    );
    throw new Error(
      `its configuration file was changed by hand: ${list.join("; ")}. Write the file anew: pulumi up --replace with the URN of this node's configuration`,
    );
  }
  const pending = await session.query<{ name: string }>(pendingSql(i));
  if (pending.length > 0) {
    throw new Error(
      `${pending.map(({ name }) => name).join(", ")} waits for a restart of the node's server; restart it and run again`,
    );
  }
}

export const settings: Kind<Inputs, State> = {
  type: "Settings",
  fields: {
    connection: { onChange: "store", secret: true },
    node: { onChange: "replace" },
    settings: { onChange: "update" },
  },
  outputs: [],
  mends: ["settings"],
  id: (i) => i.node,
  read: async (i, context, state) => {
    const rows = await context.connect(i.connection, (session) => inForce(session, i));
    const now = Object.fromEntries(
      Object.keys(i.settings).map((name) => [name, rows.find((row) => row.name === name)?.setting ?? ""]),
    );
    // Without a state nobody has managed it yet: an adoption would not be worth a word.
    return { inputs: { settings: now }, state: {}, complete: state !== undefined };
  },
  create: async (i, context) => {
    await context.connect(i.connection, (session) => takeBack(i, session));
    return {};
  },
  update: async (i, context) => {
    await context.connect(i.connection, (session) => takeBack(i, session));
    return {};
  },
  // The configuration file and the server belong to the host.
  keeps: () => "",
  delete: () => Promise.resolve(),
};

/** The settings of one node, held in force. See {@link SettingsArgs}. */
export class Settings extends DynamicResource {
  declare readonly node: pulumi.Output<string>;

  constructor(name: string, args: SettingsArgs, opts?: pulumi.CustomResourceOptions) {
    super(settings, name, args, opts);
  }
}
