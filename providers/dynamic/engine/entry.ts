/** A kind as the provider that Pulumi calls: check, diff, create, read, update, delete. State outlives releases, so what they take and give is a contract. */
import type * as dynamic from "@pulumi/pulumi/dynamic";
import { describeProblems } from "../../../sizing/problem";
import { operationError, PartialChangeError, quiet } from "./errors";
import type { Context, Found, Kind } from "./kind";
import { withClusterLock } from "./lock";
import { engineLog, isAbandoned, withLines, type Log } from "./log";
import {
  changesOf,
  checkInputs,
  differences,
  equal,
  inputsOf,
  isUnknown,
  secretNames,
  stateOf,
  type Properties,
} from "./rules";
import { connectTo } from "./session";
import { alone, together } from "./together";

/** What Pulumi's provider process calls; every method is there, and none gives anything untyped. */
export interface Provider extends dynamic.ResourceProvider {
  check(olds: object, news: object): Promise<{ inputs: Properties; failures: { property: ""; reason: string }[] }>;
  diff(
    id: string,
    olds: object,
    news: object,
  ): Promise<{ changes: boolean; replaces: string[]; deleteBeforeReplace: true }>;
  create(news: object): Promise<{ id: string; outs: Properties }>;
  read(id: string, properties: object): Promise<{ id?: string; props?: Properties; inputs?: Properties }>;
  update(id: string, olds: object, news: object): Promise<{ outs: Properties }>;
  delete(id: string, properties: object): Promise<void>;
}

/** The provider of one kind. */
export function provider<Inputs extends object, State extends object>(kind: Kind<Inputs, State>): Provider {
  const operate = async <T>(
    verb: "create" | "read" | "update" | "delete",
    properties: Properties,
    work: (inputs: Inputs, context: Context) => Promise<T>,
    /** What state holds when the change fails half-way. */
    partial: Properties = properties,
  ): Promise<T> => {
    const inputs = inputsOf(kind, properties);
    const id = kind.id(inputs);
    const owner = `${verb} ${kind.type} ${id}`;
    let begun = undefined as Properties | undefined;
    const context = contextOf(
      engineLog(properties["logUrn"]),
      owner,
      (now = {}) => (begun = now),
      (key, question, ask) =>
        // A change waits for nobody: it holds the lock.
        verb === "read" ? together(JSON.stringify(key), question, ask) : alone(question, ask),
    );
    try {
      if (verb === "read" || kind.lock === undefined) return await work(inputs, context);
      return await withClusterLock(kind.lock(inputs), owner, () => work(inputs, context));
    } catch (cause) {
      const error = operationError(verb, kind.type, id, cause, kind.hints);
      throw begun === undefined ? error : quiet(new PartialChangeError(error, id, plainJson({ ...partial, ...begun })));
    }
  };

  const operations: Provider = {
    check: (_olds: Properties, news: Properties) =>
      Promise.resolve({
        inputs: news,
        // With a property name the CLI would print the value beside the reason, secrets included.
        failures: checkInputs(kind, news).map((problem) => ({ property: "", reason: describeProblems([problem]) })),
      }),

    diff: (_id: string, olds: Properties, news: Properties) => {
      const { replace, update, store } = changesOf(kind, olds, news);
      const changed = [...replace, ...update, ...store];
      const changes = changed.length > 0;
      if (
        changes &&
        kind.forecast !== undefined &&
        !(kind.forecastFrom ?? Object.keys(kind.fields)).some((name) => isUnknown(news[name]))
      ) {
        const log = engineLog(news["logUrn"]);
        for (const line of kind.forecast(both(kind, olds), inputsOf(kind, news))) log(line, false);
      }
      // An id that changes is another object, whatever argument it comes from.
      const isOther =
        changes &&
        !changed.some((name) => isUnknown(news[name])) &&
        kind.id(inputsOf(kind, olds)) !== kind.id(inputsOf(kind, news));
      // Two objects of one name cannot exist side by side, so the old one always goes first.
      return Promise.resolve({ changes, replaces: isOther ? changed : [...replace], deleteBeforeReplace: true });
    },

    create: async (news: Properties) => {
      const state = await operate("create", news, async (inputs, context) => {
        const found = await kind.read(inputs, context);
        if (found !== undefined && isAsAsked(kind, inputs, found)) {
          context.info(
            `${kind.type} "${kind.id(inputs)}" exists exactly as asked; it is managed here from this run on`,
          );
          return found.state;
        }
        return await settled(kind, inputs, context, await kind.create(inputs, context));
      });
      return { id: kind.id(inputsOf(kind, news)), outs: outputsOf(kind, news, state) };
    },

    read: async (id: string, properties: Properties) => {
      const found = await operate("read", properties, (inputs, context) =>
        kind.read(inputs, context, stateOf(kind, properties)),
      );
      if (found === undefined) return {};
      // What the user left out is the server's to choose, so it is no drift, unless only a part of the object is there.
      const seen = Object.entries(found.inputs).filter(
        ([name]) => found.complete === false || (properties[name] !== undefined && properties[name] !== null),
      );
      const now = { ...properties, ...Object.fromEntries(seen) };
      const log = engineLog(properties["logUrn"]);
      // The CLI names the argument only; which of a hundred settings was changed by hand is what people want to know.
      for (const line of shownDifferences(kind, argumentsOf(kind, properties), now, found.where))
        log(`changed outside of Pulumi: ${line}`, false);
      return { id, props: outputsOf(kind, now, found.state), inputs: plainJson(argumentsOf(kind, now)) };
    },

    update: async (_id: string, olds: Properties, news: Properties) => {
      const { update: run } = kind;
      const { update, store } = changesOf(kind, olds, news);
      // Called without any change, it is the run after one that failed half-way.
      if (run === undefined || (update.length === 0 && store.length > 0)) {
        return { outs: outputsOf(kind, news, stateOf(kind, olds)) };
      }
      const finish = async (inputs: Inputs, context: Context) =>
        settled(kind, inputs, context, await run(inputs, context, both(kind, olds)));
      const state = await operate("update", news, finish, olds);
      return { outs: outputsOf(kind, news, state) };
    },

    delete: async (_id: string, properties: Properties) => {
      const kept = kind.keeps?.(inputsOf(kind, properties));
      if (kept === "") return;
      if (kept !== undefined) engineLog(properties["logUrn"])(kept, false);
      else
        await operate("delete", properties, (inputs, context) =>
          kind.delete(inputs, context, stateOf(kind, properties)),
        );
    },
  };
  return {
    ...operations,
    diff: (...args) => withLines(operations.diff(...args)),
    create: (...args) => withLines(operations.create(...args)),
    read: (...args) => withLines(operations.read(...args)),
    update: (...args) => withLines(operations.update(...args)),
    delete: (...args) => withLines(operations.delete(...args)),
  };
}

function contextOf(log: Log, owner: string, begin: Context["begin"], asked: Context["together"]): Context {
  return {
    begin,
    together: asked,
    progress: (message) => {
      // Long work is a job of the cluster: the next run finds it, and must not find us holding the lock.
      if (isAbandoned()) throw new Error("the Pulumi engine that asked for it is gone; run again, it continues there");
      log(message, true);
    },
    info: (message) => {
      log(message, false);
    },
    connect: (connection, use) => connectTo(connection, `pulumi-citus ${owner}`, use),
  };
}

/** True when the found object can be adopted, false when create may finish it. @throws what differs, both sides shown */
function isAsAsked<Inputs extends object, State>(
  kind: Kind<Inputs, State>,
  inputs: Inputs,
  found: Found<Inputs, State>,
): boolean {
  const asked: Properties = Object.fromEntries(Object.entries(inputs));
  const there: Properties = Object.fromEntries(Object.entries(found.inputs));
  const different = Object.keys(there).filter((name) => asked[name] !== undefined && !equal(asked[name], there[name]));
  const refused = different.filter((name) => !(kind.mends ?? []).some((mended) => mended === name));
  if (refused.length === 0) return different.length === 0 && found.complete !== false;
  const lines = shownDifferences(
    kind,
    Object.fromEntries(refused.map((name) => [name, asked[name]])),
    there,
    found.where,
    "asked for",
  );
  throw new Error(
    `it exists already and differs: ${lines.join("; ")}. Ask for what is there, or change it there first`,
  );
}

/** One line per entry that differs, with its node where nodes differ; of a secret only that it differs. */
function shownDifferences<Inputs extends object, State>(
  kind: Kind<Inputs, State>,
  one: Properties,
  other: Properties,
  where: Found<Inputs, State>["where"],
  saysOne = "was",
): readonly string[] {
  const secrets = secretNames(kind);
  const places: Properties = { ...where };
  const shown = (value: unknown) => (value === undefined ? "absent" : JSON.stringify(value));
  return Object.keys(one).flatMap((name) => {
    const place = typeof places[name] === "string" ? ` on ${places[name]}` : "";
    const found = differences(one[name], other[name], name);
    if (secrets.includes(name)) return found.length === 0 ? [] : [`${name}${place} is another one (secret)`];
    return found.map(
      ({ path, one: before, other: after }) => `${path}${place} is ${shown(after)}, ${saysOne} ${shown(before)}`,
    );
  });
}

/** The state that the operation handed over, or what is there now. */
async function settled<Inputs, State>(
  kind: Kind<Inputs, State>,
  inputs: Inputs,
  context: Context,
  state: State | undefined,
): Promise<State> {
  const now = state ?? (await kind.read(inputs, context))?.state;
  if (now === undefined)
    throw new Error("it is not there although every statement succeeded; run `pulumi up --refresh`");
  return now;
}

const both = <Inputs, State>(kind: Kind<Inputs, State>, olds: Properties): Inputs & State => ({
  ...inputsOf(kind, olds),
  ...stateOf(kind, olds),
});

/** Everything that is an input: the kind's arguments and what the engine adds. */
function argumentsOf<Inputs, State>(kind: Kind<Inputs, State>, properties: Properties): Properties {
  return Object.fromEntries(
    Object.entries(properties).filter(([name]) => !kind.outputs.some((output) => output === name)),
  );
}

const outputsOf = <Inputs, State>(kind: Kind<Inputs, State>, properties: Properties, state: State) =>
  plainJson({ ...argumentsOf(kind, properties), ...state });

/** State must be plain JSON: an undefined value fails after the side effect, and the object would be forgotten. */
function plainJson(value: object): Record<string, unknown> {
  const plain: unknown = JSON.parse(JSON.stringify(value));
  return typeof plain === "object" && plain !== null ? { ...plain } : {};
}
