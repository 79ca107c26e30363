/** The table of settings beside the servers that this machine has: every setting of theirs, with its type, unit, range, values and context. */
import assert from "node:assert/strict";
import { knownSettings, type KnownSetting } from "../../sizing";
import { withServers } from "../providers/dynamic/cluster";
import { tool } from "../support/tools";

interface Row {
  readonly name: string;
  readonly vartype: string;
  readonly unit: string | null;
  readonly min_val: string | null;
  readonly max_val: string | null;
  readonly enumvals: readonly string[] | null;
  readonly context: string;
  readonly boot_val: string | null;
}

const inForce: Readonly<Record<string, KnownSetting["inForce"]>> = {
  internal: "fixed",
  postmaster: "restart",
  sighup: "reload",
  backend: "connection",
  "superuser-backend": "connection",
  superuser: "session",
  user: "session",
};
const types: Readonly<Record<string, KnownSetting["type"]>> = {
  bool: "bool",
  integer: "int",
  real: "real",
  enum: "enum",
  string: "string",
};

// What the build or the machine decides: paths, locales, limits of the system. The last four have another default in newer majors.
const builtInDiffers = new Set(
  `config_file data_directory krb_server_keyfile lc_messages lc_monetary lc_numeric lc_time log_timezone TimeZone unix_socket_directories
   ssl_library server_version server_version_num max_stack_depth citus.version default_text_search_config timezone_abbreviations
   dynamic_shared_memory_type wal_sync_method huge_pages citus.enable_statistics_collection
   effective_io_concurrency maintenance_io_concurrency log_connections vacuum_buffer_usage_limit`.split(/\s+/),
);

function differences(row: Row, known: KnownSetting, major: number): readonly string[] {
  const { newerRange, range, majors } = known;
  const valid = newerRange !== undefined && major >= newerRange.first ? newerRange : range;
  const isLimited = ["integer", "real"].includes(row.vartype) && row.context !== "internal";
  const expected: readonly (readonly [string, unknown, unknown])[] = [
    // A list of stages from 18 on; the server of 15 to 17 takes on and off only.
    ["type", known.type, row.name === "log_connections" ? "string" : types[row.vartype]],
    ["unit", known.unit, row.unit ?? undefined],
    [
      "range",
      isLimited ? [valid?.min, valid?.max] : undefined,
      isLimited ? [row.min_val, row.max_val].map(Number) : undefined,
    ],
    // What belongs to one transaction has no place in a file.
    ["in force", known.inForce, row.name.startsWith("transaction_") ? "fixed" : inForce[row.context]],
    ["values that are missing", "", (row.enumvals ?? []).filter((value) => !known.values.includes(value)).join()],
    ["major", true, majors === undefined || (major >= majors.first && major <= majors.last)],
    ...(known.inForce === "fixed" || builtInDiffers.has(row.name)
      ? []
      : [["built-in value", known.builtIn, row.boot_val ?? ""] as const]),
  ];
  return expected
    .filter(([, one, other]) => JSON.stringify(one) !== JSON.stringify(other))
    .map(
      ([what, one, other]) => `${row.name}: ${what} ${JSON.stringify(one)}, the server has ${JSON.stringify(other)}`,
    );
}

describe("known settings", () => {
  const servers = withServers(["c"]);
  const ask = (text: string) => servers.query("c", "postgres", text);
  const isReal = () => tool("realCitus").missing === undefined;
  const majorOf = async () => {
    const [row] = await ask("SELECT current_setting('server_version_num')::int / 10000 AS major");
    return Number(row?.["major"]);
  };

  it("are those of the server: type, unit, range, values, when a change is in force, default", async () => {
    const major = await majorOf();
    // The library is loaded before its settings are shown.
    if (isReal()) await ask("CREATE EXTENSION IF NOT EXISTS citus");
    const rows = (await ask(
      "SELECT name, vartype, unit, min_val, max_val, enumvals, context, boot_val FROM pg_settings WHERE category <> 'Customized Options' OR name LIKE 'citus.%' ORDER BY name",
    )) as unknown as readonly Row[];
    assert.ok(rows.length > 300, String(rows.length));
    const found = rows.flatMap((row) => {
      const known = knownSettings.get(row.name);
      return known === undefined ? [`${row.name}: is not in the table`] : differences(row, known, major);
    });
    assert.deepEqual(found, []);
  });

  it("are all known to the server, the hidden ones of Citus too", async () => {
    const major = await majorOf();
    const names = [...knownSettings.values()]
      .filter(({ majors }) => majors === undefined || (major >= majors.first && major <= majors.last))
      // Debian's own, and one that came with a minor version.
      .filter(({ name }) => !["extension_destdir", "output_plugin_libraries"].includes(name))
      .filter(({ name }) => isReal() || !/^(citus|columnar)\./.test(name))
      .map(({ name }) => name);
    const rows = await ask(
      `SELECT name FROM unnest(ARRAY[${names.map((name) => `'${name}'`).join()}]) AS name WHERE current_setting(name, true) IS NULL`,
    );
    assert.deepEqual(
      rows.map(({ name }) => name),
      [],
    );
  });
});
