// A cluster that somebody made by hand: a connection is all that is needed to take over what is there.
// The first `pulumi up` finds everything exactly as asked and changes nothing.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Database, Extension, getMetadataDigestOutput, getNodesOutput, Nodes, Role, Settings } from "pulumi-citus";

const config = new pulumi.Config();
const file = (name: string) => readFileSync(join(config.require("certificates"), name), "utf8");
const address = (text: string) => {
  const [host = "", port = "5432"] = text.split(":");
  return { host, port: Number(port) };
};
const coordinator = address(config.require("coordinator"));
const workers = Object.fromEntries(
  Object.entries(config.requireObject<Record<string, string>>("workers")).map(([key, text]) => [key, address(text)]),
);
const to = (database: string) => ({
  ...coordinator,
  database,
  user: "postgres",
  tls: { ca: file("ca.crt"), cert: file("operator.crt"), key: file("operator.key") },
});
const app = pulumi.secret(to("app"));
const servers = { coordinator, ...workers };

const role = new Role("reader", { connection: to("postgres"), nodes: servers, name: "reader", connectionLimit: 20 });
const database = new Database("app", { connection: to("postgres"), nodes: servers, name: "app", encoding: "UTF8" });
const nodes = new Nodes("app", { connection: app, coordinator, workers }, { dependsOn: database });
new Extension("statements", { connection: app, name: "pg_stat_statements" }, { dependsOn: nodes });
new Settings(
  "app",
  { connection: to("postgres"), nodes: servers, database: "app", settings: { statement_timeout: "1min" } },
  { dependsOn: [database, role] },
);

export const registered = getNodesOutput(app).rows;
export const metadata = getMetadataDigestOutput(app);
