/** A program as users run it: a folder, the `pulumi` command, the Node language host. Own state, own home folder, nothing left afterwards. */
import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineEnvironment } from "./stack";
import { cacheFolder, projectFolder, toolPath } from "./tools";

/** What a command printed, without colours, and how it ended. */
export interface ProgramRun {
  readonly code: number;
  /** Standard output and standard error. */
  readonly output: string;
}

/** A program in the hands of a test. */
export class TestProgram {
  constructor(
    /** Where Pulumi.yaml is. */
    readonly folder: string,
    /** For data folders: a short path that other users may enter. */
    readonly dataFolder: string,
    private readonly environment: Readonly<Record<string, string | undefined>>,
  ) {}

  /** Runs `pulumi` with these arguments. @throws what it printed, when it fails */
  async pulumi(...args: readonly string[]): Promise<string> {
    const { code, output } = await this.attempt(...args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${output}`);
    return output;
  }

  /** The same for a run that may fail. */
  async attempt(...args: readonly string[]): Promise<ProgramRun> {
    return new Promise((resolve) => {
      const options = { cwd: this.folder, env: this.environment, maxBuffer: 100_000_000 };
      execFile(toolPath("cli"), ["--non-interactive", "--color", "never", ...args], options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: `${stdout}${stderr}` }),
      );
    });
  }

  /** An output of the stack, as `pulumi stack output --json` prints it. */
  async output(name: string): Promise<unknown> {
    return JSON.parse(await this.pulumi("stack", "output", name, "--json"));
  }

  /** Changes a file of the program by replacing a text that it holds. */
  edit(file: string, from: string, to: string): void {
    const path = join(this.folder, file);
    const text = readFileSync(path, "utf8");
    if (!text.includes(from)) throw new Error(`${file} does not hold ${from}`);
    writeFileSync(path, text.replace(from, to));
  }
}

/**
 * Gives `use` a program with the stack `dev`. `prepare` fills its folder, which is made in `parent`.
 * Afterwards, also when `use` fails: destroys the stack and removes the folders.
 */
export async function withProgram(
  prepare: (folder: string) => Promise<void> | void,
  use: (program: TestProgram) => Promise<void>,
  // Inside this repository programs find the packages.
  parent = join(cacheFolder, "stacks"),
): Promise<void> {
  const folder = makeFolder(parent);
  const dataFolder = makeFolder(tmpdir());
  const home = join(dataFolder, "home");
  const state = join(dataFolder, "state");
  for (const each of [home, state]) mkdirSync(each);
  const program = new TestProgram(folder, dataFolder, {
    ...process.env,
    HOME: home,
    ...engineEnvironment(state),
  });
  const errors: unknown[] = [];
  const attempt = async (step: () => Promise<unknown>) => {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  };
  await attempt(async () => {
    await prepare(folder);
    await program.pulumi("stack", "init", "dev");
    await attempt(() => use(program));
    await attempt(() => program.pulumi("destroy", "--yes", "--skip-preview"));
  });
  for (const each of [folder, dataFolder]) rmSync(each, { recursive: true, force: true });
  // The first is the cause; what follows from it would hide it.
  if (errors.length > 0) throw errors[0];
}

// The folder gets its own Pulumi.dev.yaml; all else is the repository's.
const notLinked = new Set([".git", ".cache", "Pulumi.yaml", "examples"]);

/** Fills a folder with the deployable stack of the root folder. */
export function layRootStack(folder: string): void {
  for (const entry of readdirSync(projectFolder).filter((name) => !notLinked.has(name)))
    symlinkSync(join(projectFolder, entry), join(folder, entry));
  cpSync(join(projectFolder, "Pulumi.yaml"), join(folder, "Pulumi.yaml"));
  mkdirSync(join(folder, "examples"));
  cpSync(join(projectFolder, "examples", "stack"), join(folder, "examples", "stack"), { recursive: true });
}

function makeFolder(parent: string): string {
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "citus-"));
  chmodSync(folder, 0o755);
  return folder;
}
