/** One command: arguments → what is printed and the exit code. 0: fine. 1: the cluster cannot work so. 2: wrong arguments, file or connection. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { checkCluster, checkWorkload, growthPlan, planCluster, type ClusterFacts, type Workload } from "../sizing";
import { nearest } from "../sizing/nearest";
import { describeProblems } from "../sizing/problem";
import { explainText, findingsText, planText } from "./text";
import { readYaml } from "./yaml-file";

/** What a command reaches outside. */
export interface Outside {
  /** Text of a file; "-" is the standard input. */
  readonly readFile: (path: string) => string;
  /** Facts of a live cluster, by the connection string of its coordinator. */
  readonly readFacts: (connection: string) => Promise<ClusterFacts>;
}

/** What is printed where. */
export interface Outcome {
  /** Standard output, without the last line end. */
  readonly output: string;
  /** Standard error. */
  readonly complaint: string;
  readonly exitCode: 0 | 1 | 2;
}

const help = `Usage:
  pulumi-citus plan <workload.yaml> [--json] [--explain]
      Sizes a cluster for a workload. "-" reads the standard input.
      --explain   the rule, the inputs and the source of every number
      --json      the same for programs, growth included
  pulumi-citus check [<connection>] [--queries <n>] [--clients <n>] [--json]
      Checks a cluster that exists: reads its coordinator once and changes nothing.
      The connection is postgresql://user@host:port/database?sslmode=verify-full;
      what is left out comes from PGHOST, PGPORT, PGUSER, PGDATABASE and PGPASSWORD, where the password belongs.
      --queries   queries over all shards that are to run at once
      --clients   client sessions at the same time
Exit code: 0 fine, 1 the cluster cannot work so, 2 wrong arguments, file or connection.`;

const commands: Readonly<Record<string, (args: readonly string[], outside: Outside) => Outcome | Promise<Outcome>>> = {
  plan,
  check,
};

/** Runs the command that the arguments name. */
export async function run(args: readonly string[], outside: Outside): Promise<Outcome> {
  const [name, ...others] = args;
  if (name === undefined || ["help", "--help", "-h"].includes(name)) return printed(help);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const meant = nearest(name, Object.keys(commands));
    return refused(`"${name}" is no command${meant === undefined ? "" : `; did you mean "${meant}"?`}\n${help}`);
  }
  if (others.includes("--help") || others.includes("-h")) return printed(help);
  try {
    return await command(others, outside);
  } catch (error) {
    return refused(error instanceof Error ? error.message : String(error));
  }
}

const printed = (output: string, exitCode: 0 | 1 = 0): Outcome => ({ output, complaint: "", exitCode });
const refused = (complaint: string): Outcome => ({ output: "", complaint, exitCode: 2 });

function argumentsOf<Options extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: Options,
) {
  const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  if (parsed.positionals.length > 1) throw new Error(`one argument is expected, got ${parsed.positionals.join(" ")}`);
  return parsed;
}

function plan(args: readonly string[], { readFile }: Outside): Outcome {
  const { values, positionals } = argumentsOf(args, { json: { type: "boolean" }, explain: { type: "boolean" } });
  const [file] = positionals;
  if (file === undefined) return refused(`plan: name a file\n${help}`);
  const workload = readFrom(file, readFile);
  const problems = checkWorkload(workload);
  if (problems.length > 0) return refused(`${file}:\n${describeProblems(problems)}`);
  const planned = planCluster(workload as Workload);
  const growth = growthPlan(planned, planned.planYears);
  if (values.json === true) return printed(JSON.stringify({ plan: planned, growth }, null, 2));
  return printed(values.explain === true ? explainText(planned) : planText(planned, growth));
}

/** What is in a file. @throws Error that begins with the file's name */
function readFrom(file: string, readFile: Outside["readFile"]): unknown {
  try {
    return readYaml(readFile(file));
  } catch (error) {
    throw new Error(`${file}:\n${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function check(args: readonly string[], { readFacts }: Outside): Promise<Outcome> {
  const { values, positionals } = argumentsOf(args, {
    json: { type: "boolean" },
    queries: { type: "string" },
    clients: { type: "string" },
  });
  const [concurrentQueries, peakClients] = [count("--queries", values.queries), count("--clients", values.clients)];
  const facts = { ...(await readFacts(positionals[0] ?? "")), concurrentQueries, peakClients };
  const findings = checkCluster(facts);
  const exitCode = findings.some(({ severity }) => severity === "error") ? 1 : 0;
  return printed(
    values.json === true ? JSON.stringify({ facts, findings }, null, 2) : findingsText(facts, findings),
    exitCode,
  );
}

function count(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`${option}: must be a whole number from 1 on, got "${text}"`);
  return Number(text);
}
