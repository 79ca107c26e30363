/** Runs one measurement: `npm run bench <name> [-- --rounds <number>]`; without a name it lists what there is.
 *  The last line is one JSON object. Exit code 1 when a bar is missed. Started by scripts/bench.mjs, which finds the tools first. */
import { parseArgs } from "node:util";
import { enterNamespaces } from "../tests/support/hosts/namespaces";
import { machine } from "./machine";
import { measure, type Bench } from "./measure";
import { formation } from "./formation";
import { hosts } from "./hosts";
import { memory } from "./memory";
import { noop } from "./noop";
import { rebalance } from "./rebalance";
import { resources } from "./resources";
import { resultOf, resultText, table } from "./result";
import { withScene } from "./scene";
import { settings } from "./settings";
import { state } from "./state";

/** Every measurement by its name. */
const benches: Readonly<Record<string, Bench>> = {
  formation,
  noop,
  resources,
  state,
  memory,
  rebalance,
  settings,
  hosts,
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: "string" } } });
  const [name, ...others] = positionals;
  if (name === undefined) {
    const rows = Object.entries(benches).map(([each, { compares }]) => [each, compares]);
    process.stdout.write(`${table(["npm run bench …", "what it measures"], rows)}\n`);
    return;
  }
  const bench = benches[name];
  if (bench === undefined || others.length > 0)
    throw new Error(`"${positionals.join(" ")}" is no measurement; there are ${Object.keys(benches).join(", ")}`);
  const rounds = Number(values.rounds ?? bench.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: must be a whole number from 1 on, got "${String(values.rounds)}"`);

  if (bench.onHosts === true) enterNamespaces();
  process.stdout.write(`${name}: ${bench.compares}\n`);
  const { result: runs, notes } = await withScene((scene) => measure(bench, scene, rounds));
  const result = resultOf({ ...bench, name, runs }, { machine: machine(), date: new Date() });
  const text = [resultText(result), ...notes].join("\n");
  process.stdout.write(`\n${text}\n\n${JSON.stringify(result)}\n`);
  process.exitCode = result.passed ? 0 : 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
