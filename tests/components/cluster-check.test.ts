/** What a cluster is refused for: by its arguments before anything is registered, by its hosts before the first of them is changed. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { CitusCluster, type CitusClusterArgs } from "../../components/cluster";
import { checkClusterArgs } from "../../components/cluster-check";
import { localHosts, type LocalHostTargetArgs } from "../../components/hosts/local";
import { describeProblems } from "../../sizing/problem";
import { clusterOf, portsFor } from "../support/demo-cluster";
import { withStack } from "../support/stack";
import { requires, skip } from "../support/tools";

const goodHosts: LocalHostTargetArgs = {
  folder: "/var/tmp/citus",
  coordinator: { port: 9700 },
  workers: { a: { port: 9701 }, b: { port: 9702 } },
};

const good: CitusClusterArgs = {
  hosts: localHosts(goodHosts),
  databases: { app: { owner: "app", extensions: { pg_stat_statements: {} } } },
  loginRoles: ["app"],
};

/** As a program without a type check may hand it over. */
const untyped = (text: string) => localHosts(JSON.parse(text) as LocalHostTargetArgs);

const hostsWith = (change: Partial<LocalHostTargetArgs>) => ({ hosts: localHosts({ ...goodHosts, ...change }) });
const longName = "d".repeat(64);

describe("checkClusterArgs", () => {
  const accepted: readonly (readonly [string, Partial<CitusClusterArgs>])[] = [
    ["the quickstart", {}],
    ["no database, no role", { databases: {}, loginRoles: [] }],
    ["no worker, where the coordinator holds shards", { ...hostsWith({ workers: {} }), coordinatorHoldsShards: true }],
    ["settings", { settings: { work_mem: "64MB" }, workerSettings: { max_connections: "200" } }],
    ["a password for a login role", { loginRolePasswords: { app: pulumi.secret("correct horse") } }],
    [
      "settings of a database and of a role",
      {
        databases: { app: { settings: { statement_timeout: "5min", jit: false, "app.tenant": "7" } } },
        loginRoleSettings: { app: { statement_timeout: 30_000, default_transaction_read_only: true } },
      },
    ],
    ["a setting of a library that is preloaded", { settings: { "pg_stat_statements.max": "1000" } }],
    ["a pair of versions", { postgresVersion: 17, citusVersion: "13.2" }],
    ["networks", { operatorNetworks: ["10.0.0.0/8"], clientNetworks: ["fd00::/8", "192.0.2.1"] }],
    ["a name of 63 bytes", { databases: { ["d".repeat(63)]: {} } }],
  ];
  for (const [why, change] of accepted)
    it(`accepts ${why}`, () => assert.deepEqual(checkClusterArgs({ ...good, ...change }), []));

  const refused: readonly (readonly [string, Partial<CitusClusterArgs>, readonly RegExp[]])[] = [
    [
      "no coordinator",
      { hosts: untyped('{ "folder": "/var/tmp/c", "workers": { "a": { "port": 1 } } }') },
      [/^hosts\.coordinator: is missing; every cluster has one$/],
    ],
    [
      "no map of workers, where one is needed",
      { hosts: untyped('{ "folder": "/var/tmp/c", "coordinator": { "port": 1 } }') },
      [/^hosts\.workers: must have at least one worker, or set coordinatorHoldsShards: true$/],
    ],
    ["no worker where one is needed", hostsWith({ workers: {} }), [/^hosts\.workers: must have at least one worker/]],
    [
      "two hosts on one port",
      hostsWith({ workers: { a: { port: 9700 } } }),
      [/^hosts\.workers\.a\.port: 9700 is the port of coordinator too/],
    ],
    [
      "two workers on one port",
      hostsWith({ workers: { a: { port: 9701 }, b: { port: 9701 } } }),
      [/^hosts\.workers\.b\.port: 9701 is the port of workers\.a too/],
    ],
    ...["one,two", "/tmp", "host=x", "two words"].map(
      (address) =>
        [
          `the address ${JSON.stringify(address)}`,
          hostsWith({ address }),
          [/^hosts\.address: ".*" must be one address without blanks/],
        ] as const,
    ),
    ["an unknown PostgreSQL", { postgresVersion: 11 }, [/^postgresVersion: .*15, 16, 17.*got 11$/]],
    ["an unknown Citus", { citusVersion: "9.5" }, [/^citusVersion: .*13\.2.*got "9\.5"/]],
    [
      "a pair that does not run together",
      { postgresVersion: 18, citusVersion: "13.2" },
      [/^citusVersion: Citus 13\.2 runs on PostgreSQL 15, 16, 17, not on 18; on 18 use Citus 14\.0$/],
    ],
    [
      "a database name of 64 bytes",
      { databases: { [longName]: {} } },
      [/^databases\["d{64}"\]: "d{64}" has 64 bytes, more than the 63 of a name$/],
    ],
    [
      "a name whose letters are more bytes than letters",
      { databases: { ["é".repeat(32)]: {} } },
      [/has 64 bytes, more than the 63/],
    ],
    ["a reserved database", { databases: { template1: {} } }, [/^databases\["template1"\]: .*reserved by PostgreSQL/]],
    ["the maintenance database", { databases: { postgres: {} } }, [/^databases\["postgres"\]: .*maintenance database/]],
    [
      "a rebalance that cannot be",
      { databases: { app: { rebalance: { threshold: 3, timeoutSeconds: 1 } } } },
      [/^databases\.app\.rebalance\.threshold: must be 0 to 1, got 3/, /^databases\.app\.rebalance\.timeoutSeconds: /],
    ],
    [
      "an owner that nobody makes",
      { databases: { app: { owner: "bob" } } },
      [/^databases\.app\.owner: "bob" is neither "postgres" nor one of loginRoles/],
    ],
    [
      "citus as an extension",
      { databases: { app: { extensions: { citus: {} } } } },
      [/^databases\.app\.extensions\["citus"\]: is in every database already/],
    ],
    [
      "roles of names that certificates need",
      { databases: {}, loginRoles: ["postgres", "operator", "node:a", "app", "app"] },
      [
        /^loginRoles\[0\]: "postgres" is the superuser/,
        /^loginRoles\[1\]: "operator" is the name/,
        /^loginRoles\[2\]: "node:a" must not hold ":"/,
        /^loginRoles\[4\]: "app" is there twice$/,
      ],
    ],
    [
      "a setting that does not exist",
      { settings: { work_men: "64MB" } },
      [/^settings\.work_men: is not a setting of PostgreSQL or Citus; did you mean "work_mem"\?$/],
    ],
    [
      "a setting out of range",
      { workerSettings: { max_connections: "0" } },
      [/^workerSettings\.max_connections: .*(0|1)/],
    ],
    [
      "citus not first",
      { coordinatorSettings: { shared_preload_libraries: "pg_stat_statements, citus" } },
      [/^coordinatorSettings\.shared_preload_libraries: is managed by this package; name libraries in `preload`/],
    ],
    [
      "settings that a database cannot have",
      {
        databases: {
          app: { settings: { statement_timout: "5min", work_mem: "1kB", jit: "maybe", search_path: '"a' } },
          other: { settings: { max_connections: 200, log_connections: true, default_transaction_read_only: "on" } },
        },
      },
      [
        /^databases\.app\.settings\.statement_timout: is not a setting .*; did you mean "statement_timeout"\?$/,
        /^databases\.app\.settings\.work_mem: must be 64 to/,
        /^databases\.app\.settings\.jit: must be on or off, got "maybe"$/,
        /^databases\.app\.settings\.search_path: must be names with commas/,
        /^databases\.other\.settings\.max_connections: cannot be set for a database; set it for the servers$/,
        /^databases\.other\.settings\.log_connections: cannot be set for a database/,
        /^databases\.other\.settings\.default_transaction_read_only: must stay off/,
      ],
    ],
    [
      "what no database can be made from, sorted by or have of citus",
      {
        databases: {
          app: { template: "a\u0000b", icuLocale: "de_at", extensionVersion: "13.2" },
          other: { template: "template1", icuLocale: "und-u-ks-level2", extensionVersion: "13.2-1" },
        },
      },
      [
        /^databases\.app\.template: /,
        /^databases\.app\.icuLocale: must be a language tag in its canonical form, such as "de-AT", got "de_at"$/,
        /^databases\.app\.extensionVersion: must be a version such as "13\.2-1", got "13\.2"$/,
      ],
    ],
    [
      "passwords of nobody, and one that no server would take, without showing it",
      { loginRolePasswords: { bob: "x", app: `md5${"0".repeat(32)}` } },
      [
        /^loginRolePasswords\["bob"\]: is none of loginRoles; add it there$/,
        /^loginRolePasswords\["app"\]: looks like a hash, which PostgreSQL would store as it is; give a SCRAM verifier as `verifier`$/,
      ],
    ],
    [
      "settings of a role that nobody makes, and what a role cannot have",
      { loginRoleSettings: { bob: {}, app: { wal_level: "logical", statement_timeout: "5 minutes" } } },
      [
        /^loginRoleSettings\["bob"\]: is none of loginRoles; add it there$/,
        /^loginRoleSettings\.app\.wal_level: cannot be set for a role; set it for the servers$/,
        /^loginRoleSettings\.app\.statement_timeout: must be in us, ms, s, min, h, d/,
      ],
    ],
    ["no TLS", { settings: { ssl: "off" } }, [/^settings\.ssl: must stay on/]],
    ["a host file of its own", { settings: { hba_file: "/tmp/x" } }, [/^settings\.hba_file: is managed/]],
    [
      "networks that pg_hba.conf would read otherwise",
      { operatorNetworks: ["all"], clientNetworks: ["10.0.0.0/33", "host all all 0.0.0.0/0 trust"] },
      [
        /^operatorNetworks\[0\]: "all" is not a network/,
        /^clientNetworks\[0\]: "10\.0\.0\.0\/33" is not a network/,
        /^clientNetworks\[1\]: "host all all 0\.0\.0\.0\/0 trust" is not a network/,
      ],
    ],
    [
      "networks by name where a firewall compares addresses",
      {
        hosts: { ...localHosts(goodHosts), hasFirewall: true },
        operatorNetworks: ["10.0.0.0/8"],
        clientNetworks: ["192.0.2.1", "office.example"],
      },
      [/^clientNetworks\[1\]: "office\.example" is a name, and nftables compares IP addresses/],
    ],
    ["a relative folder for clients", { clientFolder: "clients" }, [/^clientFolder: "clients" is relative/]],
  ];
  for (const [why, change, patterns] of refused)
    it(`refuses ${why}`, () => {
      const problems = checkClusterArgs({ ...good, ...change }).map((problem) => describeProblems([problem]));
      assert.equal(problems.length, patterns.length, problems.join("\n"));
      for (const [index, pattern] of patterns.entries()) assert.match(problems[index] ?? "", pattern);
    });
});

const tenMistakes = (folder: string): Partial<CitusClusterArgs> => ({
  hosts: localHosts({
    folder,
    coordinator: { port: 9700 },
    workers: { a: { port: 9700 }, B: { port: 0 } },
    address: "127.0.0.1,::1",
  }),
  databases: { template0: { owner: "nobody" } },
  loginRoles: ["operator"],
  settings: { ssl: "off", work_men: "1MB" },
  citusVersion: "12",
});

const tenPaths = [
  "hosts.workers.B",
  "hosts.workers.a.port",
  "hosts.workers.B.port",
  "hosts.address",
  "loginRoles[0]",
  'databases["template0"]',
  "databases.template0.owner",
  "settings.ssl",
  "settings.work_men",
  "citusVersion",
];

describe("CitusCluster, refusals", function () {
  this.timeout(600_000);

  it("tells ten mistakes at once in a preview, and registers nothing", async function () {
    requires(this, "cli", "tls", "command");
    await withStack(
      (folder) => () => Promise.resolve({ nodes: new CitusCluster("demo", { ...good, ...tenMistakes(folder) }).nodes }),
      async (stack) => {
        const { output, steps } = await stack.failing("preview");
        const missing = tenPaths.filter((path) => !output.includes(`\n    ${path}: `));
        assert.deepEqual(missing, [], output);
        assert.match(output, /citus:index:CitusCluster "demo" cannot be made:/);
        assert.doesNotMatch(output, /\n\s+at .*\.js:\d+/, "no stack trace");
        assert.deepEqual(steps, []);
        const { resources = [] } = (await stack.export()).deployment as { readonly resources?: readonly unknown[] };
        assert.deepEqual(resources, []);
        assert.deepEqual(readdirSync(stack.dataFolder), []);
      },
    );
  });

  it("changes no host when one of them cannot be used, and says what is wrong with each", async function () {
    requires(this, "cli", "tls", "command", "citus");
    if (process.getuid?.() !== 0) skip(this, "only root can make a folder that the server's user cannot write");
    const ports = await portsFor("a", "b", "c");
    const taken = await listen(ports.workers["a"] ?? 0);
    try {
      await withStack(
        (folder) => {
          mkdirSync(join(folder, "b"));
          makeDataFolder(folder, "c", "14");
          return clusterOf(folder, ports, ["a", "b", "c"], { databases: { app: { extensions: { postgis: {} } } } });
        },
        async (stack) => {
          const before = listing(stack.dataFolder);
          const { output, steps } = await stack.failing("up");
          const expected = [
            /cannot use host "coordinator": the extension "postgis" is not installed for PostgreSQL \d+; install it \(Debian: postgresql-\d+-postgis-3\)/,
            /cannot use host "a": port \d+ on 127\.0\.0\.1 is taken( by .*)?; stop that process or choose another port/,
            /cannot use host "b": .*\/b is not writable by the user "\w+"; change its owner or choose another folder/,
            /cannot use host "c": .*\/c\/data was made by PostgreSQL 14, .* has \d+; install postgresql-14, .*choose another folder/,
          ];
          for (const pattern of expected) assert.match(output, pattern);
          assert.deepEqual(
            steps.filter(({ type }) => type.startsWith("command:")),
            [],
            "no script that changes a host has run",
          );
          assert.deepEqual(listing(stack.dataFolder), before);
        },
      );
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });
});

/** A process on the port that is not PostgreSQL's. */
async function listen(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

/** What another major version has left. */
function makeDataFolder(folder: string, key: string, version: string): void {
  mkdirSync(join(folder, key, "data"), { recursive: true });
  writeFileSync(join(folder, key, "data", "PG_VERSION"), `${version}\n`);
  execFileSync("chown", ["-R", "postgres:postgres", join(folder, key)]);
}

/** Every file with its size and time of change. */
const listing = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map(
      (path) => `${path} ${String(statSync(join(folder, path)).size)} ${String(statSync(join(folder, path)).mtimeMs)}`,
    );
