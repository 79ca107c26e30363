/** The command plugin as our shells need it: the same on the real plugin and on the offline one. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { local, remote, type types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { freePorts } from "../servers";
import { withStack, type StackRun, type TestStack } from "../stack";
import { onBothPlugins } from "./home";
import { startSshServer, type SshServer } from "./ssh-server";
import { sshKeys } from "../ssh-keys";

const steps = (run: StackRun) => run.steps.map(({ op, name }) => `${op} ${name}`);
const output = (run: StackRun, name: string): unknown => run.outputs[name]?.value;

function savedTexts(stack: TestStack): string {
  const saved = readdirSync(join(stack.workFolder, "state"), { recursive: true, withFileTypes: true });
  return saved
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), "utf8"))
    .join("\n");
}

onBothPlugins("command plugin", (environment) => {
  const withCommands = (use: (stack: TestStack) => Promise<void>) =>
    withStack(() => async () => ({}), use, { environment: environment() });
  const change = (stack: TestStack, args: local.CommandArgs, opts: pulumi.CustomResourceOptions = {}) =>
    stack.change(async () => {
      const { stdout, stderr } = new local.Command("it", args, opts);
      return { stdout, stderr };
    });

  it("runs create, update and delete, with what they are given", async function () {
    this.timeout(90_000);
    await withCommands(async (stack) => {
      const log = join(stack.dataFolder, "log");
      const dir = join(stack.dataFolder, "dir");
      mkdirSync(dir);
      const lines = () => readFileSync(log, "utf8").trimEnd().split("\n");
      const say = (word: string) =>
        `echo "${word} $A $(cat) [$PULUMI_COMMAND_STDOUT|$PULUMI_COMMAND_STDERR]" >> ${log}; echo ${word}-out; echo ${word}-err >&2; pwd`;
      const args = {
        create: say("create"),
        update: say("update"),
        delete: say("delete"),
        stdin: "in",
        dir,
        environment: { A: "a" },
      };
      change(stack, args);
      await stack.preview();
      assert.ok(!existsSync(log), "a preview runs nothing");

      const created = await stack.up();
      assert.equal(output(created, "stdout"), `create-out\n${realpathSync(dir)}`);
      assert.equal(output(created, "stderr"), "create-err");
      await stack.expectNoChanges();
      assert.deepEqual((await stack.refresh()).steps, []);
      assert.deepEqual(lines(), ["create a in [|]"]);

      change(stack, { ...args, environment: { A: "b" } });
      const updated = await stack.up();
      assert.deepEqual(steps(updated), ["update it"]);
      assert.equal(output(updated, "stderr"), "update-err");
      assert.deepEqual(lines().slice(1), ["update b in [create-out", `${realpathSync(dir)}|create-err]`]);

      change(stack, { ...args, environment: { A: "c" }, addPreviousOutputInEnv: false });
      await stack.up();
      assert.equal(lines().at(-1), "update c in [|]");

      stack.change(async () => ({}));
      assert.deepEqual(steps(await stack.up()), ["delete it"]);
      assert.equal(lines().at(-1), "delete c in [|]");
    });
  });

  it("runs create again where there is no update, and replaces for a trigger, new before old", async function () {
    this.timeout(90_000);
    await withCommands(async (stack) => {
      const log = join(stack.dataFolder, "log");
      const args = (stdin: string, ...triggers: unknown[]): local.CommandArgs => ({
        interpreter: ["/bin/sh", "-s"],
        create: "create",
        delete: "delete",
        stdin: `echo "$1 ${stdin}" >> ${log}`,
        triggers,
      });
      change(stack, args("1", "a", { b: [1] }));
      await stack.up();
      change(stack, args("2", "a", { b: [1] }));
      assert.deepEqual(steps(await stack.up()), ["update it"]);
      change(stack, args("3", "a", { b: [2] }));
      const plan = await stack.preview();
      assert.ok(steps(plan).includes("replace it"), plan.output);
      await stack.up();
      assert.deepEqual(readFileSync(log, "utf8"), "create 1\ncreate 2\ncreate 3\ndelete 2\n");
      change(stack, args("3", "a", { b: [2] }));
      await stack.expectNoChanges();
    });
  });

  it("tells how a command failed, and tries again in the next run", async function () {
    this.timeout(90_000);
    await withCommands(async (stack) => {
      const flag = join(stack.dataFolder, "flag");
      const create = `echo "out"; echo err >&2; test -e ${flag} || exit 3`;
      change(stack, { create });
      const failed = await stack.failing("up");
      assert.ok(failed.output.includes(`exit status 3: running ${JSON.stringify(create)}:`), failed.output);
      assert.match(failed.output, /out\n\s*err\n/);
      writeFileSync(flag, "");
      assert.deepEqual(steps(await stack.up()), ["create it"]);

      change(stack, { create, update: "kill -9 $$" });
      const killed = await stack.failing("up");
      assert.match(killed.output, /signal: killed: running|signal: SIGKILL: running/);
      change(stack, { create });
      // The failed update changed nothing in the state.
      await stack.expectNoChanges();

      change(stack, { create, delete: "exit 4" });
      await stack.up();
      stack.change(async () => ({}));
      assert.match((await stack.failing("up")).output, /exit status 4: running "exit 4":/);
      change(stack, { create, delete: "true" });
      await stack.up();
    });
  });

  it("keeps secret arguments secret, and shows the lines that logging asks for", async function () {
    this.timeout(90_000);
    await withCommands(async (stack) => {
      const create = "cat > /dev/null; echo shown-out; echo shown-err >&2; printf '%s' $TOKEN | wc -c";
      const args = {
        create,
        stdin: pulumi.secret("hidden input"),
        environment: { TOKEN: pulumi.secret("hidden token") },
      };
      for (const [logging, out, err] of [
        [local.Logging.Stderr, false, true],
        [local.Logging.Stdout, true, false],
        [local.Logging.None, false, false],
        [undefined, true, true],
      ] as const) {
        change(stack, { ...args, logging });
        const run = await stack.up();
        const shown = run.diagnostics.map(({ message }) => message.trim());
        assert.deepEqual([shown.includes("shown-out"), shown.includes("shown-err")], [out, err], String(logging));
        assert.doesNotMatch(run.output, /hidden/);
        assert.match(String(output(run, "stdout")), /shown-out/);
      }
      assert.doesNotMatch(savedTexts(stack), /hidden/);
      change(stack, args, { additionalSecretOutputs: ["stdout"] });
      assert.equal((await stack.up()).outputs["stdout"]?.secret, true);
    });
  });

  it("does not know in a preview what a command will print", async function () {
    this.timeout(60_000);
    await withCommands(async (stack) => {
      const known: string[] = [];
      const program = (text: string) =>
        stack.change(async () => {
          known.length = 0;
          const command = new local.Command("it", { create: `echo ${text}` });
          command.stdout.apply((value) => known.push(`stdout ${value}`));
          command.create.apply((value) => known.push(`create ${value ?? ""}`));
          return {};
        });
      program("1");
      await stack.preview();
      assert.deepEqual(known, ["create echo 1"]);
      await stack.up();
      await stack.preview();
      assert.deepEqual([...known].sort(), ["create echo 1", "stdout 1"]);
      program("2");
      await stack.preview();
      assert.deepEqual(known, ["create echo 2"]);
    });
  });

  describe("over SSH", function () {
    this.timeout(120_000);
    const keys = sshKeys();
    let server: SshServer;
    let bastion: SshServer;
    before(async () => {
      server = await startSshServer("tester", "a password", keys.public);
      bastion = await startSshServer("jumper", "another password", keys.public);
    });
    after(async () => {
      await server.stop();
      await bastion.stop();
    });
    const at = (more: Partial<types.input.remote.ConnectionArgs> = {}) => ({
      host: "127.0.0.1",
      port: server.port,
      user: "tester",
      privateKey: keys.private,
      hostKey: server.hostKey,
      dialErrorLimit: 1,
      ...more,
    });
    const command = (stack: TestStack, args: remote.CommandArgs) =>
      stack.change(async () => {
        const { stdout, stderr } = new remote.Command("it", args);
        return { stdout, stderr };
      });

    it("runs create, update and delete on the other machine", async () => {
      await withCommands(async (stack) => {
        const log = join(stack.dataFolder, "log");
        const args = (stdin: string) => ({
          connection: at(),
          create: `cat >> ${log}; echo out; echo err >&2`,
          // The real plugin fails with EOF where a command ends before its standard input was sent.
          delete: `cat > /dev/null; echo gone >> ${log}`,
          stdin,
        });
        command(stack, args("one\n"));
        const made = await stack.up();
        assert.deepEqual([output(made, "stdout"), output(made, "stderr")], ["out", "err"]);
        await stack.expectNoChanges();
        command(stack, { ...args("two\n"), connection: at({ privateKey: undefined, password: "a password" }) });
        assert.deepEqual(steps(await stack.up()), ["update it"]);
        assert.ok(server.logins.includes("publickey") && server.logins.includes("password"));
        stack.change(async () => ({}));
        await stack.up();
        assert.equal(readFileSync(log, "utf8"), "one\ntwo\ngone\n");
        assert.doesNotMatch(savedTexts(stack), /a password|PRIVATE KEY/);
      });
    });

    it("goes through a bastion", async () => {
      await withCommands(async (stack) => {
        const proxy = {
          host: "127.0.0.1",
          port: bastion.port,
          user: "jumper",
          password: "another password",
          hostKey: bastion.hostKey,
        };
        command(stack, { connection: at({ proxy }), create: "echo through" });
        assert.equal(output(await stack.up(), "stdout"), "through");
        assert.ok(bastion.forwarded.includes(`127.0.0.1:${server.port}`));
      });
    });

    it("tells why it failed: the command, the address, the password, the host key", async () => {
      await withCommands(async (stack) => {
        const [silent = 0] = await freePorts(1);
        const broken: readonly [args: remote.CommandArgs, message: RegExp][] = [
          [
            { connection: at(), create: "echo why; exit 5" },
            /Process exited with status 5: running "echo why; exit 5":\s+why/,
          ],
          [{ connection: at({ port: silent }), create: "true" }, /after 1 failed attempts: .*refused/i],
          [
            { connection: at({ privateKey: undefined, password: "wrong" }), create: "true" },
            /after 1 failed attempts: /,
          ],
          [{ connection: at({ hostKey: bastion.hostKey }), create: "true" }, /after 1 failed attempts: /],
        ];
        for (const [args, message] of broken) {
          command(stack, args);
          const failed = await stack.failing("up");
          assert.match(failed.output, message);
          assert.doesNotMatch(failed.output, /PRIVATE KEY|wrong/);
        }
      });
    });
  });
});
