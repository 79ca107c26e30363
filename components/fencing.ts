/** Fencing: the current revocation list and the exact pg_hba.conf on every remaining host, and the end of connections that
 *  revoked certificates hold. Runs after Nodes, so that a leaving node is drained first. Reads pg_stat_ssl; PostgreSQL 15 or newer. */
import * as pulumi from "@pulumi/pulumi";
import type { Hosts } from "./hosts/host";
import { firewallFiles, firewallValues } from "./node-configuration";

/** Arguments of {@link Fencing}. */
export interface FencingArgs {
  /** The remaining hosts. */
  readonly hosts: Hosts;
  /** Exact pg_hba.conf of each host, by its key. */
  readonly hba: Readonly<Record<string, pulumi.Input<string>>>;
  /** By the host's key: addresses and networks that a firewall of ours lets in, one a line. @default - needed for hosts with one only */
  readonly allowed?: Readonly<Record<string, pulumi.Input<string>>>;
  /** The current revocation list, PEM. */
  readonly revocationList: pulumi.Input<string>;
  /** Serial numbers of the revoked certificates, decimal. */
  readonly revokedSerials: pulumi.Input<readonly pulumi.Input<string>[]>;
}

/** Shuts removed nodes out of all remaining ones. */
export class Fencing extends pulumi.ComponentResource {
  static readonly type = "citus:index:Fencing";
  /** By the host's key: resolved once the host is fenced. */
  readonly fenced: Readonly<Record<string, pulumi.Resource>>;
  /** By the host's key, what the last run did. */
  readonly outcomes: Readonly<Record<string, pulumi.Output<string>>>;

  /** `opts.dependsOn` names the Nodes whose leaving workers are to be gone before. */
  constructor(name: string, args: FencingArgs, opts?: pulumi.ComponentResourceOptions) {
    // Said for every child, as in CitusDatabase.
    const dependsOn = opts?.dependsOn;
    super(Fencing.type, name, { revokedSerials: args.revokedSerials }, { ...opts, dependsOn: undefined });
    const serials = pulumi.output(args.revokedSerials).apply((all) => all.join(" "));
    const runs = Object.values(args.hosts).map((host) => {
      const run = host.shell.run(
        `${name}-${host.key}`,
        {
          files: [
            "components/node-configuration/server-files.sh",
            ...firewallFiles(host),
            "components/node-configuration/fence.sh",
          ],
          values: {
            ...firewallValues(host, args.allowed?.[host.key] ?? "", true),
            HBA: pulumi.output(args.hba[host.key] ?? missing(host.key)),
            REVOCATION_LIST: args.revocationList,
            REVOKED_SERIALS: serials,
          },
          asServer: true,
        },
        pulumi.mergeOptions(
          { parent: this, dependsOn: [host.created] },
          dependsOn === undefined ? undefined : { dependsOn },
        ),
      );
      return [host.key, run] as const;
    });
    this.fenced = Object.fromEntries(runs.map(([key, { resource }]) => [key, resource]));
    this.outcomes = Object.fromEntries(runs.map(([key, { outcome }]) => [key, outcome]));
    this.registerOutputs({ outcomes: this.outcomes });
  }
}

function missing(key: string): never {
  throw new pulumi.RunError(`hba.${key}: is missing; every host needs its pg_hba.conf`);
}
