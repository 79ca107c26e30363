/** What a failure means: may it be tried again, and what does the user read. Pure. Texts and classes: Citus 13.2, lc_messages C. */
import { DatabaseError } from "pg";
import { SshError } from "./ssh";

/** A statement failed on a server, or the server could not be reached. The message is complete for users; it never holds values of the statement. */
export class SqlError extends Error {
  constructor(
    message: string,
    /** SQLSTATE, or undefined when no server answered. */
    readonly code: string | undefined,
    /** Host and port of the server. */
    readonly server: string,
    /** May the same statement succeed a little later? */
    readonly retry: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

// Conditions that pass by themselves. 40P01 is left out: adding one server under a second name ends in it, for ever.
const passingCodes = new Set(["55P03", "40001", "57P03", "53300"]);
const passingTexts = [
  /is a metadata node, but is out of sync$/,
  /^could not acquire the lock required to /,
  /^group \d+ already has a primary node$/,
];
const passingSocketErrors = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "EPIPE",
]);

// These carry rows of the failing statement in DETAIL, secrets included.
const detailHoldsValues = (code: string) => /^(22|23)/.test(code);

/** A failure of node-postgres as an error that users can read. `notices` are the warnings that came before it. */
export function sqlError(cause: unknown, server: string, notices: readonly string[] = []): SqlError {
  if (cause instanceof SqlError) return cause;
  if (cause instanceof SshError) return new SqlError(cause.message, undefined, server, cause.retry, { cause });
  if (cause instanceof DatabaseError) {
    const code = cause.code ?? "XX000";
    const retry = passingCodes.has(code) || passingTexts.some((text) => text.test(cause.message));
    // Citus hides the reason of "failure on connection marked as essential" in the warning before it.
    const reason = /^failure on connection marked as essential/.test(cause.message) ? notices.at(-1) : undefined;
    const detail = detailHoldsValues(code) ? undefined : cause.detail;
    const text = [cause.message, reason, detail, cause.hint]
      .filter((part) => part !== undefined && part !== "")
      .join(" · ");
    return new SqlError(`${text} (SQLSTATE ${code})`, code, server, retry, { cause });
  }
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const socketCode = "code" in error && typeof error.code === "string" ? error.code : "";
  // Node packs the attempts on several addresses into one error without a text of its own.
  const own = error.message === "" ? socketCode : error.message;
  // node-postgres' name for a statement whose answer never came.
  const text =
    own === "Query read timeout" ? "the server does not answer; nobody knows whether the statement ran" : own;
  const retry = passingSocketErrors.has(socketCode) || /^timeout expired$|Connection terminated/.test(text);
  return new SqlError(text, undefined, server, retry, { cause });
}

/** The text of a failed operation: `cannot create Database "app" on 10.0.0.5:5432: … (SQLSTATE …). next step`. */
export function operationError(
  verb: string,
  type: string,
  id: string,
  cause: unknown,
  hints: Readonly<Record<string, string>> = {},
): Error {
  const where = cause instanceof SqlError ? ` on ${cause.server}` : "";
  const message = cause instanceof Error ? cause.message : String(cause);
  const hint = cause instanceof SqlError && cause.code !== undefined ? hints[cause.code] : undefined;
  return quiet(
    new Error(`cannot ${verb} ${type} "${id}"${where}: ${message}${hint === undefined ? "" : `. ${hint}`}`, { cause }),
  );
}

/** An error without a stack: the provider process prints stacks to the user, who can do nothing with them. */
export function quiet(error: Error): Error {
  error.stack = "";
  return error;
}

/** A change failed after it had begun. Pulumi keeps the resource with `properties` and calls update in the next run. */
export class PartialChangeError extends Error {
  readonly reasons: readonly string[];

  constructor(
    cause: Error,
    readonly id: string,
    /** Plain JSON, the provider's own text included: without it nothing could delete or read the resource. */
    readonly properties: Readonly<Record<string, unknown>>,
  ) {
    super(cause.message, { cause });
    this.reasons = [cause.message];
  }
}
