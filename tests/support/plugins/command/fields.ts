/** What local and remote commands share: arguments, outputs, which command runs when, and how a failure is told. */
import type * as command from "@pulumi/command";
import type { Context, Field, PluginResource, Values } from "../contract";

/** How a command ended. */
export interface Ended {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** Both, in the order in which they came. */
  readonly output: Buffer;
  /** In the words of the real plugin; undefined after success. */
  readonly failure: string | undefined;
}

/** Arguments of both. Every change runs `update`, or `create` where there is none; a changed trigger replaces. */
export const commandFields = {
  addPreviousOutputInEnv: { type: "boolean", onChange: "update" },
  create: { type: "string", onChange: "update" },
  delete: { type: "string", onChange: "update" },
  logging: { type: "string", onChange: "update", oneOf: ["stdout", "stderr", "stdoutAndStderr", "none"] },
  stdin: { type: "string", onChange: "update" },
  triggers: { type: "list", onChange: "replace" },
  update: { type: "string", onChange: "update" },
} satisfies Record<keyof command.remote.CommandArgs & keyof command.local.CommandArgs & Shared, Field>;

type Shared = Exclude<keyof command.local.CommandArgs, "environment">;

/** Runs one line with the arguments of its resource. `environment` holds what the last run printed, unless that is not wanted. */
export type Runner = (line: string, values: Values, environment: NodeJS.ProcessEnv, context: Context) => Promise<Ended>;

async function runLine(run: Runner, line: unknown, values: Values, before: Values, context: Context): Promise<Values> {
  // Nothing to run is no failure, and what was printed before stays.
  if (typeof line !== "string") return { stdout: before["stdout"] ?? "", stderr: before["stderr"] ?? "" };
  const wanted = values["addPreviousOutputInEnv"] !== false;
  const { stdout, stderr, output, failure } = await run(line, values, wanted ? previous(before) : {}, context);
  if (failure !== undefined) throw new Error(`${failure}: running ${JSON.stringify(line)}:\n${output.toString()}`);
  return { stdout: withoutLineEnd(stdout), stderr: withoutLineEnd(stderr) };
}

function previous({ stdout, stderr }: Values): NodeJS.ProcessEnv {
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  const variables = { PULUMI_COMMAND_STDOUT: text(stdout), PULUMI_COMMAND_STDERR: text(stderr) };
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined));
}

const withoutLineEnd = (buffer: Buffer) => buffer.toString().replace(/\n$/, "");

/** Create, update and delete of a command. */
export function commandOperations(run: Runner): Pick<PluginResource, "create" | "update" | "delete"> {
  return {
    create: async (values, context) => ({
      id: `${context.name}${randomHex()}`,
      made: await runLine(run, values["create"], values, {}, context),
    }),
    update: (values, before, context) => runLine(run, values["update"] ?? values["create"], values, before, context),
    delete: async (state, context) => {
      await runLine(run, state["delete"], state, state, context);
    },
  };
}

// As the real plugin, which makes names unique this way.
const randomHex = () =>
  Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, "0");

/** Collects what a command prints, and shows whole lines of what `logging` asks for. */
export class Printed {
  readonly stdout: Buffer[] = [];
  readonly stderr: Buffer[] = [];
  private readonly both: Buffer[] = [];
  private line = "";

  constructor(
    private readonly values: Values,
    private readonly context: Context,
  ) {}

  add(stream: "stdout" | "stderr", chunk: Buffer): void {
    this[stream].push(chunk);
    this.both.push(chunk);
    const logging = this.values["logging"] ?? "stdoutAndStderr";
    if (logging !== stream && logging !== "stdoutAndStderr") return;
    const lines = `${this.line}${chunk.toString()}`.split("\n");
    this.line = lines.pop() ?? "";
    for (const line of lines) this.context.log(line);
  }

  /** Everything, with how the command ended. */
  end(failure: string | undefined): Ended {
    if (this.line !== "") this.context.log(this.line);
    return {
      stdout: Buffer.concat(this.stdout),
      stderr: Buffer.concat(this.stderr),
      output: Buffer.concat(this.both),
      failure,
    };
  }
}
