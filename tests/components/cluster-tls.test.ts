/** Who may talk to whom: every connection between nodes is TLS 1.3 with both sides verified, and everything else is refused. Each refusal is tried. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client, type ClientConfig } from "pg";
import { makeAuthority } from "../support/authority";
import { ask, clusterOf, portsFor, url } from "../support/demo-cluster";
import { withStack } from "../support/stack";
import { requires, tool } from "../support/tools";

/** The server's or the client's words when the connection fails. @throws when it does not */
async function refusal(config: ClientConfig): Promise<string> {
  const client = new Client({ host: "127.0.0.1", database: "app", ...config });
  // A server may close a connection that was refused once more; that is no second news.
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    // Not ended: node-postgres waits for ever for the end of a connection that broke while it was made.
    return error instanceof Error ? error.message : String(error);
  }
  await client.end();
  throw new Error(`connected although it must not: ${JSON.stringify({ ...config, ssl: undefined })}`);
}

interface Peer {
  readonly version: string;
  readonly client: string;
  readonly role: string;
}

describe("CitusCluster, TLS", () => {
  it("lets nodes, the operator and login roles in by their certificates, over TLS 1.3, and nobody else", async function () {
    requires(this, "cli", "tls", "command", "citus");
    this.timeout(600_000);
    const ports = await portsFor("a", "b");
    const all = [ports.coordinator, ...Object.values(ports.workers)];
    let folder = "";
    await withStack(
      (dataFolder) => {
        folder = dataFolder;
        return clusterOf(dataFolder, ports, ["a", "b"]);
      },
      async (stack) => {
        const formed = await stack.up();
        const text = { postgres: url(formed, "postgres"), app: url(formed, "app") };
        const onPort = (role: keyof typeof text, port: number) =>
          text[role].replace(`:${String(ports.coordinator)}/`, `:${String(port)}/`);

        for (const role of ["postgres", "app"] as const) {
          for (const port of all) {
            const pairs = await ask<{ result: boolean }>(
              onPort(role, port),
              "SELECT result FROM citus_check_cluster_node_health()",
            );
            assert.deepEqual(
              pairs.map(({ result }) => result),
              Array(9).fill(true),
              `the mesh of ${role}, asked on port ${String(port)}`,
            );
          }
        }
        for (const role of ["postgres", "app"] as const) {
          for (const port of all) {
            const answers = await ask<{ result: string }>(
              onPort(role, port),
              `SELECT result FROM run_command_on_all_nodes($$SELECT version || ' ' || client_dn || ' ' || usename
                 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE pid = pg_backend_pid()$$)`,
            );
            const key = ["coordinator", "a", "b"][all.indexOf(port)] ?? "";
            assert.deepEqual(
              answers.map(({ result }) => result),
              Array(3).fill(`TLSv1.3 /CN=node:${key} ${role}`),
              `connections of ${role} from node ${key}`,
            );
          }
        }

        // What a distributed query opens.
        const hasShards = tool("realCitus").missing === undefined;
        if (hasShards) {
          await ask(
            text.app,
            "CREATE TABLE t (id int PRIMARY KEY); SELECT create_distributed_table('t', 'id'); INSERT INTO t VALUES (1), (2), (3)",
          );
        }
        const seen = new Set<string>();
        for (const role of hasShards ? (["postgres", "app"] as const) : []) {
          // Asked within one session, while its connections to the nodes are open.
          const client = new Client({ connectionString: text[role] });
          await client.connect();
          await client.query("SELECT count(*) FROM t");
          for (const port of all) {
            const peers = await ask<Peer>(
              onPort("postgres", port),
              `SELECT version, client_dn AS client, usename AS role FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                WHERE application_name LIKE 'citus%internal%' AND client_addr IS NOT NULL`,
            );
            for (const peer of peers) {
              assert.equal(peer.version, "TLSv1.3");
              assert.match(peer.client, /^\/CN=node:(coordinator|a|b)$/);
              seen.add(peer.role);
            }
          }
          await client.end();
        }
        if (hasShards)
          assert.deepEqual([...seen].sort(), ["app", "postgres"], "connections between nodes were seen for both");

        const own = join(folder, "clients");
        const ssl = {
          ca: readFileSync(join(own, "ca.crt"), "utf8"),
          cert: readFileSync(join(own, "app.crt"), "utf8"),
          key: readFileSync(join(own, "app.key"), "utf8"),
        };
        const stranger = await (await makeAuthority()).issue("app");
        for (const port of all) {
          assert.match(
            await refusal({ port, user: "app", ssl: false }),
            /no encryption|no pg_hba\.conf entry/,
            "plain text",
          );
          assert.match(
            await refusal({ port, user: "postgres", ssl }),
            /certificate authentication failed/,
            "app's certificate as postgres",
          );
          assert.match(
            await refusal({ port, user: "app", ssl: { ca: ssl.ca } }),
            /valid client certificate|certificate required/,
            "no certificate",
          );
          assert.match(
            await refusal({
              port,
              user: "app",
              ssl: { ca: ssl.ca, cert: stranger.certificate, key: stranger.privateKey },
            }),
            /unknown ca|certificate unknown|ECONNRESET|bad certificate/i,
            "a certificate of another authority",
          );
          assert.match(
            await refusal({ host: "localhost", port, user: "app", ssl }),
            /does not match certificate|ECONNREFUSED/,
            "a wrong name",
          );
        }
        assert.deepEqual(
          await ask(
            text.postgres,
            `SELECT citus_check_connection_to_node('localhost', ${String(ports.workers["a"] ?? 0)}) AS reached`,
          ),
          [{ reached: false }],
          "a node dialled by a name that its certificate lacks",
        );

        stack.change(clusterOf(folder, ports, ["a"]));
        await stack.up();
        const removed = {
          ca: ssl.ca,
          cert: readFileSync(join(folder, "b/data/server.crt"), "utf8"),
          key: readFileSync(join(folder, "b/data/server.key"), "utf8"),
        };
        for (const port of [ports.coordinator, ports.workers["a"] ?? 0]) {
          assert.match(
            await refusal({ port, user: "postgres", ssl: removed }),
            /revoked|ECONNRESET/i,
            "the certificate of a removed node",
          );
        }
      },
    );
  });
});
