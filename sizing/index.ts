/** The pure part of the package: checks without a network, usable in any program. */
export { describeProblems, type Problem } from "./problem";
export {
  checkDatabaseName,
  checkExistingDatabaseName,
  checkExtensionName,
  checkHostAddress,
  checkPort,
  checkRoleName,
} from "./names";
export { knownSettings, type KnownSetting, type SettingUnit } from "./known-settings";
export { checkSettings, type SettingScope, type SettingsContext, type SettingValues } from "./settings";
export { checkVersions, supportedVersions, type AskedVersions, type SupportedVersion } from "./versions";
export { checkCluster, type ClusterFacts, type ColocationFacts, type NodeFacts } from "./check-cluster";
export { becauseText, type Because, type Figure, type FigureUnit } from "./figure";
export type { Finding } from "./finding";
export { growthPlan, type GrowthBasis, type GrowthPlan, type GrowthStep } from "./growth";
export { checkWorkload, planCluster, type ClusterPlan, type NodePlan } from "./plan";
export type { OperatingSystemSetting, OperatingSystemSettings } from "./operating-system";
export type { PlannedSetting, PlannedSettings } from "./planned-settings";
export type { Duration, Percent, Size } from "./units";
export type { AnalyticsWorkload, CustomWorkload, ExpectedLoad, GivenFigures, SaasWorkload, Workload } from "./workload";
