/** check and diff of every kind, from its field table. Pure: no network, no clock; unknown values of a preview are tolerated at any depth. */
import { isDeepStrictEqual } from "node:util";
import { nearest } from "../../../sizing/nearest";
import type { Problem } from "../../../sizing/problem";
import { checkConnection } from "./connection-check";
import type { Field, Kind } from "./kind";
import type { Connection } from "./session";

/** What the Node provider server receives for a value that a preview does not know (pulumi/pulumi sdk/nodejs/runtime/rpc.ts). */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Inputs or outputs as they travel: plain JSON by argument name. */
export type Properties = Readonly<Record<string, unknown>>;

/** Does the value hold something that a preview does not know? */
export function isUnknown(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).some(isUnknown);
  return value === unknownValue;
}

/** Left out and undefined and null are the same: JSON has no undefined, and the engine drops nulls. */
const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null;

const fieldsOf = ({ fields }: { readonly fields: object }) => Object.entries<Field<unknown>>({ ...fields });

/** Everything wrong with the inputs; what is unknown is passed over. */
export function checkInputs<Inputs, State>(kind: Kind<Inputs, State>, inputs: Properties): readonly Problem[] {
  const fields = fieldsOf(kind);
  const strange = Object.keys(inputs)
    .filter((name) => !name.startsWith("__") && name !== "logUrn" && !(name in kind.fields))
    .map((name) => ({ path: name, reason: strangeReason(name, kind) }));
  const ofFields = fields.flatMap(([name, field]) => problemsOf(name, field, inputs[name]));
  const problems = [...strange, ...ofFields];
  if (problems.length > 0) return problems;
  const known = inputsOf(kind, inputs);
  const all = fields.map(([name]) => name);
  const isKnown = (names: readonly string[]) => !names.some((name) => isUnknown(inputs[name]));
  return [
    // A component checks arguments before it has a connection to give them.
    ...("connection" in inputs && isKnown(all) ? connectionProblems(kind.lock?.(known)) : []),
    ...(isKnown(kind.checkFrom ?? all) ? (kind.check?.(known) ?? []) : []),
  ];
}

const connectionProblems = (connection: Connection | undefined): readonly Problem[] =>
  connection === undefined ? [] : checkConnection(connection);

function strangeReason<Inputs, State>(name: string, { type, fields }: Kind<Inputs, State>): string {
  const meant = nearest(name, Object.keys(fields));
  return `is not an argument of ${type}; ${meant === undefined ? "leave it out" : `did you mean "${meant}"?`}`;
}

function problemsOf(name: string, field: Field<unknown>, value: unknown): readonly Problem[] {
  if (field.check === undefined || isAbsent(value) || isUnknown(value)) return [];
  const found = field.check(value);
  if (found === undefined) return [];
  if (typeof found === "string") return [{ path: name, reason: found }];
  return found.map(({ path, reason }) => ({
    path: /^$|^\[/.test(path) ? `${name}${path}` : `${name}.${path}`,
    reason,
  }));
}

/** Why the value is no answer to what a delete does, or undefined. Reads after the path. */
export const checkOnDelete = (value: string) =>
  ["keep", "drop"].includes(value) ? undefined : `must be "keep" or "drop", got "${value}"`;

/** What changes: names of the arguments, by the rule that the change follows. */
export interface Changes {
  readonly replace: readonly string[];
  readonly update: readonly string[];
  readonly store: readonly string[];
}

/** Compares the last outputs with the inputs. An unknown value counts as a change of an argument that a server would see. */
export function changesOf<Inputs, State>(kind: Kind<Inputs, State>, old: Properties, inputs: Properties): Changes {
  const changed = fieldsOf(kind).filter(([name]) => !equal(old[name], inputs[name]));
  const by = (rule: Field<unknown>["onChange"]) =>
    changed.filter(([, field]) => field.onChange === rule).map(([name]) => name);
  return { replace: by("replace"), update: by("update"), store: by("store") };
}

/** Equal as JSON: the order of keys and absent values do not matter. */
export function equal(one: unknown, other: unknown): boolean {
  return one === other || isDeepStrictEqual(normal(one), normal(other));
}

/** Where two values differ, down to the single entry: paths with both sides, absent ones undefined. */
export function differences(
  one: unknown,
  other: unknown,
  path: string,
): readonly { path: string; one: unknown; other: unknown }[] {
  if (equal(one, other)) return [];
  if (!isRecord(one) || !isRecord(other)) return [{ path, one, other }];
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  return names.flatMap((name) => differences(one[name], other[name], `${path}.${name}`));
}

const isRecord = (value: unknown): value is Properties =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The same value for equal ones: without what is absent, keys in order. */
export function normal(value: unknown): unknown {
  if (isAbsent(value)) return undefined;
  if (Array.isArray(value)) return value.map(normal);
  // JSON has no negative zero.
  if (typeof value !== "object") return value === 0 ? 0 : value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => !isAbsent(entry))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, entry]) => [name, normal(entry)]),
  );
}

/** Only the kind's own arguments. The one place where JSON that passed the checks becomes the kind's type. */
export function inputsOf<Inputs, State>(kind: Kind<Inputs, State>, properties: Properties): Inputs {
  const own = fieldsOf(kind)
    .filter(([name]) => !isAbsent(properties[name]))
    .map(([name]) => [name, properties[name]]);
  return Object.fromEntries(own) as Inputs;
}

/** Only the kind's outputs that are not arguments. */
export function stateOf<Inputs, State>(kind: Kind<Inputs, State>, properties: Properties): State {
  return Object.fromEntries(kind.outputs.map((name) => [name, properties[name]])) as State;
}

/** Arguments that must never be shown. */
export function secretNames<Inputs, State>(kind: Kind<Inputs, State>): readonly string[] {
  return fieldsOf(kind)
    .filter(([, field]) => field.secret === true)
    .map(([name]) => name);
}
