/** The contract between a host target (local, and later ssh and aws) and every stage after it. */
import type * as pulumi from "@pulumi/pulumi";
import type { SshAddress } from "../../providers/dynamic/engine/ssh";
import type { PreflightTarget } from "../../providers/dynamic/preflight";
import { isIpNetwork } from "../../sizing/names";
import { unknownReason } from "../../sizing/nearest";
import type { ClusterPlan } from "../../sizing/plan";
import type { Problem } from "../../sizing/problem";
import type { SharedMachine } from "../../sizing/shared-machine";
import { supportedVersions, type AskedVersions } from "../../sizing/versions";
import type { ResolvedPart, Shell } from "./shell";

/** What a node does in the cluster. */
export type NodeRole = "coordinator" | "worker";

/** What is known about a host before it exists. */
export interface HostAddress {
  /** What its node does. */
  readonly role: NodeRole;
  /** What other nodes and clients dial, and what its certificate names. One DNS name or IP address. */
  readonly address: pulumi.Input<string>;
  /** PostgreSQL's TCP port, 1 to 65535. */
  readonly port: number;
}

/** One machine (or one local server process) that carries one Citus node. */
export interface Host extends HostAddress {
  /** Stable name: "coordinator", or the worker's key in the map of workers. Never an array index. */
  readonly key: string;
  /** Operating-system user that PostgreSQL runs as. It reaches the server as postgres over the Unix socket. */
  readonly osUser: string;
  /** Its port is open to nodes, operators and clients of the configuration only, by a firewall of ours. @default false */
  readonly firewall?: boolean;
  /** How it is reached without this program, once it has left. */
  readonly target: pulumi.Input<PreflightTarget>;
  /** Runs scripts there. */
  readonly shell: Shell;
  /** Where to log in over SSH, to dial the servers of the cluster from there; the coordinator's counts. @default - dialled directly */
  readonly tunnel?: pulumi.Input<SshAddress>;
  /** What runs there before each configuration of its server. @default - nothing */
  readonly beforeConfiguration?: ResolvedPart;
  /** The host exists and PostgreSQL can be configured on it. Deleting this resource stops the server. */
  readonly created: pulumi.Resource;
}

/** All hosts of one cluster, by key. `coordinator` is always there. */
export type Hosts = Readonly<Record<string, Host>>;

/** What a cluster needs from its hosts before they may be touched. */
export interface HostRequirements {
  /** Extensions that some database asks for, besides citus: each must be installable on every host. */
  readonly extensions: readonly string[];
  /** PostgreSQL's major version. @default - what is installed */
  readonly postgresVersion?: number;
  /** Citus' version, such as "13.2". @default - what is installed */
  readonly citusVersion?: string;
  /** Sizes of the machines, for targets that make them, and settings of their operating systems. @default - no workload is given */
  readonly plan?: ClusterPlan;
}

/** A place where hosts come from, chosen by the user: `localHosts({ … })`. Plain data, so that it can be checked before anything is made. */
export interface HostTarget {
  /** Keys and roles of the hosts, known before any of them exists. */
  readonly nodes: Readonly<Record<string, HostAddress>>;
  /** All hosts are on this machine, so that each gets a share of it. @default - each host has a machine of its own */
  readonly sharedMachine?: SharedMachine;
  /** The hosts get a firewall of ours, which compares IP addresses: networks cannot be names. @default false */
  readonly hasFirewall?: boolean;
  /** Everything wrong with the arguments, paths as the user wrote them. The versions are those that the cluster asks for. */
  check(versions?: AskedVersions): readonly Problem[];
  /** Makes the hosts: all preflights first, then each host. */
  create(name: string, requirements: HostRequirements, opts: pulumi.ComponentResourceOptions): Hosts;
}

/** Why the address or network cannot be let in by a firewall of ours, or undefined. Reads after the path. */
export function nameProblem(address: string): string | undefined {
  if (isIpNetwork(address)) return undefined;
  return `"${address}" is a name, and nftables compares IP addresses; give its IP address or network, or leave firewall out`;
}

/** Why the text cannot be a worker's key, or undefined. Reads after the path. */
export function workerKeyProblem(key: string): string | undefined {
  if (key === "coordinator") return "a worker cannot be called so; the coordinator is";
  if (/^[a-z][a-z0-9-]*$/.test(key)) return undefined;
  return `${JSON.stringify(key)} is no key of a host; use a-z, 0-9 and "-", beginning with a letter`;
}

/** Fields that nobody reads: a stack's configuration may hold slips that no compiler sees. */
export const checkFields = (path: string, value: unknown, known: Readonly<Record<string, true>>): readonly Problem[] =>
  (typeof value === "object" && value !== null ? Object.keys(value) : [])
    .filter((name) => !Object.hasOwn(known, name))
    .map((name) => ({ path: `${path}.${name}`, reason: unknownReason(name, Object.keys(known)) }));

/** The requirements as every target's preflights take them. */
export const preflightRequirements = ({ extensions, postgresVersion, citusVersion }: Partial<HostRequirements>) => ({
  extensions: [...(extensions ?? [])],
  ...(postgresVersion === undefined ? {} : { postgresVersion }),
  ...(citusVersion === undefined ? {} : { citusVersion }),
  supported: supportedVersions.flatMap(({ citus, postgres }) => postgres.map((major) => `${major}/${citus}`)),
});
