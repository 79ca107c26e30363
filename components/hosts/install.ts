/** Packages on machines: where PostgreSQL and Citus come from, by which keys, and what is wrong with that. Pure.
 *  Sources: wiki.postgresql.org/wiki/Apt, docs.citusdata.com/en/stable/installation/multi_node_debian.html (2026-11). */
import * as pulumi from "@pulumi/pulumi";
import type { AptPackages } from "../../providers/dynamic/preflight/apt";
import type { Problem } from "../../sizing/problem";
import type { AskedVersions } from "../../sizing/versions";
import { checkFields } from "./host";
import { postgresKey } from "./postgres-key";

/** An apt repository. In `url` and `suite`, `{distribution}` is the machine's ("debian" or "ubuntu") and `{codename}` its release ("bookworm"). */
export interface AptRepositoryArgs {
  /** Address: https, http, or file for a folder of the machine. @default - the vendor's */
  readonly url?: string;
  /** Suite. @default - the vendor's */
  readonly suite?: string;
  /** Component. @default "main" */
  readonly component?: string;
  /** The public key that signs the repository, as text in ASCII armour; others sign nothing. @default - for PostgreSQL the key of apt.postgresql.org; for Citus there is none */
  readonly key?: pulumi.Input<string>;
}

/** What is installed, and where it comes from. The versions are those of the cluster's `postgresVersion` and `citusVersion`. */
export interface PackageInstallArgs {
  /** Where `postgresql-<major>` comes from. @default - `https://apt.postgresql.org/pub/repos/apt`, suite `{codename}-pgdg`, its own key */
  readonly postgres?: AptRepositoryArgs;
  /** Where `postgresql-<major>-citus-<minor>` comes from; its key is needed. @default - `https://repos.citusdata.com/community/{distribution}`, suite `{codename}`, which has packages for amd64 */
  readonly citus?: AptRepositoryArgs;
  /** Other packages, such as those of the databases' extensions: `["postgresql-17-pgvector"]`. @default [] */
  readonly packages?: readonly string[];
}

const installFields: Record<keyof PackageInstallArgs, true> = { postgres: true, citus: true, packages: true };
const repositoryFields: Record<keyof AptRepositoryArgs, true> = { url: true, suite: true, component: true, key: true };

/** The vendors' own repositories. */
const vendors: Readonly<Record<"postgres" | "citus", Vendor>> = {
  postgres: {
    url: "https://apt.postgresql.org/pub/repos/apt",
    suite: "{codename}-pgdg",
    key: postgresKey,
    keyUrl: "https://www.postgresql.org/media/keys/ACCC4CF8.asc",
  },
  citus: {
    url: "https://repos.citusdata.com/community/{distribution}",
    suite: "{codename}",
    keyUrl: "https://repos.citusdata.com/community/gpgkey",
  },
};

interface Vendor {
  readonly url: string;
  readonly suite: string;
  /** Undefined: the user has to give it. */
  readonly key?: string;
  /** Where the vendor shows it. */
  readonly keyUrl: string;
}

/** What is left out filled in. Keys may be outputs of other resources. */
export function aptPackages({ postgres, citus, packages = [] }: PackageInstallArgs): pulumi.Output<AptPackages> {
  return pulumi.output({
    postgres: repository(vendors.postgres, postgres),
    citus: repository(vendors.citus, citus),
    packages: [...packages],
  });
}

const repository = (
  vendor: Vendor,
  { url = vendor.url, suite = vendor.suite, component = "main", key = vendor.key ?? "" }: AptRepositoryArgs = {},
) => ({ url, suite, component, key });

/** Everything wrong with `install`; paths begin with it. Takes anything, since a stack's configuration holds anything. */
export function checkInstall(install: unknown, versions: AskedVersions): readonly Problem[] {
  if (install === undefined || install === "present") return [];
  if (typeof install !== "object" || install === null)
    return [{ path: "install", reason: `must be "present" or name repositories, got ${JSON.stringify(install)}` }];
  const { postgres, citus, packages }: { readonly [K in keyof PackageInstallArgs]?: unknown } = install;
  return [
    ...checkFields("install", install, installFields),
    ...checkAsked(versions),
    ...checkRepository("install.postgres", postgres, vendors.postgres),
    ...checkRepository("install.citus", citus, vendors.citus),
    ...checkOneKey(postgres, citus),
    ...checkPackages(packages),
  ];
}

/** Of the newest one a later run would get another one. */
function checkAsked({ postgresVersion, citusVersion }: AskedVersions): readonly Problem[] {
  const missing = Object.entries({ postgresVersion, citusVersion }).filter(([, version]) => version === undefined);
  if (missing.length === 0) return [];
  const names = missing.map(([name]) => name).join(" and ");
  return [{ path: "install", reason: `needs to know the versions; give ${names} beside hosts` }];
}

function checkRepository(path: string, repository: unknown, vendor: Vendor): readonly Problem[] {
  if (repository !== undefined && (typeof repository !== "object" || repository === null))
    return [{ path, reason: "is no repository; give its url, suite, component and key" }];
  const { url, suite, component, key }: { readonly [K in keyof AptRepositoryArgs]?: unknown } = repository ?? {};
  return [
    ...checkFields(path, repository, repositoryFields),
    ...checkText(`${path}.url`, url, /^(https?|file):\/\/?[A-Za-z0-9{}%._~:@/+-]+$/, "no address that apt takes"),
    ...checkText(`${path}.suite`, suite, /^[A-Za-z0-9{}._/~+-]+$/, "no name of a suite"),
    ...checkText(`${path}.component`, component, /^[A-Za-z0-9._/~+-]+$/, "no name of a component"),
    ...checkKey(`${path}.key`, key ?? vendor.key, vendor),
  ];
}

/** apt takes one keyring for a repository. */
function checkOneKey(postgres: unknown, citus: unknown): readonly Problem[] {
  const known = (repository: unknown, vendor: Vendor): { readonly [K in keyof AptRepositoryArgs]?: unknown } => ({
    ...vendor,
    ...(typeof repository === "object" ? repository : {}),
  });
  const [one, other] = [known(postgres, vendors.postgres), known(citus, vendors.citus)];
  const areOne = one.url === other.url && one.suite === other.suite;
  // Keys that are outputs of other resources are known later.
  if (!areOne || one.key === other.key || typeof one.key === "object" || typeof other.key === "object") return [];
  const reason = "differs from that of install.postgres, which is the same repository; give both the same key";
  return other.key === undefined || other.key === "" ? [] : [{ path: "install.citus.key", reason }];
}

function checkText(path: string, text: unknown, form: RegExp, not: string): readonly Problem[] {
  if (text === undefined || (typeof text === "string" && form.test(text))) return [];
  return [{ path, reason: `${JSON.stringify(text)} is ${not}` }];
}

function checkKey(path: string, key: unknown, { keyUrl }: Vendor): readonly Problem[] {
  if (key === undefined || key === "") {
    const reason = `is missing, and nothing unsigned is installed; "curl -fsSL ${keyUrl}" fetches the vendor's: check its fingerprint, then give its text`;
    return [{ path, reason }];
  }
  // An output of another resource is known later.
  if (typeof key === "object") return [];
  if (typeof key === "string" && /^\s*-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n/.test(key)) return [];
  return [{ path, reason: "is no public key in ASCII armour (-----BEGIN PGP PUBLIC KEY BLOCK-----)" }];
}

function checkPackages(packages: unknown): readonly Problem[] {
  if (packages === undefined) return [];
  if (!Array.isArray(packages)) return [{ path: "install.packages", reason: "is no list of names" }];
  return packages.flatMap((name: unknown, at) =>
    checkText(`install.packages[${String(at)}]`, name, /^[a-z0-9][a-z0-9.+-]+$/, "no name of a package"),
  );
}
