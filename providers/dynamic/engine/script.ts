/** Shell scripts that run on hosts: how a script and its data become one text on the standard input of `bash -s`. Pure but for reading our own files. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Data for a script: one shell variable per entry, never exported, so it reaches no argument list and no environment. */
export type ScriptValues = Readonly<Record<string, string>>;

// The package ships the shell files beside dist/, in the folders where they are written.
const packageFolder = join(__dirname, "..", "..", "..", "..");

/**
 * One of the package's shell files, by its path in the package, without lines that are comments or empty: states hold scripts,
 * so each line costs room, and a reworded comment would be a change of every host.
 */
export function shellFile(path: string): string {
  const lines = readFileSync(join(packageFolder, path), "utf8").split("\n");
  return lines.filter((line) => !/^\s*(#|$)/.test(line)).join("\n") + "\n";
}

/** A value as one word of POSIX shell, whatever it holds. NUL is refused, since no shell variable can hold it. */
export function shellWord(value: string): string {
  if (value.includes("\0")) throw new Error("a shell variable cannot hold a NUL character");
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

/**
 * One text for `bash -s`: the variables, then the files in the given order.
 * The braces make bash read all of it before running any of it, so that nothing in it can consume the rest.
 */
export function composeScript(files: readonly string[], values: ScriptValues): string {
  const variables = Object.keys(values)
    .sort()
    .map((name) => {
      if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new Error(`"${name}" is not a name for a script's variable`);
      // A variable that the caller exported would keep that mark, and its new value reach every child.
      return `export -n ${name}=${shellWord(values[name] ?? "")}`;
    });
  return ["{", ...variables, ...files.map(shellFile), "exit 0", "}", ""].join("\n");
}
