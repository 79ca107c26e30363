// The deployable stack of this repository: `pulumi up` in the root folder. Every key is described in Pulumi.yaml.
import * as pulumi from "@pulumi/pulumi";
import { CitusCluster, localHosts } from "pulumi-citus";

const config = new pulumi.Config();
const workerPorts = config.requireObject<number[]>("workerPorts");
const extensions = config.requireObject<string[]>("extensions");
const databases = config.requireObject<string[]>("databases");
const loginRoles = config.requireObject<string[]>("loginRoles");
const [owner = "postgres"] = loginRoles;

const cluster = new CitusCluster("citus", {
  hosts: localHosts({
    folder: config.require("folder"),
    coordinator: { port: config.requireNumber("coordinatorPort") },
    workers: Object.fromEntries(workerPorts.map((port) => [`port-${String(port)}`, { port }])),
  }),
  databases: Object.fromEntries(
    databases.map((name) => [
      name,
      { owner, extensions: Object.fromEntries(extensions.map((extension) => [extension, {}])) },
    ]),
  ),
  loginRoles,
});

export const nodes = cluster.nodes;
export const psql = cluster.psql;
export const nodePostgres = cluster.nodePostgres;
export const authority = cluster.authority;
