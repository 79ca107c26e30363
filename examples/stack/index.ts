// The deployable stack of this repository: `pulumi up` in the root folder. Every key is described in Pulumi.yaml.
import * as pulumi from "@pulumi/pulumi";
import {
  CitusCluster,
  localHosts,
  sshHosts,
  type BastionArgs,
  type HostTarget,
  type PackageInstallArgs,
  type SshHostArgs,
  type Workload,
} from "pulumi-citus";

const config = new pulumi.Config();
const extensions = config.requireObject<string[]>("extensions");
const databases = config.requireObject<string[]>("databases");
const rebalance = config.requireBoolean("rebalance");
const loginRoles = config.requireObject<string[]>("loginRoles");
const postgresVersion = config.requireNumber("postgresVersion");
const citusVersion = config.require("citusVersion");
const [owner = "postgres"] = loginRoles;

/** What is set, or undefined where it is the default, which stands for nothing. */
const given = <T>(value: T, isSet: boolean) => (isSet ? value : undefined);
const givenObject = <T extends object>(value: T) => given(value, Object.keys(value).length > 0);

/** Servers on this machine. */
function local(): HostTarget {
  const workerPorts = config.requireObject<number[]>("workerPorts");
  // Their keys come from their ports, so that the same port twice would be one worker.
  const twice = workerPorts.find((port, at) => workerPorts.indexOf(port) < at);
  if (twice !== undefined)
    throw new pulumi.RunError(`workerPorts: ${String(twice)} is there twice; each worker needs a port of its own`);
  return localHosts({
    folder: config.require("folder"),
    coordinator: { port: config.requireNumber("coordinatorPort") },
    workers: Object.fromEntries(workerPorts.map((port) => [`port-${String(port)}`, { port }])),
  });
}

/** Machines that exist. */
function ssh(): HostTarget {
  return sshHosts({
    user: config.require("user"),
    agent: config.requireBoolean("agent"),
    privateKey: given(config.requireSecret("privateKey"), pulumi.runtime.getConfig(`${config.name}:privateKey`) !== ""),
    bastion: givenObject(config.requireObject<BastionArgs>("bastion")),
    firewall: config.require<"nftables" | "none">("firewall"),
    install: givenObject(config.requireObject<PackageInstallArgs>("install")),
    coordinator: config.requireObject<SshHostArgs>("coordinator"),
    workers: config.requireObject<Record<string, SshHostArgs>>("workers"),
  });
}

function hostTarget(): HostTarget {
  const hosts = config.require("hosts");
  if (hosts === "local") return local();
  if (hosts === "ssh") return ssh();
  throw new pulumi.RunError(`hosts: must be "local" or "ssh", got ${JSON.stringify(hosts)}`);
}

const cluster = new CitusCluster("citus", {
  hosts: hostTarget(),
  workload: givenObject(config.requireObject<Workload>("workload")),
  databases: Object.fromEntries(
    databases.map((name) => [
      name,
      { owner, rebalance, extensions: Object.fromEntries(extensions.map((extension) => [extension, {}])) },
    ]),
  ),
  loginRoles,
  postgresVersion: given(postgresVersion, postgresVersion !== 0),
  citusVersion: given(citusVersion, citusVersion !== ""),
  clientNetworks: config.requireObject<string[]>("clientNetworks"),
});

export const nodes = cluster.nodes;
export const psql = cluster.psql;
export const nodePostgres = cluster.nodePostgres;
export const authority = cluster.authority;
