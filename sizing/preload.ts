/** Which extensions only work when their library is loaded at server start. Pure. */

// Extensions that ask for shared_preload_libraries in their own documentation, and the library that they name.
// Sources: postgresql.org/docs/current/pgstatstatements.html, and the README of each project on GitHub (seen 2026-11).
const libraries: Readonly<Record<string, string>> = {
  pg_cron: "pg_cron",
  pg_partman: "pg_partman_bgw",
  pg_qualstats: "pg_qualstats",
  pg_show_plans: "pg_show_plans",
  pg_squeeze: "pg_squeeze",
  pg_stat_kcache: "pg_stat_kcache",
  pg_stat_monitor: "pg_stat_monitor",
  pg_stat_statements: "pg_stat_statements",
  pg_wait_sampling: "pg_wait_sampling",
  pgaudit: "pgaudit",
  set_user: "set_user",
};

/** Libraries to load after citus: what the user adds, in that order, then what the extensions need. Each once; the order never changes by itself. */
export function preloadLibraries(extensions: readonly string[], added: readonly string[] = []): readonly string[] {
  const needed = extensions.flatMap((extension) => libraries[extension] ?? []).sort();
  // pg_stat_kcache and pg_qualstats must come after it.
  const first = needed.filter((library) => library === "pg_stat_statements");
  return [...new Set([...added, ...first, ...needed])].filter((library) => library !== "citus");
}
