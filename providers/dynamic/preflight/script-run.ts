/** How a script that only looks reaches its host: as a process of this machine, or over SSH. Each ends within a minute. */
import { spawn } from "node:child_process";
import type { SshAddress } from "../engine/ssh";
import { runRemotely } from "../engine/tunnel";

const deadlineSeconds = 60;

/** Standard output of the script, run on this machine. @throws why there is none, to be read after the host's name */
export function runHere(script: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that the deadline ends what the script started too.
    const bash = spawn("bash", ["-s"], { detached: true, stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    const timer = setTimeout(() => {
      if (bash.pid !== undefined) process.kill(-bash.pid, "SIGKILL");
      reject(new Error(`it did not answer within ${String(deadlineSeconds)} s`));
    }, deadlineSeconds * 1000);
    bash.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    bash.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    // A script that ends early closes its input; its exit code says why.
    bash.stdin.on("error", () => undefined);
    bash.on("error", (error) => {
      clearTimeout(timer);
      reject(new Error(`bash cannot be run: ${error.message}`));
    });
    bash.on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else reject(failed(errors));
    });
    bash.stdin.end(script);
  });
}

/** The same on another machine, as the user who logs in there. @throws also SshError */
export async function runThere(address: SshAddress, script: string): Promise<string> {
  const { code, stdout, stderr } = await runRemotely(address, "bash -s preflight", script, deadlineSeconds);
  if (code === 0) return stdout;
  // A login shell that lets nobody in says so on its standard output.
  throw failed(stderr.trim() === "" ? stdout : stderr);
}

const failed = (printed: string) => new Error(`looking at it failed: ${printed.trim().slice(-1000)}`);
