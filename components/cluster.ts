/** CitusCluster: hosts, certificates, node configuration, roles, databases, fencing, connection strings, in this order. The whole flow in one component. */
import * as pulumi from "@pulumi/pulumi";
import { ConfigurationFile, settingsDigest } from "../providers/dynamic/configuration-file";
import type { Connection } from "../providers/dynamic/engine/session";
import { at } from "../providers/dynamic/engine/server";
import { LeavingHosts } from "../providers/dynamic/leaving-hosts";
import type { TransferMode } from "../providers/dynamic/nodes/background-job";
import { RevocationList } from "../providers/dynamic/revocation-list";
import { Role } from "../providers/dynamic/role";
import { Settings } from "../providers/dynamic/settings";
import type { ClusterPlan } from "../sizing/plan";
import { figureTexts } from "../sizing/plan-text";
import { preloadLibraries } from "../sizing/preload";
import { describeProblems, type Problem } from "../sizing/problem";
import type { SettingValues } from "../sizing/settings";
import type { Workload } from "../sizing/workload";
import { Certificates } from "./certificates";
import { checkClusterArgs, extensionsOf, validityOf } from "./cluster-check";
import { clusterPlan, previewText, type PlannedCluster } from "./cluster-plan";
import { Connections } from "./connections";
import { CitusDatabase, type CitusDatabaseSpec } from "./database";
import { Fencing } from "./fencing";
import type { Host, HostTarget } from "./hosts/host";
import { NodeConfiguration } from "./node-configuration";
import { nodeLines } from "./node-configuration/files";

/** Settings by PostgreSQL's own names; values as in postgresql.conf, without quotes: `{ work_mem: "64MB" }`. */
type ServerSettings = Readonly<Record<string, string>>;

/** Arguments of {@link CitusCluster}. Plain values, so that everything wrong with them is told before anything is touched. */
export interface CitusClusterArgs {
  /**
   * Where the nodes run: `localHosts({ folder, coordinator, workers })`, `sshHosts({ user, privateKey, coordinator, workers })`. The workers are a map by stable keys: a new key adds a worker
   * that is registered and ready for shards; a key that goes is drained, removed, shut out, and only then stopped.
   */
  readonly hosts: HostTarget;
  /**
   * What the cluster is to carry. Its plan gives the settings of every node, the default number of shards, and sizes to hosts that are made
   * for it. The map of workers and every setting that is written here win over the plan and are checked by its rules. Local hosts share one
   * machine: counts are as planned, memory, WAL and parallelism follow from each node's share. A preview prints the plan with its reasons.
   * @default - no plan: PostgreSQL's defaults, and what moves of shards need
   */
  readonly workload?: Workload;
  /** Databases by name, each with citus on every node. Taking one out keeps it with its data. @default {} */
  readonly databases?: Readonly<Record<string, CitusDatabaseSpec>>;
  /** Roles that applications log in as, by certificate; each is made on every node. Taking one out keeps it. @default [] */
  readonly loginRoles?: readonly string[];
  /**
   * Passwords of login roles, by role: from `clientNetworks` such a role logs in with its password, not by its certificate. Servers get verifiers
   * only. Secret. Taking one out takes the password away. @default {}
   */
  readonly loginRolePasswords?: Readonly<Record<string, pulumi.Input<string>>>;
  /**
   * Settings of the sessions of login roles, by role, above those of their databases: `{ app: { statement_timeout: "30s" } }`. In force on every
   * node in new sessions. A setting that is taken out of a role's map is reset; a map that is taken out leaves its settings. @default {}
   */
  readonly loginRoleSettings?: Readonly<Record<string, SettingValues>>;
  /** Settings of every node. Unknown names, values out of range and what would break the cluster are refused. @default {} */
  readonly settings?: ServerSettings;
  /** Settings of the coordinator, above `settings`. @default {} */
  readonly coordinatorSettings?: ServerSettings;
  /** Settings of every worker, above `settings`. @default {} */
  readonly workerSettings?: ServerSettings;
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
  /**
   * Networks from which clients may log in: login roles by certificate, those of `loginRolePasswords` and every other role with a password.
   * @default [] - from the nodes' own addresses only, by certificate
   */
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
  /** The plan of the workload, a reason for every number; undefined without one. With local hosts its settings are those of each node's share. */
  readonly plan: ClusterPlan | undefined;
  /** A complete psql command per role ("postgres" is the operator) and database. No secret in it: it names certificate files. */
  readonly psql: pulumi.Output<Record<string, Record<string, string>>>;
  /** A connection string for node-postgres per role and database. No secret in it: it names certificate files. */
  readonly nodePostgres: pulumi.Output<Record<string, Record<string, string>>>;

  /** @throws pulumi.RunError with everything that is wrong with the arguments, before anything is made */
  constructor(name: string, args: CitusClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    refuse(name, checkClusterArgs(args));
    const planned = clusterPlan(args);
    super(CitusCluster.type, name, visible(args, planned), opts);
    announce(planned, this);
    const child = { parent: this };
    const { databases = {}, loginRoles = [], loginRoleSettings = {} } = args;
    const extensions = extensionsOf(args);

    const hosts = args.hosts.create(
      `${name}-hosts`,
      { extensions, postgresVersion: args.postgresVersion, citusVersion: args.citusVersion, plan: planned.plan },
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
        settings: eachValue(hosts, ({ role }) => planned.settings[role]),
        preload: preloadLibraries(extensions, args.preload),
        loginRoles,
        operatorNetworks: args.operatorNetworks,
        clientNetworks: args.clientNetworks,
        certificateRoles: loginRoles.filter((role) => args.loginRolePasswords?.[role] === undefined),
      },
      child,
    );
    const configured = { parent: this, dependsOn: Object.values(configuration.configured) };
    const operator = operatorConnection(hosts, certificates);
    const servers = eachValue(hosts, ({ address, port }) => ({ host: address, port }));

    const files = Object.entries(hosts).map(
      ([key, host]) =>
        new ConfigurationFile(
          `${name}-${key}`,
          {
            connection: pulumi
              .all([operator, host.address])
              .apply(([to, address]) => at(to, { host: address, port: host.port }, "postgres")),
            node: key,
            digest: pulumi.output(configuration.settings[key] ?? {}).apply(settingsDigest),
          },
          configured,
        ),
    );
    const roles = loginRoles.map(
      (role) =>
        new Role(
          `${name}-${role}`,
          { connection: operator, nodes: servers, name: role, password: args.loginRolePasswords?.[role] },
          configured,
        ),
    );
    for (const [role, settings] of Object.entries(loginRoleSettings)) {
      new Settings(
        `${name}-${role}`,
        { connection: operator, nodes: servers, role, settings },
        { parent: this, dependsOn: [...configured.dependsOn, ...roles] },
      );
    }
    const leavingHosts = new LeavingHosts(
      `${name}-leaving-hosts`,
      {
        hosts: eachValue(hosts, ({ target, port }) =>
          pulumi.output(target).apply((reach) => ({ target: reach, port, postgresVersion: args.postgresVersion })),
        ),
        hbaLines: pulumi
          .all(Object.values(hosts).map(({ address }) => address))
          .apply((all) => nodeLines(all).join("\n")),
        allowed: configuration.allowed["coordinator"] ?? "",
      },
      configured,
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
          { parent: this, dependsOn: [...configured.dependsOn, ...roles, leavingHosts] },
        ),
    );
    new Fencing(
      `${name}-fencing`,
      {
        hosts,
        hba: configuration.hba,
        allowed: configuration.allowed,
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

    this.plan = planned.plan;
    this.authority = certificates.authority;
    this.nodes = eachValue(hosts, ({ address, port }) => pulumi.interpolate`${address}:${port}`);
    const running = pulumi.all(files.map(({ urn }) => urn));
    this.connection = pulumi.all([operator, running]).apply(([to]) => to);
    this.databases = Object.fromEntries(
      Object.keys(databases).map((database, index) => [database, complete[index]?.connection ?? operator]),
    );
    this.psql = connections.psql;
    this.nodePostgres = connections.nodePostgres;
    this.registerOutputs({ plan: this.plan, nodes: this.nodes, psql: this.psql, nodePostgres: this.nodePostgres });
  }
}

function refuse(name: string, problems: readonly Problem[]): void {
  // Only this error shows its whole text and nothing else.
  if (problems.length > 0)
    throw new pulumi.RunError(`${CitusCluster.type} "${name}" cannot be made:\n${describeProblems(problems)}`);
}

/** What a reviewer should see change: plain, not secret. */
function visible(args: CitusClusterArgs, { plan }: PlannedCluster): pulumi.Inputs {
  return {
    ...(plan === undefined ? {} : { plan: figureTexts(plan) }),
    nodes: eachValue(args.hosts.nodes, ({ role, address, port }) => ({ role, address, port })),
    databases: args.databases ?? {},
    loginRoles: [...(args.loginRoles ?? [])],
    ...(args.loginRoleSettings === undefined ? {} : { loginRoleSettings: args.loginRoleSettings }),
    preload: [...preloadLibraries(extensionsOf(args), args.preload)],
  };
}

/** Warnings at every run, the plan in previews. */
function announce({ plan, warnings, hints }: PlannedCluster, cluster: pulumi.Resource): void {
  for (const warning of warnings) void pulumi.log.warn(describeProblems([warning]), cluster);
  if (plan !== undefined && pulumi.runtime.isDryRun()) void pulumi.log.info(previewText(plan, hints), cluster);
}

function operatorConnection(
  hosts: Readonly<Record<string, Host>>,
  certificates: Certificates,
): pulumi.Output<Connection> {
  const coordinator = Object.values(hosts).find(({ role }) => role === "coordinator");
  const { certificate, privateKey } = certificates.operator;
  return pulumi
    .all([
      coordinator?.address ?? "",
      certificates.authority,
      certificate,
      pulumi.secret(privateKey),
      pulumi.secret(coordinator?.tunnel),
    ])
    .apply(([host, ca, cert, key, tunnel]) => ({
      host,
      port: coordinator?.port ?? 0,
      database: "postgres",
      user: "postgres",
      tls: { ca, cert, key },
      ...(tunnel === undefined ? {} : { tunnel }),
    }));
}

function eachValue<From, To>(values: Readonly<Record<string, From>>, make: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, make(value)]));
}
