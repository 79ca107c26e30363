/** Plans and findings as people read them. Pure. */
import { type ClusterFacts, type ClusterPlan, type Finding, type GrowthPlan, type PlannedSetting } from "../sizing";
import { figureText, operatingSystemLines, planFigures, reasonText, wrapped } from "../sizing/plan-text";
import { grouped } from "../sizing/units";

type Rows = readonly (readonly string[])[];

/** Rows under their titles, columns as wide as their longest text, numbers on the right. */
function table(titles: readonly string[], rows: Rows): string {
  const all = [titles, ...rows];
  const columns = titles.map((_, column) => ({
    width: Math.max(...all.map((row) => (row[column] ?? "").length)),
    isNumber: rows.every((row) => /^[\d,]+$/.test(row[column] ?? "")),
  }));
  const line = (row: readonly string[]) =>
    columns
      .map(({ width, isNumber }, column) => {
        const text = row[column] ?? "";
        return isNumber ? text.padStart(width) : text.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(titles), columns.map(({ width }) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

/** The plan at a glance: machines, shards and connections, settings, growth, findings. */
export function planText(plan: ClusterPlan, growth: GrowthPlan): string {
  const { coordinator, worker, workers, shardCount, sharedPool, possibleQueries } = plan;
  const machine = (name: string, count: number, { cores, ram, disk, maxConnections }: typeof worker) => [
    name,
    ...[count, cores.value, ram.value, disk.value, maxConnections.value].map(grouped),
  ];
  return [
    table(
      ["role", "nodes", "cores", "RAM GiB", "disk GiB", "max_connections"],
      [machine("coordinator", 1, coordinator), machine("worker", workers.value, worker)],
    ),
    `Shards of each distributed table: ${grouped(shardCount.value)}. Shared pool per worker: ${figureText(sharedPool)}.
Queries over all shards at once: ${grouped(possibleQueries.value)}.`,
    table(
      ["setting", "coordinator", "worker", "needs"],
      settingNames(plan).map((name) => {
        const [one, other] = [coordinator.settings[name], worker.settings[name]];
        return [name, one?.value ?? "–", other?.value ?? "–", one?.inForce ?? other?.inForce ?? ""];
      }),
    ),
    table(
      ["operating system", "coordinator", "worker"],
      Object.keys(systemOf(coordinator)).map((name) => [
        name,
        ...[coordinator, worker].map((role) => String(systemOf(role)[name]?.value ?? "–")),
      ]),
    ),
    growthText(growth),
    ...(plan.findings.length === 0 ? [] : [findingLines(plan.findings)]),
    "The reason of every number: --explain",
  ].join("\n\n");
}

function growthText({ steps, limit }: GrowthPlan): string {
  const rows = steps.map(({ year, dataGiB, workers, added, shardsPerWorker: { least, most }, dataPerWorkerGiB }) => [
    String(year),
    grouped(dataGiB),
    `${grouped(workers)}${added > 0 ? ` (+${grouped(added)})` : ""}`,
    least === most ? String(least) : `${least} to ${most}`,
    grouped(dataPerWorkerGiB),
  ]);
  const text = table(["after year", "data GiB", "workers", "shards each", "data GiB each"], rows);
  return limit === undefined ? text : `${text}\nThe shard count is the limit in year ${limit.year}: ${limit.because}.`;
}

/** Every number with its rule, its inputs and its source; what holds for both roles once. */
export function explainText(plan: ClusterPlan): string {
  const { coordinator, worker } = plan;
  const settings = settingNames(plan).flatMap((name) => {
    const [one, other] = [coordinator.settings[name], worker.settings[name]].map(settingText);
    if (one === other) return [`${name} = ${one ?? ""}`];
    return [
      ...(one === undefined ? [] : [`coordinator: ${name} = ${one}`]),
      ...(other === undefined ? [] : [`worker: ${name} = ${other}`]),
    ];
  });
  return [
    ...Object.entries(planFigures(plan)).map(
      ([name, figure]) => `${name}: ${figureText(figure)}\n${reasonText(figure.because)}`,
    ),
    "",
    ...settings,
    "",
    ...(["coordinator", "worker"] as const).flatMap((role) =>
      operatingSystemLines(plan[role].operatingSystem).map((line) => `${role}: ${line}`),
    ),
    ...(plan.findings.length === 0 ? [] : ["", findingLines(plan.findings)]),
  ].join("\n");
}

const systemOf = ({ operatingSystem: { kernel, unit } }: ClusterPlan["worker"]) => ({ ...kernel, ...unit });

const settingNames = ({ coordinator, worker }: ClusterPlan) => [
  ...new Set([...Object.keys(coordinator.settings), ...Object.keys(worker.settings)]),
];

const settingText = (setting: PlannedSetting | undefined) =>
  setting === undefined ? undefined : `${setting.value}\n${reasonText(setting.because)}`;

const findingLines = (findings: readonly Finding[]) =>
  findings.map(({ severity, path, reason }) => wrapped(`${severity}: ${path}: ${reason}`)).join("\n");

/** What was read of a cluster, and what the rules say. */
export function findingsText(
  { coordinator, workers, colocationGroups }: ClusterFacts,
  findings: readonly Finding[],
): string {
  const nodes = [coordinator, ...workers].map((node, index) => [
    index === 0 ? "coordinator" : "worker",
    node.name,
    node.holdsShards ? "yes" : "no",
    grouped(node.maxConnections),
  ]);
  const groups = colocationGroups.map(({ table: name, shards }) => [name, grouped(shards)]);
  return [
    table(["role", "node", "holds shards", "max_connections"], nodes),
    groups.length === 0
      ? "No distributed tables."
      : table(["distributed table and its colocated ones", "shards"], groups),
    findings.length === 0 ? "The rules find nothing." : findingLines(findings),
  ].join("\n\n");
}
