/** The peer of engine runs: a program whose resources do nothing. */
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { PrivateKey } from "@pulumi/tls";

/** How many resources of which sort. */
export interface Counts {
  readonly components: number;
  readonly resources: number;
}

// The cheapest resource there is: no serialised closure, no input, no package to load.
const provider = "exports.handler = () => ({ create: async () => ({ id: 'empty', outs: {} }) })";

// As ours do, it keeps in inputs only so much of a connection as its digest is long.
const keeping = `exports.handler = () => ({
  check: async (olds, { connection, ...others }) => ({ inputs: { ...others, connection: connection.slice(0, 51) } }),
  create: async (inputs) => ({ id: 'empty', outs: inputs }),
})`;

/** A resource that does nothing. The arguments that it is given, a connection among them, are registered and kept. */
export class Empty extends pulumi.CustomResource {
  constructor(name: string, args: pulumi.Inputs = {}, opts?: pulumi.CustomResourceOptions) {
    const isBare = Object.keys(args).length === 0;
    super("pulumi-nodejs:dynamic:Resource", name, { ...args, __provider: isBare ? provider : keeping }, opts);
  }
}

/** A program with that many of them. With `allPlugins` one is of the tls plugin and one of the command plugin, so that as many plugins start as ours needs. */
export function emptyProgram(
  { components, resources }: Counts,
  { allPlugins = false }: { readonly allPlugins?: boolean } = {},
): () => Promise<void> {
  return () => {
    const parents = Array.from(
      { length: components },
      (_, index) => new pulumi.ComponentResource("bench:index:Empty", `component-${index}`),
    );
    if (allPlugins) {
      new PrivateKey("key", { algorithm: "ED25519" });
      new local.Command("command", { create: "true" });
    }
    for (let index = allPlugins ? 2 : 0; index < resources; index += 1)
      new Empty(`resource-${index}`, {}, { parent: parents[index % components] });
    return Promise.resolve();
  };
}
