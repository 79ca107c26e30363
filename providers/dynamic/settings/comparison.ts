/** What nodes have beside what they were asked for. Pure. */
import { sameSetting, settingInForce, settingText, type SettingValues } from "../../../sizing/settings";
import { scopeOf, targetText, type SettingChange, type Target } from "./target";

/** A setting that a node has of its own. */
export interface NodeSetting {
  /** As the server keeps it. */
  readonly value: string;
  /** The running server cannot take it from its file. */
  readonly failed: boolean;
}

/** Settings by node and lower-case name. */
export type NodeSettings = Readonly<Record<string, Readonly<Record<string, NodeSetting>>>>;

const found = (there: NodeSettings, node: string, name: string): NodeSetting | undefined =>
  there[node]?.[name.toLowerCase()];

/** Nodes that do not have that value, with what they have. */
function others(there: NodeSettings, name: string, asked: SettingValues[string]) {
  return Object.keys(there)
    .sort()
    .map((node) => ({ node, value: found(there, node, name)?.value }))
    .filter(({ value }) => value === undefined || !sameSetting(name, value, settingText(asked) ?? ""));
}

/** Does any node have a setting of these names? */
export function isSetAnywhere(there: NodeSettings, names: readonly string[]): boolean {
  return Object.keys(there).some((node) => names.some((name) => found(there, node, name) !== undefined));
}

/** The names that a node has, in the given order. */
export function presentNames(there: NodeSettings, names: readonly string[]): readonly string[] {
  return names.filter((name) => isSetAnywhere(there, [name]));
}

/** The settings that a node lacks or has otherwise. */
export function differing(there: NodeSettings, settings: SettingValues): SettingValues {
  return Object.fromEntries(Object.entries(settings).filter(([name, asked]) => others(there, name, asked).length > 0));
}

/**
 * The settings as they are: as asked for where every node has them so, else what is on which node ("10min on a, b; not set on c").
 */
export function shownSettings(there: NodeSettings, settings: SettingValues): SettingValues {
  return Object.fromEntries(
    Object.entries(settings).map(([name, asked]) => {
      const odd = others(there, name, asked);
      return [name, odd.length === 0 ? asked : shownOthers(odd)];
    }),
  );
}

function shownOthers(odd: readonly { readonly node: string; readonly value: string | undefined }[]): string {
  const values = [...new Set(odd.map(({ value }) => value))];
  return values
    .map((value) => {
      const nodes = odd.filter((each) => each.value === value).map(({ node }) => node);
      return `${value ?? "not set"} on ${nodes.join(", ")}`;
    })
    .join("; ");
}

/** Settings that a node has with another value: somebody else's. Lines with both sides. */
export function conflictLines(there: NodeSettings, settings: SettingValues): readonly string[] {
  return Object.entries(settings).flatMap(([name, asked]) => {
    const set = others(there, name, asked).filter(({ value }) => value !== undefined);
    return set.length === 0 ? [] : [`${name} is ${shownOthers(set)}, asked for ${JSON.stringify(asked)}`];
  });
}

/** By name of setting: the nodes whose server must be restarted for it. */
export type PendingRestart = Readonly<Record<string, readonly string[]>>;

/** The settings that wait for a restart, each with its nodes. */
export function pendingRestart(there: NodeSettings, names: readonly string[]): PendingRestart {
  const waiting = names
    .filter((name) => settingInForce(name) === "restart")
    .map((name): [string, readonly string[]] => [
      name,
      Object.keys(there)
        .sort()
        .filter((node) => found(there, node, name)?.failed === true),
    ]);
  return Object.fromEntries(waiting.filter(([, nodes]) => nodes.length > 0));
}

/** When each changed setting is in force, as one line for the user; undefined when nothing changed. */
export function effectLine(target: Target, { set, reset }: SettingChange, pending: PendingRestart): string | undefined {
  const names = [...Object.keys(set), ...reset];
  if (names.length === 0) return undefined;
  if (scopeOf(target) !== "server") return `in force in new sessions of ${targetText(target)}: ${names.join(", ")}`;
  // What is left in the files for a name that was reset is not looked at.
  const waits = (name: string) =>
    pending[name] !== undefined || (reset.includes(name) && settingInForce(name) === "restart");
  const rest = names.filter((name) => !waits(name));
  return [
    ...partOf(
      "in force by a reload",
      rest.filter((name) => settingInForce(name) !== "connection"),
    ),
    ...partOf(
      "in force in new connections",
      rest.filter((name) => settingInForce(name) === "connection"),
    ),
    ...names.filter(waits).map((name) => {
      const nodes = pending[name];
      return `${name} waits for a restart of ${nodes === undefined ? "each server" : `the server of ${nodes.join(", ")}`}`;
    }),
  ].join("; ");
}

const partOf = (title: string, names: readonly string[]) =>
  names.length === 0 ? [] : [`${title}: ${names.join(", ")}`];

/** What a preview says of changes that a reload is not enough for. */
export function restartLines(target: Target, old: SettingValues, settings: SettingValues): readonly string[] {
  if (scopeOf(target) !== "server") return [];
  const names = [...new Set([...Object.keys(old), ...Object.keys(settings)])].filter(
    (name) => settingInForce(name) === "restart" && old[name] !== settings[name],
  );
  return names.map((name) => `${name} is in force after a restart of each server, which is yours to do`);
}
