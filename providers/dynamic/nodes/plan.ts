/** From the registered nodes to the wanted ones: which steps, in which order. Pure. */
import type { ServerAddress } from "../engine/server";

/** A worker as users ask for it. */
export interface WorkerNode extends ServerAddress {
  /** May it hold shards? False keeps new shards away and moves nothing. @default true */
  readonly shouldHaveShards?: boolean;
  /** Does it take part in queries? False disables it (citus_disable_node). @default true */
  readonly active?: boolean;
}

/** The coordinator as users ask for it. */
export interface CoordinatorNode extends ServerAddress {
  /** May it hold shards? @default false */
  readonly shouldHaveShards?: boolean;
}

/** One row of pg_dist_node. */
export interface NodeRow {
  readonly nodeId: number;
  readonly groupId: number;
  readonly host: string;
  readonly port: number;
  readonly active: boolean;
  readonly shouldHaveShards: boolean;
}

/** A server that carried the database once. */
export interface FormerServer extends ServerAddress {
  /** The key of its node then. */
  readonly key: string;
}

/** The nodes of one database. */
export interface Wanted {
  readonly coordinator: CoordinatorNode;
  readonly workers: Readonly<Record<string, WorkerNode>>;
  /** Servers that are not wanted any more; one that is still registered leaves. */
  readonly former?: readonly FormerServer[];
}

/** What to do, in this order. */
export interface NodesPlan {
  /** The coordinator's own row is missing or names another address. */
  readonly setCoordinator: boolean;
  /** Registered under the address that the last run knew: give the row its new address. */
  readonly move: readonly {
    readonly key: string;
    readonly nodeId: number;
    readonly groupId: number;
    readonly to: ServerAddress;
  }[];
  /** Not registered. */
  readonly add: readonly { readonly key: string; readonly node: WorkerNode }[];
  /** Registered but not active although it should be. */
  readonly activate: readonly { readonly key: string; readonly node: WorkerNode }[];
  /** Active although it should not be. */
  readonly disable: readonly { readonly key: string; readonly node: WorkerNode }[];
  /** Registered with the other value of shouldhaveshards. The coordinator's key is "coordinator". */
  readonly property: readonly {
    readonly key: string;
    readonly address: ServerAddress;
    readonly shouldHaveShards: boolean;
  }[];
  /** Was wanted by the last run and is not any more: drain, remove. `row` is absent where it is removed already. */
  readonly leave: readonly { readonly key: string; readonly address: ServerAddress; readonly row?: NodeRow }[];
}

export const sameAddress = (one: ServerAddress, other: ServerAddress) =>
  one.host === other.host && one.port === other.port;
export const addressText = ({ host, port }: ServerAddress) => `${host}:${String(port)}`;

/** The steps from `rows` to `wanted`. `old` is what the last successful run asked for; only its nodes and `former` ones ever leave. */
export function planNodes(
  rows: readonly NodeRow[],
  wanted: Wanted,
  old: Pick<Wanted, "workers"> = { workers: {} },
): NodesPlan {
  const at = (address: ServerAddress) => rows.find((row) => row.groupId !== 0 && sameAddress(row, address));
  const coordinator = rows.find((row) => row.groupId === 0);
  const workers = Object.entries(wanted.workers).sort(([one], [other]) => (one < other ? -1 : 1));
  const wantedAddresses = [wanted.coordinator, ...workers.map(([, node]) => node)];
  const isWanted = (address: ServerAddress) => wantedAddresses.some((other) => sameAddress(other, address));
  // A row found by its old address is the same node at a new one, unless another key has taken that address over.
  const moved = workers.flatMap(([key, node]) => {
    const before = old.workers[key];
    const row = before === undefined || isWanted(before) || at(node) !== undefined ? undefined : at(before);
    return row === undefined ? [] : [{ key, to: { host: node.host, port: node.port }, row }];
  });
  const known = workers.flatMap(([key, node]) => {
    const row = at(node) ?? moved.find((move) => move.key === key)?.row;
    return row === undefined ? [] : [{ key, node, row }];
  });
  const leaveOld = Object.entries(old.workers)
    .filter(([, address]) => !isWanted(address) && !(coordinator !== undefined && sameAddress(coordinator, address)))
    // A key that stays leaves a row behind only when its new address has a row of its own.
    .filter(
      ([key, address]) =>
        !Object.hasOwn(wanted.workers, key) || (at(address) !== undefined && !moved.some((move) => move.key === key)),
    )
    .map(([key, { host, port }]) => {
      const row = at({ host, port });
      return { key, address: { host, port }, ...(row === undefined ? {} : { row }) };
    });
  // A run that was killed after registering a node left no word of it but here.
  const forgotten = (wanted.former ?? []).flatMap(({ key, host, port }) => {
    const row = isWanted({ host, port }) ? undefined : at({ host, port });
    const seen =
      moved.some((move) => move.row === row) || leaveOld.some(({ address }) => sameAddress(address, { host, port }));
    return row === undefined || seen ? [] : [{ key, address: { host, port }, row }];
  });
  const leave = [...leaveOld, ...forgotten];
  const properties = known
    .filter(({ node, row }) => row.shouldHaveShards !== (node.shouldHaveShards ?? true))
    .map(({ key, node }) => ({
      key,
      address: { host: node.host, port: node.port },
      shouldHaveShards: node.shouldHaveShards ?? true,
    }));
  const coordinatorShards = wanted.coordinator.shouldHaveShards ?? false;
  const setCoordinator = coordinator === undefined || !sameAddress(coordinator, wanted.coordinator);
  // citus_set_coordinator_host makes the row with shouldhaveshards = false and keeps the value of a row that is there.
  if ((coordinator?.shouldHaveShards ?? false) !== coordinatorShards) {
    const { host, port } = wanted.coordinator;
    properties.unshift({ key: "coordinator", address: { host, port }, shouldHaveShards: coordinatorShards });
  }
  return {
    setCoordinator,
    move: moved.map(({ key, to, row }) => ({ key, nodeId: row.nodeId, groupId: row.groupId, to })),
    add: workers.filter(([key]) => !known.some((node) => node.key === key)).map(([key, node]) => ({ key, node })),
    activate: known
      .filter(({ node, row }) => !row.active && (node.active ?? true))
      .map(({ key, node }) => ({ key, node })),
    disable: known
      .filter(({ node, row }) => row.active && !(node.active ?? true))
      .map(({ key, node }) => ({ key, node })),
    property: properties,
    leave,
  };
}
