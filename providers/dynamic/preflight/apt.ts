/** Packages of apt repositories, as scripts of machines take them. Pure. */
import type { ScriptValues } from "../engine/script";

/** One repository; `{distribution}` and `{codename}` in `url` and `suite` are filled in on the machine. */
interface AptRepository {
  readonly url: string;
  readonly suite: string;
  readonly component: string;
  /** Public key, ASCII armour. */
  readonly key: string;
}

/** What is installed besides PostgreSQL and Citus, and where all of it comes from. */
export interface AptPackages {
  readonly postgres: AptRepository;
  readonly citus: AptRepository;
  readonly packages: readonly string[];
}

/** Values of install-packages.sh and preflight-packages.sh besides those of the prelude and the versions. */
export const aptValues = ({ postgres, citus, packages }: AptPackages): ScriptValues => ({
  INSTALL: "yes",
  PACKAGES: packages.join(" "),
  POSTGRES_URL: postgres.url,
  POSTGRES_SUITE: postgres.suite,
  POSTGRES_COMPONENT: postgres.component,
  POSTGRES_KEY: postgres.key,
  CITUS_URL: citus.url,
  CITUS_SUITE: citus.suite,
  CITUS_COMPONENT: citus.component,
  CITUS_KEY: citus.key,
});

/** Names of packages and control files have no patch number. */
export const citusMinor = (version = ""): string => version.split(".").slice(0, 2).join(".");
