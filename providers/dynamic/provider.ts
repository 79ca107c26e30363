/** `pulumi-citus/provider`: what the stub in every stack's state requires. Name and shape never change. */
import { withConnectionText } from "./engine/connection-text";
import { provider, type Provider } from "./engine/entry";
import type { Kind } from "./engine/kind";
import * as exported from "./index";

// Each class names its kind; what the kinds' arguments are, only they know.
const classes = Object.values({ ...exported }) as readonly { readonly kind: Kind<object, object> }[];
const providers = new Map<string, Provider>(
  classes.map((each) => [each.kind.type, withConnectionText(provider(each.kind))]),
);

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
