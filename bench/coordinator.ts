/** One coordinator for measurements of SQL resources: no certificates of a component's making, no other nodes. */
import { Client } from "pg";
import { Database, Nodes } from "../providers/dynamic";
import { provider } from "../providers/dynamic/engine/entry";
import type { Connection } from "../providers/dynamic/engine/session";
import { startServers } from "../tests/support/servers";
import type { Scene } from "./scene";

/** A coordinator that holds its shards itself, with a database and so many distributed tables: table_0, table_1, … Gives the connection to it. */
export async function startCoordinator(scene: Scene, tables: number): Promise<Connection> {
  // Only statements that ask for something count.
  const servers = await startServers(["coordinator"], { settings: { "pg_stat_statements.track_utility": "off" } });
  scene.atEnd(() => servers.remove());
  const { host, port, connection } = servers.get("coordinator");
  const coordinator = { host, port };
  const app = connection("app");
  await provider(Database.kind).create({ connection: connection(), nodes: { coordinator }, name: "app" });
  await provider(Nodes.kind).create({
    connection: app,
    coordinator: { ...coordinator, shouldHaveShards: true },
    workers: {},
    transferMode: "block_writes",
    drainTimeoutSeconds: 60,
  });
  const client = await clientOf(app);
  await client.query("CREATE EXTENSION pg_stat_statements");
  // One shard each: what a table costs beyond that is Citus' own.
  await client.query("SET citus.shard_count = 1");
  for (let index = 0; index < tables; index += 1) {
    await client.query(`CREATE TABLE table_${index} (tenant int, note text)`);
    await client.query(`SELECT create_distributed_table('table_${index}', 'tenant', colocate_with => 'none')`);
  }
  await client.end();
  return app;
}

/** A client of its own, whose statements are not ours. */
export async function clientOf(connection: Connection): Promise<Client> {
  const { host, port, user, database: name, tls } = connection;
  const client = new Client({ host, port, user, database: name, ssl: { ...tls } });
  await client.connect();
  return client;
}
