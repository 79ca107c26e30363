#!/usr/bin/env node
/** The command line: `npx pulumi-citus plan | check`. Reads arguments, files and clusters; every decision is in sizing/. */
import { readFileSync } from "node:fs";
import { run } from "./run";
import { readFacts } from "./read-facts";

async function main(): Promise<void> {
  const { output, complaint, exitCode } = await run(process.argv.slice(2), {
    readFile: (path) => readFileSync(path === "-" ? 0 : path, "utf8"),
    readFacts,
  });
  if (output !== "") process.stdout.write(`${output}\n`);
  if (complaint !== "") process.stderr.write(`${complaint}\n`);
  process.exitCode = exitCode;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
});
