/** Targets of rights: which are refused, and the exact statements. */
import assert from "node:assert/strict";
import { compile } from "../../../../providers/dynamic/engine/sql";
import {
  heldSql,
  rightsOn,
  stepSql,
  targetProblems,
  targetText,
  type GrantTarget,
} from "../../../../providers/dynamic/grant/target";

const flat = (statement: Parameters<typeof compile>[0]) => {
  const { text, values } = compile(statement);
  assert.deepEqual(values, [], "it also travels as a text");
  return text.replaceAll(/\s+/g, " ").trim();
};

describe("targetProblems", () => {
  const accepted: readonly GrantTarget[] = [
    { type: "database", name: 'a"b' },
    { type: "schema", name: "x".repeat(63) },
    { type: "tables", schema: "s" },
    { type: "tables", schema: "s", names: ["UPPER", "é", "; drop table t"] },
    { type: "defaults", of: "schemas" },
    { type: "defaults", of: "functions", owner: "o", schema: "s" },
  ];
  for (const target of accepted)
    it(`accepts ${JSON.stringify(target)}`, () => assert.deepEqual(targetProblems(target), []));

  const refused: readonly (readonly [string, RegExp])[] = [
    ['{ "type": "table", "schema": "s" }', /^type: must be one of database, schema, tables, .*, got "table"$/],
    ["{}", /^type: must be one of/],
    ['{ "type": "tables" }', /^schema: must be a name$/],
    ['{ "type": "tables", "schema": "" }', /^schema: must not be empty$/],
    ['{ "type": "tables", "schema": "s", "names": [] }', /^names: must have at least one name/],
    ['{ "type": "tables", "schema": "s", "names": ["a", "a"] }', /^names\[1\]: "a" is there twice$/],
    ['{ "type": "tables", "schema": "s", "names": ["a\\nb"] }', /^names\[0\]: .*control characters/],
    [`{ "type": "tables", "schema": "s", "names": ["${"x".repeat(64)}"] }`, /^names\[0\]: .*64 bytes/],
    ['{ "type": "schema", "schema": "s" }', /^schema: means nothing for type "schema"/],
    ['{ "type": "database", "name": 5 }', /^name: must be a name$/],
    ['{ "type": "defaults", "of": "views" }', /^of: must be "tables", .*got "views"$/],
    ['{ "type": "defaults", "of": "schemas", "schema": "s" }', /^schema: must be left out: schemas lie in no schema$/],
    ['{ "type": "defaults", "of": "tables", "owner": "" }', /^owner: must not be empty$/],
  ];
  for (const [text, message] of refused)
    it(`refuses ${text}`, () => {
      const problems = targetProblems(JSON.parse(text) as GrantTarget).map(({ path, reason }) => `${path}: ${reason}`);
      assert.ok(
        problems.some((problem) => message.test(problem)),
        problems.join("; "),
      );
    });
});

describe("rightsOn", () => {
  it("are those of what is made later, too", () =>
    assert.deepEqual(rightsOn({ type: "defaults", of: "sequences" }), ["USAGE", "SELECT", "UPDATE"]));
});

describe("targetText", () => {
  for (const [target, text] of [
    [{ type: "database", name: "d" }, "database d"],
    [{ type: "schema", name: "s" }, "schema app.s"],
    [{ type: "tables", schema: "s", names: ["a"] }, "tables in app.s"],
    [{ type: "defaults", of: "tables" }, "later tables of the connecting role in app"],
    [{ type: "defaults", of: "tables", owner: "o", schema: "s" }, "later tables of o in app.s"],
  ] as const)
    it(`is "${text}"`, () => assert.equal(targetText(target, "app"), text));
});

describe("stepSql", () => {
  const cases: readonly (readonly [GrantTarget, string, Parameters<typeof stepSql>[2], boolean, RegExp])[] = [
    [
      { type: "tables", schema: "s'x" },
      'a"b',
      { verb: "grant", privileges: ["SELECT", "INSERT"], names: ["t'; --"] },
      false,
      /^DO 'DECLARE o text; BEGIN FOR o IN SELECT object FROM \( SELECT c\.relname .*nspname = ''s''''x''.*c\.relname IN \(''t''''; --''\).* LOOP EXECUTE ''GRANT SELECT, INSERT ON TABLE '' \|\| o \|\| '' TO "a""b"''; END LOOP; END'$/,
    ],
    [
      { type: "database", name: "d" },
      "public",
      { verb: "revoke", privileges: ["CONNECT"] },
      true,
      /BEGIN PERFORM pg_catalog\.set_config\(''citus\.enable_ddl_propagation'', ''off'', true\); FOR .*EXECUTE ''REVOKE CONNECT ON DATABASE '' \|\| o \|\| '' FROM PUBLIC''/,
    ],
    [
      { type: "functions", schema: "s" },
      "r",
      { verb: "grant with grant option", privileges: ["EXECUTE"] },
      false,
      /EXECUTE ''GRANT EXECUTE ON ROUTINE '' \|\| o \|\| '' TO "r" WITH GRANT OPTION''/,
    ],
    [
      { type: "sequences", schema: "s" },
      "r",
      { verb: "revoke grant option", privileges: ["USAGE"] },
      false,
      /EXECUTE ''REVOKE GRANT OPTION FOR USAGE ON SEQUENCE '' \|\| o \|\| '' FROM "r"''/,
    ],
    [
      { type: "defaults", of: "schemas", owner: "o" },
      "r",
      { verb: "grant", privileges: ["USAGE"] },
      false,
      /EXECUTE ''ALTER DEFAULT PRIVILEGES FOR ROLE "o" GRANT USAGE ON SCHEMAS '' \|\| o \|\| '' TO "r"''/,
    ],
    [
      { type: "defaults", of: "tables", schema: "s" },
      "r",
      { verb: "revoke", privileges: ["SELECT"] },
      false,
      /EXECUTE ''ALTER DEFAULT PRIVILEGES IN SCHEMA "s" REVOKE SELECT ON TABLES '' \|\| o \|\| '' FROM "r"''/,
    ],
  ];
  for (const [target, role, step, locally, text] of cases)
    it(`says ${step.verb} on ${target.type}`, () => assert.match(flat(stepSql(target, role, step, locally)), text));
});

describe("heldSql", () => {
  it("asks for everybody by the number that stands for it, for a role by its name", () => {
    assert.match(flat(heldSql({ type: "schema", name: "s" }, "public", undefined)), /grantee = 0 /);
    assert.match(
      flat(heldSql({ type: "schema", name: "s" }, "o'b", undefined)),
      /grantee = \(SELECT oid FROM pg_catalog\.pg_roles WHERE rolname = 'o''b'\)/,
    );
  });
});
