/** The name that somebody probably meant. */

/** The closest of the names by edit distance, case ignored, or undefined when none is close. Equal distances: the first one. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const asked = name.toLowerCase();
  // A third of the letters may be wrong; beyond that a suggestion misleads.
  let best: { readonly name: string | undefined; readonly distance: number } = {
    name: undefined,
    distance: Math.max(2, Math.floor(asked.length / 3)) + 1,
  };
  for (const candidate of names) {
    const known = candidate.toLowerCase();
    if (Math.abs(known.length - asked.length) >= best.distance) continue;
    const distance = editDistance(asked, known);
    if (distance < best.distance) best = { name: candidate, distance };
  }
  return best.name;
}

/** Why a field of that name is refused, where these are known. Reads after the path. */
export function unknownReason(name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  return meant === undefined
    ? `is not a field; there are ${names.join(", ")}`
    : `is not a field; did you mean "${meant}"?`;
}

/** Insertions, deletions and replacements of single letters that turn one text into the other (Levenshtein). */
export function editDistance(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[other.length] ?? 0;
}
