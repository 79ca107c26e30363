/** What is said to a node so that a role becomes what was asked for. */
import assert from "node:assert/strict";
import { compile } from "../../../../providers/dynamic/engine/sql";
import {
  makeMissingSql,
  momentProblem,
  planRole,
  roleStatements,
  sameMoment,
  type RoleRow,
  type WantedRole,
} from "../../../../providers/dynamic/role/attributes";

const row: RoleRow = {
  login: true,
  inherit: true,
  superuser: false,
  connectionLimit: -1,
  validUntil: "infinity",
  verifier: null,
  memberOf: [],
};

type Old = WantedRole & { readonly granted?: readonly string[] };

const texts = (
  wanted: WantedRole,
  rows: readonly (RoleRow | undefined)[],
  verifier?: string,
  old?: Old,
  exists = rows.length > 0,
) =>
  roleStatements('a"b', planRole(wanted, rows, verifier, old), exists).map((statement) => {
    const { text, values } = compile(statement);
    assert.deepEqual(values, []);
    return text;
  });

describe("roleStatements", () => {
  const cases: readonly {
    readonly why: string;
    readonly wanted: WantedRole;
    readonly rows?: readonly (RoleRow | undefined)[];
    readonly verifier?: string;
    readonly old?: Old;
    readonly expected: readonly string[];
  }[] = [
    { why: "a role that logs in by default", wanted: {}, expected: ['CREATE ROLE "a""b" LOGIN'] },
    { why: "a role that does not", wanted: { login: false }, expected: ['CREATE ROLE "a""b" NOLOGIN'] },
    {
      why: "every attribute, a limit of 0 too",
      wanted: {
        inherit: false,
        connectionLimit: 0,
        validUntil: "2030-01-31T00:00:00Z",
        memberOf: ["r's", "pg_monitor"],
      },
      verifier: "SCRAM-SHA-256$x'y",
      expected: [
        `CREATE ROLE "a""b" LOGIN NOINHERIT CONNECTION LIMIT 0 VALID UNTIL '2030-01-31T00:00:00Z' PASSWORD 'SCRAM-SHA-256$x''y'`,
        `GRANT "r's" TO "a""b"`,
        'GRANT "pg_monitor" TO "a""b"',
      ],
    },
    { why: "nothing where nothing is asked of a role that exists", wanted: {}, rows: [row], expected: [] },
    {
      why: "what is asked, and nothing else",
      wanted: { login: false, connectionLimit: 5 },
      rows: [row],
      expected: ['ALTER ROLE "a""b" NOLOGIN CONNECTION LIMIT 5'],
    },
    {
      why: "PostgreSQL's defaults for what is not asked any more",
      wanted: {},
      rows: [row],
      old: { login: false, inherit: false, connectionLimit: 5, validUntil: "2030-01-31T00:00:00Z", password: "x" },
      expected: [`ALTER ROLE "a""b" LOGIN INHERIT CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD NULL`],
    },
    {
      why: "a verifier where a node lacks it",
      wanted: { password: "x" },
      rows: [{ ...row, verifier: "v" }, row],
      verifier: "v",
      expected: [`ALTER ROLE "a""b" PASSWORD 'v'`],
    },
    {
      why: "a verifier where a node lacks the role",
      wanted: { password: "x" },
      rows: [{ ...row, verifier: "v" }, undefined],
      verifier: "v",
      expected: [`ALTER ROLE "a""b" PASSWORD 'v'`],
    },
    {
      why: "no verifier where every node has it",
      wanted: { password: "x" },
      rows: [{ ...row, verifier: "v" }],
      verifier: "v",
      expected: [],
    },
    {
      why: "a membership that this resource gave is taken back",
      wanted: { memberOf: ["new"] },
      rows: [{ ...row, memberOf: ["ours", "theirs"] }],
      old: { memberOf: ["ours", "theirs"], granted: ["ours"] },
      expected: ['GRANT "new" TO "a""b"', 'REVOKE "ours" FROM "a""b"'],
    },
  ];
  for (const { why, wanted, rows = [], verifier, old, expected } of cases)
    it(`say: ${why}`, () => assert.deepEqual(texts(wanted, rows, verifier, old), expected));
});

describe("makeMissingSql", () => {
  it("is one statement, whatever the name", () =>
    assert.equal(
      compile(makeMissingSql(`o'b"c`, { login: false })).text,
      `DO 'BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ''o''''b"c'') THEN ` +
        `PERFORM pg_catalog.set_config(''citus.enable_create_role_propagation'', ''off'', true); CREATE ROLE "o''b""c" NOLOGIN; END IF; END'`,
    ));
});

describe("planRole", () => {
  it("counts as given only what no node had", () => {
    const rows = [{ ...row, memberOf: ["before"] }, row];
    assert.deepEqual(planRole({ memberOf: ["before", "new"] }, rows, undefined).granted, ["new"]);
  });

  it("remembers what it gave before", () => {
    const rows = [{ ...row, memberOf: ["given", "before"] }];
    assert.deepEqual(planRole({ memberOf: ["given", "before"] }, rows, undefined, { granted: ["given"] }).granted, [
      "given",
    ]);
  });
});

describe("momentProblem", () => {
  for (const good of [
    "2030-01-31T00:00:00Z",
    "2030-01-31T00:00+02:00",
    "2030-01-31T23:59:59.123-05:30",
    "infinity",
    "2028-02-29T00:00Z",
  ])
    it(`accepts ${good}`, () => assert.equal(momentProblem(good), undefined));
  for (const bad of [
    "",
    "2030-01-31",
    "2030-01-31T00:00:00",
    "2030-02-30T00:00:00Z",
    "2030-01-31T25:00:00Z",
    "tomorrow",
    "2030-01-31T00:00:00Z'; --",
    "Infinity",
  ])
    it(`refuses ${JSON.stringify(bad)}`, () =>
      assert.match(momentProblem(bad) ?? "", /^must be a moment with its zone/));
});

describe("sameMoment", () => {
  it("gives the spelling that was asked for, where the moment is the same", () => {
    assert.equal(sameMoment("2030-01-31T00:00:00.000Z", "2030-01-31T02:00:00+02:00"), "2030-01-31T02:00:00+02:00");
    assert.equal(sameMoment("2030-01-31T00:00:00.001Z", "2030-01-31T00:00:00Z"), "2030-01-31T00:00:00.001Z");
    assert.equal(sameMoment("infinity", "2030-01-31T00:00:00Z"), "infinity");
    assert.equal(sameMoment("infinity", undefined), "infinity");
  });
});
