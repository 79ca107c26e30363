/** Rebalance: shards are spread over the nodes of one database, by a background job of the cluster. A change of nodes starts it again.
 *  Calls citus_rebalance_start, citus_job_cancel; reads get_rebalance_table_shards_plan, citus_shard_sizes, citus_job_status. Citus 13.2 or newer.
 *  Source: https://docs.citusdata.com/en/stable/admin_guide/cluster_management.html */
import type * as pulumi from "@pulumi/pulumi";
import { describeProblems, type Problem } from "../../sizing/problem";
import type { Context, Found, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import type { ServerAddress, ServerMap } from "./engine/server";
import type { Connection, Session } from "./engine/session";
import { sql } from "./engine/sql";
import {
  awaitOtherJob,
  bytesText,
  checkJobSeconds,
  checkTransferMode,
  defaultJobSeconds,
  followJob,
  lacksIdentity,
  runningJobSql,
  startSql,
  type JobWait,
  type TransferMode,
} from "./nodes/background-job";
import { addressText, sameAddress } from "./nodes/plan";

/** How and over which nodes shards are spread. */
export interface RebalanceArgs {
  /** The coordinator, in the database whose shards move, as a superuser. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /**
   * The nodes that are to hold their share, by a stable key; registered before, so list their `Nodes` in dependsOn. Changing them starts a job.
   * A refresh shows the nodes that lack shards as absent, so that `pulumi up --refresh` levels what grew uneven.
   */
  nodes: ServerMap;
  /**
   * What is levelled: "by_disk_size", which leaves little data where it is, "by_shard_count", or one of your own that
   * citus_add_rebalance_strategy made. Changing it starts a job. @default - the cluster's default strategy, "by_disk_size" unless changed
   */
  strategy?: pulumi.Input<string>;
  /**
   * How far a node may be from the average before a job starts, as a part of it. Range: the strategy's own threshold, which the job itself goes by,
   * to 1. Changing it starts a job where one is due. @default - the strategy's own (by_disk_size: 0.1)
   */
  threshold?: pulumi.Input<number>;
  /**
   * How shards move: "auto" keeps writes going and needs a replica identity on every table, "force_logical" does not check it,
   * "block_writes" makes writes wait. Changing it runs no statement. @default "auto"
   */
  transferMode?: pulumi.Input<TransferMode>;
  /** Copy several reference tables at a time? Changing it runs no statement. @default true */
  parallelTransferReferenceTables?: pulumi.Input<boolean>;
  /**
   * Move several shards of one colocation group at a time? As many as `citus.max_background_task_executors_per_node` (1 in Citus, 4 in `CitusCluster`).
   * Changing it runs no statement. @default true
   */
  parallelTransferColocatedShards?: pulumi.Input<boolean>;
  /** Time for the whole job; then it is cancelled, and the next run goes on. Unit: seconds. Range: 60 to 604800. Changing it runs no statement. @default 14400 */
  timeoutSeconds?: pulumi.Input<number>;
}

/** Counted when the job last ran, for forecasts; a refresh leaves it alone, since data grows by itself. */
export interface RebalanceState {
  /** Shards of distributed tables. */
  readonly shards: number;
  /** Their size. */
  readonly bytes: number;
}

type Inputs = Resolved<RebalanceArgs>;

const planSeconds = 300;

/** What Citus would move, by table, source and target. */
export const planSql = (i: Pick<Inputs, "strategy" | "threshold">) => sql`
  SELECT format('%I.%I', n.nspname, c.relname) AS "table", pg_get_userbyid(c.relowner) AS owner, n.nspname AS schema,
         plan.sourcename AS "sourceHost", plan.sourceport AS "sourcePort", plan.targetname AS "targetHost", plan.targetport AS "targetPort",
         count(*)::int AS shards, coalesce(sum(sizes.size), 0)::float AS bytes,
         bool_and(c.relkind = 'r' AND ${lacksIdentity}) AS "lacksIdentity",
         bool_and(has_schema_privilege(c.relowner, n.oid, 'CREATE')) AS "ownerMayCreate"
    FROM get_rebalance_table_shards_plan(rebalance_strategy => ${i.strategy ?? null}::text::name, threshold => ${i.threshold ?? null}::real) plan
    JOIN pg_class c ON c.oid = plan.table_name JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN (SELECT shard_id, max(size) AS size FROM citus_shard_sizes() GROUP BY 1) sizes ON sizes.shard_id = plan.shardid
   GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 4, 5, 6, 7`;
const strategiesSql = sql`
  SELECT name::text, default_strategy AS "isDefault", default_threshold::text::float AS threshold FROM pg_dist_rebalance_strategy ORDER BY 1`;
const nodesSql = sql`
  SELECT nodename AS host, nodeport AS port, isactive AS active, shouldhaveshards AS "shouldHaveShards" FROM pg_dist_node WHERE noderole = 'primary'`;
const reachSql = sql`
  SELECT nodename AS host, nodeport AS port, success, result, split_part(result, ' ', 1) AS "walLevel",
         CASE WHEN success THEN split_part(result, ' ', 2)::float END AS available, CASE WHEN success THEN split_part(result, ' ', 3)::float END AS total
    FROM run_command_on_all_nodes($$SELECT current_setting('wal_level') || ' ' || available_disk_size || ' ' || total_disk_size
                                      FROM pg_catalog.citus_local_disk_space_stats()$$)
    JOIN pg_dist_node USING (nodeid) ORDER BY 1, 2`;
const limitsSql = sql`
  SELECT current_setting('citus.max_background_task_executors')::int AS executors,
         current_setting('citus.max_background_task_executors_per_node')::int AS "perNode",
         current_setting('citus.desired_percent_disk_available_after_move')::int AS "freePercent"`;
const countSql = sql`
  SELECT count(*)::int AS shards, coalesce(sum(size), 0)::float AS bytes
    FROM pg_dist_shard JOIN pg_dist_partition USING (logicalrelid)
    LEFT JOIN (SELECT shard_id, max(size) AS size FROM citus_shard_sizes() GROUP BY 1) sizes ON sizes.shard_id = shardid
   WHERE NOT (partmethod = 'n' AND repmodel = 't')`;

interface Move {
  readonly table: string;
  readonly owner: string;
  readonly schema: string;
  readonly sourceHost: string;
  readonly sourcePort: number;
  readonly targetHost: string;
  readonly targetPort: number;
  readonly shards: number;
  readonly bytes: number;
  readonly lacksIdentity: boolean;
  readonly ownerMayCreate: boolean;
}

interface Reached extends ServerAddress {
  readonly success: boolean;
  readonly result: string;
  readonly walLevel: string;
  /** Bytes that its disk has free, and in all. */
  readonly available: number;
  readonly total: number;
}

const sourceOf = (move: Move): ServerAddress => ({ host: move.sourceHost, port: move.sourcePort });
const targetOf = (move: Move): ServerAddress => ({ host: move.targetHost, port: move.targetPort });
const sum = (moves: readonly Move[], of: "shards" | "bytes") => moves.reduce((total, move) => total + move[of], 0);

async function plannedMoves(session: Session, i: Inputs): Promise<readonly Move[]> {
  return await session.query<Move>(planSql(i), { timeoutSeconds: planSeconds });
}

async function counted(session: Session): Promise<RebalanceState> {
  const [row] = await session.query<RebalanceState>(countSql, { timeoutSeconds: planSeconds });
  return row ?? { shards: 0, bytes: 0 };
}

/** The key that users know, or the address. */
function nameOf(i: Inputs, address: ServerAddress): string {
  const [key] = Object.entries(i.nodes).find(([, node]) => sameAddress(node, address)) ?? [];
  return key === undefined ? addressText(address) : `"${key}"`;
}

/** `12 shards (3 MiB) to "c"; 4 shards (1 MiB) to "d"`. */
function movesText(i: Inputs, moves: readonly Move[]): string {
  const targets = [...new Set(moves.map((move) => nameOf(i, targetOf(move))))];
  return targets
    .map((target) => {
      const into = moves.filter((move) => nameOf(i, targetOf(move)) === target);
      return `${shardsText(sum(into, "shards"))} (${bytesText(sum(into, "bytes"))}) to ${target}`;
    })
    .join("; ");
}

const shardsText = (count: number) => `${String(count)} shard${count === 1 ? "" : "s"}`;

function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new Error(`no shard can move yet:\n${describeProblems(problems)}`);
}

/** What the job would be asked for and cannot be. */
async function argumentProblems(session: Session, i: Inputs): Promise<readonly Problem[]> {
  const strategies = await session.query<{ name: string; isDefault: boolean; threshold: number }>(strategiesSql);
  const strategy = strategies.find(({ name, isDefault }) =>
    i.strategy === undefined ? isDefault : name === i.strategy,
  );
  const known = strategies.map(({ name }) => name).join(", ");
  const rows = await session.query<ServerAddress & { active: boolean; shouldHaveShards: boolean }>(nodesSql);
  const ofNodes = Object.entries(i.nodes).flatMap(([key, node]) => {
    const row = rows.find((candidate) => sameAddress(candidate, node));
    const reason =
      row === undefined
        ? "is not registered; list the Nodes resource that adds it in dependsOn"
        : !row.active
          ? "is not active; activate it (Nodes: active: true), or leave it out"
          : !row.shouldHaveShards
            ? "may hold no shards; set shouldHaveShards: true in Nodes, or leave it out"
            : undefined;
    return reason === undefined ? [] : [{ path: `nodes.${key}`, reason: `${addressText(node)} ${reason}` }];
  });
  if (strategy === undefined) {
    const reason = `"${i.strategy ?? "default"}" is none of ${known}; name one of them, or make it with citus_add_rebalance_strategy first`;
    return [...ofNodes, { path: "strategy", reason }];
  }
  // The job takes its threshold from the strategy alone.
  if (i.threshold !== undefined && i.threshold < strategy.threshold) {
    const reason = `${String(i.threshold)} is below ${String(strategy.threshold)}, which is what ${strategy.name} goes by; leave it out, or take a strategy of your own`;
    return [...ofNodes, { path: "threshold", reason }];
  }
  return ofNodes;
}

/** What would stop the moves half-way, before the first one. */
async function moveProblems(session: Session, i: Inputs, moves: readonly Move[]): Promise<readonly Problem[]> {
  const mode = i.transferMode ?? "auto";
  const once = <Row>(rows: readonly Row[], path: (row: Row) => string, reason: (row: Row) => string): Problem[] => [
    ...new Map(rows.map((row) => [path(row), { path: path(row), reason: reason(row) }])).values(),
  ];
  const reached = await session.query<Reached>(reachSql);
  const [limits] = await session.query<{ freePercent: number }>(limitsSql);
  const ofNodes = reached.flatMap((node) => {
    const path = `node ${nameOf(i, node)}`;
    if (!node.success)
      return [{ path, reason: `does not answer the coordinator: ${node.result.trim()}; start it and run again` }];
    const { walLevel, available, total } = node;
    const gains =
      sum(
        moves.filter((move) => sameAddress(targetOf(move), node)),
        "bytes",
      ) -
      sum(
        moves.filter((move) => sameAddress(sourceOf(move), node)),
        "bytes",
      );
    const keep = (total * (limits?.freePercent ?? 0)) / 100;
    return [
      ...(mode !== "block_writes" && walLevel !== "logical"
        ? [
            {
              path,
              reason: `has wal_level ${walLevel}, which "${mode}" moves cannot use; set wal_level = logical and restart it, or take transferMode "block_writes"`,
            },
          ]
        : []),
      ...(gains > 0 && available - gains < keep
        ? [
            {
              path,
              reason:
                `would get ${bytesText(gains)}, has ${bytesText(available)} free and must keep ${bytesText(keep)} ` +
                "(citus.desired_percent_disk_available_after_move); give it room, or add a node",
            },
          ]
        : []),
    ];
  });
  const ofIdentity = once(
    mode === "auto" ? moves.filter((move) => move.lacksIdentity) : [],
    ({ table }) => `table ${table}`,
    () =>
      "has no replica identity, so updates and deletes would fail while its shards move; give it a primary key, " +
      'or run ALTER TABLE … REPLICA IDENTITY FULL, or set transferMode to "block_writes" (writes wait during each move)',
  );
  const ofOwners = once(
    moves.filter((move) => !move.ownerMayCreate),
    ({ table }) => `table ${table}`,
    ({ owner, schema }) =>
      `belongs to ${owner}, which may create nothing in its schema, as a move must; run GRANT CREATE ON SCHEMA ${schema} TO ${owner}`,
  );
  return [...ofNodes, ...ofIdentity, ...ofOwners];
}

async function converge(i: Inputs, context: Context): Promise<RebalanceState> {
  return await context.connect(i.connection, async (session) => {
    refuse(await argumentProblems(session, i));
    context.begin();
    const wait: JobWait = {
      doing: "rebalancing",
      waits: "the rebalance must wait",
      deadline: Date.now() + (i.timeoutSeconds ?? defaultJobSeconds) * 1_000,
      limit: "timeoutSeconds",
      afterEnd: "What was moved stays where it is; mend the cause and run again, it continues there",
      afterCancel: "What was moved stays where it is; mend the cause and run again, it continues there",
    };
    // The job of a killed run goes on by itself, and so does one that somebody else started.
    for (const { id } of await session.query<{ id: string }>(runningJobSql))
      await awaitOtherJob(session, context, id, wait);
    const moves = await plannedMoves(session, i);
    if (moves.length > 0) {
      refuse(await moveProblems(session, i, moves));
      context.info(`rebalancing moves ${movesText(i, moves)}`);
      await warnOfOneByOne(session, i, context);
      const [job] = await session.query<{ id: string | null }>(
        startSql({ ...i, transferMode: i.transferMode ?? "auto" }),
      );
      if (job !== undefined && job.id !== null) await followJob(session, context, job.id, wait);
    }
    return await counted(session);
  });
}

async function warnOfOneByOne(session: Session, i: Inputs, context: Context): Promise<void> {
  const [limits] = await session.query<{ executors: number; perNode: number }>(limitsSql);
  if (i.parallelTransferColocatedShards === false || limits === undefined) return;
  if (limits.executors > 1 && limits.perNode > 1) return;
  context.info(
    `shards move one at a time: citus.max_background_task_executors is ${String(limits.executors)} and ` +
      `citus.max_background_task_executors_per_node is ${String(limits.perNode)} on the coordinator; raise both (a reload is enough)`,
  );
}

async function read(i: Inputs, context: Context, state?: RebalanceState): Promise<Found<Inputs, RebalanceState>> {
  // Create decides by Citus' own plan, after its arguments are known to be good.
  if (state === undefined) return { inputs: {}, state: { shards: 0, bytes: 0 }, complete: false };
  return await context.connect(i.connection, async (session) => {
    const moves = await plannedMoves(session, i);
    if (moves.length > 0) context.info(`unevenly spread; Citus would move ${movesText(i, moves)}`);
    const nodes = Object.entries(i.nodes).filter(
      ([, node]) => !moves.some((move) => sameAddress(targetOf(move), node)),
    );
    return { inputs: { nodes: Object.fromEntries(nodes) }, state };
  });
}

export const rebalance: Kind<Inputs, RebalanceState> = {
  type: "Rebalance",
  fields: {
    connection: { onChange: "store", secret: true },
    nodes: {
      onChange: "update",
      check: (value) => (Object.keys(value).length > 0 ? undefined : "must name at least one node, got {}"),
    },
    strategy: {
      onChange: "update",
      check: (value) =>
        value.length > 0 && Buffer.byteLength(value) <= 63
          ? undefined
          : `must be the name of a strategy, 1 to 63 bytes, got "${value}"`,
    },
    threshold: {
      onChange: "update",
      check: (value) => (value >= 0 && value <= 1 ? undefined : `must be 0 to 1, got ${String(value)}`),
    },
    transferMode: { onChange: "store", check: checkTransferMode },
    parallelTransferReferenceTables: { onChange: "store" },
    parallelTransferColocatedShards: { onChange: "store" },
    timeoutSeconds: { onChange: "store", check: checkJobSeconds },
  },
  outputs: ["shards", "bytes"],
  mends: ["nodes"],
  hints: {
    "42501": "a rebalance needs a superuser",
    "42883": "Citus 13.2 or newer is needed; run ALTER EXTENSION citus UPDATE on every node",
  },
  id: (i) => i.connection.database,
  lock: (i) => i.connection,
  forecastFrom: ["nodes", "strategy", "transferMode"],
  forecast: (old, i) => {
    const how = `${i.strategy ?? "the default strategy"}, ${i.transferMode ?? "auto"}`;
    const joining = Object.keys(i.nodes).filter((key) => !Object.hasOwn(old.nodes, key));
    const same = joining.length === 0 && Object.keys(old.nodes).length === Object.keys(i.nodes).length;
    if (same && old.strategy === i.strategy && old.threshold === i.threshold) return [];
    // Without a shard at its last run there is nothing to count with.
    if (joining.length === 0 || old.shards === 0) return [`rebalances (${how}): moves what Citus plans once it runs`];
    const share = joining.length / Object.keys(i.nodes).length;
    return [
      `rebalances (${how}): about ${String(Math.round(old.shards * share))} of ${shardsText(old.shards)} ` +
        `(${bytesText(old.bytes * share)} of ${bytesText(old.bytes)}) go to ${joining.map((key) => `"${key}"`).join(", ")}; ` +
        "an even share of what was counted at its last run, since Citus plans only with nodes that have joined",
    ];
  },
  read,
  create: converge,
  update: converge,
  // What was moved stays, wherever it is.
  keeps: () => "",
  delete: () => Promise.resolve(),
};

/** Shards spread over the nodes of one database. See {@link RebalanceArgs}. */
export class Rebalance extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = rebalance;
  declare readonly shards: pulumi.Output<number>;
  declare readonly bytes: pulumi.Output<number>;

  constructor(name: string, args: RebalanceArgs, opts?: pulumi.CustomResourceOptions) {
    super(rebalance, name, args, opts);
  }
}
