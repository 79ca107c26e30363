// Runs programs with a time limit, and looks for them on PATH. Used before node_modules exist.
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Result of a program that ended: its code (undefined after a signal or when it could not start) and all it printed.
 * `progress` is called now and then while it runs, with the seconds since its start and what it has printed so far.
 */
export function run(command, args, { cwd, env = process.env, timeoutSeconds = 60, show = false, progress } = {}) {
  return new Promise((resolve) => {
    // Before it starts: whoever sees it run may interrupt at once, and it would be left behind.
    const interrupted = () => endGroup(child.pid, "SIGTERM");
    process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
    // A group of its own, so that the time limit also ends what the program has started.
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup(child.pid, "SIGKILL");
    }, timeoutSeconds * 1000);
    const start = Date.now();
    const ticker =
      progress && setInterval(() => progress(seconds(Date.now() - start), output), progressSeconds() * 1000);
    const finish = (result) => {
      clearTimeout(timer);
      clearInterval(ticker);
      process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
      resolve({ output, ...result });
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
        if (show) process.stdout.write(text);
      });
    }
    child.on("error", (error) => finish({ code: undefined, reason: error.message }));
    child.on("close", (code, signal) => {
      const reason = timedOut
        ? `not done after ${timeoutSeconds} s`
        : signal
          ? `ended by ${signal}`
          : `exit code ${code}`;
      finish({ code: code ?? undefined, reason });
    });
  });
}

const seconds = (milliseconds) => Math.round(milliseconds / 1000);

// Often enough to see that it lives, seldom enough for a log. Tests do not wait that long.
const progressSeconds = () => Number(process.env.PULUMI_CITUS_PROGRESS_SECONDS ?? 15);

function endGroup(id, signal) {
  if (id === undefined) return;
  try {
    process.kill(-id, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** The last lines of a program's output, for an error message. */
export function lastLines(output, count = 8) {
  return output.trimEnd().split("\n").slice(-count).join("\n");
}

/** True for a file that may be executed. */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Full path of a program on PATH, or undefined. `except` names folders that do not count. */
export function onPath(name, except = []) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "" && !except.includes(folder))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}
