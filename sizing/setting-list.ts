/** Settings whose value is a list of names. SET wants their elements one by one: given as one text, they would become one name with commas in it.
 *  Source: GUC_LIST_QUOTE in https://github.com/postgres/postgres/blob/REL_17_STABLE/src/backend/utils/misc/guc_tables.c, SplitIdentifierString */

// Unquoted names of objects are read in lower case, those of files as they are.
const foldsCase: ReadonlyMap<string, boolean> = new Map([
  ["search_path", true],
  ["temp_tablespaces", true],
  ["local_preload_libraries", false],
  ["session_preload_libraries", false],
  ["shared_preload_libraries", false],
  ["unix_socket_directories", false],
]);

/** The elements of a list as the server reads them, empty ones left out; undefined for settings that are no list of names. */
export function listElements(name: string, text: string): readonly string[] | undefined {
  const folds = foldsCase.get(name);
  if (folds === undefined || listProblem(name, text) !== undefined) return undefined;
  return (text.match(/"(?:[^"]|"")*"|[^",]+/g) ?? [])
    .map((element) => element.trim())
    .map((element) => {
      if (element.startsWith('"')) return element.slice(1, -1).replaceAll('""', '"');
      return folds ? element.toLowerCase() : element;
    })
    .filter((element) => element !== "");
}

/** Why the text is no list of names, or undefined; also undefined for settings of another sort. */
export function listProblem(name: string, text: string): string | undefined {
  const folds = foldsCase.get(name);
  if (folds === undefined) return undefined;
  // A file's name may hold blanks without being quoted.
  const plain = folds ? String.raw`[^",\s]+\s*` : String.raw`[^",\s][^",]*`;
  const element = String.raw`\s*(?:"(?:[^"]|"")*"\s*|${plain})`;
  return new RegExp(`^(?:\\s*|${element}(?:,${element})*)$`).test(text)
    ? undefined
    : `must be names with commas between them, in double quotes where they hold more than letters, got ${JSON.stringify(text)}`;
}
