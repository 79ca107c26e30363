/** What Citus answers where this project asks it, tables and shards aside: one list of facts, asked of real Citus and of its stand-in. */
import assert from "node:assert/strict";
import { Client, type DatabaseError } from "pg";
import { startServers, type TestServers } from "../servers";
import { requires, tool } from "../tools";

interface Notice {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
}

/** What a statement gave: rows, or the error; and the notices on the way. */
interface Answer {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
  readonly notices: readonly Notice[];
}

const keys = ["coordinator", "a", "b"];
const local = "127.0.0.1";

for (const [title, postgres, needed] of [
  ["real Citus", "postgres", "realCitus"],
  ["the stand-in", "standIn", "standIn"],
] as const) {
  describe(`Citus' control plane, as ${title} has it`, function () {
    this.timeout(60_000);
    let servers: TestServers | undefined;
    let count = 0;
    let database = "";

    const there = (key: string) => {
      assert.ok(servers !== undefined);
      return servers.get(key);
    };
    const port = (key: string) => String(there(key).port);
    const at = (key: string) => `'${local}', ${port(key)}`;

    /** All statements in one session; the answer of the last one. */
    const ask = async (key: string, ...statements: readonly string[]): Promise<Answer> => {
      const { tls, ...to } = there(key).connection(database);
      const client = new Client({ ...to, ssl: { ...tls } });
      const notices: Notice[] = [];
      client.on("notice", ({ severity = "", code = "", message = "" }) => notices.push({ severity, code, message }));
      await client.connect();
      try {
        let rows: Answer["rows"] = [];
        for (const text of ["SET lc_messages = 'C'", ...statements]) {
          rows = (await client.query<Readonly<Record<string, unknown>>>(text)).rows;
        }
        return { rows, notices };
      } catch (error) {
        const { code = "", message, hint = "" } = error as DatabaseError;
        return { rows: [], code, message, hint, notices };
      } finally {
        await client.end();
      }
    };

    const done = async (key: string, ...statements: readonly string[]) => {
      const { rows, code, message } = await ask(key, ...statements);
      assert.equal(code, undefined, `${statements.at(-1) ?? ""}: ${message ?? ""}`);
      return rows;
    };

    const value = async (key: string, text: string) => Object.values((await done(key, text))[0] ?? {})[0];

    const nodes = async (key: string) =>
      await done(
        key,
        `SELECT nodename || ':' || nodeport AS node, groupid > 0 AS worker, isactive, hasmetadata, metadatasynced, shouldhaveshards
           FROM pg_dist_node ORDER BY groupid`,
      );

    const node = (key: string, change: Readonly<Record<string, boolean>> = {}) => ({
      node: `${local}:${port(key)}`,
      worker: key !== "coordinator",
      isactive: true,
      hasmetadata: true,
      metadatasynced: true,
      shouldhaveshards: key !== "coordinator",
      ...change,
    });

    /** The daemon of real Citus brings metadata to workers after the fact. */
    const eventually = async (check: () => Promise<void>) => {
      const deadline = Date.now() + 15_000;
      for (;;) {
        try {
          await check();
          return;
        } catch (error) {
          if (Date.now() > deadline) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };

    const join = async (...workers: readonly string[]) => {
      await done("coordinator", `SELECT citus_set_coordinator_host(${at("coordinator")})`);
      for (const key of workers) await done("coordinator", `SELECT citus_add_node(${at(key)})`);
    };

    const createDatabase = async (withCitus = true) => {
      count += 1;
      const name = `d${String(count)}`;
      for (const key of keys) {
        database = "postgres";
        await done(key, `CREATE DATABASE ${name}`);
        database = name;
        if (withCitus) await done(key, "CREATE EXTENSION citus");
      }
    };

    before(async function () {
      requires(this, needed);
      servers = await startServers(keys, { postgres });
    });
    after(async () => await servers?.remove());
    beforeEach(async () => await createDatabase());
    afterEach(async () => {
      const name = database;
      database = "postgres";
      for (const key of keys) await done(key, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    });

    it("starts as a free server", async () => {
      assert.deepEqual(await nodes("a"), []);
      assert.equal(await value("a", "SELECT groupid FROM pg_dist_local_group"), 0);
      assert.equal(await value("a", "SELECT citus_is_coordinator()"), false);
      assert.equal(await value("a", "SELECT citus_coordinator_nodeid()"), 0);
      assert.match(String(await value("a", "SELECT citus_version()")), /^Citus 1[34]\./);
      assert.match(
        String(await value("a", "SELECT metadata->>'server_id' FROM pg_dist_node_metadata")),
        /^[0-9a-f-]{36}$/,
      );
      const views =
        "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
      assert.equal(await value("a", views), "citus_schemas,citus_tables");
    });

    it("names shards, quoted and with their schema where asked", async () => {
      await done("a", 'CREATE TABLE public."T 1" (id int)');
      const names = `SELECT shard_name('public."T 1"'::regclass, 102008) || ' ' || shard_name('public."T 1"'::regclass, 102008, false)`;
      assert.equal(await value("a", names), '"T 1_102008" public."T 1_102008"');
    });

    it("has the catalogs with the columns that are read", async () => {
      for (const text of [
        `SELECT nodeid, groupid, nodename, nodeport, noderack, hasmetadata, isactive, noderole, nodecluster, metadatasynced, shouldhaveshards,
                nodeisclone, nodeprimarynodeid FROM pg_dist_node`,
        "SELECT groupid FROM pg_dist_local_group WHERE false",
        "SELECT logicalrelid, partmethod, partkey, colocationid, repmodel, autoconverted FROM pg_dist_partition",
        "SELECT logicalrelid, shardid, shardstorage, shardminvalue, shardmaxvalue FROM pg_dist_shard",
        "SELECT placementid, shardid, shardstate, shardlength, groupid FROM pg_dist_placement",
        "SELECT colocationid, shardcount, replicationfactor, distributioncolumntype, distributioncolumncollation FROM pg_dist_colocation",
        "SELECT record_id, operation_id, object_type, object_name, node_group_id, policy_type FROM pg_dist_cleanup",
        "SELECT job_id, state, job_type, description, started_at, finished_at FROM pg_dist_background_job",
        "SELECT job_id, task_id, owner, pid, status, command, retry_count, not_before, message, nodes_involved FROM pg_dist_background_task",
        "SELECT nodeid, rolename, authinfo FROM pg_dist_authinfo",
        "SELECT table_name, shardid, shard_name, citus_table_type, colocation_id, nodename, nodeport, shard_size FROM citus_shards",
        "SELECT table_name, citus_table_type, distribution_column, colocation_id, table_size, shard_count, table_owner FROM citus_tables",
        "SELECT nodename, nodeport, role, active FROM citus_nodes",
        "SELECT job_id, state, job_type, description, started_at, finished_at, details FROM citus_job_status(1)",
        "SELECT job_id, state, details FROM citus_rebalance_status()",
        "SELECT node_name, node_port FROM citus_get_active_worker_nodes()",
      ])
        assert.deepEqual(await done("a", text), [], text);
      assert.deepEqual(
        await done(
          "a",
          "SELECT attname FROM pg_attribute WHERE attrelid = 'pg_dist_node'::regclass AND attnum IN (1, 9, 13) ORDER BY attnum",
        ),
        [{ attname: "nodeid" }, { attname: "nodecluster" }, { attname: "nodeprimarynodeid" }],
      );
    });

    it("registers the coordinator without dialling it, and again in place", async () => {
      await done("coordinator", "SELECT citus_set_coordinator_host('nosuch.invalid', 1)");
      await done("coordinator", `SELECT citus_set_coordinator_host(${at("coordinator")})`);
      assert.deepEqual(await nodes("coordinator"), [node("coordinator")]);
      assert.equal(await value("coordinator", "SELECT citus_is_coordinator()"), true);
    });

    it("joins workers, which then know every node and their own group", async () => {
      await join("a", "b");
      const all = [node("coordinator"), node("a"), node("b")];
      for (const key of keys) assert.deepEqual(await nodes(key), all, key);
      assert.deepEqual(
        await Promise.all(keys.map((key) => value(key, "SELECT groupid FROM pg_dist_local_group"))),
        [0, 1, 2],
      );
      assert.equal(await value("a", "SELECT citus_is_coordinator()"), false);
      assert.equal(await value("coordinator", "SELECT count(*)::int FROM citus_get_active_worker_nodes()"), 2);
    });

    it("gives the same id for the same address, and does nothing for NULL", async () => {
      await join("a");
      const id = await value("coordinator", `SELECT nodeid FROM pg_dist_node WHERE nodeport = ${port("a")}`);
      assert.equal(await value("coordinator", `SELECT citus_add_node(${at("a")}, groupid => 77)`), id);
      assert.equal(await value("coordinator", `SELECT citus_add_node('${local}', NULL)`), null);
      assert.equal((await nodes("coordinator")).length, 2);
    });

    it("joins and leaves with the transaction", async () => {
      await join();
      const { code } = await ask("coordinator", "BEGIN", `SELECT citus_add_node(${at("a")})`, "SELECT 1/0");
      assert.equal(code, "22012");
      assert.deepEqual(await nodes("coordinator"), [node("coordinator")]);
      assert.deepEqual(await nodes("a"), []);
      await done(
        "coordinator",
        "BEGIN",
        `SELECT citus_add_node(${at("a")})`,
        `SELECT citus_add_node(${at("b")})`,
        `SELECT citus_set_node_property(${at("b")}, 'shouldhaveshards', false)`,
        "COMMIT",
      );
      assert.deepEqual(await nodes("a"), [node("coordinator"), node("a"), node("b", { shouldhaveshards: false })]);
    });

    it("adds a worker that is not active, and activates it", async () => {
      await join();
      await done("coordinator", `SELECT citus_add_inactive_node(${at("a")})`);
      const { isactive, metadatasynced } = (await nodes("coordinator"))[1] ?? {};
      assert.deepEqual({ isactive, metadatasynced }, { isactive: false, metadatasynced: false });
      assert.deepEqual(await nodes("a"), []);
      await done("coordinator", `SELECT citus_activate_node(${at("a")})`);
      assert.deepEqual(await nodes("a"), [node("coordinator"), node("a")]);
    });

    it("disables and activates a worker", async () => {
      await join("a", "b");
      await done("coordinator", `SELECT citus_disable_node(${at("a")}, true)`);
      assert.equal((await nodes("coordinator"))[1]?.["isactive"], false);
      assert.equal((await nodes("b"))[1]?.["isactive"], false);
      await done("coordinator", `SELECT citus_activate_node(${at("a")})`);
      for (const key of keys) assert.deepEqual(await nodes(key), [node("coordinator"), node("a"), node("b")], key);
    });

    it("tells every node when one has another address, without asking who is there", async () => {
      await join("a", "b");
      const id = String(await value("coordinator", `SELECT nodeid FROM pg_dist_node WHERE nodeport = ${port("b")}`));
      const there = "SELECT nodename FROM pg_dist_node WHERE nodename = 'localhost'";
      await done("coordinator", `SELECT citus_update_node(${id}, 'localhost', ${port("b")})`);
      assert.equal((await done("coordinator", there)).length, 1);
      await done("coordinator", `SELECT citus_update_node(${id}, '${local}', ${port("b")})`);
      await eventually(async () => {
        assert.deepEqual(await nodes("coordinator"), [node("coordinator"), node("a"), node("b")]);
        assert.deepEqual(await nodes("a"), [node("coordinator"), node("a"), node("b")]);
      });
    });

    it("removes a worker: with its metadata only when that was stopped first", async () => {
      await join("a", "b");
      await done(
        "coordinator",
        "BEGIN",
        `SELECT stop_metadata_sync_to_node(${at("a")})`,
        `SELECT citus_remove_node(${at("a")})`,
        "COMMIT",
      );
      assert.deepEqual(await nodes("a"), []);
      assert.equal(await value("a", "SELECT groupid FROM pg_dist_local_group"), 0);
      assert.deepEqual(await nodes("b"), [node("coordinator"), node("b")]);
      await done("coordinator", `SELECT citus_remove_node(${at("b")})`);
      assert.deepEqual(await nodes("coordinator"), [node("coordinator")]);
      assert.notEqual(await value("b", "SELECT groupid FROM pg_dist_local_group"), 0);
      assert.equal((await nodes("b")).length, 2);
      assert.equal((await ask("b", "CREATE EXTENSION citext")).message, "operation is not allowed on this node");
      await done("b", "DROP EXTENSION citus", "CREATE EXTENSION citus");
      await done("coordinator", `SELECT citus_add_node(${at("b")})`);
    });

    it("checks every connection, and says which fails", async () => {
      await join("a", "b");
      const health = "SELECT from_nodeport, to_nodeport, result FROM citus_check_cluster_node_health()";
      const all = await done("coordinator", health);
      assert.equal(all.length, 9);
      assert.ok(all.every(({ result }) => result === true));
      assert.equal((await done("a", health)).length, 9);
      assert.equal(await value("a", `SELECT citus_check_connection_to_node(${at("b")})`), true);
      const { rows, notices } = await ask("a", `SELECT citus_check_connection_to_node('${local}', 1) AS ok`);
      assert.deepEqual(rows, [{ ok: false }]);
      assert.match(notices[0]?.message ?? "", /^connection to the remote node postgres@127\.0\.0\.1:1 failed/);
      await there("b").stop();
      try {
        const broken = await done("coordinator", health);
        const from = (key: string) => broken.filter((row) => String(row["from_nodeport"]) === port(key));
        assert.deepEqual(
          from("b").map(({ result }) => result),
          [null, null, null],
        );
        assert.deepEqual(Object.fromEntries(from("a").map(({ to_nodeport: to, result }) => [String(to), result])), {
          [port("coordinator")]: true,
          [port("a")]: true,
          [port("b")]: false,
        });
      } finally {
        await there("b").start();
      }
    });

    it("asks nodes, one value each, and passes their errors on", async () => {
      const everywhere = (text: string) =>
        `SELECT success, result FROM run_command_on_all_nodes($$${text}$$) ORDER BY nodeid`;
      assert.deepEqual(await done("coordinator", everywhere("SHOW port")), [
        { success: true, result: port("coordinator") },
      ]);
      await join("a", "b");
      assert.deepEqual(
        await done("coordinator", everywhere("SHOW port")),
        keys.map((key) => ({ success: true, result: port(key) })),
      );
      assert.deepEqual(
        await done("a", everywhere("SELECT 1/0")),
        Array(3).fill({ success: false, result: "ERROR:  division by zero" }),
      );
      assert.deepEqual(
        await done("a", everywhere("SELECT 1 WHERE false")),
        Array(3).fill({ success: true, result: "" }),
      );
      assert.deepEqual(
        await done("coordinator", everywhere("SELECT pg_reload_conf()")),
        Array(3).fill({ success: true, result: "t" }),
      );
      assert.deepEqual(
        await done(
          "coordinator",
          "SELECT nodeport::text AS port, result FROM run_command_on_workers('SHOW port') ORDER BY nodeport",
        ),
        ["a", "b"]
          .map((key) => ({ port: port(key), result: port(key) }))
          .sort((one, other) => (one.port < other.port ? -1 : 1)),
      );
      await there("b").stop();
      try {
        const [, , b] = await done("coordinator", everywhere("SHOW port"));
        assert.equal(b?.["success"], false);
        assert.match(String(b["result"]), new RegExp(`^failed to connect to ${local}:${port("b")}`));
      } finally {
        await there("b").start();
      }
    });

    it("carries extensions and schemas to every node, also to one that joins later", async () => {
      await join("a");
      const versions = async (name: string) =>
        await Promise.all(
          keys.map((key) =>
            value(
              key,
              `SELECT extversion || ' ' || extnamespace::regnamespace FROM pg_extension WHERE extname = '${name}'`,
            ),
          ),
        );
      await done("coordinator", "CREATE SCHEMA extra", "CREATE EXTENSION hstore SCHEMA extra VERSION '1.7'");
      assert.deepEqual(await versions("hstore"), ["1.7 extra", "1.7 extra", undefined]);
      await done("coordinator", "ALTER EXTENSION hstore UPDATE TO '1.8'", "ALTER EXTENSION hstore SET SCHEMA public");
      await done("coordinator", `SELECT citus_add_node(${at("b")})`);
      assert.deepEqual(await versions("hstore"), ["1.8 public", "1.8 public", "1.8 public"]);
      await done("coordinator", "DROP EXTENSION hstore");
      assert.deepEqual(await versions("hstore"), [undefined, undefined, undefined]);
      await done("coordinator", "SET citus.enable_ddl_propagation = off", "CREATE EXTENSION seg");
      assert.deepEqual(await versions("seg"), ["1.4 public", undefined, undefined]);
      // A session that has made another before.
      await done(
        "coordinator",
        "CREATE EXTENSION cube",
        `CREATE EXTENSION IF NOT EXISTS "seg"`,
        `ALTER EXTENSION "seg" UPDATE TO '1.4'`,
      );
      assert.deepEqual(
        (await versions("seg")).map((found) => found !== undefined),
        [true, true, true],
      );
      assert.equal((await ask("a", "CREATE EXTENSION citext")).message, "operation is not allowed on this node");
      await done("a", "CREATE EXTENSION IF NOT EXISTS citus");
    });

    it("plans and starts no move where there is no shard", async () => {
      const plan =
        "SELECT table_name, shardid, shard_size, sourcename, sourceport, targetname, targetport FROM get_rebalance_table_shards_plan(drain_only => true)";
      assert.match(
        (await ask("coordinator", plan)).message ?? "",
        /^Shard replication factor \(1\) cannot be greater than number of nodes/,
      );
      await join("a", "b");
      assert.deepEqual(await done("coordinator", plan), []);
      const { rows, notices } = await ask(
        "coordinator",
        `SELECT citus_rebalance_start(drain_only => true, shard_transfer_mode => 'block_writes', parallel_transfer_reference_tables => true,
                parallel_transfer_colocated_shards => true) AS id`,
      );
      assert.deepEqual(rows, [{ id: null }]);
      assert.deepEqual(
        notices.map(({ message }) => message),
        ["No tables to rebalance"],
      );
      await done("coordinator", "SELECT replicate_reference_tables('auto')", "CALL citus_cleanup_orphaned_resources()");
    });

    it("says by which name a server's certificate is wrong", async () => {
      await join();
      const { code, message } = await ask("coordinator", `SELECT citus_add_node('localhost', ${port("a")})`);
      assert.equal(code, "08006");
      assert.match(
        message ?? "",
        /^connection to the remote node postgres@localhost:\d+ failed with the following error: .*server certificate for/s,
      );
    });

    it("needs citus in the worker's database, and warns of the cause", async () => {
      await join();
      await done("a", "DROP EXTENSION citus");
      const { code, message, notices } = await ask("coordinator", `SELECT citus_add_node(${at("a")})`);
      assert.deepEqual([code, message], ["XX000", `failure on connection marked as essential: ${local}:${port("a")}`]);
      assert.match(
        notices.map(({ message }) => message).join("\n"),
        /function assign_distributed_transaction_id\(integer, integer, unknown\) does not exist/,
      );
      await done("a", "CREATE EXTENSION citus");
    });

    const denied = "Connect to the coordinator and run it again.";
    const errors: readonly (readonly [on: string, text: () => string, code: string, message: RegExp, hint?: RegExp])[] =
      [
        [
          "coordinator",
          () => `SELECT citus_add_node('${local}', 1)`,
          "08006",
          /^connection to the remote node postgres@127\.0\.0\.1:1 failed with the following error: .*Connection refused/s,
        ],
        [
          "coordinator",
          () => "SELECT citus_add_node('nosuch.invalid', 5432)",
          "08006",
          /could not translate host name "nosuch\.invalid" to address/,
        ],

        [
          "coordinator",
          () =>
            `SELECT citus_add_node('${local}', 1, groupid => (SELECT groupid FROM pg_dist_node WHERE nodeport = ${port("a")}))`,
          "XX000",
          /^group \d+ already has a primary node$/,
        ],
        [
          "coordinator",
          () => `SELECT citus_add_node('${local}', 1, nodecluster => 'other')`,
          "XX000",
          /^primaries must be added to the default cluster$/,
        ],
        [
          "coordinator",
          () => `SELECT citus_set_coordinator_host(${at("a")})`,
          "23505",
          /^duplicate key value violates unique constraint "pg_dist_node_nodename_nodeport_key"$/,
        ],
        [
          "coordinator",
          () => `SELECT citus_set_node_property(${at("a")}, 'isactive', false)`,
          "XX000",
          /^only the 'shouldhaveshards' property can be set using this function$/,
        ],
        [
          "coordinator",
          () => `SELECT citus_set_node_property('${local}', 1, 'shouldhaveshards', false)`,
          "XX000",
          /^node at "127\.0\.0\.1:1" does not exist$/,
        ],
        [
          "coordinator",
          () => `SELECT citus_remove_node('${local}', 1)`,
          "XX000",
          /^node at "127\.0\.0\.1:1" does not exist$/,
        ],
        [
          "coordinator",
          () => `SELECT citus_activate_node('${local}', 1)`,
          "XX000",
          /^node at "127\.0\.0\.1:1" does not exist$/,
        ],
        [
          "coordinator",
          () => `SELECT citus_disable_node('${local}', 1)`,
          "XX000",
          /^node at "127\.0\.0\.1:1" does not exist$/,
        ],
        [
          "coordinator",
          () => `SELECT citus_disable_node(${at("coordinator")}, true)`,
          "XX000",
          /^cannot change "isactive" field of the coordinator node$/,
        ],
        [
          "coordinator",
          () => `SELECT citus_disable_node('${local}', least(${port("a")}, ${port("b")}))`,
          "55000",
          /^disabling the first worker node in the metadata is not allowed$/,
          /synchronous:=true/,
        ],
        [
          "coordinator",
          () => `SELECT stop_metadata_sync_to_node('${local}', 1)`,
          "55000",
          /^node \(127\.0\.0\.1,1\) does not exist$/,
        ],
        ["coordinator", () => `SELECT citus_update_node(999, '${local}', 1)`, "P0002", /^node 999 not found$/],
        [
          "coordinator",
          () => `SELECT citus_update_node(999, ${at("a")})`,
          "55000",
          /^there is already another node with the specified hostname and port$/,
        ],
        ["coordinator", () => "SELECT citus_rebalance_stop()", "XX000", /^no ongoing rebalance that can be stopped$/],
        ["coordinator", () => "SELECT citus_job_wait(999)", "XX000", /^no job found for job with jobid: 999$/],
        [
          "coordinator",
          () => "SELECT citus_job_cancel(999)",
          "XX000",
          /^could not find background jobs entry for job_id: 999$/,
        ],
        [
          "coordinator",
          () => "SELECT citus_rebalance_start(shard_transfer_mode => 'bogus')",
          "22P02",
          /^invalid input value for enum citus\.shard_transfer_mode: "bogus"$/,
        ],
        [
          "a",
          () => `SELECT citus_add_node('${local}', 1)`,
          "XX000",
          /^operation is not allowed on this node$/,
          new RegExp(denied),
        ],
        [
          "a",
          () => `SELECT citus_remove_node(${at("b")})`,
          "XX000",
          /^operation is not allowed on this node$/,
          new RegExp(denied),
        ],
        [
          "a",
          () => `SELECT citus_set_node_property(${at("b")}, 'shouldhaveshards', false)`,
          "XX000",
          /^operation is not allowed on this node$/,
        ],
      ];

    it("refuses in its own words", async () => {
      await join("a", "b");
      const before = await nodes("coordinator");
      for (const [on, text, code, message, hint = /.*/] of errors) {
        const answer = await ask(on, text());
        assert.equal(answer.code ?? "", code, `${text()}: ${answer.message ?? ""}`);
        assert.match(answer.message ?? "", message, text());
        assert.match(answer.hint ?? "", hint, text());
      }
      assert.deepEqual(await nodes("coordinator"), before);
    });

    it("refuses itself and, once it is localhost, others", async () => {
      const itself = await ask("coordinator", `SELECT citus_add_node(${at("coordinator")})`);
      assert.equal(itself.message, "Node cannot add itself as a worker.");
      await done("coordinator", `SELECT citus_set_coordinator_host('localhost', ${port("coordinator")})`);
      const other = await ask("coordinator", `SELECT citus_add_node(${at("a")})`);
      assert.equal(other.message, "cannot add a worker node when the coordinator hostname is set to localhost");
      assert.match(other.hint ?? "", /citus_set_coordinator_host/);
    });

    it("lets only superusers change nodes, and everybody see them", async () => {
      await join("a");
      await done("coordinator", "DROP ROLE IF EXISTS plain", "CREATE ROLE plain");
      for (const call of [
        `citus_add_inactive_node(${at("b")})`,
        `citus_remove_node(${at("a")})`,
        `citus_set_node_property(${at("a")}, 'shouldhaveshards', false)`,
        `citus_disable_node(${at("a")})`,
        `citus_update_node(1, 'x', 1)`,
        `citus_set_coordinator_host('x', 1)`,
        `stop_metadata_sync_to_node(${at("a")})`,
      ]) {
        const { code, message } = await ask("coordinator", "SET ROLE plain", `SELECT ${call}`);
        assert.deepEqual([code, message?.replace(/ \w+$/, "")], ["42501", "permission denied for function"], call);
      }
      await done("coordinator", "SET ROLE plain", "SELECT count(*) FROM pg_dist_node");
      await done("coordinator", "SET ROLE plain", "SELECT * FROM citus_check_cluster_node_health()");
      await done("coordinator", "DROP ROLE plain");
    });

    if (postgres === "standIn") {
      it("says that it has no shards", async () => {
        const { code, message } = await ask(
          "coordinator",
          "CREATE TABLE t (id int)",
          "SELECT create_distributed_table('t', 'id')",
        );
        assert.equal(code, "0A000");
        assert.match(message ?? "", /stand-in: control plane only/);
        assert.match(String(await value("coordinator", "SELECT citus_version()")), /stand-in: control plane only/);
        assert.equal(tool("standIn").standIn, true);
      });
    }
  });
}
