/** SameVersions: hosts of one cluster have one PostgreSQL major and one Citus minor, since metadata and shards are exchanged between them. Compares what
 *  preflights found; asks no server, takes no lock. Source: https://docs.citusdata.com/en/stable/admin_guide/upgrading_citus.html */
import type * as pulumi from "@pulumi/pulumi";
import type { Kind } from "./engine/kind";
import { DynamicResource } from "./engine/resource";

/** Versions of one host, as a preflight finds them. */
export interface HostVersions {
  /** With or without the minor version: "15.20". */
  readonly postgres: string;
  /** Without a patch number: "13.2". */
  readonly citus: string;
}

/** Arguments of {@link SameVersions}. */
export interface SameVersionsArgs {
  /** Versions of every host of the cluster, by the host's key. Changing them compares again. */
  readonly versions: pulumi.Input<Readonly<Record<string, pulumi.Input<HostVersions>>>>;
}

/** Arguments, resolved. */
export interface SameVersionsInputs {
  readonly versions: Readonly<Record<string, HostVersions>>;
}

/** Why the hosts cannot form one cluster, every one named with its versions; undefined where they can. */
export function versionSkew(versions: Readonly<Record<string, HostVersions>>): string | undefined {
  const pairs = Object.values(versions).map(({ postgres, citus }) => `${postgres.split(".")[0] ?? ""}/${citus}`);
  if (new Set(pairs).size < 2) return undefined;
  const list = Object.entries(versions).map(
    ([key, { postgres, citus }]) => `${key} has PostgreSQL ${postgres} with Citus ${citus}`,
  );
  return `the hosts have different versions: ${list.join("; ")}. Install one PostgreSQL major and one Citus minor on all of them, then run again`;
}

/** @throws Error that names every host with its versions */
function compare({ versions }: SameVersionsInputs): Promise<object> {
  const skew = versionSkew(versions);
  return skew === undefined ? Promise.resolve({}) : Promise.reject(new Error(skew));
}

export const sameVersions: Kind<SameVersionsInputs, object> = {
  type: "SameVersions",
  fields: { versions: { onChange: "update" } },
  outputs: [],
  id: () => "versions",
  create: compare,
  update: compare,
  read: (inputs, _context, state) => Promise.resolve(state && { inputs, state }),
  keeps: () => "",
  delete: () => Promise.resolve(),
};

/** Fails before anything is changed when hosts of a cluster have different versions. */
export class SameVersions extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = sameVersions;

  constructor(name: string, args: SameVersionsArgs, opts?: pulumi.CustomResourceOptions) {
    super(sameVersions, name, args, opts);
  }
}
