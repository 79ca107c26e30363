/** What users write about SSH: which host keys are pinned, what is refused and with which words. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { utils } from "ssh2";
import {
  checkSshAddress,
  fingerprint,
  keyscanCommand,
  pinnedKeys,
  type SshAddress,
} from "../../../../providers/dynamic/engine/ssh";
import { describeProblems } from "../../../../sizing/problem";
import { sshKeys } from "../../../support/ssh-keys";

const pair = sshKeys();
const hostKey = pair.public.trim();
const other = utils.generateKeyPairSync("ecdsa", { bits: 256 }).public.trim();
const login: SshAddress = { host: "10.0.0.5", user: "deploy", privateKey: pair.private, hostKey };

describe("pinnedKeys", () => {
  const rows: readonly {
    readonly why: string;
    readonly lines: string;
    readonly port?: number;
    readonly types: string;
  }[] = [
    { why: "one line", lines: hostKey, types: "ssh-ed25519" },
    { why: "a comment behind the key", lines: `${hostKey} root@db1`, types: "ssh-ed25519" },
    { why: "several types", lines: `${hostKey}\n${other}\n`, types: "ssh-ed25519 ecdsa-sha2-nistp256" },
    { why: "several types in any order", lines: `${other}\n${hostKey}\n`, types: "ssh-ed25519 ecdsa-sha2-nistp256" },
    { why: "what ssh-keyscan prints", lines: `# 10.0.0.5:22 SSH-2.0\n10.0.0.5 ${hostKey}`, types: "ssh-ed25519" },
    { why: "several names", lines: `db1,10.0.0.5 ${hostKey}`, types: "ssh-ed25519" },
    { why: "a port of its own", lines: `[10.0.0.5]:2222 ${hostKey}`, port: 2222, types: "ssh-ed25519" },
    {
      why: "another host's line beside",
      lines: `10.0.0.6 ${hostKey}\n10.0.0.5 ${other}`,
      types: "ecdsa-sha2-nistp256",
    },
    { why: "only another host's line", lines: `10.0.0.6 ${hostKey}`, types: "" },
    { why: "the same host on another port", lines: `[10.0.0.5]:2222 ${hostKey}`, types: "" },
    { why: "authorities and revoked keys", lines: `@revoked 10.0.0.5 ${hostKey}`, types: "" },
    { why: "a key that is cut off", lines: "ssh-ed25519 AAAA", types: "" },
    { why: "a type that is not the key's", lines: other.replace("ecdsa-sha2-nistp256", "ssh-ed25519"), types: "" },
  ];
  for (const { why, lines, port, types } of rows)
    it(`takes from ${why}: ${types === "" ? "nothing" : types}`, () => {
      const found = pinnedKeys({ ...login, hostKey: lines, ...(port === undefined ? {} : { port }) });
      assert.equal(found.map(({ type }) => type).join(" "), types);
    });

  it("has the fingerprint that ssh-keygen prints", function () {
    const shown = (() => {
      try {
        return execFileSync("ssh-keygen", ["-lf", "-"], { input: hostKey, encoding: "utf8" });
      } catch {
        return this.skip();
      }
    })();
    const [key] = pinnedKeys(login);
    assert.equal(shown.split(" ")[1], fingerprint(key?.blob ?? Buffer.alloc(0)));
  });
});

describe("keyscanCommand", () => {
  it("can be typed as it is", () => {
    assert.equal(keyscanCommand({ ...login, port: 2222 }), "ssh-keyscan -p 2222 10.0.0.5");
    const bastion = { ...login, host: "bastion.example", user: "ops" };
    assert.equal(keyscanCommand(login, bastion), "ssh -p 22 ops@bastion.example ssh-keyscan -p 22 10.0.0.5");
  });
});

describe("checkSshAddress", () => {
  const locked = sshKeys({
    passphrase: "secret",
    cipher: "aes256-cbc",
    rounds: 4,
  }).private;
  const pkcs8 = generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }).privateKey;
  const rsa = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }).privateKey;
  const text = (address: object) => describeProblems(checkSshAddress({ ...login, ...address }));

  for (const good of [
    { host: "db1.example" },
    { port: 2222 },
    { privateKey: rsa },
    { privateKey: undefined, agent: true },
    { bastion: login },
    { host: "fe80::1%eth0" },
    // Values of other resources are checked when they are known.
    { privateKey: Promise.resolve(""), hostKey: Promise.resolve("") },
  ])
    it(`takes ${Object.keys(good).join(", ")}`, () => assert.equal(text(good), ""));

  const refused: readonly { readonly why: string; readonly address: object; readonly reason: RegExp }[] = [
    { why: "no host", address: { host: "" }, reason: /^host: is missing/ },
    { why: "an option as host", address: { host: "-oProxyCommand=x" }, reason: /^host: "-oProxyCommand=x" is not one/ },
    { why: "a port out of range", address: { port: 65536 }, reason: /^port: .* from 1 to 65535, got 65536$/ },
    { why: "no user", address: { user: undefined }, reason: /^user: is missing/ },
    { why: "an option as user", address: { user: "-l" }, reason: /^user: "-l" is no name/ },
    {
      why: "no key and no agent",
      address: { privateKey: undefined },
      reason: /^privateKey: is missing; .* agent: true/,
    },
    { why: "a key and an agent", address: { agent: true }, reason: /^agent: is given beside privateKey/ },
    { why: "a public key", address: { privateKey: hostKey }, reason: /^privateKey: is no private key/ },
    {
      why: "a key with a passphrase",
      address: { privateKey: locked },
      reason: /^privateKey: has a passphrase; .*agent/,
    },
    {
      why: "PKCS #8",
      address: { privateKey: pkcs8 },
      reason: /^privateKey: has the form "PRIVATE KEY"; .*privateKeyOpenssh/,
    },
    {
      why: "no host key",
      address: { hostKey: "" },
      reason: /^hostKey: is missing; "ssh-keyscan -p 22 10\.0\.0\.5" shows it; compare .*ssh_host_ed25519_key\.pub/,
    },
    {
      why: "no host key behind a bastion",
      address: { hostKey: "", bastion: { ...login, host: "b" } },
      reason: /^hostKey: is missing; "ssh -p 22 deploy@b ssh-keyscan -p 22 10\.0\.0\.5" shows it/,
    },
    {
      why: "a host key of another host",
      address: { hostKey: `x ${hostKey}` },
      reason: /^hostKey: holds no host key of dep/,
    },
    {
      why: "a bastion without a host key",
      address: { bastion: { ...login, hostKey: "" } },
      reason: /^bastion\.hostKey: /,
    },
    {
      why: "a bastion behind a bastion",
      address: { bastion: { ...login, bastion: login } },
      reason: /^bastion\.bastion: /,
    },
  ];
  for (const { why, address, reason } of refused) it(`refuses ${why}`, () => assert.match(text(address), reason));

  it("tells everything at once, and nothing of a key", () => {
    const all = text({
      host: "",
      port: 0,
      user: "",
      privateKey: locked,
      bastion: { ...login, user: "", privateKey: pkcs8 },
    });
    assert.deepEqual(
      all.split("\n").map((line) => line.split(":")[0]),
      ["host", "port", "user", "privateKey", "bastion.user", "bastion.privateKey"],
    );
    for (const key of [locked, pkcs8]) assert.ok(!all.includes(key.split("\n")[1]?.slice(0, 16) ?? ""), all);
  });
});
