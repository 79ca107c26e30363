/** Runs scripts on hosts. The only file that knows `@pulumi/command`. Script and data travel on standard input:
 *  nothing secret is in an argument list or environment, and a failing Command prints only the short fixed line. */
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { composeScript, type ScriptValues } from "../../providers/dynamic/engine/script";

/** Shell files of the package, by their path in it, and the variables that they read. */
export interface ScriptPart {
  readonly files: readonly string[];
  readonly values: Readonly<Record<string, pulumi.Input<string>>>;
}

/** What is done on a host when the step is created or changed, and optionally when it is deleted. */
export interface ScriptStep extends ScriptPart {
  /** Runs with the values of the last successful run. @default - deleting the step does nothing */
  readonly onDelete?: ScriptPart;
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
    run(name, step, opts) {
      const command = new local.Command(
        name,
        {
          create: createLine,
          ...(step.onDelete === undefined ? {} : { delete: deleteLine }),
          stdin: stepInput(prelude, step),
          logging: local.Logging.Stderr,
          addPreviousOutputInEnv: false,
        },
        opts,
      );
      // The plugin marks every output as secret once an input is; scripts print no secret.
      return { resource: command, outcome: pulumi.unsecret(command.stdout) };
    },
  };
}

function stepInput(prelude: ScriptPart, step: ScriptStep): pulumi.Output<string> {
  const values = pulumi.all([prelude.values, step.values, step.onDelete?.values ?? {}]);
  const text = values.apply(([shared, onCreate, onDelete]) =>
    stepText(
      prelude.files,
      shared,
      { files: step.files, values: onCreate },
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
  preludeFiles: readonly string[],
  preludeValues: ScriptValues,
  onCreate: ResolvedPart,
  onDelete?: ResolvedPart,
): string {
  const text = (part: ResolvedPart) =>
    composeScript([...preludeFiles, ...part.files], { ...preludeValues, ...part.values });
  const created = text(onCreate);
  return onDelete === undefined ? created : `if [ "\${1:-}" = delete ]; then\n${text(onDelete)}else\n${created}fi\n`;
}
