/** Preflight: what a host is like, and everything that would keep it from carrying a node, before any host is changed.
 *  Runs preflight.sh, which only reads. No server is asked; no lock. PostgreSQL 15 or newer. */
import type * as pulumi from "@pulumi/pulumi";
import type { Context, Kind } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { composeScript, type ScriptValues } from "./engine/script";
import { checkSshAddress, type SshAddress } from "./engine/ssh";
import { aptValues, citusMinor, type AptPackages } from "./preflight/apt";
import { clockProblems, clockSkewSeconds } from "./preflight/clock";
import { begin, othersHaveBegun } from "./preflight/others";
import { runHere, runThere } from "./preflight/script-run";

/** How to reach the host, and where its server lives there. */
export type PreflightTarget =
  | {
      /** A server process of this machine. */
      readonly local: {
        /** Folder that holds one folder per host. */
        readonly folder: string;
        /** Operating-system user of the server. */
        readonly user: string;
        /** Folder of PostgreSQL's programs. @default - as found on the host */
        readonly bin?: string;
      };
    }
  | {
      /** A machine that exists. */
      readonly ssh: {
        /** Where to log in: as root, or as a user with rights by sudo; what is missing is told with the lines for sudoers. */
        readonly address: SshAddress;
        /** Operating-system user of the server. */
        readonly user: string;
        /** Name of the cluster in the sense of Debian's postgresql-common. */
        readonly cluster: string;
        /** Looks whether these packages can be installed there, and at no server. @default - they are there, and PostgreSQL is looked at */
        readonly install?: AptPackages;
        /** Settings of the operating system are written there, which its memory has to allow. @default - none are */
        readonly tune?: PromisedMemory;
        /** Will it get a firewall of ours, by nftables? @default false */
        readonly firewall?: boolean;
      };
    };

/** Memory of a machine with vm.overcommit_memory = 2, which refuses what was not promised. */
export interface PromisedMemory {
  /** vm.overcommit_ratio. Unit: % of RAM. */
  readonly overcommitRatio: number;
  /** What its server asks for at the start. Unit: MiB. */
  readonly serverMiB: number;
}

/** Values of overcommit.sh. */
export const memoryValues = ({ overcommitRatio, serverMiB }: PromisedMemory): ScriptValues => ({
  OVERCOMMIT_RATIO: String(overcommitRatio),
  SERVER_MIB: String(serverMiB),
});

/** What of the target says where the server's data is, for people. */
const dataPlace = (target: PreflightTarget, host: string) =>
  "local" in target ? `${target.local.folder}/${host}/data` : `/var/lib/postgresql/*/${target.ssh.cluster}`;

/** Arguments of {@link Preflight}. */
export interface PreflightArgs {
  /** The host's key. Changing it replaces the resource. */
  readonly host: pulumi.Input<string>;
  /** How to reach it. Changing it looks again. */
  readonly target: pulumi.Input<PreflightTarget>;
  /** What others dial. Changing it looks again. */
  readonly address: pulumi.Input<string>;
  /** PostgreSQL's port. Changing it looks again. */
  readonly port: pulumi.Input<number>;
  /** Extensions that must be installable there. Changing it looks again. */
  readonly extensions: pulumi.Input<string[]>;
  /** PostgreSQL major version asked for. Changing it looks again. @default - any supported one */
  readonly postgresVersion?: pulumi.Input<number>;
  /** Citus version asked for; a patch number is left aside. Changing it looks again. @default - any supported one */
  readonly citusVersion?: pulumi.Input<string>;
  /** Pairs that may be used, "<PostgreSQL major>/<Citus major.minor>". @default - any */
  readonly supported?: pulumi.Input<string[]>;
  /** Addresses of the cluster's hosts by key, where their facts are compared. Changing it looks again, so that all facts are of one time. @default - nothing is compared */
  readonly nodes?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /**
   * "address:port" of every host that the same run looks at. The engine starts nothing more once one host is refused, so a refusal waits until
   * the others are being looked at, and one run tells what is wrong with each. Changing it does nothing. @default - none is waited for
   */
  readonly hosts?: pulumi.Input<pulumi.Input<string>[]>;
  /** The host's data goes with it. Only decides what the delete says. */
  readonly deleteData: pulumi.Input<boolean>;
}

/** Arguments, resolved. */
export interface PreflightInputs {
  readonly host: string;
  readonly target: PreflightTarget;
  readonly address: string;
  readonly port: number;
  readonly extensions: readonly string[];
  readonly postgresVersion?: number;
  readonly citusVersion?: string;
  readonly supported?: readonly string[];
  readonly nodes?: Readonly<Record<string, string>>;
  readonly hosts?: readonly string[];
  readonly deleteData: boolean;
}

/** Everything wrong with the way to the host. */
const checkTarget = (target: PreflightTarget) =>
  "ssh" in target
    ? checkSshAddress(target.ssh.address).map(({ path, reason }) => ({ path: `ssh.address.${path}`, reason }))
    : undefined;

/** What the host was like when it was looked at. */
export interface PreflightState {
  /** Facts by name: os, postgresVersion, bin, citusVersion, knowsOutputPluginLibraries, freeDiskMiB, data, port, packages, clockSkewSeconds. */
  readonly facts: Readonly<Record<string, string>>;
}

/** Any refusal comes once the other hosts are being looked at. */
async function besideOthers<T>(inputs: PreflightInputs, work: () => Promise<T>): Promise<T> {
  const { address, port, hosts = [] } = inputs;
  // Packages are looked at before the servers, by resources of their own.
  const looks = `${packagesOf(inputs) === undefined ? "servers" : "packages"} ${hosts.join(" ")}`;
  begin(looks, `${address}:${String(port)}`);
  try {
    return await work();
  } catch (error) {
    await othersHaveBegun(looks, hosts);
    throw error;
  }
}

/** Looks at the host. @throws one error with every problem */
async function look(inputs: PreflightInputs, context: Context): Promise<PreflightState> {
  context.progress(`looks at host "${inputs.host}"`);
  const script = preflightScript(inputs);
  const began = Date.now();
  const run = "ssh" in inputs.target ? runThere(inputs.target.ssh.address, script) : runHere(script);
  const output = await run.catch((cause: unknown) => {
    throw unusable(inputs.host, [cause instanceof Error ? cause.message : String(cause)]);
  });
  const { facts, problems } = parseReport(output);
  const { clock, ...others } = facts;
  const skew = clockSkewSeconds(Number(clock), began, Date.now());
  const all = [...problems, ...clockProblems(skew)];
  if (all.length > 0) throw unusable(inputs.host, all);
  return { facts: { ...others, clockSkewSeconds: String(skew) } };
}

/** The script with its values. */
export function preflightScript({ host, target, ...inputs }: PreflightInputs): string {
  const { prelude, look, values } = preludeOf(target);
  return composeScript(["components/hosts/server.sh", ...prelude, ...look], {
    ...values,
    KEY: host,
    ADDRESS: inputs.address,
    PORT: String(inputs.port),
    EXTENSIONS: inputs.extensions.join(" "),
    POSTGRES_VERSION: inputs.postgresVersion === undefined ? "" : String(inputs.postgresVersion),
    CITUS_VERSION: citusMinor(inputs.citusVersion),
    SUPPORTED: (inputs.supported ?? []).join(" "),
  });
}

/** The prelude of every script there, what only that kind of host is looked at for besides, and their values. */
export function preludeOf(target: PreflightTarget): {
  readonly prelude: readonly string[];
  readonly look: readonly string[];
  readonly values: ScriptValues;
} {
  const report = "components/hosts/report.sh";
  const look = "components/node-configuration/preflight.sh";
  if ("local" in target) {
    const { folder, user, bin } = target.local;
    const values = { FOLDER: folder, OS_USER: user, PG_BIN: bin ?? "" };
    return { prelude: ["components/hosts/local.sh"], look: [report, look], values };
  }
  const { user, cluster, install, tune, firewall } = target.ssh;
  const machine = "components/hosts/preflight-machine.sh";
  const looks =
    install === undefined
      ? [look, machine, "components/hosts/preflight-ssh-host.sh"]
      : [machine, "components/hosts/apt-sources.sh", "components/hosts/preflight-packages.sh"];
  return {
    prelude: ["components/hosts/ssh.sh"],
    look: [
      ...["root-commands.sh", "package-commands.sh", "overcommit.sh"].map((script) => `components/hosts/${script}`),
      report,
      ...looks,
    ],
    values: {
      ...(install === undefined ? { INSTALL: "no", PACKAGES: "" } : aptValues(install)),
      FIREWALL: firewall === true ? "nftables" : "none",
      TUNE: tune === undefined ? "no" : "yes",
      ...(tune === undefined ? {} : memoryValues(tune)),
      CLUSTER: cluster,
      OS_USER: user,
    },
  };
}

/** Facts by name, and problems, of the script's output. */
export function parseReport(output: string): { facts: Record<string, string>; problems: string[] } {
  const lines = output.split("\n");
  const facts = lines.flatMap((line) => {
    const [, name, value] = /^fact (\S+) (.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  });
  const problems = lines.filter((line) => line.startsWith("problem ")).map((line) => line.slice("problem ".length));
  return { facts: Object.fromEntries(facts), problems };
}

const unusable = (host: string, problems: readonly string[]) =>
  new Error(problems.map((problem) => `cannot use host "${host}": ${problem}`).join("\n"));

/** Data is never left behind for an empty place of the same key: the cluster would lose its shards. */
function refuseMove(old: PreflightInputs & PreflightState, inputs: PreflightInputs, { facts }: PreflightState): void {
  if (packagesOf(inputs) !== undefined) return;
  if (facts["data"]?.startsWith("cluster") === true) return;
  const [from, to] = [dataPlace(old.target, inputs.host), dataPlace(inputs.target, inputs.host)];
  if (from !== to) {
    const move = `stop the server, move ${from} to ${to}, then run again`;
    throw unusable(inputs.host, [`its data goes from ${from} to ${to}, where there is none; ${move}`]);
  }
  if (JSON.stringify(machineOf(old)) === JSON.stringify(machineOf(inputs))) return;
  const replace = "to replace a machine, add the new one under another key and take this key out";
  throw unusable(inputs.host, [`the machine at ${inputs.address} holds no data of it; ${replace}`]);
}

const packagesOf = ({ target }: PreflightInputs) => ("ssh" in target ? target.ssh.install : undefined);

const machineOf = ({ target, address }: PreflightInputs) => ("ssh" in target ? [address, target.ssh.address.host] : []);

export const preflight: Kind<PreflightInputs, PreflightState> = {
  type: "Preflight",
  fields: {
    host: { onChange: "replace" },
    target: { onChange: "update", secret: true, check: checkTarget },
    address: { onChange: "update" },
    port: { onChange: "update" },
    extensions: {
      onChange: "update",
      check: (names) =>
        names.flatMap((name, at) =>
          /^[A-Za-z0-9_-]+$/.test(name) ? [] : [{ path: String(at), reason: notAName(name) }],
        ),
    },
    postgresVersion: { onChange: "update" },
    citusVersion: { onChange: "update" },
    supported: { onChange: "store" },
    nodes: { onChange: "update" },
    hosts: { onChange: "ignore" },
    deleteData: { onChange: "store" },
  },
  outputs: ["facts"],
  id: ({ host }) => host,
  create: (inputs, context) => besideOthers(inputs, () => look(inputs, context)),
  update: (inputs, context, old) =>
    besideOthers(inputs, async () => {
      const state = await look(inputs, context);
      refuseMove(old, inputs, state);
      return state;
    }),
  // Facts are of the moment when the host was looked at: looking again on refresh would only bring noise.
  read: (inputs, _context, state) => Promise.resolve(state && { inputs, state }),
  keeps: (inputs) => {
    if (packagesOf(inputs) !== undefined) return `keeps the packages of host "${inputs.host}" and their repositories`;
    return inputs.deleteData
      ? undefined
      : `keeps the data of host "${inputs.host}" in ${dataPlace(inputs.target, inputs.host)}`;
  },
  delete: () => Promise.resolve(),
};

const notAName = (name: string) => `${JSON.stringify(name)} is not the name of an extension`;

/** What a host is like; fails before anything is changed when the host cannot carry a node. */
export class Preflight extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = preflight;
  /** Facts by name: os, postgresVersion, bin, citusVersion, knowsOutputPluginLibraries, freeDiskMiB, data, port, packages, clockSkewSeconds. */
  declare readonly facts: pulumi.Output<Readonly<Record<string, string>>>;

  constructor(name: string, args: PreflightArgs, opts?: pulumi.CustomResourceOptions) {
    super(preflight, name, args, opts);
  }
}
