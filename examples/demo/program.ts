/** The program of the demo: one cluster of local servers, whose workers differ from step to step. */
import { CitusCluster, localHosts } from "pulumi-citus";

/** What differs between runs and machines. */
export interface DemoCluster {
  /** Folder of everything that the demo makes; short, since Unix sockets lie in it. */
  readonly folder: string;
  /** TCP port of the coordinator. */
  readonly coordinator: number;
  /** TCP port of each worker, by its key. */
  readonly workers: Readonly<Record<string, number>>;
  /** Folder of PostgreSQL's programs. @default - what localHosts finds */
  readonly bin?: string;
  /** Operating-system user of the servers. @default - what localHosts takes */
  readonly user?: string;
  /** Move shards whenever workers come or go? Needs a Citus that has shards. @default false */
  readonly rebalance?: boolean;
}

/** The same cluster with these of its workers. */
export const programOf = (cluster: DemoCluster, workers: readonly string[]) => () => {
  const demo = new CitusCluster("demo", {
    hosts: localHosts({
      folder: cluster.folder,
      coordinator: { port: cluster.coordinator },
      workers: Object.fromEntries(workers.map((key) => [key, { port: cluster.workers[key] ?? 0 }])),
      bin: cluster.bin,
      user: cluster.user,
      // A cluster for show leaves nothing behind.
      deleteData: true,
    }),
    databases: { app: { owner: "app", extensions: { pg_stat_statements: {} }, rebalance: cluster.rebalance } },
    loginRoles: ["app"],
    clientFolder: `${cluster.folder}/clients`,
  });
  return Promise.resolve({ nodes: demo.nodes, psql: demo.psql, nodePostgres: demo.nodePostgres });
};
