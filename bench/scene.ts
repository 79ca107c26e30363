/** Where a measurement takes place: what it makes is removed at the end, also when it fails or is interrupted. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a measurement may use. */
export interface Scene {
  /** Prints a line of progress. */
  readonly say: (line: string) => void;
  /** Text for people, printed below the table; a function is asked once everything is measured. */
  readonly note: (text: string | (() => string)) => void;
  /** A new folder of its own, short since Unix sockets lie in it; other users may enter. Removed at the end. */
  readonly folder: () => string;
  /** Done at the end, whatever happens; the last one first. */
  readonly atEnd: (work: () => unknown) => void;
  /** Called between steps. @throws when the measurement is to end early */
  readonly goOn: () => void;
}

/** Gives `use` a scene and clears it afterwards. Ctrl-C ends what runs at the next step. @throws the first failure */
export async function withScene<T>(
  use: (scene: Scene) => Promise<T>,
): Promise<{ result: T; notes: readonly string[] }> {
  const notes: (string | (() => string))[] = [];
  const endings: (() => unknown)[] = [];
  const results: T[] = [];
  const errors: unknown[] = [];
  let interrupted = false;
  const interrupt = () => {
    if (!interrupted) say("interrupted; what exists is removed");
    interrupted = true;
  };
  const attempt = async (step: () => unknown) => {
    try {
      await step();
    } catch (error) {
      errors.push(interrupted ? new Error("interrupted", { cause: error }) : error);
    }
  };
  const scene: Scene = {
    say,
    note: (text) => notes.push(text),
    folder: () => {
      const folder = mkdtempSync(join(tmpdir(), "bench-"));
      chmodSync(folder, 0o755);
      endings.push(() => rmSync(folder, { recursive: true, force: true }));
      return folder;
    },
    atEnd: (work) => endings.push(work),
    goOn: () => {
      if (interrupted) throw new Error("interrupted");
    },
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  await attempt(async () => results.push(await use(scene)));
  for (const end of endings.reverse()) await attempt(end);
  process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  // The first is the cause; what follows from it would hide it.
  if (errors.length > 0) throw errors[0];
  return { result: results[0] as T, notes: notes.map((text) => (typeof text === "string" ? text : text())) };
}

const say = (line: string) => void process.stdout.write(`${line}\n`);
