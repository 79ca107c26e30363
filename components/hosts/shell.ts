/** Runs scripts on hosts. The only file that knows `@pulumi/command`. Script and data travel on standard input:
 *  nothing secret is in an argument list or environment, and a failing Command prints only the short fixed line. */
import { local, remote, type types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { composeScript, shellFile, shellWord, type ScriptValues } from "../../providers/dynamic/engine/script";
import { pinnedKeys, sshPort, type SshAddress, type SshLogin } from "../../providers/dynamic/engine/ssh";

/** Shell files of the package, by their path in it, and the variables that they read. */
export interface ScriptPart {
  readonly files: readonly string[];
  readonly values: pulumi.Input<Readonly<Record<string, pulumi.Input<string>>>>;
}

/** What is done on a host when the step is created or changed, and optionally when it is deleted. */
export interface ScriptStep extends ScriptPart {
  /** Runs with the values of the last successful run. @default - deleting the step does nothing */
  readonly onDelete?: ScriptPart;
  /** Runs as the server's user from its first line on, where the shell starts servers without systemd. The prelude has to give OS_USER. @default false, as whoever the shell is */
  readonly asServer?: boolean;
}

/** A step that ran. */
export interface ScriptRun {
  /** What to depend on. */
  readonly resource: pulumi.Resource;
  /** The script's standard output: one line that says what it did. Never secret. */
  readonly outcome: pulumi.Output<string>;
}

/** Runs steps on one host. */
export interface Shell {
  run(name: string, step: ScriptStep, opts: pulumi.CustomResourceOptions): ScriptRun;
}

// Fixed and short: the engine shows them, and a changed line would be an update of every host.
const createLine = "bash -s create";
const deleteLine = "bash -s delete";

/** A shell on the machine that Pulumi runs on. The prelude's files and variables come first in every script. */
export function localShell(prelude: ScriptPart): Shell {
  return {
    run: (name, step, opts) =>
      ranBy(new local.Command(name, { ...commandOf(prelude, step), logging: local.Logging.Stderr }, opts)),
  };
}

/** A shell on a machine, as the user who logs in there. */
export function remoteShell(address: pulumi.Input<SshAddress>, prelude: ScriptPart): Shell {
  const connection = pulumi.secret(pulumi.output(address).apply(connectionOf));
  return {
    run: (name, step, opts) =>
      ranBy(
        new remote.Command(
          name,
          {
            // systemd's units are started by root only, which the server's user may not become.
            ...commandOf(prelude, { ...step, asServer: false }),
            logging: remote.Logging.Stderr,
            connection,
          },
          opts,
        ),
      ),
  };
}

const commandOf = (prelude: ScriptPart, step: ScriptStep) => ({
  create: createLine,
  ...(step.onDelete === undefined ? {} : { delete: deleteLine }),
  stdin: stepInput(prelude, step),
  // It would be environment variables, which sshd refuses.
  addPreviousOutputInEnv: false,
});

/** The plugin marks every output as secret once an input is; scripts print no secret. */
const ranBy = (command: local.Command | remote.Command): ScriptRun => ({
  resource: command,
  outcome: pulumi.unsecret(command.stdout),
});

// A preflight has logged in a moment ago: what fails now is a busy sshd or a machine that went away.
const dialLimits = { dialErrorLimit: 5, perDialTimeout: 10 };

/** The SSH address in the words of the command plugin, which takes one host key. */
export function connectionOf({ bastion, ...login }: SshAddress): types.input.remote.ConnectionArgs {
  return { ...endpointOf(login), ...(bastion === undefined ? {} : { proxy: endpointOf(bastion) }) };
}

function endpointOf(login: SshLogin): types.input.remote.ProxyConnectionArgs {
  const [first] = pinnedKeys(login);
  // Without a key the plugin would take any machine for the right one.
  if (first === undefined) throw new pulumi.RunError(`no host key of ${login.host} is pinned`);
  return {
    host: login.host,
    port: sshPort(login),
    user: login.user,
    ...(login.privateKey === undefined ? {} : { privateKey: login.privateKey }),
    hostKey: `${first.type} ${first.blob.toString("base64")}`,
    ...dialLimits,
  };
}

function stepInput(prelude: ScriptPart, step: ScriptStep): pulumi.Output<string> {
  const values = pulumi.all([prelude.values, step.values, step.onDelete?.values ?? {}]);
  const text = values.apply(([shared, onCreate, onDelete]) =>
    stepText(
      { files: prelude.files, values: shared },
      { files: step.files, values: onCreate, asServer: step.asServer },
      step.onDelete && { files: step.onDelete.files, values: onDelete },
    ),
  );
  return pulumi.secret(text);
}

/** Files and their values, all known. */
export interface ResolvedPart {
  readonly files: readonly string[];
  readonly values: ScriptValues;
}

/**
 * The text for `bash -s create` and `bash -s delete`.
 * Both are in it, since the plugin gives `delete` the standard input of the last successful create or update.
 */
export function stepText(
  prelude: ResolvedPart,
  onCreate: ResolvedPart & { readonly asServer?: boolean },
  onDelete?: ResolvedPart,
): string {
  const text = (part: ResolvedPart) =>
    composeScript([...prelude.files, ...part.files], { ...prelude.values, ...part.values });
  const created = text(onCreate);
  const step =
    onDelete === undefined ? created : `if [ "\${1:-}" = delete ]; then\n${text(onDelete)}else\n${created}fi\n`;
  return onCreate.asServer === true ? asServer(prelude.values["OS_USER"] ?? "") + step : step;
}

/** Before the step, not in it: bash has read a step as a whole once it runs the first line. */
const asServer = (user: string) => `OS_USER=${shellWord(user)}\n${shellFile("components/hosts/as-server.sh")}`;
