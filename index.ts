/** Public API of pulumi-citus. Re-exports only. */
export { CitusCluster, type CitusClusterArgs } from "./components/cluster";
export { Certificates, type CertificatesArgs } from "./components/certificates";
export { Connections, type ConnectionsArgs } from "./components/connections";
export {
  CitusDatabase,
  type CitusDatabaseArgs,
  type CitusDatabaseSpec,
  type DatabaseExtensionArgs,
  type DatabaseRebalanceArgs,
} from "./components/database";
export { Fencing, type FencingArgs } from "./components/fencing";
export type { Host, HostAddress, HostRequirements, Hosts, HostTarget, NodeRole } from "./components/hosts/host";
export type { AptRepositoryArgs, PackageInstallArgs } from "./components/hosts/install";
export {
  LocalHosts,
  localHosts,
  type LocalHostArgs,
  type LocalHostsArgs,
  type LocalHostTargetArgs,
} from "./components/hosts/local";
export {
  sshHosts,
  SshHosts,
  type BastionArgs,
  type SshHostArgs,
  type SshHostsArgs,
  type SshHostTargetArgs,
} from "./components/hosts/ssh";
export { NodeConfiguration, type NodeConfigurationArgs } from "./components/node-configuration";
export * from "./providers/dynamic";
export * from "./providers/dynamic/reads";
export type { Limit, Listed } from "./providers/dynamic/engine/reading";
export type { Connection, ConnectionTls } from "./providers/dynamic/engine/session";
export type { SshAddress, SshLogin } from "./providers/dynamic/engine/ssh";
export type { ClusterPlan } from "./sizing/plan";
export type { GrantTarget } from "./providers/dynamic/grant/target";
export type { Problem } from "./sizing/problem";
export type { SharedMachine } from "./sizing/shared-machine";
export type { Workload } from "./sizing/workload";
