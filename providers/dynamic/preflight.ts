/** Preflight: what a host is like, and everything that would keep it from carrying a node, before any host is changed.
 *  Runs preflight.sh, which only reads. No server is asked; no lock. PostgreSQL 15 or newer. */
import { spawn } from "node:child_process";
import type * as pulumi from "@pulumi/pulumi";
import type { Context, Kind } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { composeScript } from "./engine/script";

/** How to reach the host, and where its server lives there. */
export interface PreflightTarget {
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
  readonly deleteData: boolean;
}

/** What the host was like when it was looked at. */
export interface PreflightState {
  /** Facts by name: os, postgresVersion, bin, citusVersion, knowsOutputPluginLibraries, freeDiskMiB, data, port. */
  readonly facts: Readonly<Record<string, string>>;
}

const deadlineSeconds = 60;

/** Looks at the host. @throws one error with every problem */
async function look(inputs: PreflightInputs, context: Context): Promise<PreflightState> {
  context.progress(`looks at host "${inputs.host}"`);
  const { facts, problems } = parseReport(await runScript(preflightScript(inputs), inputs.host));
  if (problems.length > 0) throw unusable(inputs.host, problems);
  return { facts };
}

/** The script with its values. */
export function preflightScript({ host, target: { local }, ...inputs }: PreflightInputs): string {
  return composeScript(["components/hosts/local.sh", "components/node-configuration/preflight.sh"], {
    KEY: host,
    FOLDER: local.folder,
    OS_USER: local.user,
    PG_BIN: local.bin ?? "",
    ADDRESS: inputs.address,
    PORT: String(inputs.port),
    EXTENSIONS: inputs.extensions.join(" "),
    POSTGRES_VERSION: inputs.postgresVersion === undefined ? "" : String(inputs.postgresVersion),
    // The control file's version has no patch number.
    CITUS_VERSION: (inputs.citusVersion ?? "").split(".").slice(0, 2).join("."),
    SUPPORTED: (inputs.supported ?? []).join(" "),
  });
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

function runScript(script: string, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that the deadline ends what the script started too.
    const bash = spawn("bash", ["-s"], { detached: true, stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    const timer = setTimeout(() => {
      if (bash.pid !== undefined) process.kill(-bash.pid, "SIGKILL");
      reject(unusable(host, [`it did not answer within ${deadlineSeconds} s`]));
    }, deadlineSeconds * 1000);
    bash.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    bash.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    // A script that ends early closes its input; its exit code says why.
    bash.stdin.on("error", () => undefined);
    bash.on("error", (error) => {
      clearTimeout(timer);
      reject(unusable(host, [`bash cannot be run: ${error.message}`]));
    });
    bash.on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else reject(unusable(host, [`looking at it failed: ${errors.trim().slice(-1000)}`]));
    });
    bash.stdin.end(script);
  });
}

/** A folder that holds data is never left behind for an empty one of the same address: the cluster would lose its shards. */
function refuseMove(old: PreflightInputs & PreflightState, inputs: PreflightInputs, { facts }: PreflightState): void {
  const [from, to] = [old.target.local.folder, inputs.target.local.folder];
  if (from === to || facts["data"]?.startsWith("cluster") === true) return;
  const move = `stop the server, move ${from}/${inputs.host} to ${to}/${inputs.host}, then run again`;
  throw unusable(inputs.host, [`its folder changes from ${from} to ${to}, which holds no data of it; ${move}`]);
}

export const preflight: Kind<PreflightInputs, PreflightState> = {
  type: "Preflight",
  fields: {
    host: { onChange: "replace" },
    target: { onChange: "update" },
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
    deleteData: { onChange: "store" },
  },
  outputs: ["facts"],
  id: ({ host }) => host,
  create: look,
  update: async (inputs, context, old) => {
    const state = await look(inputs, context);
    refuseMove(old, inputs, state);
    return state;
  },
  // Facts are of the moment when the host was looked at: looking again on refresh would only bring noise.
  read: (inputs, _context, state) => Promise.resolve(state && { inputs, state }),
  keeps: ({ host, target, deleteData }) =>
    deleteData ? undefined : `keeps the data of host "${host}" in ${target.local.folder}/${host}/data`,
  delete: () => Promise.resolve(),
};

const notAName = (name: string) => `${JSON.stringify(name)} is not the name of an extension`;

/** What a host is like; fails before anything is changed when the host cannot carry a node. */
export class Preflight extends DynamicResource {
  /** Facts by name: os, postgresVersion, bin, citusVersion, knowsOutputPluginLibraries, freeDiskMiB, data, port. */
  declare readonly facts: pulumi.Output<Readonly<Record<string, string>>>;

  constructor(name: string, args: PreflightArgs, opts?: pulumi.CustomResourceOptions) {
    super(preflight, name, args, opts);
  }
}
