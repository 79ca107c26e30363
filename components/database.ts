/** CitusDatabase: one database on all nodes: created with citus everywhere, its nodes joined, then its other extensions. After node configuration, before fencing. */
import * as pulumi from "@pulumi/pulumi";
import { Database } from "../providers/dynamic/database";
import type { Connection } from "../providers/dynamic/engine/session";
import { Extension } from "../providers/dynamic/extension";
import { Nodes } from "../providers/dynamic/nodes";
import type { TransferMode } from "../providers/dynamic/nodes/background-job";
import { Rebalance } from "../providers/dynamic/rebalance";
import { Settings } from "../providers/dynamic/settings";
import type { SettingValues } from "../sizing/settings";
import type { HostAddress } from "./hosts/host";

/** One extension of a database. */
export interface DatabaseExtensionArgs {
  /** Version. Changing it updates the extension on every node. @default - the one that the installed package brings */
  readonly version?: string;
  /** Schema for its objects. Changing it moves them. @default - the extension's own, else public */
  readonly schema?: string;
}

/** How the shards of a database are spread over its nodes whenever those change. */
export interface DatabaseRebalanceArgs {
  /** "by_disk_size", which leaves little data where it is, "by_shard_count", or one of your own. Changing it starts a job. @default - the database's default strategy */
  readonly strategy?: string;
  /** How far a node may be from the average before a job starts. Range: the strategy's own to 1. @default - the strategy's own */
  readonly threshold?: number;
  /** How shards move. @default - the cluster's `transferMode` */
  readonly transferMode?: TransferMode;
  /** Copy several reference tables at a time? @default true */
  readonly parallelTransferReferenceTables?: boolean;
  /** Move several shards of one colocation group at a time? @default true */
  readonly parallelTransferColocatedShards?: boolean;
  /** Time for the whole job. Unit: seconds. Range: 60 to 604800. @default 14400 */
  readonly timeoutSeconds?: number;
}

/** What a database of a cluster is. Plain values: they are checked before anything is made. */
export interface CitusDatabaseSpec {
  /** Role that owns it: a login role of the cluster or a role that exists on every node. Changing it updates the database. @default "postgres" */
  readonly owner?: string;
  /**
   * Database that it is copied from on each node; it must have no citus and no session in it. It counts when the database is made: changing it
   * later changes nothing. @default "template0"
   */
  readonly template?: string;
  /** Character encoding. Changing it replaces the resource, never the data: the old database is kept and stands in the way. @default - the servers' */
  readonly encoding?: string;
  /** Collation and character classification. Changing it: as `encoding`. @default - the servers' */
  readonly locale?: string;
  /** Language tag of an ICU collation as the database's default, such as "de-AT", in its canonical form; the encoding must be one that ICU has (UTF8). Changing it: as `encoding`. @default - none: `locale` sorts */
  readonly icuLocale?: string;
  /** Version of the citus extension in it, such as "13.2-1". Changing it updates the extension on every node, before anything else touches one. @default - the one that the nodes' installed packages bring */
  readonly extensionVersion?: string;
  /** Extensions besides citus, by name; their packages must be installed on every host. Taking one out keeps it in the database. @default {} */
  readonly extensions?: Readonly<Record<string, DatabaseExtensionArgs>>;
  /**
   * Settings of its sessions, above the servers': `{ statement_timeout: "5min" }`. In force on every node in new sessions. A setting that is taken
   * out of the map is reset; the map as a whole taken out leaves them. Moves of shards obey a `statement_timeout` too, see {@link Settings}.
   * @default - none
   */
  readonly settings?: SettingValues;
  /**
   * Move shards whenever nodes come or go, so that each holds its share? True takes all defaults. Off by default: a worker that joins stays empty
   * but for reference tables and new shards, since no data moves unasked. @default false
   */
  readonly rebalance?: boolean | DatabaseRebalanceArgs;
  /** What taking the database out, or destroying the stack, does to it: "keep" leaves it with its data, "drop" drops it on every node. @default "keep" */
  readonly onDelete?: "keep" | "drop";
}

/** Arguments of {@link CitusDatabase}. */
export interface CitusDatabaseArgs extends CitusDatabaseSpec {
  /** Name, 1 to 63 bytes. @default - the resource's name */
  readonly database?: string;
  /** The coordinator, as a superuser, in the database `postgres`. */
  readonly connection: pulumi.Input<Connection>;
  /** All nodes by stable key; exactly one is the coordinator. A worker that is taken out is drained and removed. */
  readonly nodes: Readonly<Record<string, HostAddress>>;
  /**
   * All databases of these nodes that are managed by a component like this one. With it, a worker only goes when it carries no other database
   * of a cluster. @default - not looked at
   */
  readonly managedDatabases?: readonly string[];
  /** May the coordinator hold shards? @default false */
  readonly coordinatorHoldsShards?: boolean;
  /** How shards move when a worker leaves. @default "auto" */
  readonly transferMode?: TransferMode;
  /** Time for all moves when workers leave. Unit: seconds. @default 14400 */
  readonly drainTimeoutSeconds?: number;
}

/** One database on all nodes. Usable alone, on hosts that run PostgreSQL with Citus. */
export class CitusDatabase extends pulumi.ComponentResource {
  static readonly type = "citus:index:CitusDatabase";
  /** The coordinator, in this database, as the superuser; resolved once the database is complete. Secret. */
  readonly connection: pulumi.Output<Connection>;
  /** The joined nodes. What needs a complete database depends on it; what may only happen after workers left, too. */
  readonly nodes: Nodes;

  constructor(name: string, args: CitusDatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    const databaseName = args.database ?? name;
    // Said for every child, not for itself: a component's own dependencies do not order its children's deletion, and one that
    // waits to be registered is one more step for its children.
    const dependsOn = opts?.dependsOn;
    const own = { ...opts, dependsOn: undefined };
    super(CitusDatabase.type, name, { database: databaseName, workers: workersOf(args.nodes) }, own);
    const child = { parent: this, ...(dependsOn === undefined ? {} : { dependsOn }) };
    const coordinator = coordinatorOf(args.nodes);
    const connection = pulumi
      .secret(pulumi.output(args.connection))
      .apply((to): Connection => ({ ...to, database: databaseName }));

    const nodes = Object.fromEntries(Object.entries(args.nodes).map(([key, node]) => [key, serverOf(node)]));
    const database = new Database(
      name,
      {
        connection: args.connection,
        nodes,
        name: databaseName,
        owner: args.owner,
        template: args.template,
        encoding: args.encoding,
        locale: args.locale,
        icuLocale: args.icuLocale,
        extensionVersion: args.extensionVersion,
        onDelete: args.onDelete,
      },
      child,
    );
    this.nodes = new Nodes(
      name,
      {
        connection,
        coordinator: { ...serverOf(coordinator), shouldHaveShards: args.coordinatorHoldsShards },
        workers: workersOf(args.nodes),
        former: database.former,
        managedDatabases: args.managedDatabases,
        transferMode: args.transferMode,
        drainTimeoutSeconds: args.drainTimeoutSeconds,
      },
      pulumi.mergeOptions(child, { dependsOn: database }),
    );
    const extensions = Object.entries(args.extensions ?? {}).map(
      ([extension, wanted]) =>
        new Extension(
          `${name}-${extension}`,
          { connection, name: extension, version: wanted.version, schema: wanted.schema },
          pulumi.mergeOptions(child, { dependsOn: this.nodes }),
        ),
    );
    const settings =
      args.settings === undefined
        ? []
        : [
            new Settings(
              name,
              { connection: args.connection, nodes, database: databaseName, settings: args.settings },
              pulumi.mergeOptions(child, { dependsOn: database }),
            ),
          ];
    // Nobody waits for it: the database is complete while its shards move.
    if (args.rebalance !== undefined && args.rebalance !== false) {
      new Rebalance(
        name,
        {
          connection,
          nodes: shardNodesOf(args),
          transferMode: args.transferMode,
          ...(args.rebalance === true ? {} : args.rebalance),
        },
        pulumi.mergeOptions(child, { dependsOn: this.nodes }),
      );
    }
    const complete = pulumi.all([this.nodes, ...extensions, ...settings].map(({ urn }) => urn));
    this.connection = pulumi.all([connection, complete]).apply(([to]) => to);
    this.registerOutputs({ database: databaseName });
  }
}

const serverOf = ({ address, port }: HostAddress) => ({ host: address, port });

function workersOf(nodes: CitusDatabaseArgs["nodes"]) {
  const workers = Object.entries(nodes).filter(([, { role }]) => role === "worker");
  return Object.fromEntries(workers.map(([key, node]) => [key, serverOf(node)]));
}

/** The nodes that may hold shards. */
function shardNodesOf({ nodes, coordinatorHoldsShards }: CitusDatabaseArgs) {
  const holders = Object.entries(nodes).filter(([, { role }]) => role === "worker" || coordinatorHoldsShards === true);
  return Object.fromEntries(holders.map(([key, node]) => [key, serverOf(node)]));
}

function coordinatorOf(nodes: CitusDatabaseArgs["nodes"]): HostAddress {
  const coordinator = Object.values(nodes).find(({ role }) => role === "coordinator");
  if (coordinator === undefined)
    throw new pulumi.RunError('nodes: has no coordinator; give one node the role "coordinator"');
  return coordinator;
}
