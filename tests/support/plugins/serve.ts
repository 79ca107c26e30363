/** Serves the resources of one offline plugin to the engine: check, diff and secrets follow from their tables. */
import { isDeepStrictEqual } from "node:util";
import * as provider from "@pulumi/pulumi/provider";
import { engineLog, withLines } from "../../../providers/dynamic/engine/log";
import {
  checkValues,
  isRefused,
  plainValues,
  secret,
  valuesOf,
  type Context,
  type PluginResource,
  type Values,
} from "./contract";

/** A plugin: its resources by type token. */
export interface Plugin {
  readonly name: string;
  readonly version: string;
  readonly resources: Readonly<Record<string, PluginResource>>;
}

const typeOf = (urn: string) => urn.split("::")[2]?.split("$").at(-1) ?? "";
const nameOf = (urn: string) => urn.slice(urn.lastIndexOf("::") + 2);

/** The plugin as the SDK's server wants it. */
export function pluginProvider({ name, version, resources }: Plugin): provider.Provider {
  const interruption = new AbortController();
  let running = 0;

  const instead = `install the real one: pulumi plugin install resource ${name} ${version}`;
  const missing = (what: string) =>
    `${what} is not in the offline ${name} plugin of pulumi-citus, which is for its tests and demo; ${instead}`;
  const find = (urn: string): PluginResource => {
    const resource = resources[typeOf(urn)];
    if (resource === undefined) throw new Error(missing(typeOf(urn)));
    return resource;
  };
  const context = (urn: string): Context => {
    const log = engineLog(urn);
    return { name: nameOf(urn), log: (line) => log(line, true), interrupted: interruption.signal };
  };
  // An engine that was killed sends nothing more, and nobody else would end this process.
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent && running === 0) process.exit(0);
  }, 1000).unref();
  const counted = async <T>(operation: () => Promise<T>): Promise<T> => {
    running += 1;
    try {
      return await withLines(operation());
    } finally {
      running -= 1;
    }
  };

  return {
    version,
    check: async (urn, _olds, news: Values) => {
      const resource = resources[typeOf(urn)];
      const problems =
        resource === undefined ? [missing(typeOf(urn))] : checkValues(resource.fields, plainValues(news));
      // With a property's name the CLI would print its value, secret or not.
      const reason = problems.join("\n");
      return { inputs: news, failures: reason === "" ? [] : [{ property: "", reason }] };
    },
    diff: async (_id, urn, olds: Values, news: Values) => {
      const resource = find(urn);
      const [before, after] = [valuesOf(resource, olds), valuesOf(resource, news)];
      const changed = Object.entries(resource.fields).filter(
        ([field]) => !isDeepStrictEqual(before[field] ?? undefined, after[field] ?? undefined),
      );
      const replaced = changed.filter(([, field]) => isRefused(field) || field.onChange !== "update");
      const due = resource.due?.({ ...before, ...after }) ?? [];
      return {
        changes: changed.length > 0 || due.length > 0,
        replaces: [...replaced.map(([field]) => field), ...due],
      };
    },
    create: (urn, news: Values) =>
      counted(async () => {
        const resource = find(urn);
        const { id, made } = await resource.create(valuesOf(resource, news), context(urn));
        return { id, outs: outputs(resource, news, made) };
      }),
    update: (_id, urn, olds: Values, news: Values) =>
      counted(async () => {
        const resource = find(urn);
        const before = plainValues(olds);
        const kept = Object.fromEntries(Object.keys(resource.made).map((each) => [each, before[each]]));
        const made = (await resource.update?.(valuesOf(resource, news), before, context(urn))) ?? {};
        return { outs: outputs(resource, news, { ...kept, ...made }) };
      }),
    read: async (id, urn, state: Values) => ({ id, props: { ...state, ...find(urn).read?.(plainValues(state)) } }),
    delete: (_id, urn, state: Values) =>
      counted(async () => {
        await find(urn).delete?.(plainValues(state), context(urn));
      }),
    invoke: async (token) => ({ failures: [{ property: "", reason: missing(token) }] }),
    cancel: async () => interruption.abort(),
  };
}

/** Arguments as they were sent, defaults, and what was made. */
function outputs({ fields, made: kinds }: PluginResource, sent: Values, made: Values): Values {
  const outs: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (isRefused(field)) continue;
    const value = sent[name] ?? field.value;
    if (value !== undefined) outs[name] = field.secret === true ? secret(value) : value;
  }
  for (const [name, kind] of Object.entries(kinds)) {
    const value = made[name];
    if (value !== undefined) outs[name] = kind === "secret" ? secret(value) : value;
  }
  return outs;
}

/** Listens until the engine ends the process. */
export async function serve(plugin: Plugin): Promise<void> {
  await provider.main(pluginProvider(plugin), process.argv.slice(2));
}
