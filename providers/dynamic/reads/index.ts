/** Every read function, one entry each. They run in the program's own process and change nothing. */
export {
  getConnectionSecurity,
  getConnectionSecurityOutput,
  type SecuredConnection,
  type ConnectionSecurity,
} from "./get-connection-security";
export {
  getMetadataDigest,
  getMetadataDigestOutput,
  type MetadataParts,
  type NodeDigest,
  type MetadataDigest,
} from "./get-metadata-digest";
export { getNodes, getNodesOutput, type ClusterNode } from "./get-nodes";
export { getProgress, getProgressOutput, type BackgroundJob, type ShardMove, type Progress } from "./get-progress";
export { getQueryStatistics, getQueryStatisticsOutput, type QueryStatistics } from "./get-query-statistics";
export {
  getRebalancePlan,
  getRebalancePlanOutput,
  type GetRebalancePlanArgs,
  type PlannedMove,
} from "./get-rebalance-plan";
export { getShards, getShardsOutput, type GetShardsArgs, type ShardPlacement } from "./get-shards";
export { getTables, getTablesOutput, type GetTablesArgs, type CitusTable } from "./get-tables";
export { getTenants, getTenantsOutput, type TenantLoad } from "./get-tenants";
