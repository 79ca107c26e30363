/** Every kind of dynamic resource, one line each: its class and what users write. `provider.ts` serves exactly what is listed here. */
export { AuthInfo, type AuthInfoArgs, type AuthInfoTarget } from "./auth-info";
export { ConfigurationFile, type ConfigurationFileArgs } from "./configuration-file";
export { Database, type DatabaseArgs } from "./database";
export { Extension, type ExtensionArgs } from "./extension";
export { Grant, type GrantArgs } from "./grant";
export { LeavingHosts, type LeavingHostsArgs } from "./leaving-hosts";
export { Nodes, type NodesArgs } from "./nodes";
export { Preflight, type PreflightArgs } from "./preflight";
export { Rebalance, type RebalanceArgs } from "./rebalance";
export { RevocationList, type RevocationListArgs } from "./revocation-list";
export { Role, type RoleArgs } from "./role";
export { RowLevelSecurity, type RowLevelSecurityArgs } from "./row-level-security";
export { SameVersions, type SameVersionsArgs } from "./same-versions";
export { Settings, type SettingsArgs } from "./settings";
export { Statistics, type StatisticsArgs } from "./statistics";
