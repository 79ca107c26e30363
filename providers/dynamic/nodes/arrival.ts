/** May a server join this cluster? Facts by a direct connection, verdict pure. Citus itself would take over a foreign worker and drop tables of the same name without a question. */
import type { Context } from "../engine/kind";
import { at, onEach, type ServerAddress } from "../engine/server";
import type { Connection, Session } from "../engine/session";
import { sql } from "../engine/sql";

/** What one server says of itself. */
export interface ServerFacts {
  readonly systemIdentifier: string;
  readonly inRecovery: boolean;
  /** Version of the citus extension in the database; undefined where it is missing. */
  readonly citusVersion?: string;
  /** Its group in the cluster that it belongs to; 0 for a free server. */
  readonly groupId: number;
  /** The coordinator of the cluster that it belongs to. */
  readonly coordinator?: string;
  /** Rows in its own pg_dist_node. */
  readonly nodeCount: number;
  /** Tables, views and sequences that users made, as schema.name. */
  readonly relations: readonly string[];
}

/** A registered node that is to be found at another address. */
export interface Move {
  readonly key: string;
  readonly groupId: number;
  readonly to: ServerAddress;
}

/** What the cluster knows before anything joins. */
export interface ClusterFacts {
  readonly citusVersion: string;
  /** Citus tables, as schema.name. */
  readonly tables: readonly string[];
  /** System identifier of every registered node, by its address. */
  readonly identifiers: Readonly<Record<string, string>>;
}

/** Why the servers may not join; every reason of every server. */
export function refusals(
  cluster: ClusterFacts,
  arrivals: Readonly<Record<string, ServerFacts & { readonly address: string }>>,
): readonly string[] {
  const seen = new Map(Object.entries(cluster.identifiers).map(([address, identifier]) => [identifier, address]));
  return Object.entries(arrivals).flatMap(([key, facts]) => {
    const twin = seen.get(facts.systemIdentifier);
    seen.set(facts.systemIdentifier, facts.address);
    const collisions = facts.relations.filter((relation) => cluster.tables.includes(relation));
    const reasons = [
      twin === undefined
        ? undefined
        : `is the same server as ${twin} under a second name, or a copy of its data folder; leave one of them out`,
      facts.inRecovery
        ? "is in recovery, a standby of another server; promote it first or name its primary"
        : undefined,
      facts.citusVersion === undefined
        ? "has no citus extension in this database; create it there with a Database resource that lists this node"
        : undefined,
      facts.citusVersion !== undefined && facts.citusVersion !== cluster.citusVersion
        ? `has citus ${facts.citusVersion}, the coordinator ${cluster.citusVersion}; run ALTER EXTENSION citus UPDATE on every node first`
        : undefined,
      // A twin belongs to this cluster, of course.
      twin === undefined && facts.groupId !== 0
        ? `belongs to a cluster already, whose coordinator is ${facts.coordinator ?? "not known"}; remove it there first (citus_remove_node), then run DROP EXTENSION citus on it`
        : undefined,
      twin === undefined && facts.groupId === 0 && facts.nodeCount > 0
        ? "is the coordinator of a cluster of its own; a coordinator cannot become a worker"
        : undefined,
      collisions.length > 0
        ? `has tables of the same name as tables of the cluster, which joining would drop: ${collisions.slice(0, 5).join(", ")}; move or rename them there first`
        : undefined,
    ];
    return reasons
      .filter((reason) => reason !== undefined)
      .map((reason) => `node "${key}" (${facts.address}) ${reason}`);
  });
}

/** Why the servers at the new addresses are not the nodes that moved there: Citus itself asks nobody. */
export function moveRefusals(moves: readonly Move[], facts: Readonly<Record<string, ServerFacts>>): readonly string[] {
  return moves.flatMap(({ key, groupId, to }) => {
    const there = facts[key];
    const reasons = [
      there?.inRecovery === true ? "is in recovery; promote it first" : undefined,
      there?.groupId === groupId
        ? undefined
        : `is not this node: its group is ${String(there?.groupId ?? 0)}, the node's ${String(groupId)}. Name the server that holds the node's data, or give a new server a new key`,
    ];
    return reasons
      .filter((reason) => reason !== undefined)
      .map((reason) => `node "${key}": the server at ${to.host}:${String(to.port)} ${reason}`);
  });
}

const relationsSql = sql`
  SELECT format('%I.%I', n.nspname, c.relname) AS relation FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
     AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'citus', 'citus_internal', 'columnar', 'columnar_internal', 'pg_toast')
     AND c.relname NOT IN ('citus_tables', 'citus_schemas')`;

async function serverFacts(session: Session): Promise<ServerFacts> {
  const [server] = await session.query<{ identifier: string; recovering: boolean; version: string | null }>(sql`
    SELECT system_identifier::text AS identifier, pg_is_in_recovery() AS recovering,
           (SELECT extversion FROM pg_extension WHERE extname = 'citus') AS version FROM pg_control_system()`);
  const relations = (await session.query<{ relation: string }>(relationsSql)).map(({ relation }) => relation);
  const facts = {
    systemIdentifier: server?.identifier ?? "",
    inRecovery: server?.recovering ?? false,
    groupId: 0,
    nodeCount: 0,
    relations,
  };
  if (server === undefined || server.version === null) return facts;
  const [citus] = await session.query<{ groupId: number; nodeCount: number; coordinator: string | null }>(sql`
    SELECT (SELECT groupid FROM pg_dist_local_group) AS "groupId", (SELECT count(*)::int FROM pg_dist_node) AS "nodeCount",
           (SELECT nodename || ':' || nodeport FROM pg_dist_node WHERE groupid = 0 LIMIT 1) AS coordinator`);
  return {
    ...facts,
    citusVersion: server.version,
    groupId: citus?.groupId ?? 0,
    nodeCount: citus?.nodeCount ?? 0,
    ...(typeof citus?.coordinator === "string" ? { coordinator: citus.coordinator } : {}),
  };
}

async function clusterFacts(session: Session): Promise<ClusterFacts> {
  const [version] = await session.query<{ version: string }>(
    sql`SELECT extversion AS version FROM pg_extension WHERE extname = 'citus'`,
  );
  const tables = await session.query<{ relation: string }>(sql`
    SELECT format('%I.%I', n.nspname, c.relname) AS relation
      FROM pg_dist_partition JOIN pg_class c ON c.oid = logicalrelid JOIN pg_namespace n ON n.oid = c.relnamespace`);
  // Asks every registered node; the coordinator answers for itself also where it is not registered.
  const identifiers = await session.query<{ node: string; identifier: string }>(sql`
    SELECT coalesce(nodename || ':' || nodeport, 'the coordinator') AS node, result AS identifier
      FROM run_command_on_all_nodes('SELECT system_identifier FROM pg_control_system()') LEFT JOIN pg_dist_node USING (nodeid) WHERE success`);
  return {
    citusVersion: version?.version ?? "",
    tables: tables.map(({ relation }) => relation),
    identifiers: Object.fromEntries(identifiers.map(({ node, identifier }) => [node, identifier])),
  };
}

/** Refuses every server that must not join, or is not the node that is registered or moved there, all reasons at once, before anything is changed. */
export async function checkArrivals(
  session: Session,
  context: Context,
  connection: Connection,
  arrivals: Readonly<Record<string, ServerAddress>>,
  moves: readonly Move[],
): Promise<void> {
  const wrong = await impostors(session, moves);
  if (wrong.length > 0) throw new Error(wrong.join("; "));
  if (Object.keys(arrivals).length === 0 && moves.length === 0) return;
  const cluster = await clusterFacts(session);
  const factsOf = (servers: Readonly<Record<string, ServerAddress>>) =>
    onEach(context, connection, servers, connection.database, async (server) => ({
      ...(await serverFacts(server)),
      address: server.server,
    }));
  const movedTo = Object.fromEntries(moves.map(({ key, to }) => [key, to]));
  const reasons = [...refusals(cluster, await factsOf(arrivals)), ...moveRefusals(moves, await factsOf(movedTo))];
  if (reasons.length > 0) throw new Error(reasons.join("; "));
}

/**
 * Registered workers at whose address another server answers: an empty one, or one of another cluster. Citus asks nobody and calls it healthy.
 * Those that are just moving are left out.
 */
export async function impostors(session: Session, moves: readonly Move[] = []): Promise<readonly string[]> {
  const rows = await session.query<{ node: string; groupId: number; result: string }>(sql`
    SELECT r.nodename || ':' || r.nodeport AS node, n.groupid AS "groupId", result
      FROM run_command_on_workers('SELECT groupid FROM pg_dist_local_group') r
      JOIN pg_dist_node n ON n.nodename = r.nodename AND n.nodeport = r.nodeport
     WHERE n.isactive AND n.noderole = 'primary' AND NOT n.groupid = ANY (${moves.map(({ groupId }) => groupId)}::int[])
       AND (CASE WHEN success THEN result <> n.groupid::text ELSE result LIKE 'ERROR:%' END)`);
  return rows.map(
    ({ node, groupId, result }) =>
      `${node} is registered as group ${String(groupId)}, but the server there says ${JSON.stringify(result)}: it does not hold that node's data. ` +
      `Start the right server there, or remove the row by hand (citus_remove_node) where the data is lost for good`,
  );
}

/** Is the server there to be told that it left? */
export async function answers(context: Context, connection: Connection, address: ServerAddress): Promise<boolean> {
  return await context
    .connect(at(connection, address, connection.database), (session) => session.query(sql`SELECT`))
    .then(
      () => true,
      // Whatever the reason, it cannot be told.
      () => false,
    );
}
