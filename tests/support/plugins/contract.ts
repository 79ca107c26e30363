/** What an offline plugin says about each property of a resource. The SDK's types are the contract: a property that an SDK
 *  has and a table lacks does not compile, nor does one that the SDK does not have. */
import type * as pulumi from "@pulumi/pulumi";

/** A property that the offline plugin does not support, and why. Using it is an error that says so. */
export interface Refused {
  readonly refused: string;
}

/** An argument that the offline plugin supports. */
export interface Field {
  readonly type: "string" | "number" | "boolean" | "list" | "strings" | "map" | "object";
  readonly required?: boolean;
  /** What an absent argument means; it appears in the outputs. */
  readonly value?: string | number | boolean;
  /** Secret in the state, whatever the program says. */
  readonly secret?: boolean;
  /** What a change does. @default "replace" */
  readonly onChange?: "replace" | "update";
  readonly oneOf?: readonly string[];
  /** Smallest number. */
  readonly least?: number;
  /** Of an object. */
  readonly fields?: Readonly<Record<string, Field | Refused>>;
}

/** One entry per argument of the SDK. */
export type FieldsOf<Args> = { readonly [Name in keyof Args]-?: Field | Refused };

/** One entry per output of the SDK that is no argument. */
export type MadeOf<Resource extends pulumi.CustomResource, Args> = {
  readonly [Name in Exclude<keyof Resource, keyof pulumi.CustomResource | keyof Args>]: "plain" | "secret" | Refused;
};

/** Values without marks of secrets, defaults filled in. Unknown ones only in `check` and `diff`. */
export type Values = Readonly<Record<string, unknown>>;

/** What operations of a resource get beside its values. */
export interface Context {
  /** The resource's name in the program. */
  readonly name: string;
  /** One line to the user, which the next one replaces. */
  readonly log: (line: string) => void;
  /** Set when the run is interrupted. */
  readonly interrupted: AbortSignal;
}

/** One resource of a plugin. */
export interface PluginResource {
  readonly fields: Readonly<Record<string, Field | Refused>>;
  readonly made: Readonly<Record<string, "plain" | "secret" | Refused>>;
  /** The outputs that are no arguments, and the id. */
  readonly create: (values: Values, context: Context) => Promise<{ readonly id: string; readonly made: Values }>;
  /** The same after a change that replaces nothing. @default - what was made before stays */
  readonly update?: (values: Values, before: Values, context: Context) => Promise<Values>;
  readonly delete?: (state: Values, context: Context) => Promise<void>;
  /** What a refresh finds changed. */
  readonly read?: (state: Values) => Values;
  /** Properties whose time has come: the resource is replaced although no argument has changed. */
  readonly due?: (state: Values) => readonly string[];
}

export const isRefused = (entry: object): entry is Refused => "refused" in entry;

// The engine's marks in what it sends (pulumi/pulumi sdk/go/common/resource/plugin/rpc.go).
const mark = "4dabf18193072939515e22adb298388d";
const secretMark = "1b47061264138c4ac30d75fd1eb44270";
const unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isSecret = (value: unknown): value is { readonly value: unknown } =>
  isObject(value) && value[mark] === secretMark;

/** Marks a value as secret, unless it is already. */
export const secret = (value: unknown): unknown => (isSecret(value) ? value : { [mark]: secretMark, value });

/** True for a value that a preview does not know yet. */
const isUnknown = (value: unknown): boolean => value === unknownText;

/** A text argument; empty when it is absent. */
export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** Removes the marks of secrets at every depth. */
export function plain(value: unknown): unknown {
  if (isSecret(value)) return plain(value.value);
  if (Array.isArray(value)) return value.map(plain);
  if (isObject(value)) return plainValues(value);
  return value;
}

/** The same for a whole set of arguments or outputs. */
export const plainValues = (values: Values): Values =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, plain(value)]));

/** Arguments of a resource without marks, defaults filled in. */
export function valuesOf({ fields }: PluginResource, sent: Values): Values {
  const defaults = Object.entries(fields).flatMap(([name, field]) =>
    isRefused(field) || field.value === undefined ? [] : [[name, field.value]],
  );
  return { ...(Object.fromEntries(defaults) as Values), ...plainValues(sent) };
}

/** Everything wrong with the arguments. No value is named: it may be a secret. */
export function checkValues(
  fields: Readonly<Record<string, Field | Refused>>,
  values: Values,
  path = "",
): readonly string[] {
  const unknownNames = Object.keys(values)
    .filter((name) => fields[name] === undefined)
    .map((name) => `${path}${name}: the offline plugin does not know this argument`);
  return [
    ...unknownNames,
    ...Object.entries(fields).flatMap(([name, field]) => checkValue(field, values[name], `${path}${name}`)),
  ];
}

function checkValue(field: Field | Refused, value: unknown, path: string): readonly string[] {
  if (value === undefined || value === null) {
    return isRefused(field) || field.required !== true ? [] : [`${path}: is required`];
  }
  if (isRefused(field)) return [`${path}: the offline plugin does not support this argument: ${field.refused}`];
  if (isUnknown(value)) return [];
  if (!hasType(field, value)) return [`${path}: must be a ${typeWords[field.type]}`];
  if (isObject(value) && field.fields !== undefined) return checkValues(field.fields, value, `${path}.`);
  const { oneOf, least } = field;
  const texts = (Array.isArray(value) ? value : [value]).filter((each) => !isUnknown(each));
  return [
    ...(oneOf === undefined || texts.every((text) => oneOf.includes(String(text)))
      ? []
      : [`${path}: must be one of ${oneOf.join(", ")}, got ${texts.map(String).join(", ")}`]),
    ...(least === undefined || Number(value) >= least ? [] : [`${path}: must be at least ${least}`]),
  ];
}

const typeWords = {
  string: "string",
  number: "number",
  boolean: "boolean",
  list: "list",
  strings: "list of strings",
  map: "map of strings",
  object: "set of arguments",
};

function hasType({ type }: Field, value: unknown): boolean {
  const strings = (list: readonly unknown[]) => list.every((each) => typeof each === "string");
  switch (type) {
    case "list":
      return Array.isArray(value);
    case "strings":
      return Array.isArray(value) && strings(value);
    case "map":
      return isObject(value) && strings(Object.values(value));
    case "object":
      return isObject(value);
    case "string":
    case "number":
    case "boolean":
      return typeof value === type;
  }
}
