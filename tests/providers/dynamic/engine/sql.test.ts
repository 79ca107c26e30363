/** The sql tag: what is a parameter, what is text. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { compile, ident, literal, sql, type Sql } from "../../../../providers/dynamic/engine/sql";

const cases: readonly {
  readonly why: string;
  readonly statement: Sql;
  readonly text: string;
  readonly values: readonly unknown[];
}[] = [
  { why: "a statement without holes is its text", statement: sql`SELECT 1`, text: "SELECT 1", values: [] },
  {
    why: "every hole is a parameter",
    statement: sql`SELECT ${"a"}, ${2}, ${true}, ${null}`,
    text: "SELECT $1, $2, $3, $4",
    values: ["a", 2, true, null],
  },
  {
    why: "zero and the empty text are values",
    statement: sql`SELECT ${0}, ${""}`,
    text: "SELECT $1, $2",
    values: [0, ""],
  },
  {
    why: "a list is one parameter",
    statement: sql`SELECT ${["a", "b"]} || ${[1, 2]}`,
    text: "SELECT $1 || $2",
    values: [
      ["a", "b"],
      [1, 2],
    ],
  },
  {
    why: "a piece brings its own parameters, numbered anew",
    statement: sql`A ${1} ${sql`B ${2}`} ${3}`,
    text: "A $1 B $2 $3",
    values: [1, 2, 3],
  },
  { why: "an empty piece is nothing", statement: sql`A${sql``}B`, text: "AB", values: [] },
  {
    why: "names are always quoted",
    statement: sql`DROP ROLE ${ident('a"; DROP ROLE b')}`,
    text: 'DROP ROLE "a""; DROP ROLE b"',
    values: [],
  },
  { why: "constants are quoted", statement: sql`ENCODING ${literal("it's")}`, text: "ENCODING 'it''s'", values: [] },
  {
    why: "a backslash is no escape",
    statement: sql`ENCODING ${literal("a\\'")}`,
    text: "ENCODING  E'a\\\\'''",
    values: [],
  },
];

describe("sql", () => {
  for (const { why, statement, text, values } of cases) {
    it(why, () => {
      assert.deepEqual(compile(statement), { text, values });
    });
  }

  it("keeps values out of the text, whatever they hold", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 3 }), (value) => {
        const { text, values } = compile(sql`SELECT ${value} AS x`);
        assert.equal(text, "SELECT $1 AS x");
        assert.deepEqual(values, [value]);
      }),
    );
  });

  it("quotes any name so that nothing of it is left outside", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const { text } = compile(ident(name));
        assert.match(text, /^"(?:[^"]|"")*"$/s);
        assert.equal(text.slice(1, -1).replaceAll('""', '"'), name);
      }),
    );
  });
});
