// A cluster on machines that exist, reached over SSH: TLS only, with one database. Which machines is configuration.
import * as pulumi from "@pulumi/pulumi";
import { CitusCluster, sshHosts, type SshHostArgs } from "pulumi-citus";

const config = new pulumi.Config();
const cluster = new CitusCluster("demo", {
  hosts: sshHosts({
    user: config.require("user"),
    privateKey: config.requireSecret("privateKey"),
    coordinator: config.requireObject<SshHostArgs>("coordinator"),
    workers: config.requireObject<Record<string, SshHostArgs>>("workers"),
  }),
  databases: { app: { owner: "app", extensions: { pg_stat_statements: {} } } },
  loginRoles: ["app"],
  // Where applications may log in from, by the certificate of their role; from the machines themselves only, unless it is said.
  clientNetworks: config.requireObject<string[]>("clientNetworks"),
});

export const nodes = cluster.nodes;
export const psql = cluster.psql;
