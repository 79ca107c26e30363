/** getConnectionSecurity: every open connection of every node, and whether it is encrypted. Reads pg_stat_ssl and pg_stat_activity by
 *  run_command_on_all_nodes. Citus 13.0 or newer. Source: https://www.postgresql.org/docs/current/monitoring-stats.html */
import type * as pulumi from "@pulumi/pulumi";
import { limitOf, outputOf, present, reading, type Limit, type Listed } from "../engine/reading";
import type { Connection } from "../engine/session";
import { onAllNodesSql, type NodeAnswer } from "./all-nodes";

/** One connection that a node has accepted. */
export interface SecuredConnection {
  /** Node that accepted it. */
  readonly host: string;
  /** TCP port of that node. */
  readonly port: number;
  /** Does another node, or the node itself, use it for Citus' own work? */
  readonly betweenNodes: boolean;
  /** Is it encrypted? A connection through a Unix socket never is. */
  readonly encrypted: boolean;
  /** Protocol, such as "TLSv1.3"; absent without encryption. */
  readonly version?: string;
  /** Cipher, such as "TLS_AES_256_GCM_SHA384"; absent without encryption. */
  readonly cipher?: string;
  /** Subject of the client's certificate, such as "/CN=node:a"; absent where it showed none. */
  readonly certificate?: string;
  /** Database that it uses. */
  readonly database: string;
  /** Role that it is. */
  readonly role: string;
  /** What it calls itself, such as "citus_internal gpid=20000002157". */
  readonly application: string;
  /** IP address of the client; absent for a Unix socket. */
  readonly client?: string;
}

/** Connections of all nodes, and what was not seen. */
export interface ConnectionSecurity extends Listed<SecuredConnection> {
  /** Connections over the network without encryption, on all nodes that answered, whatever the limit. 0 is what should be. */
  readonly unencrypted: number;
  /** Connections between nodes, on all nodes that answered, whatever the limit. */
  readonly betweenNodes: number;
  /** Nodes that did not answer, `host:port: reason`. */
  readonly silent: readonly string[];
}

/** What one node says of itself: one JSON object, as a command that runs on another node has one value. `limit` is a whole number. */
export const nodeText = (limit: number) => `
  SELECT pg_catalog.json_build_object('total', pg_catalog.count(*),
           'unencrypted', pg_catalog.count(*) FILTER (WHERE NOT encrypted AND client IS NOT NULL),
           'betweenNodes', pg_catalog.count(*) FILTER (WHERE "betweenNodes"),
           'rows', coalesce(pg_catalog.json_agg(pg_catalog.to_jsonb(seen) - 'number' ORDER BY number) FILTER (WHERE number <= ${String(limit)}), '[]'))
    FROM (SELECT application_name LIKE 'citus\\_%' AS "betweenNodes", ssl AS encrypted, version, cipher, client_dn AS certificate, datname AS database,
                 usename AS role, application_name AS application, pg_catalog.host(client_addr) AS client,
                 pg_catalog.row_number() OVER (ORDER BY backend_start, pid) AS number
            FROM pg_catalog.pg_stat_ssl JOIN pg_catalog.pg_stat_activity USING (pid) WHERE backend_type = 'client backend') seen`;

interface Seen {
  readonly total: number;
  readonly unencrypted: number;
  readonly betweenNodes: number;
  readonly rows: readonly Omit<SecuredConnection, "host" | "port">[];
}

/** The nodes' answers as one result. Pure. */
export function securityOf(answers: readonly NodeAnswer[], limit: number): ConnectionSecurity {
  const answered = answers.flatMap(({ host, port, success, result }) =>
    success ? [{ host, port, ...(JSON.parse(result) as Seen) }] : [],
  );
  const sum = (name: "total" | "unencrypted" | "betweenNodes") => answered.reduce((all, node) => all + node[name], 0);
  return {
    rows: answered
      .flatMap(({ host, port, rows }) => rows.map((row) => present({ host, port, ...row })))
      .slice(0, limit),
    total: sum("total"),
    unencrypted: sum("unencrypted"),
    betweenNodes: sum("betweenNodes"),
    silent: answers
      .filter(({ success }) => !success)
      .map(({ host, port, result }) => `${host}:${String(port)}: ${result.trim()}`),
  };
}

/**
 * Open connections of all nodes, the coordinator's first. The one that asks is among them, and so are those by which it asks the other nodes.
 * @throws Error when the server cannot be reached or has no citus there; a node that does not answer is in `silent`
 */
export async function getConnectionSecurity(connection: Connection, args: Limit = {}): Promise<ConnectionSecurity> {
  const limit = limitOf(args);
  return await reading("the connection security of", connection, async (session) =>
    securityOf(await session.query<NodeAnswer>(onAllNodesSql(nodeText(limit))), limit),
  );
}

/** {@link getConnectionSecurity} for Outputs. */
export function getConnectionSecurityOutput(
  connection: pulumi.Input<Connection>,
  args?: pulumi.Input<Limit>,
): pulumi.Output<ConnectionSecurity> {
  return outputOf(getConnectionSecurity, connection, args);
}
