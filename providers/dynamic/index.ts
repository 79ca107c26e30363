/** Every kind of dynamic resource, one line each. `provider.ts` serves exactly what is listed here. */
export { Database, database, type DatabaseArgs } from "./database";
export { Extension, extension, type ExtensionArgs } from "./extension";
export { Nodes, nodes, type NodesArgs } from "./nodes";
export { Preflight, preflight, type PreflightArgs } from "./preflight";
export { RevocationList, revocationList, type RevocationListArgs } from "./revocation-list";
export { Role, role, type RoleArgs } from "./role";
export { Settings, settings, type SettingsArgs } from "./settings";
