/** SameVersions: which versions hosts of one cluster may have. */
import assert from "node:assert/strict";
import type { Context } from "../../../providers/dynamic/engine/kind";
import { sameVersions, versionSkew } from "../../../providers/dynamic/same-versions";

const context: Context = {
  progress: () => undefined,
  begin: () => undefined,
  info: () => undefined,
  connect: () => Promise.reject(new Error("a comparison connects to nothing")),
  together: () => Promise.reject(new Error("a comparison asks no server")),
};

const host = (postgres: string, citus: string) => ({ postgres, citus });

describe("SameVersions", () => {
  const rows = [
    { why: "one host", hosts: [host("17.2", "13.2")], skew: false },
    { why: "the same everywhere", hosts: [host("17.2", "13.2"), host("17.2", "13.2")], skew: false },
    { why: "other patches of PostgreSQL", hosts: [host("17.2", "13.2"), host("17.10", "13.2")], skew: false },
    { why: "a beta of the same major", hosts: [host("17", "13.2"), host("17.0", "13.2")], skew: false },
    { why: "other majors of PostgreSQL", hosts: [host("17.2", "13.2"), host("16.2", "13.2")], skew: true },
    { why: "majors that begin alike", hosts: [host("1.2", "13.2"), host("17.2", "13.2")], skew: true },
    { why: "other minors of Citus", hosts: [host("17.2", "13.1"), host("17.2", "13.2")], skew: true },
    { why: "one of three", hosts: [host("17.2", "13.2"), host("17.2", "13.2"), host("17.2", "13.1")], skew: true },
  ];
  for (const { why, hosts, skew } of rows)
    it(`${skew ? "refuses" : "accepts"} ${why}`, async () => {
      const versions = Object.fromEntries(hosts.map((each, at) => [`m${String(at)}`, each]));
      const told = versionSkew(versions);
      assert.equal(told !== undefined, skew, told);
      for (const operation of [sameVersions.create, sameVersions.update])
        if (told === undefined) assert.deepEqual(await operation?.({ versions }, context, { versions }), {});
        else await assert.rejects(async () => operation?.({ versions }, context, { versions }), new Error(told));
      if (told === undefined) return;
      for (const [key, { postgres, citus }] of Object.entries(versions))
        assert.ok(told.includes(`${key} has PostgreSQL ${postgres} with Citus ${citus}`), told);
    });
});
