/** What every read function does: one session from the program's own process, a bounded list, errors in words, and the form for Outputs. */
import * as pulumi from "@pulumi/pulumi";
import { operationError } from "./errors";
import { connectTo, type Connection, type Session } from "./session";

/** How much a read function may give. */
export interface Limit {
  /** At most so many rows; `total` says how many there are. Range: 1 to 100000. @default 1000 */
  readonly limit?: number;
}

/** Rows of a read function. */
export interface Listed<Row> {
  /** In the order that the function names; never more than the limit. */
  readonly rows: readonly Row[];
  /** How many there are; larger than the number of rows when the limit cut the list. */
  readonly total: number;
}

const defaultLimit = 1_000;
const largestLimit = 100_000;

/** The limit that applies. @throws Error when it is out of range */
export function limitOf({ limit = defaultLimit }: Limit): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > largestLimit)
    throw new Error(`limit: must be a whole number from 1 to ${String(largestLimit)}, got ${String(limit)}`);
  return limit;
}

/** Rows as a list; each of them carries the column `total`. A NULL becomes an absent field. */
export function listed<Row extends object>(rows: readonly (Row & { readonly total: number })[]): Listed<Row> {
  return { rows: rows.map((row) => present<Row>({ ...row, total: null })), total: rows[0]?.total ?? 0 };
}

/** The object without its NULLs: a field that has no value is absent. */
export function present<Row extends object>(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Row;
}

const commonHints = {
  "42P01": "name a database that has the citus extension",
  "42883": "name a database that has the citus extension, Citus 13.0 or newer",
  "42501": "connect as a superuser, or as a member of pg_monitor",
};

/**
 * Runs `use` with a session and gives its result. `what` completes "cannot read …": "the nodes of".
 * @throws Error that names what could not be read, the host, the server's words and the next step; never a secret
 */
export async function reading<T>(
  what: string,
  connection: Connection,
  use: (session: Session) => Promise<T>,
  hints: Readonly<Record<string, string>> = {},
): Promise<T> {
  try {
    return await connectTo(connection, "pulumi-citus read", use);
  } catch (error) {
    throw operationError("read", what, connection.database, error, { ...commonHints, ...hints });
  }
}

/**
 * The function for Outputs. It dials nobody while a preview does not know the connection or an argument; the result is then unknown too.
 * The result is not secret although its connection is: nothing of that is in there. `secret` is for results that hold what users wrote.
 */
export function outputOf<Args, Result>(
  read: (connection: Connection, args?: Args) => Promise<Result>,
  connection: pulumi.Input<Connection>,
  args?: pulumi.Input<Args>,
  secrecy: "plain" | "secret" = "plain",
): pulumi.Output<Result> {
  const result = pulumi
    .all([pulumi.secret(connection), args])
    .apply(([to, asked]) => read(to as Connection, asked as Args | undefined));
  return secrecy === "plain" ? pulumi.unsecret(result) : result;
}
