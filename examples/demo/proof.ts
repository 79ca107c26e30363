/** What the demo proves on the servers themselves: who is in the cluster, where shards are, and that nodes talk over verified TLS. */
import { Client } from "pg";

/** Rows of one statement, on a connection of its own. */
export async function ask<Row extends object>(connectionString: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const { rows }: { rows: Row[] } = await client.query(text);
    return rows;
  } finally {
    await client.end();
  }
}

/** The same connection string for another server of the cluster. */
export function onPort(connectionString: string, port: number): string {
  const url = new URL(connectionString);
  url.port = String(port);
  return url.toString();
}

/** One node as the coordinator knows it. */
export interface NodeFacts {
  readonly key: string;
  readonly address: string;
  readonly shards: number;
  readonly bytes: string;
}

interface Registered {
  readonly port: number;
  readonly address: string;
  readonly shards: number;
  readonly bytes: string;
}

/** Every registered node with its shards. `keys` names them by port. */
export async function nodesOf(operator: string, keys: ReadonlyMap<number, string>): Promise<NodeFacts[]> {
  const rows = await ask<Registered>(
    operator,
    `SELECT n.nodeport AS port, n.nodename || ':' || n.nodeport AS address, count(s.shardid)::int AS shards,
            pg_size_pretty(coalesce(sum(c.size), 0)) AS bytes
       FROM pg_dist_node n LEFT JOIN pg_dist_placement p USING (groupid) LEFT JOIN pg_dist_shard s USING (shardid)
       LEFT JOIN LATERAL (SELECT shard_size AS size FROM citus_shards WHERE shardid = s.shardid AND nodeport = n.nodeport LIMIT 1) c ON true
      GROUP BY n.groupid, n.nodename, n.nodeport ORDER BY n.groupid`,
  );
  return rows.map(({ port, ...row }) => ({ key: keys.get(port) ?? String(port), ...row }));
}

/** One connection between two nodes, as both ends see it. */
export interface NodeConnection {
  readonly from: string;
  readonly to: string;
  readonly tls: string;
  /** How the dialling node checks the server: sslmode of citus.node_conninfo, and the address that the certificate has to name. */
  readonly server: string;
  /** The client's certificate, as the dialled node has verified it. */
  readonly client: string;
}

/** Has every node dial every node the way Citus does, and asks the dialled one what it saw. */
export async function connectionsOf(operator: string, keys: ReadonlyMap<number, string>): Promise<NodeConnection[]> {
  const found: NodeConnection[] = [];
  for (const [port, from] of keys) {
    const rows = await ask<{ port: number; address: string; success: boolean; result: string; mode: string }>(
      onPort(operator, port),
      `SELECT n.nodeport AS port, n.nodename AS address, r.success, r.result,
              substring(current_setting('citus.node_conninfo') FROM 'sslmode=(\\S+)') AS mode
         FROM run_command_on_all_nodes($$SELECT version || ' ' || coalesce(client_dn, 'none') FROM pg_stat_ssl
              WHERE ssl AND pid = pg_backend_pid()$$) r JOIN pg_dist_node n USING (nodeid) ORDER BY n.groupid`,
    );
    for (const { port: target, address, success, result, mode } of rows) {
      const [tls = "none", ...client] = success ? result.split(" ") : [`failed: ${result}`];
      found.push({
        from,
        to: keys.get(target) ?? String(target),
        tls: tls === "" ? "none" : tls,
        server: `${address} (${mode})`,
        client: client.join(" ").replace(/^\/?CN=/, ""),
      });
    }
  }
  return found;
}

/** What is wrong with a connection, or undefined. */
export const connectionProblem = ({ from, to, tls, server, client }: NodeConnection) =>
  tls === "TLSv1.3" && server.endsWith("(verify-full)") && client === `node:${from}`
    ? undefined
    : `${from} to ${to}: ${tls}, server ${server}, client ${client}`;
