// A coordinator and two workers on this machine, TLS only, with one database.
// Add a worker to the map, or take one out, and run it again.
import { CitusCluster, localHosts } from "pulumi-citus";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
const cluster = new CitusCluster("demo", {
  hosts: localHosts({
    folder: config.require("folder"),
    coordinator: { port: 9700 },
    workers: { a: { port: 9701 }, b: { port: 9702 } },
  }),
  databases: { app: { owner: "app", extensions: { pg_stat_statements: {} } } },
  loginRoles: ["app"],
});

export const psql = cluster.psql;
export const nodePostgres = cluster.nodePostgres;
