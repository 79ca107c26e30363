/** SQL as data: every hole of the `sql` tag becomes a parameter; only `ident`, `literal` and another piece of SQL are text. Pure. */
import { escapeIdentifier, escapeLiteral } from "pg";

/** A value that PostgreSQL takes as a parameter. `undefined` is left out on purpose: it would become NULL in silence. */
export type SqlValue = string | number | boolean | null | readonly string[] | readonly number[];

/** A statement, or a piece of one: text between its parameters. */
export interface Sql {
  readonly parts: readonly (string | { readonly value: SqlValue })[];
}

const isSql = (hole: SqlValue | Sql): hole is Sql => typeof hole === "object" && hole !== null && "parts" in hole;

/** Tag for statements: sql`SELECT ${value}` has one parameter. */
export function sql(texts: TemplateStringsArray, ...holes: readonly (SqlValue | Sql)[]): Sql {
  const parts = texts.flatMap((text, index) => {
    const hole = holes[index];
    if (hole === undefined) return [text];
    return isSql(hole) ? [text, ...hole.parts] : [text, { value: hole }];
  });
  return { parts };
}

/** A name, always quoted. */
export const ident = (name: string): Sql => ({ parts: [escapeIdentifier(name)] });

/** A text constant inside a statement that takes no parameters (CREATE DATABASE, ALTER SYSTEM …). */
export const literal = (value: string): Sql => ({ parts: [escapeLiteral(value)] });

/** What node-postgres takes: the text with $1, $2 … and the values. */
export function compile({ parts }: Sql): { text: string; values: SqlValue[] } {
  const values: SqlValue[] = [];
  const text = parts.map((part) => (typeof part === "string" ? part : `$${String(values.push(part.value))}`)).join("");
  return { text, values };
}
