/** The one shape of "this argument is wrong". Every check in the project returns a list of these. */

/** One thing that is wrong with what the user wrote. */
export interface Problem {
  /** Where it is, in the user's own words: `workers.a.port`. Empty when it concerns the arguments as a whole. */
  readonly path: string;
  /** What is wrong, with the value, and what to do. Reads after the path; lower case start, no full stop. */
  readonly reason: string;
}

/** One line per problem, `path: reason`, in the given order. The text of every refusal. */
export function describeProblems(problems: readonly Problem[]): string {
  return problems.map(({ path, reason }) => (path === "" ? reason : `${path}: ${reason}`)).join("\n");
}
