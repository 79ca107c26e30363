/** Facts of a live cluster by one statement on its coordinator; changes nothing. Reads pg_settings of every node through run_command_on_workers,
 *  pg_dist_node, pg_dist_partition and pg_dist_shard. Citus 13.0 or newer. Source: https://docs.citusdata.com/en/stable/develop/api_metadata.html */
import { Client } from "pg";
import type { ClusterFacts, NodeFacts } from "../sizing";

// Memory in its own unit (kB or 8kB) is turned into MiB by the server.
const settingsSql = `
  SELECT jsonb_object_agg(name, CASE unit
           WHEN '8kB' THEN (setting::bigint / 128)::text WHEN 'kB' THEN (setting::bigint / 1024)::text ELSE setting END)
    FROM pg_catalog.pg_settings
   WHERE name IN ('max_connections', 'shared_buffers', 'work_mem', 'maintenance_work_mem', 'autovacuum_max_workers', 'wal_level',
                  'max_prepared_transactions', 'max_worker_processes', 'max_logical_replication_workers',
                  'citus.max_shared_pool_size', 'citus.max_background_task_executors')`;

const factsSql = `
  SELECT (${settingsSql}) AS coordinator,
         coalesce((SELECT shouldhaveshards FROM pg_catalog.pg_dist_node WHERE groupid = 0 AND noderole = 'primary'), true) AS holds_shards,
         (SELECT groupid FROM pg_catalog.pg_dist_local_group) AS local_group,
         (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'name', node.nodename || ':' || node.nodeport, 'holdsShards', node.shouldhaveshards,
                   'success', answer.success, 'result', answer.result) ORDER BY node.nodename, node.nodeport), '[]')
            FROM pg_catalog.pg_dist_node node
            JOIN pg_catalog.run_command_on_workers($1) answer USING (nodename, nodeport)
           WHERE node.groupid <> 0) AS workers,
         (SELECT coalesce(jsonb_agg(jsonb_build_object('table', name, 'shards', shards) ORDER BY name), '[]')
            FROM (SELECT min(tables.name) AS name, max(tables.shards) AS shards
                    FROM (SELECT logicalrelid::text AS name, colocationid, count(*) AS shards
                            FROM pg_catalog.pg_dist_partition JOIN pg_catalog.pg_dist_shard USING (logicalrelid)
                           WHERE partmethod = 'h' GROUP BY logicalrelid, colocationid) tables
                   GROUP BY colocationid) groups) AS groups`;

interface Row {
  readonly coordinator: Readonly<Record<string, string>>;
  readonly holds_shards: boolean;
  readonly local_group: number;
  readonly workers: readonly { name: string; holdsShards: boolean; success: boolean; result: string }[];
  readonly groups: readonly { table: string; shards: number }[];
}

const timeoutMilliseconds = 10_000;

/** A client that has not connected yet. @throws Error where the text is none that node-postgres reads as it is meant */
function clientFor(connection: string): Client {
  // Any other text would be taken for the name of a database on a server called "base".
  if (connection !== "" && !/^postgres(ql)?:\/\//.test(connection))
    throw new Error("the connection is no URL; write postgresql://user@host:port/database?sslmode=verify-full");
  try {
    return new Client({
      ...(connection === "" ? {} : { connectionString: connection }),
      application_name: "pulumi-citus check",
      connectionTimeoutMillis: timeoutMilliseconds,
      query_timeout: 3 * timeoutMilliseconds,
    });
  } catch (error) {
    throw new Error(`the connection cannot be used: ${reasonOf(error)}`, { cause: error });
  }
}

/** Facts of the cluster whose coordinator that connection string names. @throws Error that never shows the connection string */
export async function readFacts(connection: string): Promise<ClusterFacts> {
  const client = clientFor(connection);
  // A server that ends the session is told by the statement that fails.
  client.on("error", () => undefined);
  const server = `${client.host}:${client.port}`;
  try {
    await client.connect();
    const { rows } = await client.query<Row>(factsSql, [settingsSql]);
    const [row] = rows;
    if (row === undefined) throw new Error("no answer");
    return factsOf(row, server);
  } catch (error) {
    throw new Error(`cannot read the cluster at ${server}: ${reasonOf(error)}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  if (code === "42P01" || code === "42883") return "the database has no citus extension; name the database that has it";
  return message === undefined || message === "" ? (code ?? "unknown error") : message;
}

/** What the rows say. @throws Error when it is no coordinator, or a worker did not answer */
export function factsOf(row: Row, server: string): ClusterFacts {
  if (row.local_group !== 0) throw new Error("it is a worker; name the coordinator");
  const silent = row.workers.filter(({ success }) => !success);
  if (silent.length > 0)
    throw new Error(silent.map(({ name, result }) => `worker ${name} did not answer: ${result}`).join("; "));
  return {
    coordinator: {
      ...nodeFacts(server, row.workers.length === 0 || row.holds_shards, row.coordinator),
      sharedPool: numberOf(row.coordinator["citus.max_shared_pool_size"]),
      backgroundTaskExecutors: numberOf(row.coordinator["citus.max_background_task_executors"]),
    },
    workers: row.workers.map(({ name, holdsShards, result }) =>
      nodeFacts(name, holdsShards, JSON.parse(result) as Record<string, string>),
    ),
    colocationGroups: row.groups,
  };
}

const numberOf = (text: string | undefined) => (text === undefined ? undefined : Number(text));

function nodeFacts(name: string, holdsShards: boolean, settings: Readonly<Record<string, string>>): NodeFacts {
  return {
    name,
    holdsShards,
    maxConnections: Number(settings["max_connections"]),
    sharedBuffersMiB: numberOf(settings["shared_buffers"]),
    workMemMiB: numberOf(settings["work_mem"]),
    maintenanceWorkMemMiB: numberOf(settings["maintenance_work_mem"]),
    autovacuumWorkers: numberOf(settings["autovacuum_max_workers"]),
    walLevel: settings["wal_level"],
    maxPreparedTransactions: numberOf(settings["max_prepared_transactions"]),
    maxWorkerProcesses: numberOf(settings["max_worker_processes"]),
    maxLogicalReplicationWorkers: numberOf(settings["max_logical_replication_workers"]),
  };
}
