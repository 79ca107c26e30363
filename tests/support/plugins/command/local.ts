/** command:local:Command: runs a command on this machine. */
import { spawn } from "node:child_process";
import type * as command from "@pulumi/command";
import { textOf, type FieldsOf, type MadeOf, type PluginResource } from "../contract";
import { commandFields, commandOperations, Printed, type Runner } from "./fields";

const files = "no component of pulumi-citus hands over files this way";

const fields: FieldsOf<command.local.CommandArgs> = {
  ...commandFields,
  archivePaths: { refused: files },
  assetPaths: { refused: files },
  dir: { type: "string", onChange: "update" },
  environment: { type: "map", onChange: "update" },
  interpreter: { type: "strings", onChange: "update" },
};

const made: MadeOf<command.local.Command, command.local.CommandArgs> = {
  archive: { refused: files },
  assets: { refused: files },
  stderr: "plain",
  stdout: "plain",
};

const run: Runner = (line, values, environment, context) =>
  new Promise((resolve, reject) => {
    const interpreter = (values["interpreter"] ?? []) as readonly string[];
    const [program = "/bin/sh", ...options] = interpreter.length > 0 ? interpreter : ["/bin/sh", "-c"];
    const stdin = textOf(values["stdin"]);
    const child = spawn(program, [...options, line], {
      cwd: values["dir"] === undefined ? undefined : textOf(values["dir"]),
      env: { ...process.env, ...(values["environment"] as NodeJS.ProcessEnv | undefined), ...environment },
      stdio: [stdin === "" ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const kill = () => child.kill("SIGKILL");
    context.interrupted.addEventListener("abort", kill, { once: true });
    const printed = new Printed(values, context);
    child.stdout?.on("data", (chunk: Buffer) => printed.add("stdout", chunk));
    child.stderr?.on("data", (chunk: Buffer) => printed.add("stderr", chunk));
    // A command that does not read its input to the end is no failure.
    child.stdin?.on("error", () => undefined).end(stdin);
    child.on("error", (error) => reject(new Error(`${error.message}: running ${JSON.stringify(line)}`)));
    child.on("close", (code, signal) => {
      context.interrupted.removeEventListener("abort", kill);
      resolve(printed.end(code === 0 ? undefined : signal === null ? `exit status ${code}` : `signal: ${signal}`));
    });
  });

export const localCommand: PluginResource = { fields, made, ...commandOperations(run) };
