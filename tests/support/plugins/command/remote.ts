/** command:remote:Command: runs a command on another machine over SSH. */
import type { Duplex } from "node:stream";
import type * as command from "@pulumi/command";
import { Client, utils, type ConnectConfig } from "ssh2";
import { textOf, type Context, type FieldsOf, type MadeOf, type PluginResource, type Values } from "../contract";
import { commandFields, commandOperations, Printed, type Ended, type Runner } from "./fields";

const endpoint = {
  agentSocketPath: { type: "string" },
  dialErrorLimit: { type: "number", value: 10, least: -1 },
  host: { type: "string", required: true },
  hostKey: { type: "string" },
  password: { type: "string", secret: true },
  perDialTimeout: { type: "number", value: 15, least: 0 },
  port: { type: "number", value: 22 },
  privateKey: { type: "string", secret: true },
  privateKeyPassword: { type: "string", secret: true },
  user: { type: "string", value: "root" },
} satisfies FieldsOf<command.types.input.remote.ProxyConnectionArgs>;

const fields: FieldsOf<command.remote.CommandArgs> = {
  ...commandFields,
  connection: {
    type: "object",
    required: true,
    secret: true,
    onChange: "update",
    fields: {
      ...endpoint,
      proxy: { type: "object", fields: endpoint },
    } satisfies FieldsOf<command.types.input.remote.ConnectionArgs>,
  },
  environment: { refused: "SSH servers take no variables unless their AcceptEnv says so; pass data by stdin" },
};

const made: MadeOf<command.remote.Command, command.remote.CommandArgs> = { stderr: "plain", stdout: "plain" };

type Endpoint = Readonly<command.types.output.remote.Connection>;

/** Host keys have the form of a line in known_hosts without the name: type and base64. */
function hostKeyRule(hostKey: string | undefined): ConnectConfig {
  if (hostKey === undefined) return {};
  const parsed = utils.parseKey(hostKey);
  if (parsed instanceof Error) throw new Error(`failed to parse host key: ${parsed.message}`);
  const expected = parsed.getPublicSSH();
  const types = parsed.type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [parsed.type];
  return {
    algorithms: { serverHostKey: types as ("ssh-ed25519" | "ssh-rsa")[] },
    hostVerifier: (key: Buffer) => key.equals(expected),
  };
}

function connectConfig(at: Endpoint, over: Duplex | undefined): ConnectConfig {
  return {
    host: at.host,
    port: at.port ?? 22,
    username: at.user ?? "root",
    password: at.password,
    tryKeyboard: at.password !== undefined,
    privateKey: at.privateKey,
    passphrase: at.privateKeyPassword,
    agent: at.agentSocketPath ?? process.env["SSH_AUTH_SOCK"],
    readyTimeout: (at.perDialTimeout ?? 15) * 1000,
    sock: over,
    ...hostKeyRule(at.hostKey),
  };
}

function dialOnce(config: ConnectConfig): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new Client();
    client.on("keyboard-interactive", (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(() => config.password ?? "")),
    );
    client.on("ready", () => resolve(client));
    client.on("error", reject);
    client.connect(config);
  });
}

/** Tries again with growing pauses, as the real plugin does: 0.1 s, then half as long again each time, at most 5 s. */
async function dial(at: Endpoint, context: Context, over?: () => Promise<Duplex>): Promise<Client> {
  const limit = at.dialErrorLimit ?? 10;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await dialOnce(connectConfig(at, await over?.()));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if ((limit >= 0 && attempt > limit) || context.interrupted.aborted)
        throw new Error(`after ${attempt - 1} failed attempts: ${reason}`, { cause: error });
      context.log(`Dial ${attempt}/${limit === -1 ? "inf" : limit} failed: retrying`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(5000, 100 * 1.5 ** (attempt - 1))));
    }
  }
}

const forward = (client: Client, { host, port = 22 }: Endpoint): Promise<Duplex> =>
  new Promise((resolve, reject) =>
    client.forwardOut("127.0.0.1", 0, host, port, (error, channel) =>
      error === undefined ? resolve(channel) : reject(error),
    ),
  );

const run: Runner = async (line, values, environment, context) => {
  const at = values["connection"] as Endpoint;
  const bastion = at.proxy === undefined ? undefined : await dial(at.proxy, context);
  try {
    const client = await dial(at, context, bastion === undefined ? undefined : () => forward(bastion, at));
    const interrupt = () => client.destroy();
    context.interrupted.addEventListener("abort", interrupt, { once: true });
    try {
      return await execute(client, line, values, environment, context);
    } finally {
      context.interrupted.removeEventListener("abort", interrupt);
      client.end();
    }
  } finally {
    bastion?.end();
  }
};

function execute(client: Client, line: string, values: Values, env: NodeJS.ProcessEnv, context: Context) {
  return new Promise<Ended>((resolve, reject) => {
    client
      .on("error", reject)
      .on("close", () => reject(new Error(`the connection ended: running ${JSON.stringify(line)}`)));
    client.exec(line, { env }, (error, channel) => {
      if (error !== undefined) {
        reject(error);
        return;
      }
      const printed = new Printed(values, context);
      let failure: string | undefined = "wait: remote command exited without exit status or exit signal";
      channel.on("data", (chunk: Buffer) => printed.add("stdout", chunk));
      channel.stderr.on("data", (chunk: Buffer) => printed.add("stderr", chunk));
      channel.on("exit", (code: number | null, signal?: string) => {
        if (code === 0) failure = undefined;
        else failure = code === null ? `Process exited from signal ${signal}` : `Process exited with status ${code}`;
      });
      channel.on("close", () => resolve(printed.end(failure)));
      channel.on("error", () => undefined).end(textOf(values["stdin"]));
    });
  });
}

export const remoteCommand: PluginResource = { fields, made, ...commandOperations(run) };
