/** Runs a program that makes hosts in namespaces of its own (network, mounts, processes): whatever it makes there goes
 *  with it, after a crash too, and the machine's own network never sees any of it. Linux, as root. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cacheFolder, projectFolder, skip } from "../tools";

const insideVariable = "PULUMI_CITUS_TEST_HOSTS";

/** Mounted over in the run's own namespace: everything of the hosts lies here. */
export const hostsFolder = join(cacheFolder, "hosts");

const scriptFolder = join(projectFolder, "tests", "support", "hosts");

/** The text file beside this one. */
export const hostScript = (name: string) => join(scriptFolder, name);

const isInside = () => process.env[insideVariable] !== undefined;

/** Starts this process again in namespaces of its own, where they can be had, and ends with its exit code. */
export function enterNamespaces(): void {
  if (isInside() || hostsProblem() !== undefined) return;
  mkdirSync(hostsFolder, { recursive: true });
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status } = spawnSync(
    "setpriv",
    [
      // A killed mocha takes the namespaces with it.
      ...["--pdeathsig", "KILL", "unshare", ...namespaces, "bash", hostScript("enter.sh"), hostsFolder],
      ...command,
    ],
    { stdio: "inherit", env: { ...process.env, [insideVariable]: "inside" } },
  );
  process.exit(status ?? 1);
}

const namespaces = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"];

/** Is that argument of mocha a test file that makes hosts? Such a file asks this one first whether it can. */
export function usesHosts(argument: string): boolean {
  return (
    argument.endsWith(".test.js") &&
    existsSync(argument) &&
    /require\("[^"]*\/namespaces"\)/.test(readFileSync(argument, "utf8"))
  );
}

/** Why hosts cannot be made here, or undefined. */
export const noHosts = () =>
  isInside()
    ? undefined
    : `no separate hosts: ${hostsProblem() ?? "name the test file alone, so that it gets namespaces"}`;

/** Skips where hosts cannot be made. The summary shows the reason. */
export function requiresHosts(context: Mocha.Context): void {
  const reason = noHosts();
  if (reason !== undefined) skip(context, reason);
}

const programs = ["setpriv", "unshare", "nsenter", "ip", "nft", "bash", "sshd", "sudo", "systemctl"];

function hostsProblem(): string | undefined {
  if (process.platform !== "linux") return "they need Linux";
  if (process.getuid?.() !== 0) return "they need root";
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const missing = programs.filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  if (!existsSync("/usr/lib/systemd/systemd")) return "systemd is not installed";
  const { status, stderr } = spawnSync("unshare", [...namespaces, "--cgroup", "sh", "-ec", probe], {
    encoding: "utf8",
  });
  return status === 0 ? undefined : `the kernel does not let us: ${stderr.trim().split("\n").at(-1) ?? ""}`;
}

// Each thing that start-host.sh does and that a kernel or a container may refuse.
const probe = `
  mount -t tmpfs probe /run
  mkdir /run/upper /run/work /run/root /run/cgroup
  mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root
  mount -t cgroup2 probe /run/cgroup
  mount -t sysfs probe /run/root/sys
  ip link add bridge0 type bridge
  ip link add one type veth peer name other`;
