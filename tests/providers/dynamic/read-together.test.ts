/** What a refresh asks at the same time goes along in one statement, whatever the kinds; an answer or an error reaches its own asker. */
import assert from "node:assert/strict";
import { database } from "../../../providers/dynamic/database";
import { provider, type Provider } from "../../../providers/dynamic/engine/entry";
import type { Properties } from "../../../providers/dynamic/engine/rules";
import { grant } from "../../../providers/dynamic/grant";
import { nodes } from "../../../providers/dynamic/nodes";
import { role } from "../../../providers/dynamic/role";
import { rowLevelSecurity } from "../../../providers/dynamic/row-level-security";
import { settings } from "../../../providers/dynamic/settings";
import { withServers } from "./cluster";

describe("reads at the same time", function () {
  this.timeout(120_000);
  const servers = withServers(["coordinator", "a"], {}, "realCitus");
  const app = () => servers.connection("coordinator", "app");
  const sql = (text: string) => servers.query("coordinator", "app", text);
  const made: { readonly subject: Provider; readonly id: string; readonly outs: Properties }[] = [];
  const calls = async () => {
    const [row] = await sql(
      "SELECT coalesce(sum(calls), 0)::int AS calls FROM public.pg_stat_statements WHERE query LIKE '%FROM run_command_on_all_nodes%' AND query NOT LIKE '%pg_stat_statements%'",
    );
    return Number(row?.["calls"]);
  };
  const make = async (subject: Provider, args: object) => {
    const { id, outs } = await subject.create({ connection: app(), ...args });
    made.push({ subject, id, outs });
  };

  before(async () => {
    await provider(database).create({
      connection: servers.connection("coordinator"),
      nodes: servers.addresses("coordinator", "a"),
      name: "app",
    });
    await provider(nodes).create({
      connection: app(),
      coordinator: servers.address("coordinator"),
      workers: servers.addresses("a"),
    });
    await sql("CREATE EXTENSION pg_stat_statements SCHEMA public");
    await sql("CREATE TABLE public.events (tenant int, note text)");
    await sql("SELECT create_distributed_table('public.events', 'tenant')");
    for (const name of ["one", "two"]) {
      await make(provider(role), { name, connectionLimit: 3 });
      await make(provider(grant), {
        role: name,
        on: { type: "tables", schema: "public", names: ["events"] },
        privileges: ["SELECT"],
      });
      await make(provider(settings), { role: name, settings: { work_mem: "8MB" } });
    }
    await make(provider(rowLevelSecurity), { table: "events", rolePrefix: "tenant_", admins: ["postgres"] });
  });

  const readAll = () => Promise.all(made.map(({ subject, id, outs }) => subject.read(id, outs)));

  it("are one statement on the coordinator, for resources of four kinds", async () => {
    const before = await calls();
    const read = await readAll();
    assert.equal((await calls()) - before, 1);
    assert.deepEqual(
      read.map(({ props }) => props),
      made.map(({ outs }) => outs),
    );
  });

  it("show each resource what was changed of it", async () => {
    await sql("ALTER ROLE two CONNECTION LIMIT 4");
    await sql("REVOKE SELECT ON public.events FROM one");
    await sql("ALTER ROLE one SET work_mem = '9MB'");
    const read = await readAll();
    const differs = read.map(({ props }, index) => {
      const outs: Properties = made[index]?.outs ?? {};
      return Object.keys(outs).filter((name) => JSON.stringify(props?.[name]) !== JSON.stringify(outs[name]));
    });
    assert.deepEqual(differs.slice(0, 6), [
      [],
      ["connection", "role", "on", "privileges", "before"],
      ["settings"],
      ["connectionLimit"],
      [],
      [],
    ]);
  });

  it("tell an error to its own asker, and the others their answers", async () => {
    // No check has seen this name: it ends the statement in the middle.
    const before = await readAll();
    const bad = provider(settings).read("bad", { connection: app(), role: "a\0b", settings: { work_mem: "1MB" } });
    const [refused, others] = await Promise.allSettled([bad, readAll()]);
    assert.match(String(refused.status === "rejected" && refused.reason), /cannot read Settings .*SQLSTATE/s);
    assert.deepEqual(others, { status: "fulfilled", value: before });
  });
});
