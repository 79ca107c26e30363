/** The program that tests of whole clusters on separate hosts run. */
import { join } from "node:path";
import {
  CitusCluster,
  sshHosts,
  type CitusClusterArgs,
  type SshHostArgs,
  type SshHostTargetArgs,
} from "../../../index";
import { loginUser, type TestHost, type TestHosts } from "./hosts";

/** One test host, as a user writes it. */
export const machineOf = ({ address, hostKey }: TestHost): SshHostArgs => ({ address, hostKey });

/** Machines by key: the first is the coordinator. */
export function targetOf(
  hosts: TestHosts,
  keys: Readonly<Record<string, string>>,
  args: Partial<SshHostTargetArgs> = {},
): SshHostTargetArgs {
  const machines = Object.entries(keys).map(([key, host]): [string, SshHostArgs] => [key, machineOf(hosts.get(host))]);
  const { coordinator, ...workers } = Object.fromEntries(machines);
  if (coordinator === undefined) throw new Error("no coordinator");
  return { user: loginUser, privateKey: hosts.privateKey, coordinator, workers, ...args };
}

/** The program: a cluster on these machines with one database, and what a test looks at as outputs. */
export const sshClusterOf =
  (dataFolder: string, target: SshHostTargetArgs, args: Partial<CitusClusterArgs> = {}) =>
  () => {
    const cluster = new CitusCluster("demo", {
      hosts: sshHosts(target),
      databases: { app: { owner: "app" } },
      loginRoles: ["app"],
      clientFolder: join(dataFolder, "clients"),
      ...args,
    });
    return Promise.resolve({ nodePostgres: cluster.nodePostgres, nodes: cluster.nodes, psql: cluster.psql });
  };
