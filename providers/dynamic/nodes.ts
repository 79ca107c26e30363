/** Nodes: the coordinator and all workers of one database. Adds, changes, drains and removes; touches only the nodes it was given.
 *  Calls citus_set_coordinator_host, citus_add_node, citus_update_node, citus_activate_node, citus_disable_node, citus_set_node_property,
 *  replicate_reference_tables, citus_rebalance_start, stop_metadata_sync_to_node, citus_remove_node; reads pg_dist_node. Citus 13.0 or newer.
 *  Source: https://docs.citusdata.com/en/stable/develop/api_udf.html */
import { setTimeout as delay } from "node:timers/promises";
import type * as pulumi from "@pulumi/pulumi";
import { checkHostAddress, checkPort } from "../../sizing/names";
import type { Problem } from "../../sizing/problem";
import type { Context, Found, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { at } from "./engine/server";
import type { Connection, Session } from "./engine/session";
import { sql } from "./engine/sql";
import { answers, checkArrivals, impostors } from "./nodes/arrival";
import { refuseForgottenDatabases } from "./nodes/departure";
import { checkJobSeconds, checkTransferMode, defaultJobSeconds, type TransferMode } from "./nodes/background-job";
import { drain, type LeavingNode } from "./nodes/drain";
import {
  addressText,
  planNodes,
  sameAddress,
  type CoordinatorNode,
  type FormerServer,
  type NodeRow,
  type NodesPlan,
  type WorkerNode,
} from "./nodes/plan";

/** A node whose parts may be known late. */
type NodeInput<Node> = pulumi.Input<{ readonly [K in keyof Node]: pulumi.Input<Node[K]> }>;

/** The nodes of one database. */
export interface NodesArgs {
  /** The coordinator, in the database whose nodes these are, as a superuser. New and leaving workers are dialled with the same user. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /** The coordinator as workers dial it. Changing its address updates the row in place. Shape: `{ host, port, shouldHaveShards? }`, the last false by default. */
  coordinator: NodeInput<CoordinatorNode>;
  /**
   * Workers by a stable key. Shape of an entry: `{ host, port, shouldHaveShards?, active? }`, both true by default.
   * A new key is added and gets the reference tables. A key that goes is drained, removed with its metadata, and loses its citus extension; its copies of
   * reference tables stay there as plain tables, since nothing is deleted unasked.
   * A key whose address changes is the same node elsewhere (citus_update_node). Nodes that were never in the map are left alone.
   */
  workers: pulumi.Input<Readonly<Record<string, NodeInput<WorkerNode>>>>;
  /**
   * Servers that carried the database once: `former` of its `Database`. One that is still registered, because the run that added it
   * was killed or failed, is drained and removed like any worker that goes. @default []
   */
  former?: pulumi.Input<readonly FormerServer[]>;
  /**
   * Databases on the same servers that have Nodes resources of their own. With this list, even an empty one, a worker only goes when it
   * carries no other database of a cluster, whose shards would be gone with it. Changing it runs no statement. @default - not looked at
   */
  managedDatabases?: pulumi.Input<readonly pulumi.Input<string>[]>;
  /**
   * How shards move when a worker leaves: "auto" keeps writes going and needs a replica identity on every table,
   * "force_logical" does not check it, "block_writes" makes writes wait. Changing it runs no statement. @default "auto"
   */
  transferMode?: pulumi.Input<TransferMode>;
  /** Time for all moves of one drain. Unit: seconds. Range: 60 to 604800. Changing it runs no statement. @default 14400 */
  drainTimeoutSeconds?: pulumi.Input<number>;
}

type Inputs = Resolved<NodesArgs>;
type State = object;

const replicateSeconds = 3_600;
const syncSeconds = 60;
const joinSeconds = 300;

export const readSql = sql`
  SELECT nodeid AS "nodeId", groupid AS "groupId", nodename AS host, nodeport AS port, isactive AS active, shouldhaveshards AS "shouldHaveShards"
    FROM pg_dist_node WHERE noderole = 'primary' ORDER BY groupid`;
export const coordinatorSql = ({ coordinator }: Inputs) =>
  sql`SELECT citus_set_coordinator_host(${coordinator.host}, ${coordinator.port})`;
export const addSql = (node: WorkerNode) =>
  node.active === false
    ? sql`SELECT citus_add_inactive_node(${node.host}, ${node.port})`
    : sql`SELECT citus_add_node(${node.host}, ${node.port})`;
export const propertySql = ({ address, shouldHaveShards }: NodesPlan["property"][number]) =>
  sql`SELECT citus_set_node_property(${address.host}, ${address.port}, 'shouldhaveshards', ${shouldHaveShards})`;
export const moveSql = ({ nodeId, to }: NodesPlan["move"][number]) =>
  sql`SELECT citus_update_node(${nodeId}, ${to.host}, ${to.port})`;
export const activateSql = (node: WorkerNode) => sql`SELECT citus_activate_node(${node.host}, ${node.port})`;
export const disableSql = (node: WorkerNode) => sql`SELECT citus_disable_node(${node.host}, ${node.port}, true)`;
export const missingReferenceTablesSql = sql`
  SELECT count(*)::int AS count FROM pg_dist_partition p JOIN pg_dist_shard s USING (logicalrelid) CROSS JOIN pg_dist_node n
   WHERE p.partmethod = 'n' AND p.repmodel = 't' AND n.noderole = 'primary' AND n.isactive AND n.groupid <> 0
     AND NOT EXISTS (SELECT FROM pg_dist_placement q WHERE q.shardid = s.shardid AND q.groupid = n.groupid)`;
export const replicateSql = (mode: TransferMode) =>
  sql`SELECT replicate_reference_tables(${mode}::text::citus.shard_transfer_mode)`;
const unsyncedSql = sql`
  SELECT nodename || ':' || nodeport AS node FROM pg_dist_node WHERE noderole = 'primary' AND isactive AND hasmetadata AND NOT metadatasynced`;
const healthSql = sql`
  SELECT from_nodename || ':' || from_nodeport AS "from", to_nodename || ':' || to_nodeport AS "to"
    FROM citus_check_cluster_node_health() WHERE result IS NOT TRUE`;

async function rowsOf(session: Session): Promise<readonly NodeRow[]> {
  return await session.query<NodeRow>(readSql);
}

async function converge(i: Inputs, context: Context, old?: Inputs): Promise<void> {
  await context.connect(i.connection, async (session) => {
    const plan = planNodes(await rowsOf(session), i, old);
    await checkArrivals(
      session,
      context,
      i.connection,
      Object.fromEntries(plan.add.map(({ key, node }) => [key, node])),
      plan.move,
    );
    const leaving = plan.leave.flatMap(({ key, row }) => (row === undefined ? [] : [{ key, row }]));
    if (i.managedDatabases !== undefined) {
      await refuseForgottenDatabases(context, i.connection, leaving, i.managedDatabases);
    }
    context.begin();
    await join(session, context, plan, i);
    const mode = i.transferMode ?? "auto";
    const [missing] = await session.query<{ count: number }>(missingReferenceTablesSql);
    if ((missing?.count ?? 0) > 0) {
      context.progress("copying the reference tables to the new nodes");
      await session.query(replicateSql(mode), { timeoutSeconds: replicateSeconds });
    }
    await synced(session, context);
    if (leaving.length > 0) {
      await drain(session, context, leaving, {
        transferMode: mode,
        timeoutSeconds: i.drainTimeoutSeconds ?? defaultJobSeconds,
      });
      await remove(session, context, i.connection, leaving);
    }
    await release(context, i.connection, plan.leave);
    await healthy(session);
  });
}

async function join(session: Session, context: Context, plan: NodesPlan, i: Inputs): Promise<void> {
  // All of them before anything that dials the nodes, the coordinator's own row included.
  for (const step of plan.move) {
    context.progress(`node "${step.key}" is at ${addressText(step.to)} from now on`);
    await session.query(moveSql(step));
  }
  if (plan.move.length > 0) await synced(session, context);
  if (plan.setCoordinator) await session.query(coordinatorSql(i));
  const steps = [
    ...plan.add.map(({ node }) => addSql(node)),
    ...plan.activate.map(({ node }) => activateSql(node)),
    ...plan.disable.map(({ node }) => disableSql(node)),
    ...plan.add.flatMap(({ key, node }) =>
      node.shouldHaveShards === false ? [propertySql({ key, address: node, shouldHaveShards: false })] : [],
    ),
    ...plan.property.map(propertySql),
  ];
  if (steps.length === 0) return;
  if (plan.add.length > 0) context.progress(`adding ${plan.add.map(({ key }) => `"${key}"`).join(", ")}`);
  // All of them or none: a killed run leaves no node that is known but not set up.
  await session.transaction(async () => {
    for (const step of steps) await session.query(step, { timeoutSeconds: joinSeconds });
  });
}

/** Metadata has reached every node; until then other changes are refused. */
async function synced(session: Session, context: Context): Promise<void> {
  const deadline = Date.now() + syncSeconds * 1_000;
  for (;;) {
    const behind = await session.query<{ node: string }>(unsyncedSql);
    if (behind.length === 0) return;
    const list = behind.map(({ node }) => node).join(", ");
    if (Date.now() > deadline)
      throw new Error(
        `metadata has not reached ${list} within ${String(syncSeconds)} seconds; see that node's log, then run again`,
      );
    context.progress(`metadata is on its way to ${list}`);
    await delay(200);
  }
}

async function remove(
  session: Session,
  context: Context,
  connection: Connection,
  leaving: readonly LeavingNode[],
): Promise<void> {
  const reachable = await Promise.all(leaving.map(({ row }) => answers(context, connection, row)));
  await session.transaction(async () => {
    for (const [index, { row }] of leaving.entries()) {
      // The node forgets the cluster together with the cluster forgetting it; one that is down cannot be told.
      if (reachable[index] === true)
        await session.query(sql`SELECT stop_metadata_sync_to_node(${row.host}, ${row.port})`);
      await session.query(sql`SELECT citus_remove_node(${row.host}, ${row.port})`);
    }
  });
}

/** Takes the citus extension from the servers that left, so that they are plain servers again. Also the end of a run that was killed after removing them. */
async function release(context: Context, connection: Connection, leave: NodesPlan["leave"]): Promise<void> {
  for (const { key, address } of leave) {
    if (!(await answers(context, connection, address))) {
      context.info(
        `node "${key}" (${addressText(address)}) does not answer: it left the cluster, but still believes to be in it. Wipe its data folder before using it again`,
      );
      continue;
    }
    await context.connect(at(connection, address, connection.database), async (server) => {
      const [citus] = await server.query(sql`SELECT FROM pg_extension WHERE extname = 'citus'`);
      if (citus === undefined) return;
      const [free] = await server.query(
        sql`SELECT FROM pg_dist_local_group WHERE groupid = 0 AND NOT EXISTS (SELECT FROM pg_dist_node)`,
      );
      // Another cluster may have taken it in the meantime, or it coordinates one.
      if (free === undefined) return;
      // Never CASCADE: what depends on citus there is somebody's data.
      await server.query(sql`DROP EXTENSION IF EXISTS citus`).catch((error: unknown) => {
        context.info(
          `node "${key}" left the cluster and keeps the citus extension: ${error instanceof Error ? error.message : String(error)}`,
        );
      });
    });
  }
}

async function healthy(session: Session): Promise<void> {
  const broken = await session.query<{ from: string; to: string }>(healthSql);
  if (broken.length === 0) return;
  const pairs = broken.map(({ from, to }) => `${from} cannot reach ${to}`).join("; ");
  throw new Error(
    `the nodes are registered, but ${pairs}; check certificates, pg_hba.conf and the network between them, then run again`,
  );
}

async function read(i: Inputs, context: Context, state?: State): Promise<Found<Inputs, State> | undefined> {
  return await context.connect(i.connection, async (session) => {
    const rows = await rowsOf(session);
    const coordinator = rows.find(({ groupId }) => groupId === 0);
    const found = Object.entries(i.workers).flatMap(([key, node]) => {
      const row = rows.find((candidate) => candidate.groupId !== 0 && sameAddress(candidate, node));
      return row === undefined ? [] : [[key, { ...node, ...shown(row, node) }] as const];
    });
    if (coordinator === undefined && found.length === 0) return undefined;
    const [missing] = await session.query<{ count: number }>(missingReferenceTablesSql);
    const unfinished = planNodes(rows, i).leave.length > 0 || (missing?.count ?? 0) > 0;
    return {
      // What nobody has managed yet is adopted only when its servers are the ones that are registered.
      complete: !unfinished && (state !== undefined || (await impostors(session)).length === 0),
      inputs: {
        workers: Object.fromEntries(found),
        coordinator:
          coordinator === undefined
            ? { host: "not registered", port: 0 }
            : { host: coordinator.host, port: coordinator.port, ...shownShards(coordinator, i.coordinator, false) },
      },
      state: {},
    };
  });
}

/** Defaults that the user left out stay out, so that they are no drift. */
const shown = (row: NodeRow, node: WorkerNode) => ({
  ...shownShards(row, node, true),
  ...(node.active === undefined && row.active ? {} : { active: row.active }),
});
const shownShards = (row: NodeRow, node: { readonly shouldHaveShards?: boolean }, byDefault: boolean) =>
  node.shouldHaveShards === undefined && row.shouldHaveShards === byDefault
    ? {}
    : { shouldHaveShards: row.shouldHaveShards };

function checkNodes(i: Inputs): readonly Problem[] {
  const all = [
    ["coordinator", i.coordinator] as const,
    ...Object.entries(i.workers).map(([key, node]) => [`workers.${key}`, node] as const),
  ];
  const ofAddresses = all.flatMap(([path, { host, port }]) =>
    [
      { path: `${path}.host`, reason: checkHostAddress(host) },
      { path: `${path}.port`, reason: checkPort(port) },
    ].flatMap(({ path, reason }) => (reason === undefined ? [] : [{ path, reason }])),
  );
  const twins = all.flatMap(([path, node], index) => {
    const twin = all.slice(0, index).find(([, other]) => sameAddress(other, node));
    // By whatever name the coordinator is dialled, it is no worker.
    const other =
      twin?.[0] ??
      (index > 0 && sameAddress(node, i.connection) ? "the connection, which is the coordinator" : undefined);
    return other === undefined
      ? []
      : [{ path, reason: `has the address ${addressText(node)} of ${other}; every node needs its own` }];
  });
  return [...ofAddresses, ...twins];
}

export const nodes: Kind<Inputs, State> = {
  type: "Nodes",
  fields: {
    connection: { onChange: "store", secret: true },
    coordinator: { onChange: "update" },
    workers: { onChange: "update" },
    former: { onChange: "update" },
    managedDatabases: { onChange: "store" },
    transferMode: { onChange: "store", check: checkTransferMode },
    drainTimeoutSeconds: { onChange: "store", check: checkJobSeconds },
  },
  outputs: [],
  check: checkNodes,
  hints: {
    "40P01":
      "the server may be in the cluster already under another name; compare SELECT system_identifier FROM pg_control_system() on both",
    "42501": "node operations need a superuser",
    "3D000": "create the database on every node first, with a Database resource that lists them",
  },
  mends: ["coordinator", "workers"],
  id: (i) => i.connection.database,
  lock: (i) => i.connection,
  forecastFrom: ["workers", "transferMode"],
  forecast: (old, i) => {
    const leaving = Object.keys(old.workers).filter((key) => !Object.hasOwn(i.workers, key));
    const joining = Object.keys(i.workers).filter((key) => !Object.hasOwn(old.workers, key));
    const moving = Object.entries(i.workers).filter(
      ([key, node]) => old.workers[key] !== undefined && !sameAddress(old.workers[key], node),
    );
    return [
      ...joining.map(
        (key) =>
          `adds worker "${key}"${address(i.workers[key])} and copies the reference tables to it; no shard moves, so it holds none of what is there until a Rebalance`,
      ),
      ...moving.map(([key, node]) => `changes the address of worker "${key}" to ${addressText(node)}`),
      ...leaving.map(
        (key) =>
          `drains worker "${key}"${address(old.workers[key])}: moves all its shards to the other nodes (${i.transferMode ?? "auto"}), then removes it`,
      ),
    ];
  },
  read,
  create: async (i, context) => {
    await converge(i, context);
    return {};
  },
  update: async (i, context, old) => {
    await converge(i, context, old);
    return {};
  },
  // Here nobody can tell a worker that goes from a cluster that goes, so nothing is drained.
  keeps: (i) => `left the nodes of database "${i.connection.database}" registered`,
  delete: () => Promise.resolve(),
};

const address = (node: WorkerNode | undefined) => (node === undefined ? "" : ` (${addressText(node)})`);

/** The coordinator and all workers of one database. See {@link NodesArgs}. */
export class Nodes extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = nodes;
  declare readonly workers: pulumi.Output<Readonly<Record<string, WorkerNode>>>;

  constructor(name: string, args: NodesArgs, opts?: pulumi.CustomResourceOptions) {
    super(nodes, name, args, opts);
  }
}
