/** Local hosts: one PostgreSQL server per node as a process of this machine, one folder per node. For development, tests and demos.
 *  As root the servers run as an unprivileged user, since PostgreSQL refuses root. Needs bash. */
import { isAbsolute, normalize } from "node:path";
import { availableParallelism, totalmem, userInfo } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import { Preflight, type PreflightTarget } from "../../providers/dynamic/preflight";
import { checkHostAddress, checkPort } from "../../sizing/names";
import { describeProblems, type Problem } from "../../sizing/problem";
import type { SharedMachine } from "../../sizing/shared-machine";
import {
  preflightRequirements,
  workerKeyProblem,
  type Host,
  type HostRequirements,
  type Hosts,
  type HostTarget,
  type NodeRole,
} from "./host";
import { localShell } from "./shell";

/** One local server. */
export interface LocalHostArgs {
  /** TCP port. Range: 1 to 65535; each host its own. */
  readonly port: number;
}

/** Arguments of {@link localHosts}. Plain values, so that they can be checked before anything is made. */
export interface LocalHostTargetArgs {
  /** Folder that holds one folder per host. Absolute and short: the path of a Unix socket in it, `<folder>/<key>/.s.PGSQL.<port>`, has at most 107 bytes. It is made if missing. */
  readonly folder: string;
  /** The coordinator. */
  readonly coordinator: LocalHostArgs;
  /** The workers, by stable keys. */
  readonly workers: Readonly<Record<string, LocalHostArgs>>;
  /** What nodes and clients dial. @default "127.0.0.1" */
  readonly address?: string;
  /** Operating-system user of the servers. Only root can choose one. @default - as root "postgres", else the current user */
  readonly user?: string;
  /** Folder of PostgreSQL's programs. @default - from pg_config, else the newest under /usr/lib/postgresql */
  readonly bin?: string;
  /** Delete a host's folder, data included, when the host is removed or destroyed. @default false */
  readonly deleteData?: boolean;
}

/** Arguments of {@link LocalHosts}. */
export type LocalHostsArgs = LocalHostTargetArgs & Partial<HostRequirements>;

/** Hosts as processes of this machine: `localHosts({ folder: "/var/tmp/citus", coordinator: { port: 5600 }, workers: { a: { port: 5601 } } })`. */
export function localHosts(args: LocalHostTargetArgs): HostTarget {
  return {
    nodes: Object.fromEntries(
      entries(args).map(([key, role, { port }]) => [key, { role, address: args.address ?? defaultAddress, port }]),
    ),
    sharedMachine: thisMachine(),
    check: () => checkLocalHosts(args),
    create: (name, requirements, opts) => new LocalHosts(name, { ...args, ...requirements }, opts).hosts,
  };
}

/** Makes the data folders of local hosts; deleting stops the servers. Usable alone. */
export class LocalHosts extends pulumi.ComponentResource {
  static readonly type = "citus:index:LocalHosts";
  /** The hosts, by key. */
  readonly hosts: Hosts;

  /** @throws pulumi.RunError with everything that is wrong with the arguments */
  constructor(name: string, args: LocalHostsArgs, opts?: pulumi.ComponentResourceOptions) {
    const problems = checkLocalHosts(args);
    if (problems.length > 0) throw new pulumi.RunError(`${name}:\n${describeProblems(problems)}`);
    super(LocalHosts.type, name, { folder: args.folder, ports: ports(args) }, opts);

    // No host is touched before every host is known to be usable.
    const preflights = entries(args).map(([key, , host]) => preflightOf(name, key, host, args, this));
    this.hosts = Object.fromEntries(
      entries(args).map(([key, role, host]) => [key, createHost(name, key, role, host, args, preflights, this)]),
    );
    this.registerOutputs({ ports: ports(args) });
  }
}

const targetOf = (args: LocalHostsArgs): PreflightTarget => ({
  local: { folder: args.folder, user: osUser(args), ...(args.bin === undefined ? {} : { bin: args.bin }) },
});

function preflightOf(name: string, key: string, host: LocalHostArgs, args: LocalHostsArgs, parent: pulumi.Resource) {
  return new Preflight(
    `${name}-${key}-preflight`,
    {
      host: key,
      target: targetOf(args),
      address: args.address ?? defaultAddress,
      port: host.port,
      ...preflightRequirements(args),
      hosts: entries(args).map(([, , { port }]) => `${args.address ?? defaultAddress}:${String(port)}`),
      deleteData: args.deleteData === true,
    },
    { parent },
  );
}

function createHost(
  name: string,
  key: string,
  role: NodeRole,
  { port }: LocalHostArgs,
  args: LocalHostsArgs,
  preflights: pulumi.Resource[],
  parent: pulumi.Resource,
): Host {
  const shell = localShell({
    files: ["components/hosts/server.sh", "components/hosts/local.sh"],
    values: {
      KEY: key,
      FOLDER: args.folder,
      OS_USER: osUser(args),
      PG_BIN: args.bin ?? "",
      POSTGRES_VERSION: args.postgresVersion === undefined ? "" : String(args.postgresVersion),
    },
  });
  const created = shell.run(
    `${name}-${key}`,
    {
      files: ["components/hosts/data-folder.sh", "components/hosts/create-local-host.sh"],
      values: {},
      onDelete: {
        files: ["components/hosts/delete-local-host.sh"],
        values: { DELETE_DATA: args.deleteData === true ? "yes" : "no" },
      },
    },
    { parent, dependsOn: preflights },
  );
  return {
    key,
    role,
    address: args.address ?? defaultAddress,
    port,
    osUser: osUser(args),
    target: targetOf(args),
    shell,
    created: created.resource,
  };
}

const defaultAddress = "127.0.0.1";

/** What processes may use here; a container's limit counts. Whole GiB, since a kernel's own part differs from start to start. */
function thisMachine(): SharedMachine {
  const limit = process.constrainedMemory();
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return { cores: availableParallelism(), ramGiB: Math.round(bytes / 2 ** 30) };
}

const isRoot = () => process.getuid?.() === 0;

const osUser = (args: LocalHostTargetArgs) => (isRoot() ? (args.user ?? "postgres") : userInfo().username);

const ports = (args: LocalHostTargetArgs) => Object.fromEntries(entries(args).map(([key, , { port }]) => [key, port]));

/** What is there; a stack's configuration may lack any of it, which the check tells. */
function entries({ coordinator, workers }: Partial<LocalHostTargetArgs>): [string, NodeRole, LocalHostArgs][] {
  const hosts: [string, NodeRole, LocalHostArgs | undefined][] = [
    ["coordinator", "coordinator", coordinator],
    ...Object.entries(workers ?? {}).map(([key, host]): [string, NodeRole, LocalHostArgs] => [key, "worker", host]),
  ];
  return hosts.flatMap(([key, role, host]) => (host ? [[key, role, host]] : []));
}

/** Everything wrong with the arguments of local hosts. */
export function checkLocalHosts(args: LocalHostTargetArgs): readonly Problem[] {
  return [
    ...checkFolder(args),
    ...checkKeys(args),
    ...checkPorts(args),
    ...checkAddress(args.address ?? defaultAddress),
    ...checkUser(args),
  ];
}

// What programs without a type check may hand over: values of a stack's configuration.
type Loose<T> = { readonly [K in keyof T]?: unknown };

function checkFolder(args: LocalHostTargetArgs): Problem[] {
  const { folder }: Loose<LocalHostTargetArgs> = args;
  const refuse = (reason: string) => [{ path: "folder", reason }];
  if (typeof folder !== "string" || folder === "") return refuse("is missing; name an absolute folder");
  const shown = JSON.stringify(folder);
  // The folder goes into a list of PostgreSQL's configuration, and a line end would begin another setting.
  if (/[\n\r\0'",\\]/.test(folder))
    return refuse(`${shown} holds a quote, comma, backslash or line end; use another folder`);
  if (!isAbsolute(folder)) return refuse(`${shown} is relative; name it from the root, e.g. path.resolve(${shown})`);
  if (normalize(folder) !== folder || folder === "/" || folder.endsWith("/")) {
    return refuse(`${shown} is not in its shortest form or is the root; write it without ".", ".." and a closing "/"`);
  }
  return checkSocket(folder, args);
}

// sun_path has 108 bytes with its closing NUL. PostgreSQL adds "/.s.PGSQL.<port>".
const socketBytes = 107;

function checkSocket(folder: string, args: LocalHostTargetArgs): Problem[] {
  const keys = ["coordinator", ...Object.keys(workersOf(args))].sort((one, other) => other.length - one.length);
  const [longest = ""] = keys;
  const bytes = Buffer.byteLength(`${folder}/${longest}/.s.PGSQL.65535`);
  if (bytes <= socketBytes) return [];
  const reason = `"${folder}" is too long: the socket of host "${longest}" would have ${bytes} of at most ${socketBytes} bytes`;
  return [{ path: "folder", reason: `${reason}; use a shorter folder, or link to it from one` }];
}

function workersOf({ workers }: Loose<LocalHostTargetArgs>): Readonly<Record<string, unknown>> {
  return typeof workers === "object" && workers !== null ? { ...workers } : {};
}

function checkKeys(args: LocalHostTargetArgs): Problem[] {
  return Object.keys(workersOf(args)).flatMap((key) => {
    const reason = workerKeyProblem(key);
    return reason === undefined ? [] : [{ path: `workers.${key}`, reason }];
  });
}

function checkPorts(args: LocalHostTargetArgs): Problem[] {
  const { coordinator }: Loose<LocalHostTargetArgs> = args;
  const problems: Problem[] = [];
  const owners = new Map<unknown, string>();
  const all = [
    ["coordinator", coordinator],
    ...Object.entries(workersOf(args)).map(([key, host]) => [`workers.${key}`, host]),
  ];
  for (const [path, host] of all) {
    if (typeof path !== "string") continue;
    if (typeof host !== "object" || host === null) {
      problems.push({
        path,
        reason: path === "coordinator" ? "is missing; every cluster has one" : "is missing its port",
      });
      continue;
    }
    const { port }: { readonly port?: unknown } = host;
    const owner = owners.get(port);
    const reason =
      checkPort(port) ??
      (owner === undefined ? undefined : `${String(port)} is the port of ${owner} too; each host needs its own`);
    if (reason === undefined) owners.set(port, path);
    else problems.push({ path: `${path}.port`, reason });
  }
  return problems;
}

function checkAddress(address: string): Problem[] {
  const problem = checkHostAddress(address);
  if (problem !== undefined) return [{ path: "address", reason: problem }];
  // Linux dials all of 127.0.0.0/8 from 127.0.0.1, which pg_hba.conf would then not know.
  if (/^127\./.test(address) && address !== defaultAddress) {
    return [{ path: "address", reason: `"${address}" is dialled from 127.0.0.1; use 127.0.0.1` }];
  }
  return [];
}

function checkUser({ user }: LocalHostTargetArgs): Problem[] {
  if (user === undefined) return [];
  if (user === "root") return [{ path: "user", reason: '"root" cannot run PostgreSQL; name an unprivileged user' }];
  if (!/^[a-z_][a-z0-9_.-]*\$?$/.test(user))
    return [{ path: "user", reason: `${JSON.stringify(user)} is no name of a user` }];
  if (isRoot() || user === userInfo().username) return [];
  return [
    { path: "user", reason: `"${user}" can only be chosen by root; leave it out to run as ${userInfo().username}` },
  ];
}
