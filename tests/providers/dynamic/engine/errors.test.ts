/** What users read when something fails, and what is tried again. */
import assert from "node:assert/strict";
import { DatabaseError } from "pg";
import { operationError, quiet, SqlError, sqlError } from "../../../../providers/dynamic/engine/errors";

interface Answer {
  readonly code?: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

function answer({ message, ...fields }: Answer): DatabaseError {
  return Object.assign(new DatabaseError(message, message.length, "error"), fields);
}

const socket = (message: string, code?: string) =>
  Object.assign(new Error(message), code === undefined ? {} : { code });

const cases: readonly {
  readonly why: string;
  readonly cause: unknown;
  readonly notices?: readonly string[];
  readonly text: string;
  readonly code?: string;
  readonly retry: boolean;
}[] = [
  {
    why: "a lock passes",
    cause: answer({ code: "55P03", message: "canceling statement due to lock timeout" }),
    text: "canceling statement due to lock timeout (SQLSTATE 55P03)",
    code: "55P03",
    retry: true,
  },
  {
    why: "a server that starts passes",
    cause: answer({ code: "57P03", message: "the database system is starting up" }),
    text: "the database system is starting up (SQLSTATE 57P03)",
    code: "57P03",
    retry: true,
  },
  {
    why: "too many clients passes",
    cause: answer({ code: "53300", message: "sorry, too many clients already" }),
    text: "sorry, too many clients already (SQLSTATE 53300)",
    code: "53300",
    retry: true,
  },
  {
    why: "metadata on its way passes",
    cause: answer({ code: "55000", message: "a:1 is a metadata node, but is out of sync" }),
    text: "a:1 is a metadata node, but is out of sync (SQLSTATE 55000)",
    code: "55000",
    retry: true,
  },
  {
    why: "a group number that the sequence has not reached passes",
    cause: answer({ code: "XX000", message: "group 3 already has a primary node" }),
    text: "group 3 already has a primary node (SQLSTATE XX000)",
    code: "XX000",
    retry: true,
  },
  {
    why: "a deadlock is one server under two names, for ever",
    cause: answer({ code: "40P01", message: "deadlock detected" }),
    text: "deadlock detected (SQLSTATE 40P01)",
    code: "40P01",
    retry: false,
  },
  {
    why: "a missing table stays missing",
    cause: answer({ code: "42P01", message: 'relation "t" does not exist' }),
    text: 'relation "t" does not exist (SQLSTATE 42P01)',
    code: "42P01",
    retry: false,
  },
  {
    why: "detail and hint belong to the message",
    cause: answer({ code: "42501", message: "no", detail: "why", hint: "do" }),
    text: "no · why · do (SQLSTATE 42501)",
    code: "42501",
    retry: false,
  },
  {
    why: "detail of a constraint holds rows",
    cause: answer({ code: "23514", message: "violates check", detail: "Failing row contains (canary-1)." }),
    text: "violates check (SQLSTATE 23514)",
    code: "23514",
    retry: false,
  },
  {
    why: "detail of a bad value holds it",
    cause: answer({ code: "22P02", message: "invalid input", detail: "canary-1", hint: "h" }),
    text: "invalid input · h (SQLSTATE 22P02)",
    code: "22P02",
    retry: false,
  },
  {
    why: "Citus hides the reason of an essential connection in the last warning",
    cause: answer({ code: "XX000", message: "failure on connection marked as essential: a:1" }),
    notices: ["first", "function does not exist"],
    text: "failure on connection marked as essential: a:1 · function does not exist (SQLSTATE XX000)",
    code: "XX000",
    retry: false,
  },
  {
    why: "other errors leave warnings alone",
    cause: answer({ code: "42P01", message: "no" }),
    notices: ["w"],
    text: "no (SQLSTATE 42P01)",
    code: "42P01",
    retry: false,
  },
  {
    why: "a server without a code has one all the same",
    cause: answer({ message: "odd" }),
    text: "odd (SQLSTATE XX000)",
    code: "XX000",
    retry: false,
  },
  {
    why: "nobody listens yet",
    cause: socket("connect ECONNREFUSED 127.0.0.1:1", "ECONNREFUSED"),
    text: "connect ECONNREFUSED 127.0.0.1:1",
    retry: true,
  },
  {
    why: "attempts on several addresses have no text of their own",
    cause: socket("", "ECONNREFUSED"),
    text: "ECONNREFUSED",
    retry: true,
  },
  {
    why: "a session that ends",
    cause: socket("Connection terminated unexpectedly"),
    text: "Connection terminated unexpectedly",
    retry: true,
  },
  {
    why: "a name that does not exist",
    cause: socket("getaddrinfo ENOTFOUND x", "ENOTFOUND"),
    text: "getaddrinfo ENOTFOUND x",
    retry: false,
  },
  {
    why: "a certificate of another authority",
    cause: socket("self-signed certificate in certificate chain", "SELF_SIGNED_CERT_IN_CHAIN"),
    text: "self-signed certificate in certificate chain",
    retry: false,
  },
  {
    why: "a statement whose answer never came may have run",
    cause: socket("Query read timeout"),
    text: "the server does not answer; nobody knows whether the statement ran",
    retry: false,
  },
  { why: "anything can be thrown", cause: "text", text: "text", retry: false },
];

describe("sqlError", () => {
  for (const { why, cause, notices, text, code, retry } of cases) {
    it(why, () => {
      const error = sqlError(cause, "a:1", notices);
      assert.deepEqual(
        { text: error.message, code: error.code, server: error.server, retry: error.retry },
        { text, code, server: "a:1", retry },
      );
    });
  }

  it("leaves an error alone that is one already", () => {
    const error = new SqlError("m", "42P01", "b:2", false);
    assert.equal(sqlError(error, "a:1"), error);
  });
});

describe("operationError", () => {
  it("names verb, kind, object, server, cause, code and next step", () => {
    const cause = sqlError(answer({ code: "42P01", message: 'relation "t" does not exist' }), "10.0.0.5:5432");
    const error = operationError("create", "Database", "app", cause, { "42P01": "create the table first" });
    assert.equal(
      error.message,
      'cannot create Database "app" on 10.0.0.5:5432: relation "t" does not exist (SQLSTATE 42P01). create the table first',
    );
    assert.equal(error.cause, cause);
  });

  it("names no server where none was asked", () => {
    assert.equal(operationError("update", "Nodes", "app", new Error("no")).message, 'cannot update Nodes "app": no');
  });

  it("gives no step for another code", () => {
    const cause = new SqlError("no", "42501", "a:1", false);
    assert.equal(
      operationError("read", "Role", "app", cause, { "42P01": "x" }).message,
      'cannot read Role "app" on a:1: no',
    );
  });

  it("has no stack, which the provider process would print", () => {
    assert.equal(operationError("read", "Role", "app", "x").stack, "");
    assert.equal(quiet(new Error("x")).stack, "");
  });
});
