/** The example that takes over a cluster: servers and cluster are made by plain statements, the program only gets a connection. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getMetadataDigest } from "../../providers/dynamic/reads";
import { withServers } from "../providers/dynamic/cluster";
import { withProgram } from "../support/program";
import { projectFolder, requires, tool } from "../support/tools";

const example = join(projectFolder, "examples", "existing-cluster");

describe("examples/existing-cluster", function () {
  this.timeout(600_000);
  const keys = ["coordinator", "a", "b"];
  const servers = withServers(keys);
  const at = (key: string) => `${servers.get(key).host}:${String(servers.get(key).port)}`;

  before(async function () {
    requires(this, "cli", "languageHost");
    // As an administrator would, without anything of this package.
    for (const key of keys) {
      await servers.query(key, "postgres", "CREATE ROLE reader LOGIN CONNECTION LIMIT 20");
      await servers.query(key, "postgres", "CREATE DATABASE app");
      await servers.query(key, "postgres", "ALTER DATABASE app SET statement_timeout = '1min'");
      await servers.query(key, "app", "CREATE EXTENSION citus");
    }
    const arguments_ = (key: string) => `'${servers.get(key).host}', ${String(servers.get(key).port)}`;
    await servers.query("coordinator", "app", `SELECT citus_set_coordinator_host(${arguments_("coordinator")})`);
    for (const key of ["a", "b"])
      await servers.query("coordinator", "app", `SELECT citus_add_node(${arguments_(key)})`);
    await servers.query("coordinator", "app", "CREATE EXTENSION pg_stat_statements SCHEMA public");
    if (tool("realCitus").missing !== undefined) return;
    await servers.query(
      "coordinator",
      "app",
      "CREATE TABLE public.events (tenant int, id int, PRIMARY KEY (tenant, id))",
    );
    await servers.query("coordinator", "app", "SELECT create_distributed_table('public.events', 'tenant')");
    await servers.query(
      "coordinator",
      "app",
      "INSERT INTO public.events SELECT i % 9, i FROM generate_series(1, 100) i",
    );
  });

  /** Everything that would tell that something was made anew or changed. */
  const facts = async () => ({
    digest: (await getMetadataDigest(servers.connection("coordinator", "app"))).parts,
    objects: await servers.onEach(
      "app",
      `SELECT (SELECT oid::int FROM pg_database WHERE datname = 'app') AS database, (SELECT oid::int FROM pg_roles WHERE rolname = 'reader') AS role,
              (SELECT xmin::text FROM pg_authid WHERE rolname = 'reader') AS role_row, (SELECT xmin::text FROM pg_database WHERE datname = 'app') AS database_row,
              (SELECT json_agg(oid::int ORDER BY oid) FROM pg_extension) AS extensions, (SELECT json_agg(row_to_json(s)) FROM pg_db_role_setting s) AS settings,
              (SELECT json_agg(xmin::text ORDER BY nodeid) FROM pg_dist_node) AS nodes`,
    ),
  });

  it("adopts everything in the first run without a change, and has nothing to do in the second", async () => {
    const before = await facts();
    await withProgram(
      (folder) => {
        for (const file of readdirSync(example)) copyFileSync(join(example, file), join(folder, file));
      },
      async (program) => {
        const { tls } = servers.connection("coordinator");
        const certificates = join(program.dataFolder, "certificates");
        mkdirSync(certificates);
        writeFileSync(join(certificates, "ca.crt"), tls.ca);
        writeFileSync(join(certificates, "operator.crt"), tls.cert ?? "");
        writeFileSync(join(certificates, "operator.key"), tls.key ?? "", { mode: 0o600 });
        await program.pulumi("config", "set", "certificates", certificates);
        await program.pulumi("config", "set", "coordinator", at("coordinator"));
        for (const key of ["a", "b"]) await program.pulumi("config", "set", "--path", `workers.${key}`, at(key));

        const first = await program.pulumi("up", "--yes");
        for (const kind of ["Role", "Database", "Nodes", "Extension", "Settings"])
          assert.match(
            first,
            new RegExp(`${kind} "[^\\n]+" exists exactly as asked; it is managed here from this run on`),
          );
        assert.deepEqual(await facts(), before);
        await program.pulumi("up", "--yes", "--expect-no-changes");
        await program.pulumi("preview", "--refresh", "--expect-no-changes");
        assert.deepEqual(await facts(), before);

        const registered = (await program.output("registered")) as readonly { readonly port: number }[];
        assert.deepEqual(registered.map(({ port }) => port).sort(), keys.map((key) => servers.get(key).port).sort());
        const metadata = (await program.output("metadata")) as { readonly inSync: boolean };
        // The stand-in lists the objects that are on every node on its coordinator alone.
        if (tool("realCitus").missing === undefined) assert.equal(metadata.inSync, true);
        assert.doesNotMatch(await program.pulumi("stack", "export"), /BEGIN (EC )?PRIVATE KEY/);
      },
    );
    assert.deepEqual(await facts(), before, "destroy keeps all of it");
  });
});
