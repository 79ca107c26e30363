/** CitusCluster: hosts, certificates, node configuration, roles, databases, fencing, connection strings, in this order. The whole flow in one component. */
import { isAbsolute } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { Connection } from "../providers/dynamic/engine/session";
import { at } from "../providers/dynamic/engine/server";
import { database as databaseKind } from "../providers/dynamic/database";
import { nodes } from "../providers/dynamic/nodes";
import type { TransferMode } from "../providers/dynamic/nodes/drain";
import { RevocationList } from "../providers/dynamic/revocation-list";
import { Role } from "../providers/dynamic/role";
import { Settings } from "../providers/dynamic/settings";
import { checkDatabaseName, checkExtensionName } from "../sizing/names";
import { preloadLibraries } from "../sizing/preload";
import { describeProblems, type Problem } from "../sizing/problem";
import { checkSettings } from "../sizing/settings";
import { checkVersions } from "../sizing/versions";
import { Certificates, checkCertificates } from "./certificates";
import { Connections } from "./connections";
import { CitusDatabase, type CitusDatabaseSpec } from "./database";
import { Fencing } from "./fencing";
import type { Host, HostTarget } from "./hosts/host";
import { NodeConfiguration } from "./node-configuration";
import { networkProblem } from "./node-configuration/files";

/** Settings by PostgreSQL's own names; values as in postgresql.conf, without quotes: `{ work_mem: "64MB" }`. */
type SettingValues = Readonly<Record<string, string>>;

/** Arguments of {@link CitusCluster}. Plain values, so that everything wrong with them is told before anything is touched. */
export interface CitusClusterArgs {
  /**
   * Where the nodes run: `localHosts({ folder, coordinator, workers })`. The workers are a map by stable keys: a new key adds a worker
   * that is registered and ready for shards; a key that goes is drained, removed, shut out, and only then stopped.
   */
  readonly hosts: HostTarget;
  /** Databases by name, each with citus on every node. Taking one out keeps it with its data. @default {} */
  readonly databases?: Readonly<Record<string, CitusDatabaseSpec>>;
  /** Roles that applications log in as, by certificate; each is made on every node. Taking one out keeps it. @default [] */
  readonly loginRoles?: readonly string[];
  /** Settings of every node. Unknown names, values out of range and what would break the cluster are refused. @default {} */
  readonly settings?: SettingValues;
  /** Settings of the coordinator, above `settings`. @default {} */
  readonly coordinatorSettings?: SettingValues;
  /** Settings of every worker, above `settings`. @default {} */
  readonly workerSettings?: SettingValues;
  /** Libraries to load at server start after citus, in this order. What the databases' extensions need is added. Changing it restarts the servers. @default [] */
  readonly preload?: readonly string[];
  /** May the coordinator hold shards? Needed where there is no worker. @default false */
  readonly coordinatorHoldsShards?: boolean;
  /** How shards move when a worker leaves: "auto" with writes going on, "force_logical" without checking replica identities, "block_writes". @default "auto" */
  readonly transferMode?: TransferMode;
  /** Time for all moves when workers leave. Unit: seconds. Range: 60 to 604800. @default 14400 */
  readonly drainTimeoutSeconds?: number;
  /** Networks from which the operator's certificate is taken. @default - the nodes' own addresses */
  readonly operatorNetworks?: readonly string[];
  /** Networks from which roles may log in with a password. @default [] */
  readonly clientNetworks?: readonly string[];
  /**
   * Folder on the machine that Pulumi runs on for the client certificates that the connection strings name. Absolute. The default depends on
   * the home folder: name one where several machines or users run the same stack.
   * @default - `~/.pulumi-citus/<project>-<stack>-<name>-connections`
   */
  readonly clientFolder?: string;
  /** How long the authority and the operator's certificate are valid. Unit: days. Range: 2 to 36500. Changing it issues everything anew. @default 3650 */
  readonly authorityValidityDays?: number;
  /** How long the certificates of nodes and login roles are valid. Unit: days. Range: 2 to 397. Changing it issues them anew. @default 397 */
  readonly nodeValidityDays?: number;
  /** How long before its end an `up` renews a certificate. Unit: days. Range: 1 to less than `nodeValidityDays`. @default 30 */
  readonly earlyRenewalDays?: number;
  /** PostgreSQL's major version. @default - the newest that is installed */
  readonly postgresVersion?: number;
  /** Citus' version, such as "13.2". @default - what is installed */
  readonly citusVersion?: string;
}

/** A Citus cluster, TLS only. */
export class CitusCluster extends pulumi.ComponentResource {
  static readonly type = "citus:index:CitusCluster";
  /** The coordinator as the superuser, in the database `postgres`, resolved once the servers run. For SQL resources. Secret. */
  readonly connection: pulumi.Output<Connection>;
  /** The same in each database, by its name, resolved once the database is complete. Secret. */
  readonly databases: Readonly<Record<string, pulumi.Output<Connection>>>;
  /** Certificate of the cluster's authority, PEM. */
  readonly authority: pulumi.Output<string>;
  /** `host:port` of every node, by its key. */
  readonly nodes: Readonly<Record<string, pulumi.Output<string>>>;
  /** A complete psql command per role ("postgres" is the operator) and database. No secret in it: it names certificate files. */
  readonly psql: pulumi.Output<Record<string, Record<string, string>>>;
  /** A connection string for node-postgres per role and database. No secret in it: it names certificate files. */
  readonly nodePostgres: pulumi.Output<Record<string, Record<string, string>>>;

  /** @throws pulumi.RunError with everything that is wrong with the arguments, before anything is made */
  constructor(name: string, args: CitusClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    refuse(name, checkCluster(args));
    super(CitusCluster.type, name, visible(args), opts);
    const child = { parent: this };
    const { databases = {}, loginRoles = [] } = args;
    const extensions = extensionsOf(args);

    const hosts = args.hosts.create(
      `${name}-hosts`,
      { extensions, postgresVersion: args.postgresVersion, citusVersion: args.citusVersion },
      child,
    );
    const certificates = new Certificates(
      `${name}-certificates`,
      { nodes: hosts, loginRoles, ...validityOf(args) },
      child,
    );
    const revocationList = new RevocationList(
      `${name}-revocation-list`,
      {
        authority: certificates.authority,
        authorityKey: certificates.authorityKey,
        certificates: certificates.revocable,
      },
      child,
    );
    const configuration = new NodeConfiguration(
      `${name}-nodes`,
      {
        hosts,
        authority: certificates.authority,
        certificates: certificates.nodes,
        revocationList: revocationList.initial,
        settings: eachValue(hosts, (host) => settingsOf(args, host.role)),
        preload: preloadLibraries(extensions, args.preload),
        loginRoles,
        operatorNetworks: args.operatorNetworks,
        clientNetworks: args.clientNetworks,
      },
      child,
    );
    const configured = { parent: this, dependsOn: Object.values(configuration.configured) };
    const operator = operatorConnection(hosts, certificates);
    const servers = eachValue(hosts, ({ address, port }) => ({ host: address, port }));

    const settings = Object.entries(hosts).map(
      ([key, host]) =>
        new Settings(
          `${name}-${key}`,
          {
            connection: pulumi
              .all([operator, host.address])
              .apply(([to, address]) => at(to, { host: address, port: host.port }, "postgres")),
            node: key,
            settings: configuration.settings[key] ?? {},
          },
          configured,
        ),
    );
    const roles = loginRoles.map(
      (role) => new Role(`${name}-${role}`, { connection: operator, nodes: servers, name: role }, configured),
    );
    const complete = Object.entries(databases).map(
      ([database, spec]) =>
        new CitusDatabase(
          `${name}-${database}`,
          {
            ...spec,
            database,
            connection: operator,
            nodes: hosts,
            managedDatabases: Object.keys(databases),
            coordinatorHoldsShards: args.coordinatorHoldsShards,
            transferMode: args.transferMode,
            drainTimeoutSeconds: args.drainTimeoutSeconds,
          },
          { parent: this, dependsOn: [...configured.dependsOn, ...roles] },
        ),
    );
    new Fencing(
      `${name}-fencing`,
      {
        hosts,
        hba: configuration.hba,
        revocationList: revocationList.current,
        revokedSerials: revocationList.revokedSerials,
      },
      { parent: this, dependsOn: [...configured.dependsOn, ...complete.map(({ nodes }) => nodes)] },
    );
    const connections = new Connections(
      `${name}-connections`,
      { hosts, certificates, databases: Object.keys(databases), folder: args.clientFolder },
      child,
    );

    this.authority = certificates.authority;
    this.nodes = eachValue(hosts, ({ address, port }) => pulumi.interpolate`${address}:${port}`);
    const running = pulumi.all(settings.map(({ urn }) => urn));
    this.connection = pulumi.all([operator, running]).apply(([to]) => to);
    this.databases = Object.fromEntries(
      Object.keys(databases).map((database, index) => [database, complete[index]?.connection ?? operator]),
    );
    this.psql = connections.psql;
    this.nodePostgres = connections.nodePostgres;
    this.registerOutputs({ nodes: this.nodes, psql: this.psql, nodePostgres: this.nodePostgres });
  }
}

/** Everything wrong with the arguments, paths as the user wrote them. Pure. */
export function checkCluster(args: CitusClusterArgs): readonly Problem[] {
  const { databases = {}, loginRoles = [], preload = [] } = args;
  const ofWorkers = Object.values(args.hosts.nodes).some(({ role }) => role === "worker");
  const needsWorkers = Object.keys(databases).length > 0 && !ofWorkers && args.coordinatorHoldsShards !== true;
  const under = (path: string, found: readonly Problem[]) =>
    found.map((problem) => ({ path: problem.path === "" ? path : `${path}.${problem.path}`, reason: problem.reason }));
  const one = (path: string, reason: string | undefined) => (reason === undefined ? [] : [{ path, reason }]);
  const known = { preload: preloadLibraries(extensionsOf(args), preload), postgresVersion: args.postgresVersion };
  const field = <Value>(path: string, value: Value | undefined, check?: (known: NonNullable<Value>) => unknown) => {
    const reason = value === undefined || value === null ? undefined : check?.(value);
    return typeof reason === "string" ? [{ path, reason }] : [];
  };
  const networks = (name: "operatorNetworks" | "clientNetworks") =>
    (args[name] ?? []).flatMap((text, index) => one(`${name}[${String(index)}]`, networkProblem(text)));
  return [
    ...under("hosts", args.hosts.check()),
    ...(needsWorkers
      ? [{ path: "hosts.workers", reason: "must have at least one worker, or set coordinatorHoldsShards: true" }]
      : []),
    ...checkCertificates({ nodes: {}, loginRoles, ...validityOf(args) }),
    // The kinds know their own ranges; asked here, nothing is touched before.
    ...field("transferMode", args.transferMode, nodes.fields.transferMode.check),
    ...field("drainTimeoutSeconds", args.drainTimeoutSeconds, nodes.fields.drainTimeoutSeconds.check),
    ...preload.flatMap((library, index) => one(`preload[${String(index)}]`, libraryProblem(library))),
    ...Object.entries(databases).flatMap(([database, spec]) => [
      ...one(`databases[${JSON.stringify(database)}]`, checkDatabaseName(database)),
      ...Object.keys(spec.extensions ?? {}).flatMap((extension) =>
        one(
          `databases.${database}.extensions[${JSON.stringify(extension)}]`,
          extension === "citus" ? "is in every database already; leave it out" : checkExtensionName(extension),
        ),
      ),
      ...field(`databases.${database}.onDelete`, spec.onDelete, databaseKind.fields.onDelete.check),
      ...one(
        `databases.${database}.owner`,
        spec.owner === undefined || spec.owner === "postgres" || loginRoles.includes(spec.owner)
          ? undefined
          : `"${spec.owner}" is neither "postgres" nor one of loginRoles; add it there`,
      ),
    ]),
    ...checkSettings(args.settings ?? {}, "settings", known),
    ...checkSettings(args.coordinatorSettings ?? {}, "coordinatorSettings", known),
    ...checkSettings(args.workerSettings ?? {}, "workerSettings", known),
    ...checkVersions({ postgresVersion: args.postgresVersion, citusVersion: args.citusVersion }),
    ...networks("operatorNetworks"),
    ...networks("clientNetworks"),
    ...one(
      "clientFolder",
      isAbsolute(args.clientFolder ?? "/")
        ? undefined
        : `"${String(args.clientFolder)}" is relative; name it from the root`,
    ),
  ];
}

/** A list is written with commas, and citus is always its first. */
const libraryProblem = (library: string) =>
  /^[A-Za-z0-9_$./-]+$/.test(library) && library !== "citus"
    ? undefined
    : `${JSON.stringify(library)} is not the name of one library besides citus, which is always loaded first`;

const validityOf = ({ authorityValidityDays, nodeValidityDays, earlyRenewalDays }: CitusClusterArgs) => ({
  authorityValidityDays,
  nodeValidityDays,
  earlyRenewalDays,
});

function refuse(name: string, problems: readonly Problem[]): void {
  // Only this error shows its whole text and nothing else.
  if (problems.length > 0)
    throw new pulumi.RunError(`${CitusCluster.type} "${name}" cannot be made:\n${describeProblems(problems)}`);
}

/** What a reviewer should see change: plain, not secret. */
function visible(args: CitusClusterArgs): pulumi.Inputs {
  return {
    nodes: eachValue(args.hosts.nodes, ({ role, address, port }) => ({ role, address, port })),
    databases: args.databases ?? {},
    loginRoles: [...(args.loginRoles ?? [])],
    preload: [...preloadLibraries(extensionsOf(args), args.preload)],
  };
}

const extensionsOf = ({ databases = {} }: CitusClusterArgs) =>
  [...new Set(Object.values(databases).flatMap((spec) => Object.keys(spec.extensions ?? {})))].sort();

function settingsOf(args: CitusClusterArgs, role: Host["role"]): SettingValues {
  return { ...args.settings, ...(role === "coordinator" ? args.coordinatorSettings : args.workerSettings) };
}

function operatorConnection(
  hosts: Readonly<Record<string, Host>>,
  certificates: Certificates,
): pulumi.Output<Connection> {
  const coordinator = Object.values(hosts).find(({ role }) => role === "coordinator");
  const { certificate, privateKey } = certificates.operator;
  return pulumi
    .all([coordinator?.address ?? "", certificates.authority, certificate, pulumi.secret(privateKey)])
    .apply(([host, ca, cert, key]) => ({
      host,
      port: coordinator?.port ?? 0,
      database: "postgres",
      user: "postgres",
      tls: { ca, cert, key },
    }));
}

function eachValue<From, To>(values: Readonly<Record<string, From>>, make: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, make(value)]));
}
