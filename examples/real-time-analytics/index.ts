// Dashboards over fresh events: as many shards as cores need, roll-ups beside the events, and statistics that say where time goes.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { CitusCluster, getConnectionSecurityOutput, getTablesOutput, localHosts } from "pulumi-citus";

const config = new pulumi.Config();
const cluster = new CitusCluster("analytics", {
  hosts: localHosts({
    folder: config.require("folder"),
    coordinator: { port: 9710 },
    workers: { a: { port: 9711 }, b: { port: 9712 } },
  }),
  // Today a dashboard takes 8 seconds on one core; it is to take 1. `pulumi preview` prints the plan with its reasons.
  workload: {
    kind: "analytics",
    dataSize: "20 GB",
    workingSet: "4 GB",
    currentLatency: "8 s",
    desiredLatency: "1 s",
    concurrentQueries: 4,
  },
  databases: { app: { owner: "app", extensions: { pg_stat_statements: {} } } },
  loginRoles: ["app"],
  settings: { "citus.stat_statements_track": "all", "citus.stat_tenants_track": "all" },
});
export const shardCount = cluster.plan?.shardCount.value;

// Every full query uses all shards at once, so that their number follows from the cores.
const file = join(__dirname, "schema.sql");
const psql = cluster.psql.apply((commands) => commands["app"]?.["app"] ?? "");
const schema = new local.Command(
  "schema",
  {
    create: pulumi.interpolate`${psql} -X -q -v ON_ERROR_STOP=1 -v shards=${shardCount} -f '${file}'`,
    triggers: [readFileSync(file, "utf8")],
  },
  { dependsOn: cluster },
);

const app = pulumi
  .all([cluster.databases["app"] ?? cluster.connection, schema.stdout])
  .apply(([connection]) => connection);
export const tables = getTablesOutput(app).rows;
export const unencrypted = getConnectionSecurityOutput(app).unencrypted;
export const connect = psql;
