/** What `install` may be, and what is filled in. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { aptPackages, checkInstall } from "../../../components/hosts/install";
import { postgresKey } from "../../../components/hosts/postgres-key";
import { valueOf } from "./mock-engine";

const key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBE6X\n-----END PGP PUBLIC KEY BLOCK-----\n";
const versions = { postgresVersion: 17, citusVersion: "13.2" };

describe("checkInstall", () => {
  it("accepts what works, also keys that are known later", () => {
    for (const install of [
      undefined,
      "present",
      { citus: { key } },
      { citus: { key: pulumi.output("later") }, packages: ["postgresql-17-pgvector"] },
      {
        postgres: { url: "https://a/", suite: "s", key },
        citus: { url: "https://a/", suite: "s", component: "citus", key },
      },
      {
        postgres: { url: "http://mirror.example:8080/pgdg", suite: "{codename}-pgdg", component: "17", key },
        citus: { url: "file:/srv/{distribution}", suite: "stable", key },
      },
    ])
      assert.deepEqual(checkInstall(install, versions), [], JSON.stringify(install));
    assert.deepEqual(checkInstall("present", {}), [], "what is installed may be any version");
  });

  const rows: readonly { why: string; install: unknown; asked?: object; path: string; reason: RegExp }[] = [
    { why: "a word of nothing", install: "latest", path: "install", reason: /^must be "present" .* got "latest"$/ },
    {
      why: "no versions",
      install: { citus: { key } },
      asked: {},
      path: "install",
      reason: /give postgresVersion and citusVersion beside hosts/,
    },
    {
      why: "one version only",
      install: { citus: { key } },
      asked: { postgresVersion: 17 },
      path: "install",
      reason: /give citusVersion beside/,
    },
    {
      why: "no key of Citus",
      install: {},
      path: "install.citus.key",
      reason: /^is missing, .*"curl -fsSL https:\/\/repos.citusdata.com\/community\/gpgkey" fetches/,
    },
    {
      why: "an empty key of PostgreSQL",
      install: { postgres: { key: "" }, citus: { key } },
      path: "install.postgres.key",
      reason: /curl -fsSL https:\/\/www.postgresql.org\/media\/keys\/ACCC4CF8.asc/,
    },
    {
      why: "a secret key",
      install: { citus: { key: key.replaceAll("PUBLIC", "PRIVATE") } },
      path: "install.citus.key",
      reason: /^is no public key/,
    },
    {
      why: "one repository with two keys",
      install: { postgres: { url: "https://a/", suite: "s" }, citus: { url: "https://a/", suite: "s", key } },
      path: "install.citus.key",
      reason: /^differs from that of install.postgres, which is the same repository/,
    },
    {
      why: "fields that nobody reads",
      install: { citus: { key, uri: "https://mirror/" } },
      path: "install.citus.uri",
      reason: /^is not a field; did you mean "url"\?$/,
    },
    {
      why: "a package in the wrong place",
      install: { citus: { key }, package: [] },
      path: "install.package",
      reason: /did you mean "packages"/,
    },
    { why: "a repository as text", install: { citus: "x" }, path: "install.citus", reason: /^is no repository/ },
    {
      why: "another way to fetch",
      install: { citus: { key, url: "copy:/srv" } },
      path: "install.citus.url",
      reason: /"copy:\/srv" is no address/,
    },
    {
      why: "an address with a line end, which would be another field of the source",
      install: { citus: { key, url: "https://a/\nTrusted: yes" } },
      path: "install.citus.url",
      reason: /is no address/,
    },
    {
      why: "two suites",
      install: { postgres: { suite: "a b" }, citus: { key } },
      path: "install.postgres.suite",
      reason: /"a b" is no name of a suite/,
    },
    {
      why: "a component that is a number",
      install: { citus: { key, component: 17 } },
      path: "install.citus.component",
      reason: /^17 is no name/,
    },
    {
      why: "an option for apt-get",
      install: { citus: { key }, packages: ["pgvector", "--reinstall"] },
      path: "install.packages[1]",
      reason: /"--reinstall" is no name of a package/,
    },
    {
      why: "packages as text",
      install: { citus: { key }, packages: "x" },
      path: "install.packages",
      reason: /^is no list/,
    },
  ];
  for (const { why, install, asked = versions, path, reason } of rows)
    it(`refuses ${why}`, () => {
      const problems = checkInstall(install, asked);
      assert.deepEqual(
        problems.map((problem) => problem.path),
        [path],
        JSON.stringify(problems),
      );
      assert.match(problems[0]?.reason ?? "", reason);
    });

  it("tells everything at once", () => {
    assert.equal(checkInstall({ postgres: { url: "x" }, citus: { suite: "" }, packages: [""] }, {}).length, 5);
  });
});

describe("aptPackages", () => {
  it("fills in the vendors' repositories", async () => {
    assert.deepEqual(await valueOf(aptPackages({ citus: { key } })), {
      postgres: {
        url: "https://apt.postgresql.org/pub/repos/apt",
        suite: "{codename}-pgdg",
        component: "main",
        key: postgresKey,
      },
      citus: {
        url: "https://repos.citusdata.com/community/{distribution}",
        suite: "{codename}",
        component: "main",
        key,
      },
      packages: [],
    });
  });

  it("pins the key whose fingerprint PostgreSQL publishes", () => {
    const [, base64 = ""] = /\n\n([A-Za-z0-9+/=\s]+?)\n=/.exec(postgresKey) ?? [];
    const bytes = Buffer.from(base64, "base64");
    // RFC 4880: an old-format packet with a length of two bytes is hashed as it stands.
    assert.equal(bytes[0], 0x99);
    const packet = bytes.subarray(0, 3 + bytes.readUInt16BE(1));
    assert.equal(createHash("sha1").update(packet).digest("hex"), "b97b0afcaa1a47f044f244a07fcc7d46accc4cf8");
  });
});
