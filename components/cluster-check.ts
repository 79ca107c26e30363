/** Everything that is wrong with the arguments of a cluster, told at once, before anything is touched. Pure. */
import { isAbsolute } from "node:path";
import { database as databaseKind } from "../providers/dynamic/database";
import { checkInputs } from "../providers/dynamic/engine/rules";
import { nodes } from "../providers/dynamic/nodes";
import { rebalance } from "../providers/dynamic/rebalance";
import { passwordProblem } from "../providers/dynamic/role/scram";
import { settingProblems } from "../providers/dynamic/settings";
import { checkDatabaseName, checkExtensionName } from "../sizing/names";
import { preloadLibraries } from "../sizing/preload";
import type { Problem } from "../sizing/problem";
import { checkSettings } from "../sizing/settings";
import { checkVersions } from "../sizing/versions";
import { checkCertificates } from "./certificates";
import type { CitusClusterArgs } from "./cluster";
import { clusterPlan } from "./cluster-plan";
import type { CitusDatabaseSpec } from "./database";
import { nameProblem } from "./hosts/host";
import { networkProblem } from "./node-configuration/files";

/** The problems, paths as the user wrote them. */
export function checkClusterArgs(args: CitusClusterArgs): readonly Problem[] {
  const { databases = {}, loginRoles = [], preload = [] } = args;
  const ofWorkers = Object.values(args.hosts.nodes).some(({ role }) => role === "worker");
  const needsWorkers = Object.keys(databases).length > 0 && !ofWorkers && args.coordinatorHoldsShards !== true;
  const known = { preload: preloadLibraries(extensionsOf(args), preload), postgresVersion: args.postgresVersion };
  return [
    ...args.hosts
      .check({ postgresVersion: args.postgresVersion, citusVersion: args.citusVersion })
      .map(({ path, reason }) => ({ path: path === "" ? "hosts" : `hosts.${path}`, reason })),
    ...(needsWorkers
      ? [{ path: "hosts.workers", reason: "must have at least one worker, or set coordinatorHoldsShards: true" }]
      : []),
    ...checkCertificates({ nodes: {}, loginRoles, ...validityOf(args) }),
    // The kinds know their own ranges; asked here, nothing is touched before.
    ...field("transferMode", args.transferMode, nodes.fields.transferMode.check),
    ...field("drainTimeoutSeconds", args.drainTimeoutSeconds, nodes.fields.drainTimeoutSeconds.check),
    ...preload.flatMap((library, index) => one(`preload[${String(index)}]`, libraryProblem(library))),
    ...Object.entries(databases).flatMap(([database, spec]) => databaseProblems(database, spec, loginRoles)),
    ...loginRoleProblems(args),
    ...checkSettings(args.settings ?? {}, "settings", known),
    ...checkSettings(args.coordinatorSettings ?? {}, "coordinatorSettings", known),
    ...checkSettings(args.workerSettings ?? {}, "workerSettings", known),
    ...clusterPlan(args).problems,
    ...checkVersions({ postgresVersion: args.postgresVersion, citusVersion: args.citusVersion }),
    ...networkProblems("operatorNetworks", args),
    ...networkProblems("clientNetworks", args),
    ...one(
      "clientFolder",
      isAbsolute(args.clientFolder ?? "/")
        ? undefined
        : `"${String(args.clientFolder)}" is relative; name it from the root`,
    ),
  ];
}

const one = (path: string, reason: string | undefined): readonly Problem[] =>
  reason === undefined ? [] : [{ path, reason }];

function field<Value>(path: string, value: Value | undefined, check?: (known: NonNullable<Value>) => unknown) {
  const reason = value === undefined || value === null ? undefined : check?.(value);
  return one(path, typeof reason === "string" ? reason : undefined);
}

const networkProblems = (
  path: "operatorNetworks" | "clientNetworks",
  { hosts, [path]: networks = [] }: CitusClusterArgs,
) =>
  networks.flatMap((text, index) =>
    one(
      `${path}[${String(index)}]`,
      networkProblem(text) ?? (hosts.hasFirewall === true ? nameProblem(text) : undefined),
    ),
  );

function databaseProblems(
  database: string,
  spec: CitusDatabaseSpec,
  loginRoles: readonly string[],
): readonly Problem[] {
  const { owner = "postgres" } = spec;
  const { fields } = databaseKind;
  const hasOwner = owner === "postgres" || loginRoles.includes(owner);
  return [
    ...one(`databases[${JSON.stringify(database)}]`, checkDatabaseName(database)),
    ...Object.keys(spec.extensions ?? {}).flatMap((extension) =>
      one(
        `databases.${database}.extensions[${JSON.stringify(extension)}]`,
        extension === "citus" ? "is in every database already; leave it out" : checkExtensionName(extension),
      ),
    ),
    ...field(`databases.${database}.template`, spec.template, fields.template.check),
    ...field(`databases.${database}.icuLocale`, spec.icuLocale, fields.icuLocale.check),
    ...field(`databases.${database}.extensionVersion`, spec.extensionVersion, fields.extensionVersion.check),
    ...field(`databases.${database}.onDelete`, spec.onDelete, fields.onDelete.check),
    ...rebalanceProblems(`databases.${database}.rebalance`, spec.rebalance),
    ...settingProblems(spec.settings ?? {}, `databases.${database}.settings`, "database"),
    ...one(
      `databases.${database}.owner`,
      hasOwner ? undefined : `"${owner}" is neither "postgres" nor one of loginRoles; add it there`,
    ),
  ];
}

function loginRoleProblems(args: CitusClusterArgs): readonly Problem[] {
  const { loginRoles = [], loginRolePasswords = {}, loginRoleSettings = {} } = args;
  const unknown = (role: string) => (loginRoles.includes(role) ? undefined : "is none of loginRoles; add it there");
  return [
    ...Object.entries(loginRolePasswords).flatMap(([role, password]) =>
      one(
        `loginRolePasswords[${JSON.stringify(role)}]`,
        // An output's value is checked when it is known.
        unknown(role) ?? (typeof password === "string" ? passwordProblem(password) : undefined),
      ),
    ),
    ...Object.entries(loginRoleSettings).flatMap(([role, values]) => [
      ...one(`loginRoleSettings[${JSON.stringify(role)}]`, unknown(role)),
      ...settingProblems(values, `loginRoleSettings.${role}`, "role"),
    ]),
  ];
}

function rebalanceProblems(path: string, spec: CitusDatabaseSpec["rebalance"]): readonly Problem[] {
  const args: Readonly<Record<string, unknown>> = typeof spec === "object" ? { ...spec } : {};
  // What the component gives it is known when the nodes are.
  const own = Object.keys(args).filter((name) => name !== "connection" && name !== "nodes");
  return checkInputs(rebalance, Object.fromEntries(own.map((name) => [name, args[name]]))).map((problem) => ({
    path: `${path}.${problem.path}`,
    reason: problem.reason,
  }));
}

/** A list is written with commas, and citus is always its first. */
const libraryProblem = (library: string) =>
  /^[A-Za-z0-9_$./-]+$/.test(library) && library !== "citus"
    ? undefined
    : `${JSON.stringify(library)} is not the name of one library besides citus, which is always loaded first`;

/** The arguments of the certificates' validity. */
export const validityOf = ({ authorityValidityDays, nodeValidityDays, earlyRenewalDays }: CitusClusterArgs) => ({
  authorityValidityDays,
  nodeValidityDays,
  earlyRenewalDays,
});

/** Extensions of all databases, each once. */
export const extensionsOf = ({ databases = {} }: CitusClusterArgs) =>
  [...new Set(Object.values(databases).flatMap((spec) => Object.keys(spec.extensions ?? {})))].sort();
