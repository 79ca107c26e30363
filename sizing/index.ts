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
export { checkSettings, type SettingsContext } from "./settings";
export { checkVersions, supportedVersions, type AskedVersions, type SupportedVersion } from "./versions";
