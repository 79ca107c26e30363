/** Names and addresses: what is refused, and that everything else passes as it is. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkDatabaseName,
  checkExistingDatabaseName,
  checkExtensionName,
  checkHostAddress,
  checkPort,
  checkRoleName,
  isIpNetwork,
} from "../../sizing/names";

const odd = [
  'we"ird',
  "o'brien",
  "back\\slash",
  "sp ace",
  "$x$",
  "%s",
  "--",
  "UPPER",
  "select",
  "a/b",
  "..",
  "semi; drop database app; --",
  "é",
  "e\u0301",
  "а",
  "x".repeat(63),
  "é".repeat(31),
];
const broken: readonly [string, RegExp][] = [
  ["", /^must not be empty$/],
  ["line\nbreak", /control characters/],
  ["tab\t", /control characters/],
  ["nul\0", /control characters/],
  ["half \ud800", /lone surrogate/],
  ["x".repeat(64), /has 64 bytes, more than the 63/],
  ["é".repeat(32), /has 64 bytes/],
];

for (const [name, check] of Object.entries({ checkDatabaseName, checkExistingDatabaseName, checkRoleName })) {
  describe(name, () => {
    for (const value of odd) it(`accepts ${JSON.stringify(value)}`, () => assert.equal(check(value), undefined));
    for (const [value, reason] of broken)
      it(`refuses ${JSON.stringify(value)}`, () => assert.match(check(value) ?? "", reason));
    it("accepts every well-formed name of at most 63 bytes without control characters that is not reserved", () => {
      const plain = fc
        .string({ unit: "grapheme", minLength: 1, maxLength: 15 })
        .filter((text) => !/\p{Cc}|^(pg_|citus_)/u.test(text) && Buffer.byteLength(text) <= 63);
      fc.assert(
        fc.property(
          plain,
          (text) =>
            check(text) === undefined || ["postgres", "template0", "template1", "public", "none"].includes(text),
        ),
      );
    });
  });
}

describe("names that are reserved", () => {
  const rows: readonly [(name: string) => string | undefined, string, RegExp | undefined][] = [
    [checkDatabaseName, "postgres", /maintenance database/],
    [checkExistingDatabaseName, "postgres", undefined],
    [checkDatabaseName, "template0", /reserved/],
    [checkExistingDatabaseName, "template1", /reserved/],
    [checkDatabaseName, "citus_temp_database_1_0", /Citus drops such databases/],
    [checkRoleName, "public", /reserved/],
    [checkRoleName, "none", /reserved/],
    [checkRoleName, "pg_monitor", /reserved/],
    [checkRoleName, "citus_shard_move_subscription_role_10_7", /Citus gives to roles/],
    [checkRoleName, "current_user", undefined],
    [checkRoleName, "all", undefined],
    [checkRoleName, "+grp", undefined],
    [checkRoleName, "postgres", undefined],
    [checkExtensionName, "pg_stat_statements", undefined],
    [checkExtensionName, "uuid-ossp", undefined],
    [checkExtensionName, "a--b", /"--"/],
    [checkExtensionName, "-a", /"-"/],
    [checkExtensionName, "../../etc/passwd", /"\/"/],
    [checkExtensionName, "a\\b", /"\/"/],
    [checkExtensionName, "", /empty/],
  ];
  for (const [check, name, reason] of rows) {
    it(`${check.name} ${reason === undefined ? "accepts" : "refuses"} ${JSON.stringify(name)}`, () => {
      if (reason === undefined) assert.equal(check(name), undefined);
      else assert.match(check(name) ?? "", reason);
    });
  }
});

describe("checkHostAddress", () => {
  const good = [
    "10.0.0.13",
    "fd00::1",
    "::1",
    "1:2:3:4:5:6:7:8",
    "fe80::1:2",
    "64:ff9b::192.0.2.33",
    "localhost",
    "db-1.example.com",
    "xn--bcher-kva.example",
    "my_host",
    "9to5.example",
    "a".repeat(63),
  ];
  for (const address of good) it(`accepts ${address}`, () => assert.equal(checkHostAddress(address), undefined));
  const bad: readonly [string, RegExp][] = [
    ["", /Unix socket/],
    ["10.0.0.13,10.0.0.12", /one address/],
    ["/tmp", /one address/],
    ["host=x", /one address/],
    [" 10.0.0.13", /one address/],
    ["10.0.0.13 ", /one address/],
    ["a\tb", /one address/],
    ["a\u202eb", /invisible/],
    ["a\u200bb", /invisible/],
    ["a\0b", /invisible/],
    ["[::1]", /brackets/],
    ["[fd00::1]:5432", /brackets/],
    ["host:5432", /not an IPv6 address; a port is given apart/],
    ["1::2::3", /not an IPv6/],
    ["1:2:3:4:5:6:7:8:9", /not an IPv6/],
    ["12345::", /not an IPv6/],
    ["::ffff:10.0.0.1", /write the IPv4 address/],
    ["FD00::1", /lower case: "fd00::1"/],
    ["fe80::1%eth0", /zone/],
    ["0.0.0.0", /every address/],
    ["::", /every address/],
    ["samenet", /pg_hba\.conf/],
    ["HOST.Example.COM", /"host\.example\.com"/],
    ["host.example.com.", /without a final dot/],
    ["bücher.example", /xn--/],
    ["10.0.1", /not a complete IPv4/],
    ["256.0.0.1", /not a complete IPv4/],
    ["1", /not a complete IPv4/],
    ["a..b", /no DNS name/],
    ["-a.example", /no DNS name/],
    ["a".repeat(64), /no DNS name/],
    [Array.from({ length: 60 }, () => "abcd").join("."), /longer than the 253/],
  ];
  for (const [address, reason] of bad)
    it(`refuses ${JSON.stringify(address.slice(0, 40))}`, () => assert.match(checkHostAddress(address) ?? "", reason));
  it("accepts every IPv4 and IPv6 address but those of no single host", () => {
    fc.assert(fc.property(fc.ipV4(), (address) => address === "0.0.0.0" || checkHostAddress(address) === undefined));
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const address = text.toLowerCase();
        return address === "::" || address.startsWith("::ffff:") || checkHostAddress(address) === undefined;
      }),
    );
  });
});

describe("isIpNetwork", () => {
  for (const text of ["10.0.0.1", "10.0.0.0/16", "fd00::/8", "::1"])
    it(`takes ${text}`, () => assert.equal(isIpNetwork(text), true));
  for (const text of ["", "db.example", "10.1", "db.example/16"])
    it(`takes no ${JSON.stringify(text)}`, () => assert.equal(isIpNetwork(text), false));
});

describe("checkPort", () => {
  for (const port of [1, 5432, 65535]) it(`accepts ${String(port)}`, () => assert.equal(checkPort(port), undefined));
  for (const port of [0, -1, 65536, 1.5, NaN, "5432", undefined]) {
    it(`refuses ${String(port)}`, () =>
      assert.match(checkPort(port) ?? "", /^must be a whole number from 1 to 65535, got /));
  }
});
