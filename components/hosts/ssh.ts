/** SSH hosts: machines that exist, one node each, reached over SSH with pinned host keys. Linux with systemd, Debian or Ubuntu:
 *  the server is a cluster of postgresql-common. SQL goes through SSH too, so that no database port is open to the operator. */
import * as pulumi from "@pulumi/pulumi";
import { SameVersions } from "../../providers/dynamic/same-versions";
import { checkSshAddress, pinnedKeys, type SshAddress, type SshLogin } from "../../providers/dynamic/engine/ssh";
import { Preflight, type PreflightTarget } from "../../providers/dynamic/preflight";
import { aptValues, citusMinor, type AptPackages } from "../../providers/dynamic/preflight/apt";
import { checkHostAddress, checkPort } from "../../sizing/names";
import type { NodePlan } from "../../sizing/plan";
import { describeProblems, type Problem } from "../../sizing/problem";
import type { AskedVersions } from "../../sizing/versions";
import {
  checkFields,
  nameProblem,
  preflightRequirements,
  workerKeyProblem,
  type Host,
  type HostRequirements,
  type Hosts,
  type HostTarget,
  type NodeRole,
} from "./host";
import { aptPackages, checkInstall, type PackageInstallArgs } from "./install";
import { remoteShell, type Shell } from "./shell";
import { promisedMemory, tuningValues } from "./tuning";

/** One machine. */
export interface SshHostArgs {
  /**
   * What other nodes and clients dial, and what its certificate names: a DNS name or an IP address of the machine. The server listens there.
   * Changing it moves the node to the new address: new certificate, configuration, a restart, and the metadata last.
   */
  readonly address: pulumi.Input<string>;
  /** PostgreSQL's TCP port. Range: 1 to 65535. @default 5432 */
  readonly port?: number;
  /** The machine's public host keys, as ssh-keyscan prints them, or `ssh-ed25519 AAAA…`. No other machine is talked to. */
  readonly hostKey: pulumi.Input<string>;
  /** Where sshd answers, where that is another address. Behind a bastion: as the bastion resolves it. @default - the address */
  readonly sshHost?: pulumi.Input<string>;
  /** TCP port of sshd. Range: 1 to 65535. @default 22 */
  readonly sshPort?: number;
  /** Who logs in there. @default - the target's `user` */
  readonly user?: string;
}

/** The machine to log in to first, where the others are reached from it only. */
export interface BastionArgs {
  /** DNS name or IP address. */
  readonly host: string;
  /** TCP port of its sshd. Range: 1 to 65535. @default 22 */
  readonly port?: number;
  /** Who logs in there; needs no rights but to forward connections. @default - the target's `user` */
  readonly user?: string;
  /** Its public host keys, as ssh-keyscan prints them, or `ssh-ed25519 AAAA…`. */
  readonly hostKey: pulumi.Input<string>;
  /** Private key for it. Secret. @default - the target's `privateKey` */
  readonly privateKey?: pulumi.Input<string>;
}

/** Arguments of {@link sshHosts}. */
export interface SshHostTargetArgs {
  /** The coordinator. */
  readonly coordinator: SshHostArgs;
  /** The workers, by stable keys. */
  readonly workers: Readonly<Record<string, SshHostArgs>>;
  /**
   * Who logs in: root, or a user with rights by sudo; what is missing is told with the lines for sudoers. They are few with `tuneSystem: false` and
   * without `install` and `firewall`; the rights for these three make the user root in effect, see examples/existing-hosts/README.md.
   */
  readonly user: string;
  /** Private key without a passphrase, in OpenSSH's form or PEM of RSA or EC. Secret. Exactly one of this and `agent`. @default - `agent` is given */
  readonly privateKey?: pulumi.Input<string>;
  /** Log in with the keys of the agent at SSH_AUTH_SOCK of the machine that runs Pulumi. It is never forwarded. @default false */
  readonly agent?: boolean;
  /** The way to the machines, where they cannot be dialled. @default - they are dialled directly */
  readonly bastion?: BastionArgs;
  /**
   * "present": PostgreSQL and Citus are installed, which is checked. Or packages from the vendors' apt repositories: then `postgresVersion` and
   * `citusVersion` are needed beside hosts. Nothing that is installed is upgraded, and packages stay when a host is removed. @default "present"
   */
  readonly install?: "present" | PackageInstallArgs;
  /**
   * Where the cluster has a workload: writes its plan's settings of the operating system, of the kernel and of the server's unit, with each configuration.
   * They count on a machine that carries nothing but its node: where more memory is in use than they allow, nothing is changed. Files of earlier runs stay when it is turned off. @default true
   */
  readonly tuneSystem?: boolean;
  /**
   * "nftables": PostgreSQL's port answers the nodes, `operatorNetworks` and `clientNetworks` of the cluster only, by a table of nftables of our
   * own; addresses of machines and networks are IP then, not names. "none": the port answers everybody, and `pg_hba.conf` refuses. @default "none"
   */
  readonly firewall?: "nftables" | "none";
  /** Name of the PostgreSQL cluster on each machine, as pg_lsclusters shows it. Range: a-z, 0-9 and "_", at most 20. Changing it moves the data's place. @default "citus" */
  readonly cluster?: string;
  /** Delete a machine's data folder when the host is removed or destroyed. @default false */
  readonly deleteData?: boolean;
}

/** Arguments of {@link SshHosts}. */
export type SshHostsArgs = SshHostTargetArgs & Partial<HostRequirements>;

/** Hosts on machines: `sshHosts({ user: "deploy", privateKey, coordinator: { address, hostKey }, workers: { a: { address, hostKey } } })`. */
export function sshHosts(args: SshHostTargetArgs): HostTarget {
  return {
    nodes: Object.fromEntries(
      machines(args).map(([key, role, { address, port }]) => [key, { role, address, port: port ?? defaultPort }]),
    ),
    hasFirewall: hasFirewall(args),
    check: (versions) => checkSshHosts(args, versions),
    create: (name, requirements, opts) => new SshHosts(name, { ...args, ...requirements }, opts).hosts,
  };
}

/** Makes the clusters on machines, stopped and enabled at boot; deleting stops them. Usable alone. */
export class SshHosts extends pulumi.ComponentResource {
  static readonly type = "citus:index:SshHosts";
  /** The hosts, by key. */
  readonly hosts: Hosts;

  /** @throws pulumi.RunError with everything that is wrong with the arguments */
  constructor(name: string, args: SshHostsArgs, opts?: pulumi.ComponentResourceOptions) {
    const problems = checkSshHosts(args, args);
    if (problems.length > 0) throw new pulumi.RunError(`${name}:\n${describeProblems(problems)}`);
    const addresses = Object.fromEntries(machines(args).map(([key, , { address }]) => [key, address]));
    super(SshHosts.type, name, { addresses, cluster: clusterOf(args), ...visibleTuning(args) }, opts);

    // No machine is touched before every machine is known to be usable.
    const packages = installPackages(name, args, this);
    const preflights = machines(args).map((machine) =>
      preflightOf(`${name}-${machine[0]}-preflight`, machine, args, { parent: this, dependsOn: packages }),
    );
    const sameVersions = new SameVersions(
      `${name}-versions`,
      {
        versions: Object.fromEntries(
          machines(args).map(([key], at) => [key, pulumi.output(preflights[at]?.facts).apply(versionsOf)]),
        ),
      },
      { parent: this, dependsOn: preflights },
    );
    const usable = [...preflights, sameVersions];
    this.hosts = Object.fromEntries(
      machines(args).map(([key, role, machine]) => [key, createHost(name, key, role, machine, args, usable, this)]),
    );
    this.registerOutputs({ addresses });
  }
}

const defaultPort = 5432;

// Of Debian's packages.
const osUser = "postgres";

const hasFirewall = ({ firewall }: SshHostTargetArgs) => firewall === "nftables";

const clusterOf = ({ cluster = "citus" }: SshHostTargetArgs) => cluster;

/** Where to log in. Parts may be outputs of other resources. */
function loginOf(machine: SshHostArgs, { user, privateKey, agent, bastion }: SshHostTargetArgs) {
  return {
    host: machine.sshHost ?? machine.address,
    port: machine.sshPort,
    user: machine.user ?? user,
    hostKey: machine.hostKey,
    privateKey,
    agent,
    bastion: bastion && { user, agent, ...bastion, privateKey: bastion.privateKey ?? privateKey },
  };
}

const addressOf = (machine: SshHostArgs, args: SshHostTargetArgs): pulumi.Output<SshAddress> =>
  pulumi.secret(loginOf(machine, args));

/** How a machine is reached without this program. `packages` are looked at instead of PostgreSQL; with `plan` its operating system as well. */
const targetOf = (
  machine: SshHostArgs,
  args: SshHostsArgs,
  packages?: pulumi.Output<AptPackages>,
  plan?: NodePlan,
): pulumi.Output<PreflightTarget> =>
  pulumi.all([addressOf(machine, args), packages]).apply(([address, install]) => ({
    ssh: {
      address,
      user: osUser,
      cluster: clusterOf(args),
      ...(install === undefined ? {} : { install }),
      ...(plan === undefined ? {} : { tune: promisedMemory(plan) }),
      firewall: hasFirewall(args),
    },
  }));

function preflightOf(
  name: string,
  [key, role, machine]: Machine,
  args: SshHostsArgs,
  opts: pulumi.CustomResourceOptions,
  packages?: pulumi.Output<AptPackages>,
): Preflight {
  return new Preflight(
    name,
    {
      host: key,
      target: targetOf(machine, args, packages, tunedPlan(role, args)),
      address: machine.address,
      port: machine.port ?? defaultPort,
      ...preflightRequirements(args),
      // Facts of machines are compared, so they have to be of one time.
      nodes: Object.fromEntries(machines(args).map(([node, , { address }]) => [node, address])),
      hosts: machines(args).map(([, , { address, port = defaultPort }]) => pulumi.interpolate`${address}:${port}`),
      deleteData: args.deleteData === true,
    },
    opts,
  );
}

const versionsOf = (facts: Readonly<Record<string, string>> = {}) => ({
  postgres: facts["postgresVersion"] ?? "",
  citus: facts["citusVersion"] ?? "",
});

/** Brings the packages to every machine, once all are known to take them. None where they are present. */
function installPackages(name: string, args: SshHostsArgs, parent: pulumi.Resource): pulumi.Resource[] {
  const { install } = args;
  if (install === undefined || install === "present") return [];
  const packages = aptPackages(install);
  const preflights = machines(args).map((machine) =>
    preflightOf(`${name}-${machine[0]}-packages-preflight`, machine, args, { parent }, packages),
  );
  const scripts = ["root-commands.sh", "package-commands.sh", "apt-sources.sh", "install-packages.sh"];
  const step = {
    files: scripts.map((script) => `components/hosts/${script}`),
    values: packages.apply((found) => ({ ...aptValues(found), CITUS_VERSION: citusMinor(args.citusVersion) })),
  };
  return machines(args).map(
    ([key, , machine]) =>
      shellOf(key, machine, args).run(`${name}-${key}-packages`, step, { parent, dependsOn: preflights }).resource,
  );
}

function shellOf(key: string, machine: SshHostArgs, args: SshHostsArgs): Shell {
  return remoteShell(addressOf(machine, args), {
    files: ["components/hosts/server.sh", "components/hosts/ssh.sh"],
    values: {
      KEY: key,
      CLUSTER: clusterOf(args),
      OS_USER: osUser,
      POSTGRES_VERSION: args.postgresVersion === undefined ? "" : String(args.postgresVersion),
    },
  });
}

function createHost(
  name: string,
  key: string,
  role: NodeRole,
  machine: SshHostArgs,
  args: SshHostsArgs,
  usable: pulumi.Resource[],
  parent: pulumi.Resource,
): Host {
  const shell = shellOf(key, machine, args);
  const plan = tunedPlan(role, args);
  const created = shell.run(
    `${name}-${key}`,
    {
      files: ["components/hosts/data-folder.sh", "components/hosts/create-ssh-host.sh"],
      values: { FIREWALL: hasFirewall(args) ? "nftables" : "none" },
      onDelete: {
        files: ["components/hosts/delete-ssh-host.sh"],
        values: { DELETE_DATA: args.deleteData === true ? "yes" : "no" },
      },
    },
    { parent, dependsOn: usable },
  );
  return {
    key,
    role,
    address: machine.address,
    port: machine.port ?? defaultPort,
    osUser,
    firewall: hasFirewall(args),
    target: targetOf(machine, args),
    shell,
    tunnel: addressOf(machine, args),
    ...(plan === undefined
      ? {}
      : {
          beforeConfiguration: {
            files: ["root-commands.sh", "overcommit.sh", "tune.sh"].map((script) => `components/hosts/${script}`),
            values: tuningValues(plan),
          },
        }),
    created: created.resource,
  };
}

/** What a reviewer should see change on machines. */
function visibleTuning(args: SshHostsArgs): pulumi.Inputs {
  const [coordinator, worker] = [tunedPlan("coordinator", args), tunedPlan("worker", args)];
  if (coordinator === undefined || worker === undefined) return {};
  const texts = ({ operatingSystem: { kernel, unit } }: NodePlan) =>
    Object.fromEntries(Object.entries({ ...kernel, ...unit }).map(([setting, { value }]) => [setting, String(value)]));
  return { operatingSystem: { coordinator: texts(coordinator), worker: texts(worker) } };
}

/** The plan that the operating system of such a machine follows; undefined where it is left alone. */
const tunedPlan = (role: NodeRole, { plan, tuneSystem = true }: SshHostsArgs) =>
  tuneSystem ? plan?.[role] : undefined;

// What programs without a type check may hand over: values of a stack's configuration.
type Loose<T> = { readonly [K in keyof T]?: unknown };

const isMachine = (value: unknown): value is SshHostArgs => typeof value === "object" && value !== null;

const machineFields: Record<keyof SshHostArgs, true> = {
  address: true,
  port: true,
  hostKey: true,
  sshHost: true,
  sshPort: true,
  user: true,
};
const bastionFields: Record<keyof BastionArgs, true> = {
  host: true,
  port: true,
  user: true,
  hostKey: true,
  privateKey: true,
};

type Machine = [key: string, role: NodeRole, machine: SshHostArgs];

/** What is there; a stack's configuration may lack any of it, which the check tells. */
function machines(args: Loose<SshHostTargetArgs>): Machine[] {
  const all: [string, NodeRole, unknown][] = [
    ["coordinator", "coordinator", args.coordinator],
    ...workersOf(args).map(([key, machine]): [string, NodeRole, unknown] => [key, "worker", machine]),
  ];
  return all.flatMap(([key, role, machine]) => (isMachine(machine) ? [[key, role, machine]] : []));
}

const workersOf = ({ workers }: Loose<SshHostTargetArgs>): [string, unknown][] =>
  typeof workers === "object" && workers !== null ? Object.entries(workers) : [];

const pathOf = (key: string) => (key === "coordinator" ? "coordinator" : `workers.${key}`);

/** Everything wrong with the arguments of SSH hosts. Never shows a private key. */
export function checkSshHosts(args: SshHostTargetArgs, versions: AskedVersions = {}): readonly Problem[] {
  const found = [
    ...checkCoordinator(args),
    ...workersOf(args).flatMap(([key, machine]) => checkWorker(key, machine)),
    ...machines(args).flatMap(([key, , machine]) => checkMachine(pathOf(key), machine, args)),
    ...checkFields("bastion", args.bastion, bastionFields),
    ...checkTwice(args),
    ...checkInstall(args.install, versions),
    ...checkFirewall(args.firewall),
    ...checkCluster(clusterOf(args)),
  ];
  // What all machines share is wrong once.
  return found.filter(
    ({ path, reason }, at) => found.findIndex((other) => other.path === path && other.reason === reason) === at,
  );
}

const checkCoordinator = ({ coordinator }: Loose<SshHostTargetArgs>): readonly Problem[] =>
  isMachine(coordinator) ? [] : [{ path: "coordinator", reason: "is missing; every cluster has one" }];

function checkWorker(key: string, machine: unknown): readonly Problem[] {
  const path = `workers.${key}`;
  if (!isMachine(machine)) return [{ path, reason: "is no machine; give its address and hostKey" }];
  const reason = workerKeyProblem(key);
  return reason === undefined ? [] : [{ path, reason }];
}

function checkMachine(path: string, machine: SshHostArgs, args: SshHostTargetArgs): readonly Problem[] {
  const ofPort = checkPort(machine.port ?? defaultPort);
  return [
    ...checkFields(path, machine, machineFields),
    ...checkAddress(`${path}.address`, machine.address, hasFirewall(args)),
    ...(ofPort === undefined ? [] : [{ path: `${path}.port`, reason: ofPort }]),
    ...checkLogin(machine, args).map((problem) => ({
      path: sshPath(path, problem.path, machine),
      reason: problem.reason,
    })),
  ];
}

function checkAddress(path: string, address: unknown, hasFirewall: boolean): readonly Problem[] {
  if (address === undefined || address === null || address === "")
    return [{ path, reason: "is missing; name what others dial" }];
  // An output of another resource is known later.
  if (typeof address !== "string") return [];
  const reason = checkHostAddress(address) ?? (hasFirewall ? nameProblem(address) : undefined);
  return reason === undefined ? [] : [{ path, reason }];
}

// What is known later is checked later: a text that is no problem stands for it.
const known = (value: pulumi.Input<string> | undefined, later: string) => (typeof value === "object" ? later : value);

/** Problems of the way to the machine, paths as in an SSH address. */
function checkLogin(machine: SshHostArgs, args: SshHostTargetArgs): readonly Problem[] {
  const { bastion, ...login } = loginOf(machine, args);
  const plain = ({ host, hostKey, privateKey, ...rest }: Omit<typeof login, "port"> & { readonly port?: number }) => ({
    ...rest,
    host: known(host, "later") ?? "",
    hostKey: known(hostKey, lateHostKey) ?? "",
    privateKey: known(privateKey, "-----BEGIN OPENSSH PRIVATE KEY-----\nlater"),
  });
  const address = { ...plain(login), bastion: bastion && plain(bastion) };
  return [
    ...checkSshAddress(address),
    ...checkKeyTypes("hostKey", address),
    ...(address.bastion === undefined ? [] : checkKeyTypes("bastion.hostKey", address.bastion)),
  ];
}

/** The command plugin asks for an RSA key by the SHA-1 signature only, which OpenSSH has refused since 8.8. */
function checkKeyTypes(path: string, login: SshLogin): readonly Problem[] {
  const keys = pinnedKeys(login);
  if (keys.length === 0 || keys.some(({ type }) => type !== "ssh-rsa")) return [];
  return [
    { path, reason: "pins an RSA key only, which no script can be sent by; pin its ed25519 or ECDSA key as well" },
  ];
}

// A host key of nobody, in the right form.
const lateHostKey = `ssh-ed25519 ${Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from("ssh-ed25519")]).toString("base64")}`;

/** Where the user has written what is called so in an SSH address. */
function sshPath(path: string, of: string, machine: SshHostArgs): string {
  if (of === "privateKey" || of === "agent" || of.startsWith("bastion")) return of;
  if (of === "user") return machine.user === undefined ? "user" : `${path}.user`;
  if (of === "host") return machine.sshHost === undefined ? `${path}.address` : `${path}.sshHost`;
  return of === "port" ? `${path}.sshPort` : `${path}.${of}`;
}

/** One machine has one cluster of that name. */
function checkTwice(args: SshHostTargetArgs): readonly Problem[] {
  const owners = new Map<string, string>();
  return machines(args).flatMap(([key, , { address }]): Problem[] => {
    if (typeof address !== "string" || address === "") return [];
    const owner = owners.get(address);
    owners.set(address, owner ?? pathOf(key));
    return owner === undefined
      ? []
      : [
          {
            path: `${pathOf(key)}.address`,
            reason: `"${address}" is the machine of ${owner} too; each node needs its own`,
          },
        ];
  });
}

const checkFirewall = (firewall: unknown): readonly Problem[] =>
  firewall === undefined || firewall === "nftables" || firewall === "none"
    ? []
    : [{ path: "firewall", reason: `must be "nftables" or "none", got ${JSON.stringify(firewall)}` }];

function checkCluster(cluster: unknown): readonly Problem[] {
  if (typeof cluster === "string" && /^[a-z][a-z0-9_]{0,19}$/.test(cluster)) return [];
  return [
    {
      path: "cluster",
      reason: `${JSON.stringify(cluster)} is no name of a cluster; use a-z, 0-9 and "_", beginning with a letter, at most 20`,
    },
  ];
}
