/** The resource class behind every kind: registers with a stub that loads the installed package, so state never holds our logic. */
import * as pulumi from "@pulumi/pulumi";
import { connectionText } from "./connection-text";
import type { Connection } from "./session";

/**
 * What state holds instead of code. A contract for ever: state of every release calls it.
 * (pulumi/pulumi sdk/nodejs/cmd/dynamic-provider runs `exports.handler()` of this text in the program's folder.)
 */
export const stub = (type: string) =>
  `exports.handler = () => require("pulumi-citus/provider").kind(${JSON.stringify(type)})`;

/** The type token of a kind. */
export const typeToken = (type: string) => `pulumi-nodejs:dynamic/citus:${type}`;

/** A promise, since an output would carry the parent as a dependency, and with it the parent's children, which wait for this one. */
const urnOf = (name: string, type: string, parent: pulumi.Resource | undefined): pulumi.Input<string> =>
  parent === undefined
    ? `urn:pulumi:${pulumi.getStack()}::${pulumi.getProject()}::${type}::${name}`
    : new Promise<string>((resolve) => pulumi.createUrn(name, type, parent).apply(resolve));

/** Base of all dynamic resources of this package. */
export abstract class DynamicResource extends pulumi.CustomResource {
  protected constructor(
    kind: {
      readonly type: string;
      readonly fields: Readonly<Record<string, { readonly secret?: true }>>;
      readonly outputs: readonly string[];
    },
    name: string,
    args: object,
    opts?: pulumi.CustomResourceOptions,
  ) {
    const inputs = Object.entries(args)
      .filter(([field]) => field in kind.fields)
      .map(([field, value]: [string, unknown]): [string, unknown] => [
        field,
        field === "connection"
          ? connectionText(value as pulumi.Input<Connection>)
          : kind.fields[field]?.secret === true
            ? pulumi.secret(value)
            : value,
      ]);
    const outputs = kind.outputs.map((output): [string, undefined] => [output, undefined]);
    super(
      typeToken(kind.type),
      name,
      {
        ...Object.fromEntries(outputs),
        ...Object.fromEntries(inputs),
        // Lets the provider show progress beside this resource; its methods are not told the URN.
        logUrn: urnOf(name, typeToken(kind.type), opts?.parent),
        __provider: stub(kind.type),
      },
      pulumi.mergeOptions(opts, { hideDiffs: ["__provider"] }),
    );
  }
}
