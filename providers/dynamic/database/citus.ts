/** The citus extension in one database, of one version on every node, before anybody acts on nodes: with a library of another version Citus writes
 *  wrong metadata. Calls CREATE EXTENSION and ALTER EXTENSION; reads pg_available_extensions. Citus 13.0 or newer.
 *  Source: https://docs.citusdata.com/en/stable/admin_guide/upgrading_citus.html */
import type { Context } from "../engine/kind";
import { onEach, type ServerAddress } from "../engine/server";
import type { Connection } from "../engine/session";
import { literal, sql } from "../engine/sql";

/** A database, and where it is. */
export interface CitusDatabaseRef {
  readonly connection: Connection;
  readonly nodes: Readonly<Record<string, ServerAddress>>;
  readonly name: string;
  /** The version that was asked for. */
  readonly extensionVersion?: string;
}

/** Versions on one node. */
export interface CitusVersions {
  /** Null where the database does not have it. */
  readonly installed: string | null;
  /** What the installed package brings. */
  readonly available: string;
}

export const citusSql = sql`
  SELECT extversion AS installed, default_version AS available
    FROM pg_available_extensions LEFT JOIN pg_extension ON extname = name WHERE name = 'citus'`;
export const createCitusSql = (version?: string) =>
  sql`CREATE EXTENSION IF NOT EXISTS citus${version === undefined ? sql`` : sql` VERSION ${literal(version)}`}`;
export const updateCitusSql = (version: string) => sql`ALTER EXTENSION citus UPDATE TO ${literal(version)}`;

const statementSeconds = 300;

/** Versions of citus on the nodes, by their keys. @throws the nodes whose package is missing */
export async function citusOnNodes(
  { connection, nodes, name }: CitusDatabaseRef,
  context: Context,
): Promise<Readonly<Record<string, CitusVersions>>> {
  return await onEach(context, connection, nodes, name, async (session) => {
    const [row] = await session.query<CitusVersions>(citusSql);
    if (row === undefined) throw new Error("Citus is not installed there; install its package and run again");
    return row;
  });
}

/** The version that every node shall have: the one asked for, or the one that all packages bring; undefined while those differ. */
export function wantedCitus(
  asked: string | undefined,
  versions: Readonly<Record<string, CitusVersions>>,
): string | undefined {
  const [first, ...others] = new Set(Object.values(versions).map(({ available }) => available));
  return asked ?? (others.length === 0 ? first : undefined);
}

/** Creates or updates it on every node. @throws where packages differ, before anything is changed */
export async function bringCitus(database: CitusDatabaseRef, context: Context): Promise<void> {
  const versions = await citusOnNodes(database, context);
  const wanted = wantedCitus(database.extensionVersion, versions);
  if (wanted === undefined) {
    const list = Object.entries(versions).map(([key, { available }]) => `${available} on ${key}`);
    throw new Error(
      `the nodes' packages bring different versions of citus: ${list.join(", ")}. Install the same one on every node, restart the servers and run again`,
    );
  }
  await onEach(context, database.connection, database.nodes, database.name, async (session, key) => {
    const installed = versions[key]?.installed ?? null;
    if (installed === wanted) return;
    const statement = installed === null ? createCitusSql(database.extensionVersion) : updateCitusSql(wanted);
    await session.query(statement, { timeoutSeconds: statementSeconds });
  });
}
