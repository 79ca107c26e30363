/** Which Citus runs on which PostgreSQL, as data. Source: https://docs.citusdata.com/en/stable/reference/compatibility.html and
 *  the `configure` scripts of the Citus releases, read on 2026-11-22. */
import { nearest } from "./nearest";
import type { Problem } from "./problem";

/** One Citus release and the PostgreSQL majors that it runs on. */
export interface SupportedVersion {
  /** Major and minor version, as in `citus_version()`. Patch versions do not matter. */
  readonly citus: string;
  /** PostgreSQL majors. */
  readonly postgres: readonly number[];
}

/** Every supported pair, oldest Citus first. */
export const supportedVersions: readonly SupportedVersion[] = [
  { citus: "13.0", postgres: [15, 16, 17] },
  { citus: "13.1", postgres: [15, 16, 17] },
  { citus: "13.2", postgres: [15, 16, 17] },
  { citus: "14.0", postgres: [16, 17, 18] },
];

/** The versions asked for; what is left out is taken as found on the hosts. */
export interface AskedVersions {
  /** PostgreSQL major, for example 17. @default - what is installed */
  readonly postgresVersion?: number;
  /** Citus version with or without the patch number, for example "13.2" or "13.2.2". @default - what is installed */
  readonly citusVersion?: string;
}

/** Everything wrong with the versions: unknown ones, and pairs that do not run together. */
export function checkVersions({ postgresVersion, citusVersion }: AskedVersions): readonly Problem[] {
  const majors = [...new Set(supportedVersions.flatMap(({ postgres }) => postgres))].sort((one, other) => one - other);
  const problems: Problem[] = [];
  if (postgresVersion !== undefined && !majors.includes(postgresVersion)) {
    problems.push({
      path: "postgresVersion",
      reason: `must be a supported PostgreSQL major (${majors.join(", ")}), got ${String(postgresVersion)}`,
    });
  }
  if (citusVersion === undefined) return problems;
  const release = releaseOf(citusVersion);
  if (release === undefined) {
    const known = supportedVersions.map(({ citus }) => citus);
    const meant = nearest(citusVersion, known);
    const hint = meant === undefined ? "" : `; did you mean "${meant}"?`;
    problems.push({
      path: "citusVersion",
      reason: `must be a supported Citus version (${known.join(", ")}, with or without a patch number), got "${citusVersion}"${hint}`,
    });
  } else if (postgresVersion !== undefined && problems.length === 0 && !release.postgres.includes(postgresVersion)) {
    const fitting = supportedVersions
      .filter(({ postgres }) => postgres.includes(postgresVersion))
      .map(({ citus }) => citus);
    problems.push({
      path: "citusVersion",
      reason: `Citus ${citusVersion} runs on PostgreSQL ${release.postgres.join(", ")}, not on ${postgresVersion}; on ${postgresVersion} use Citus ${fitting.join(" or ")}`,
    });
  }
  return problems;
}

function releaseOf(citusVersion: string): SupportedVersion | undefined {
  const minor = /^(\d+\.\d+)(\.\d+)?$/.exec(citusVersion)?.[1];
  return supportedVersions.find(({ citus }) => citus === minor);
}
