/** A connection on its way between a program, the engine and its state: one text, the same for equal connections, and in a resource's inputs only a
 *  digest of it. It has certificates and a key in it, and the engine takes every argument apart a dozen times per resource and run: as an
 *  object in inputs and outputs it was four fifths of the state, and half of the time of a run that changes nothing. Outputs keep the whole text,
 *  since a delete runs without the program and sees them only. */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { Provider } from "./entry";
import { PartialChangeError, quiet } from "./errors";
import { normal, unknownValue, type Properties } from "./rules";
import type { Connection } from "./session";

const texts = new WeakMap<object, pulumi.Output<string>>();

/** What a program registers for a connection: its text, secret; made once for all resources that are given the same Output. */
export function connectionText(connection: pulumi.Input<Connection>): pulumi.Output<string> {
  const known = texts.get(connection);
  if (known !== undefined) return known;
  const text = pulumi.secret(pulumi.output(connection).apply((value) => JSON.stringify(normal(value))));
  // A plain object may be changed before it is used again.
  if (pulumi.Output.isInstance(connection)) texts.set(connection, text);
  return text;
}

const digestStart = "sha256:";
const isDigest = (value: unknown): value is string => typeof value === "string" && value.startsWith(digestStart);
const isText = (value: unknown): value is string => typeof value === "string" && value.startsWith("{");

/** The properties as outputs keep them: with the text. What has no connection, or its text or digest already, stays as it is. */
const withText = (properties: Properties): Properties =>
  typeof properties["connection"] === "object"
    ? { ...properties, connection: JSON.stringify(normal(properties["connection"])) }
    : properties;

/**
 * The provider as Pulumi calls it, for one that works with connections. Whatever carries one makes its digest known: check gets the text from the
 * program; diff, read, update and delete get it from the outputs. State of releases that kept objects is read as it is.
 */
export function withConnectionText(inner: Provider): Provider {
  const digests = new Map<string, string>();
  const connections = new Map<string, unknown>();

  /** The digest of a connection's text. The connection is known by it from then on. */
  const digestOf = (text: string): string => {
    const met = digests.get(text);
    if (met !== undefined) return met;
    const connection: unknown = normal(JSON.parse(text));
    const digest = `${digestStart}${createHash("sha256").update(JSON.stringify(connection)).digest("base64")}`;
    digests.set(text, digest);
    connections.set(digest, connection);
    return digest;
  };
  /** With the connection itself. A digest that was never met stands for a value that nobody knows. */
  const opened = (properties: Properties): Properties => {
    const { connection } = withText(properties);
    if (!isText(connection) && !isDigest(connection)) return properties;
    const digest = isText(connection) ? digestOf(connection) : connection;
    return { ...properties, connection: connections.has(digest) ? connections.get(digest) : unknownValue };
  };
  /** The properties as inputs keep them: with the digest. */
  const withDigest = (properties: Properties): Properties => {
    const { connection } = withText(properties);
    return isText(connection) ? { ...properties, connection: digestOf(connection) } : properties;
  };
  /** @throws when only a digest that was never met is there */
  const known = (properties: Properties): Properties => {
    const all = opened(properties);
    if (all["connection"] !== unknownValue) return all;
    throw quiet(
      new Error(
        "connection: only its digest is known, which is what state keeps of arguments; give the connection in the program, without ignoreChanges on it",
      ),
    );
  };

  /** What a change that failed half-way leaves in state has the text, too. */
  const keepingText = async <T>(change: () => Promise<T>): Promise<T> => {
    try {
      return await change();
    } catch (error) {
      if (!(error instanceof PartialChangeError)) throw error;
      throw quiet(new PartialChangeError(error, error.id, withText(error.properties)));
    }
  };

  return {
    check: async (olds: Properties, news: Properties) => ({
      ...(await inner.check(olds, opened(news))),
      inputs: withDigest(news),
    }),
    diff: async (id, olds: Properties, news: Properties) => {
      const before = opened(olds);
      return await inner.diff(id, before, opened(news));
    },
    create: async (news: Properties) => {
      const { id, outs } = await keepingText(() => inner.create(known(news)));
      return { id, outs: withText(outs) };
    },
    read: async (id, properties: Properties) => {
      const found = await inner.read(id, known(properties));
      if (found.props === undefined || found.inputs === undefined) return found;
      return { ...found, props: withText(found.props), inputs: withDigest(found.inputs) };
    },
    update: async (id, olds: Properties, news: Properties) => {
      const before = opened(olds);
      const { outs } = await keepingText(() => inner.update(id, before, known(news)));
      return { outs: withText(outs) };
    },
    delete: async (id, properties: Properties) => {
      await inner.delete(id, known(properties));
    },
  };
}
