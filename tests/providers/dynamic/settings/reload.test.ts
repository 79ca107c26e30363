/** When settings of servers are in force: not when a server was asked to read its files, but once it has. */
import assert from "node:assert/strict";
import type { Context } from "../../../../providers/dynamic/engine/kind";
import type { Session } from "../../../../providers/dynamic/engine/session";
import { compile, type Sql } from "../../../../providers/dynamic/engine/sql";
import { alone } from "../../../../providers/dynamic/engine/together";
import { change } from "../../../../providers/dynamic/settings";
import { untilLoaded } from "../../../../providers/dynamic/settings/reload";

const connection = { host: "a", port: 1, database: "app", user: "postgres", tls: { ca: "" } };

describe("untilLoaded", () => {
  it("waits until every server has read its files since then, whenever it did so before", async () => {
    const answers: readonly Readonly<Record<string, string>>[] = [
      { a: "10", b: "5" },
      {},
      { a: "9", b: "5" },
      { a: "11", b: "5" },
      { a: "11", b: "5.000001" },
    ];
    const asked: string[] = [];
    const ask = (statement: Sql) => {
      asked.push(/clock_timestamp|pg_conf_load_time/.exec(compile(statement).text)?.[0] ?? "");
      return Promise.resolve(answers[asked.length - 1] ?? {});
    };
    await untilLoaded(ask, () => Promise.resolve(asked.push("the change")));
    const load = "pg_conf_load_time";
    assert.deepEqual(asked, ["clock_timestamp", "the change", load, load, load]);
  });
});

describe("a change of settings", () => {
  /** A server that has read its files when it is asked for the third time. */
  const contextOf = (statements: string[]): Context => {
    let reads = 0;
    const answer = (text: string): object => {
      if (text.includes("to_json(ARRAY")) return { list: '["{}"]' };
      if (text.includes("clock_timestamp")) return { result: "10" };
      return text.includes("pg_conf_load_time") ? { result: String(7 + (reads += 2)) } : { result: "true" };
    };
    const session: Pick<Session, "query"> = {
      query: <Row extends object>(statement: Sql) => {
        const { text } = compile(statement);
        statements.push(text);
        return Promise.resolve([answer(text)] as Row[]);
      },
    };
    return {
      progress: () => undefined,
      info: () => undefined,
      begin: () => undefined,
      together: (_, question, ask) => alone(question, ask),
      connect: (_, use) => use(session as Session),
    };
  };
  const changed = async (target: object) => {
    const statements: string[] = [];
    const set = { work_mem: "8MB" };
    await change({ connection, settings: set, ...target }, contextOf(statements), set, []);
    return statements.filter((text) => /ALTER|pg_reload_conf|pg_conf_load_time/.test(text));
  };

  it("of a server ends once it has read its files", async () => {
    const [alter = "", reload = "", ...waits] = await changed({ node: "a" });
    assert.match(alter, /^ALTER SYSTEM SET "work_mem"/);
    assert.match(reload, /pg_reload_conf/);
    assert.equal(waits.length, 2);
  });

  it("of a database waits for nothing", async () => {
    assert.equal((await changed({ node: undefined, nodes: { a: { host: "a", port: 1 } }, database: "app" })).length, 1);
  });
});
