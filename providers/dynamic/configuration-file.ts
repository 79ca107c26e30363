/** ConfigurationFile: the configuration file of one node (citus.conf) is in force: what ALTER SYSTEM put above it is seen and taken back.
 *  Calls ALTER SYSTEM RESET and pg_reload_conf; reads pg_file_settings. PostgreSQL 15 or newer.
 *  Source: https://www.postgresql.org/docs/current/view-pg-file-settings.html */
import { createHash } from "node:crypto";
import type * as pulumi from "@pulumi/pulumi";
import type { Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import type { Connection, Session } from "./engine/session";
import { ident, sql } from "./engine/sql";
import { reloadSql, untilLoaded } from "./settings/reload";

/** The configuration file of one node. */
export interface ConfigurationFileArgs {
  /** The node itself, as a superuser. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /** Stable key of the node. Changing it replaces the resource. */
  node: pulumi.Input<string>;
  /**
   * {@link settingsDigest} of every setting that `NodeConfiguration` has written to the file, in place of the settings, so that state is of one
   * size. Changing it checks that the file holds them and that they are in force.
   */
  digest: pulumi.Input<string>;
}

type Inputs = Resolved<ConfigurationFileArgs>;
type State = object;

/** One line of a configuration file. */
export interface FileEntry {
  readonly name: string;
  /** The value without quotes. */
  readonly setting: string;
  /** Name of the file without its folder. */
  readonly file: string;
  /** The server cannot take the value before a restart. */
  readonly waits: boolean;
}

/** One setting of the configuration file. */
export interface FileSetting {
  readonly name: string;
  /** As the configuration file says. */
  readonly asked: string;
  /** The entry that wins: the last of all files. */
  readonly winner: FileEntry;
}

const ownFile = "citus.conf";
const alterSystemFile = "postgresql.auto.conf";
// Added by configure.sh on the host, which alone knows them.
const hostSettings = ["unix_socket_directories", "output_plugin_libraries"];

/** Every entry of a setting that the configuration file names, in the order in which the server reads them. */
export const readSql = sql`
  SELECT name, setting, regexp_replace(sourcefile, '^.*/', '') AS file,
         error IS NOT DISTINCT FROM 'setting could not be applied' AS waits
    FROM pg_file_settings
   WHERE lower(name) IN (SELECT lower(name) FROM pg_file_settings WHERE sourcefile LIKE ${`%/${ownFile}`}) ORDER BY seqno`;
export const resetSql = (name: string) => sql`ALTER SYSTEM RESET ${ident(name)}`;

/** Digest of settings: 32 hexadecimal digits, whatever their number and order. */
export function settingsDigest(settings: Readonly<Record<string, string>>): string {
  const entries = Object.entries(settings).sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(entries)).digest("hex").slice(0, 32);
}

/** The settings of the configuration file with what wins for each; case means nothing in names. */
export function fileSettings(entries: readonly FileEntry[]): readonly FileSetting[] {
  const last = (name: string, file?: string) =>
    entries.filter((each) => each.name.toLowerCase() === name && (file === undefined || each.file === file)).at(-1);
  return [...new Set(entries.map(({ name }) => name.toLowerCase()))].flatMap((name) => {
    const own = last(name, ownFile);
    const winner = last(name);
    if (own === undefined || winner === undefined || hostSettings.includes(name)) return [];
    return [{ name: own.name, asked: own.setting, winner }];
  });
}

const overridden = (settings: readonly FileSetting[]) =>
  settings.filter(({ asked, winner }) => winner.setting !== asked);
const byAlterSystem = ({ winner }: FileSetting) => winner.file === alterSystemFile;
const digestOf = (settings: readonly FileSetting[], value: (setting: FileSetting) => string) =>
  settingsDigest(Object.fromEntries(settings.map((setting) => [setting.name, value(setting)])));
const ofFile = ({ asked }: FileSetting) => asked;
const inForce = ({ winner }: FileSetting) => winner.setting;

const quoted = (text: string) => JSON.stringify(text);
const described = (setting: FileSetting) =>
  `${setting.name} is ${quoted(inForce(setting))} by ${byAlterSystem(setting) ? "ALTER SYSTEM" : setting.winner.file}, ${quoted(setting.asked)} in the configuration file`;
const byHand = "its configuration file was changed by hand";

/** What differs from the state, a line for each: a digest names no setting. */
export function driftLines(i: Pick<Inputs, "node" | "digest">, settings: readonly FileSetting[]): readonly string[] {
  const isOther = [ofFile, inForce].every((value) => digestOf(settings, value) !== i.digest);
  return [...overridden(settings).map(described), ...(isOther ? [byHand] : [])].map(
    (line) => `on node "${i.node}", ${line}`,
  );
}

const settingsOf = async (session: Session) => fileSettings(await session.query<FileEntry>(readSql));

const reload = (node: string, session: Session) =>
  untilLoaded(
    async (statement) => {
      const [row] = await session.query<{ readonly result: string }>(statement);
      return { [`node "${node}"`]: row?.result ?? "" };
    },
    () => session.query(reloadSql),
  );

async function takeBack(i: Inputs, session: Session): Promise<void> {
  const excess = overridden(await settingsOf(session)).filter(byAlterSystem);
  for (const { winner } of excess) await session.query(resetSql(winner.name));
  if (excess.length > 0) await reload(i.node, session);
  const settings = await settingsOf(session);
  if (digestOf(settings, ofFile) !== i.digest) {
    throw new Error(`${byHand}. Write the file anew: pulumi up --replace with the URN of this node's configuration`);
  }
  const others = overridden(settings);
  if (others.length > 0) throw new Error(`${others.map(described).join("; ")}. Take it out there`);
  const waiting = settings.filter(({ winner }) => winner.waits);
  if (waiting.length > 0) {
    const names = waiting.map(({ name }) => name).sort();
    const wait = names.length === 1 ? "waits" : "wait";
    throw new Error(`${names.join(", ")} ${wait} for a restart of the node's server; restart it and run again`);
  }
}

export const configurationFile: Kind<Inputs, State> = {
  type: "ConfigurationFile",
  fields: {
    connection: { onChange: "store", secret: true },
    node: { onChange: "replace" },
    digest: { onChange: "update" },
  },
  outputs: [],
  mends: ["digest"],
  id: (i) => i.node,
  read: async (i, context, state) => {
    const settings = await context.connect(i.connection, settingsOf);
    if (state !== undefined) for (const line of driftLines(i, settings)) context.info(line);
    // Without a state nobody has managed it yet: an adoption would not be worth a word.
    return { inputs: { digest: digestOf(settings, inForce) }, state: {}, complete: state !== undefined };
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

/** The configuration file of one node, held in force. See {@link ConfigurationFileArgs}. */
export class ConfigurationFile extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = configurationFile;
  declare readonly node: pulumi.Output<string>;

  constructor(name: string, args: ConfigurationFileArgs, opts?: pulumi.CustomResourceOptions) {
    super(configurationFile, name, args, opts);
  }
}
