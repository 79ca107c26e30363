/** LocalHosts: what its arguments may be, and what it makes, with mocks. */
import assert from "node:assert/strict";
import { checkLocalHosts, localHosts, LocalHosts, type LocalHostTargetArgs } from "../../../components/hosts/local";
import { describeMade, mockEngine } from "./mock-engine";

const good: LocalHostTargetArgs = {
  folder: "/var/tmp/citus",
  coordinator: { port: 5600 },
  workers: { a: { port: 5601 }, b: { port: 5602 } },
};

describe("checkLocalHosts", () => {
  it("accepts what works", () => {
    assert.deepEqual(checkLocalHosts(good), []);
    assert.deepEqual(localHosts({ ...good, address: "localhost" }).check(), []);
  });

  const long = `/${"x".repeat(90)}`;
  for (const [why, change, path, reason] of [
    ["a relative folder", { folder: "data" }, "folder", /"data" is relative; name it from the root/],
    ["a folder with a line end", { folder: "/a\nssl = off" }, "folder", /holds a quote, comma, backslash or line end/],
    ["a folder that PostgreSQL would read as two", { folder: "/a,/b" }, "folder", /holds a quote, comma/],
    ["the root folder", { folder: "/" }, "folder", /is the root/],
    [
      "a folder too long for a socket",
      { folder: long },
      "folder",
      /is too long: the socket of host "coordinator" would have 118 of at most 107 bytes/,
    ],
    [
      "two hosts on one port",
      { workers: { a: { port: 5600 } } },
      "workers.a.port",
      /5600 is the port of coordinator too/,
    ],
    ["a port that is none", { workers: { a: { port: 65536 } } }, "workers.a.port", /from 1 to 65535, got 65536/],
    ["a key that names no host", { workers: { A_1: { port: 5601 } } }, "workers.A_1", /"A_1" is no key of a host/],
    [
      "a worker called coordinator",
      { workers: { coordinator: { port: 5601 } } },
      "workers.coordinator",
      /cannot be called so/,
    ],
    ["several addresses", { address: "10.0.0.5,10.0.0.6" }, "address", /"10.0.0.5,10.0.0.6" must be one address/],
    ["a connection string", { address: "host=x" }, "address", /must be one address/],
    ["a name that certificates and Citus would not find", { address: "DB1" }, "address", /must be in lower case/],
    ["every address", { address: "0.0.0.0" }, "address", /stands for every address/],
    ["an address that is dialled from another", { address: "127.0.0.2" }, "address", /is dialled from 127.0.0.1/],
    ["root as the server's user", { user: "root" }, "user", /cannot run PostgreSQL/],
  ] as const) {
    it(`refuses ${why}`, () => {
      const problems = checkLocalHosts({ ...good, ...change });
      const at = problems.filter((problem) => problem.path === path);
      assert.ok(
        at.some((problem) => reason.test(problem.reason)),
        JSON.stringify(problems),
      );
    });
  }

  it("refuses what a stack's configuration lacks", () => {
    const untyped = JSON.parse('{ "workers": { "a": {} } }') as LocalHostTargetArgs;
    assert.deepEqual(
      checkLocalHosts(untyped).map(({ path }) => path),
      ["folder", "coordinator", "workers.a.port"],
    );
  });

  it("names all problems at once, before anything is made", () => {
    mockEngine();
    assert.throws(
      () => new LocalHosts("hosts", { ...good, folder: "x", workers: { a: { port: 5600 } } }),
      /^Error: hosts:\nfolder: "x" is relative.*\nworkers\.a\.port: 5600 is the port/,
    );
  });
});

describe("LocalHosts", () => {
  it("makes each host after all preflights", async () => {
    const made = mockEngine();
    const { hosts } = new LocalHosts("hosts", good);
    assert.deepEqual(Object.keys(hosts), ["coordinator", "a", "b"]);
    const all = await made();
    assert.deepEqual(all.map(describeMade), [
      "citus:index:LocalHosts hosts",
      "command:local:Command hosts-a < hosts",
      "pulumi-nodejs:dynamic/citus:Preflight hosts-a-preflight < hosts",
      "command:local:Command hosts-b < hosts",
      "pulumi-nodejs:dynamic/citus:Preflight hosts-b-preflight < hosts",
      "command:local:Command hosts-coordinator < hosts",
      "pulumi-nodejs:dynamic/citus:Preflight hosts-coordinator-preflight < hosts",
    ]);
    const preflights = ["hosts-a-preflight", "hosts-b-preflight", "hosts-coordinator-preflight"];
    assert.deepEqual(all.find(({ name }) => name === "hosts-a")?.dependsOn, preflights);
  });

  it("keeps data unless told otherwise", async () => {
    for (const [deleteData, line] of [
      [false, "DELETE_DATA='no'"],
      [true, "DELETE_DATA='yes'"],
    ] as const) {
      const made = mockEngine();
      new LocalHosts("hosts", { ...good, deleteData });
      const step = (await made()).find(({ name }) => name === "hosts-a");
      assert.deepEqual([step?.inputs["create"], step?.inputs["delete"]], ["bash -s create", "bash -s delete"]);
      assert.ok(String(step?.inputs["stdin"]).includes(line));
    }
  });
});
