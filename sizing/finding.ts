/** What a rule says about a plan or a cluster that exists. */

/** One thing that somebody should know. */
export interface Finding {
  /** error: it cannot work so. warning: it works worse than asked for. hint: worth knowing before the next step. */
  readonly severity: "error" | "warning" | "hint";
  /** What it is about: a field of the workload, a setting, a node. */
  readonly path: string;
  /** What holds, with the numbers, and what to do. Reads after the path. */
  readonly reason: string;
}
