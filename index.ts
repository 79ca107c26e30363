/** Public API of pulumi-citus. Re-exports only. */
export { CitusCluster, type CitusClusterArgs } from "./components/cluster";
export { Certificates, type CertificatesArgs } from "./components/certificates";
export { Connections, type ConnectionsArgs } from "./components/connections";
export {
  CitusDatabase,
  type CitusDatabaseArgs,
  type CitusDatabaseSpec,
  type DatabaseExtensionArgs,
} from "./components/database";
export { Fencing, type FencingArgs } from "./components/fencing";
export type { Host, HostAddress, HostRequirements, Hosts, HostTarget, NodeRole } from "./components/hosts/host";
export {
  LocalHosts,
  localHosts,
  type LocalHostArgs,
  type LocalHostsArgs,
  type LocalHostTargetArgs,
} from "./components/hosts/local";
export { NodeConfiguration, type NodeConfigurationArgs } from "./components/node-configuration";
export {
  Database,
  Extension,
  Nodes,
  Preflight,
  RevocationList,
  Role,
  Settings,
  type DatabaseArgs,
  type ExtensionArgs,
  type NodesArgs,
  type PreflightArgs,
  type RevocationListArgs,
  type RoleArgs,
  type SettingsArgs,
} from "./providers/dynamic";
export type { Connection, ConnectionTls } from "./providers/dynamic/engine/session";
export type { Problem } from "./sizing/problem";
