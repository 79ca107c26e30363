/** The program of the kill sweep: one database on a coordinator and its workers, as the file `shape.json` beside the project says. */
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { Database, Extension, Nodes } from "../../providers/dynamic";
import type { Connection } from "../../providers/dynamic/engine/session";
import type { Shape } from "./kill";

const shape = JSON.parse(readFileSync("shape.json", "utf8")) as Shape;
const connection = new pulumi.Config().requireSecretObject<Connection>("connection");
const inDatabase = connection.apply((to) => ({ ...to, database: shape.database }));
const { coordinator, workers } = shape;

const database = new Database("database", {
  connection,
  nodes: { coordinator, ...workers },
  name: shape.database,
});
const nodes = new Nodes(
  "nodes",
  { connection: inDatabase, coordinator, workers, transferMode: shape.transferMode },
  { dependsOn: database },
);
new Extension("extension", { connection: inDatabase, name: "pg_stat_statements" }, { dependsOn: nodes });
