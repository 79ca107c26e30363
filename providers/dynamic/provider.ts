/** `pulumi-citus/provider`: what the stub in every stack's state requires. Name and shape never change. */
import { provider, type Provider } from "./engine/entry";
import type { Kind } from "./engine/kind";
import * as exported from "./index";

const isKind = (value: unknown): value is Kind<object, object> =>
  typeof value === "object" && value !== null && "fields" in value && "outputs" in value && "read" in value;

const providers = new Map<string, Provider>();
for (const value of Object.values<unknown>({ ...exported })) {
  if (isKind(value)) providers.set(value.type, provider(value));
}

/**
 * The provider of one kind, by the name in its type token.
 * @throws when this release does not know the kind, naming the releases' remedy
 */
export function kind(type: string): Provider {
  const found = providers.get(type);
  if (found === undefined) {
    throw new Error(
      `this release of pulumi-citus has no kind "${type}"; install the release that made the stack, or a newer one`,
    );
  }
  return found;
}
