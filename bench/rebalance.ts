/** rebalance: `Rebalance` with its defaults on a cluster with ours, beside Citus' own call with Citus' own settings. The same data, the same moves. */
import { isDeepStrictEqual } from "node:util";
import { fill } from "../examples/demo/load";
import { nodePostgresUrl } from "../components/connections/strings";
import { provider } from "../providers/dynamic/engine/entry";
import { rebalance as kind } from "../providers/dynamic/rebalance";
import { tool } from "../tests/support/tools";
import { ask, clientFile, newPlace, openCluster, type Place } from "./cluster";
import { seconds, type Bench } from "./measure";

const ours = "Rebalance";
const stock = "citus_rebalance_start()";

const rows = 100_000;
// Of the two tables that `fill` distributes: all of them on one worker, then half on each.
const shards = 32;

export const rebalance: Bench = {
  compares: "Rebalance after a worker joined, beside Citus' stock call, stock settings",
  unit: "s",
  rounds: 5,
  bars: [{ side: stock, peer: ours, atLeast: 2 }],
  prepare: async (scene) => {
    const { missing } = tool("realCitus");
    if (missing !== undefined) throw new Error(`shards need real Citus: ${missing}`);
    scene.say("  forming and filling the cluster");
    const place = await newPlace(scene);
    const stack = await openCluster(scene, place);
    await stack.up();
    await fill(nodePostgresUrl(connectionOf(place)) ?? "", rows);
    const side = (name: string, isStock: boolean, run: () => Promise<unknown>) => ({
      name,
      run: async () => {
        await setExecutors(place, isStock);
        await gather(place);
        const taken = await seconds(run);
        await checkSpread(place, { a: shards / 2, b: shards / 2 });
        return taken;
      },
    });
    return [
      side(ours, false, () => provider(kind).create(argumentsOf(place))),
      side(stock, true, async () => {
        await asOperator(place, "SELECT citus_rebalance_start()");
        await asOperator(place, "SELECT citus_rebalance_wait()");
      }),
    ];
  },
};

const host = "127.0.0.1";

const connectionOf = (place: Place) => ({
  host,
  port: place.ports.coordinator,
  database: "app",
  user: "app",
  authorityFile: clientFile(place, "ca.crt").path,
  certificateFile: clientFile(place, "app.crt").path,
  keyFile: clientFile(place, "app.key").path,
});

const argumentsOf = (place: Place) => ({
  connection: {
    host,
    port: place.ports.coordinator,
    database: "app",
    user: "postgres",
    tls: {
      ca: clientFile(place, "ca.crt").text,
      cert: clientFile(place, "postgres.crt").text,
      key: clientFile(place, "postgres.key").text,
    },
  },
  nodes: { a: { host, port: place.ports.a }, b: { host, port: place.ports.b } },
});

const asOperator = (place: Place, text: string) => ask(place, place.ports.coordinator, "postgres", text);

/** The settings that decide how many moves run side by side: Citus' own, or those that every node of ours has. */
async function setExecutors(place: Place, isStock: boolean): Promise<void> {
  for (const name of ["citus.max_background_task_executors", "citus.max_background_task_executors_per_node"])
    await asOperator(place, `ALTER SYSTEM ${isStock ? `SET ${name} = 1` : `RESET ${name}`}`);
  await asOperator(place, "SELECT pg_reload_conf()");
}

/** All shards to worker a, as before b joined. Blocking writes, which nobody makes, is the fastest way; what moves leave behind is removed. */
async function gather(place: Place): Promise<void> {
  await asOperator(
    place,
    `SELECT citus_move_shard_placement(min(shardid), '${host}', ${place.ports.b}, '${host}', ${place.ports.a}, 'block_writes')
       FROM citus_shards JOIN pg_dist_shard USING (shardid) WHERE nodeport = ${place.ports.b} AND citus_table_type = 'distributed'
      GROUP BY citus_shards.colocation_id, shardminvalue`,
  );
  await asOperator(place, "CALL citus_cleanup_orphaned_resources()");
  await checkSpread(place, { a: shards });
}

/** @throws when the shards lie otherwise */
async function checkSpread(place: Place, expected: Readonly<Record<string, number>>): Promise<void> {
  const found = await asOperator(
    place,
    `SELECT CASE nodeport WHEN ${place.ports.a} THEN 'a' ELSE 'b' END AS key, count(*)::int AS shards
       FROM citus_shards WHERE citus_table_type = 'distributed' GROUP BY 1 ORDER BY 1`,
  );
  const wanted = Object.entries(expected).map(([key, count]) => ({ key, shards: count }));
  if (!isDeepStrictEqual(found, wanted))
    throw new Error(`shards lie at ${JSON.stringify(found)}, expected ${JSON.stringify(wanted)}`);
}
