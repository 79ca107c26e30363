/** Connections of programs without a type check: what is missing is told by its name, no server is dialled. */
import assert from "node:assert/strict";
import { getNodes, Role } from "../../../../index";
import { checkInputs } from "../../../../providers/dynamic/engine/rules";

const good = { host: "c", port: 1, database: "app", user: "postgres", tls: { ca: "pem" } };

describe("a connection", () => {
  const rows: readonly (readonly [why: string, change: object, reasons: readonly RegExp[]])[] = [
    [
      "nothing but a host",
      { port: undefined, database: undefined, user: "", tls: undefined },
      [
        /^connection\.database: is missing/,
        /^connection\.user: is missing/,
        /^connection\.port: must be a whole number from 1 to 65535, got undefined$/,
        /^connection\.tls: is missing; give \{ ca \}/,
      ],
    ],
    ["a port as text", { port: "5432" }, [/^connection\.port: must be a whole number .*, got "5432"$/]],
    ["a certificate without its key", { tls: { ca: "pem", cert: "sesame" } }, [/^connection\.tls\.key: is missing/]],
    ["a key without its certificate", { tls: { ca: "pem", key: "sesame" } }, [/^connection\.tls\.cert: is missing/]],
  ];
  for (const [why, change, reasons] of rows) {
    it(`with ${why} is refused by kinds and read functions alike`, async () => {
      const connection = { ...good, ...change };
      const found = checkInputs(Role.kind, { connection, name: "app" }).map(({ path, reason }) => `${path}: ${reason}`);
      assert.equal(found.length, reasons.length, found.join("\n"));
      for (const [at, reason] of reasons.entries()) assert.match(found[at] ?? "", reason);
      assert.ok(!found.join().includes("sesame"));
      await assert.rejects(getNodes(connection), (error: Error) => {
        assert.ok(error.message.includes(found.join("\n")), error.message);
        return true;
      });
    });
  }

  it("that is whole passes", () => {
    assert.deepEqual(checkInputs(Role.kind, { connection: good, name: "app" }), []);
  });
});
