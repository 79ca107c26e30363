/** The contract between a host target (local, and later ssh and aws) and every stage after it. */
import type * as pulumi from "@pulumi/pulumi";
import type { Problem } from "../../sizing/problem";
import type { Shell } from "./shell";

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
  /** Runs scripts there. */
  readonly shell: Shell;
  /** The host exists and PostgreSQL can be configured on it. Deleting this resource stops the server. */
  readonly created: pulumi.Resource;
}

/** All hosts of one cluster, by key. `coordinator` is always there. */
export type Hosts = Readonly<Record<string, Host>>;

/** What a cluster needs from its hosts before they may be touched. */
export interface HostRequirements {
  /** Extensions that some database asks for, besides citus: each must be installable on every host. */
  readonly extensions: readonly string[];
  /** PostgreSQL major version and Citus version asked for; undefined takes what is installed. */
  readonly postgresVersion?: number;
  readonly citusVersion?: string;
}

/** A place where hosts come from, chosen by the user: `localHosts({ … })`. Plain data, so that it can be checked before anything is made. */
export interface HostTarget {
  /** Keys and roles of the hosts, known before any of them exists. */
  readonly nodes: Readonly<Record<string, HostAddress>>;
  /** Everything wrong with the arguments, paths as the user wrote them. */
  check(): readonly Problem[];
  /** Makes the hosts: all preflights first, then each host. */
  create(name: string, requirements: HostRequirements, opts: pulumi.ComponentResourceOptions): Hosts;
}

/** Why the text cannot be a node's address, or undefined. Reads after the path. */
export function addressProblem(address: string): string | undefined {
  // libpq reads a comma as several hosts, a leading slash as a socket folder, and "=" as a connection string.
  if (!/^[A-Za-z0-9_:][A-Za-z0-9_.:-]*$/.test(address)) {
    return `${JSON.stringify(address)} is not one DNS name or IP address (no blanks, ",", "/" or "=")`;
  }
  if (["all", "samehost", "samenet"].includes(address)) {
    return `"${address}" has a meaning of its own in pg_hba.conf; use another name or an IP address`;
  }
  if (["0.0.0.0", "::"].includes(address)) {
    return `"${address}" stands for every address and cannot be dialled; use one address of the host`;
  }
  return undefined;
}
