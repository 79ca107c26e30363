/** RevocationList: which serials it holds after which change, and what OpenSSL makes of the signed list. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { provider } from "../../../providers/dynamic/engine/entry";
import { planRevocation, revocationList, type RevocationListState } from "../../../providers/dynamic/revocation-list";
import { signRevocationList } from "../../../providers/dynamic/revocation-list/signing";
import { makeAuthority, type Authority, type Issued } from "../../support/authority";

// Another OpenSSL may be judged by, such as the one of a PostgreSQL build.
const opensslProgram = process.env["OPENSSL"] ?? "openssl";

const decimal = ({ serial }: Issued) => BigInt(`0x${serial}`).toString();
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** As @pulumi/tls hands it over. */
const sec1 = (pem: string) => createPrivateKey(pem).export({ type: "sec1", format: "pem" }).toString();

describe("RevocationList", () => {
  const subject = provider(revocationList);
  let folder = "";
  let authority: Authority;
  let a: Issued;
  let b: Issued;
  let newA: Issued;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "citus-crl-"));
    authority = await makeAuthority("the demo's authority");
    [a, b, newA] = await Promise.all([authority.issue("node:a"), authority.issue("app"), authority.issue("node:a")]);
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const inputs = (certificates: Readonly<Record<string, Issued>>, by = authority) => ({
    authority: by.certificate,
    authorityKey: sec1(by.privateKey),
    certificates: Object.fromEntries(Object.entries(certificates).map(([key, { certificate }]) => [key, certificate])),
  });
  const stateOf = (outs: unknown) => outs as ReturnType<typeof inputs> & RevocationListState;
  const create = async (news: ReturnType<typeof inputs>) => stateOf((await subject.create(news)).outs);
  const update = async (olds: ReturnType<typeof inputs>, news: ReturnType<typeof inputs>) =>
    stateOf((await subject.update("id", olds, news)).outs);
  const reasons = async (news: object) => (await subject.check({}, news)).failures.map(({ reason }) => reason);
  const openssl = (...args: string[]) =>
    execFileSync(opensslProgram, args, { cwd: folder, encoding: "utf8", stdio: "pipe" });
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return name;
  };

  it("starts empty, and holds as long as the authority", async () => {
    const { initial, current, revoked, revokedSerials } = await create(inputs({ "node:a": a }));
    assert.equal(current, initial);
    assert.deepEqual([revoked, revokedSerials], [[], []]);
    assert.match(initial, /^-----BEGIN X509 CRL-----\n[\s\S]+\n-----END X509 CRL-----\n$/);
    const text = openssl("crl", "-in", file("initial.crl", initial), "-noout", "-text");
    assert.match(text, /Issuer: CN = the demo's authority/);
    assert.match(text, /X509v3 CRL Number/);
    assert.match(text, /No Revoked Certificates/);
    const ends = (line: string) => new Date(line.replace(/^.*?=/, "")).getTime();
    assert.equal(
      ends(openssl("crl", "-in", "initial.crl", "-noout", "-nextupdate")),
      ends(openssl("x509", "-in", file("ca.crt", authority.certificate), "-noout", "-enddate")),
    );
  });

  it("is accepted by OpenSSL, which then refuses exactly the certificate that left", async () => {
    const first = await create(inputs({ "node:a": a, app: b }));
    const next = await update(first, inputs({ app: b }));
    file("ca.crt", authority.certificate);
    const verify = (list: string, { certificate }: Issued) =>
      openssl(
        "verify",
        "-crl_check",
        "-CAfile",
        "ca.crt",
        "-CRLfile",
        file("list.crl", list),
        file("leaf.crt", certificate),
      );
    assert.match(verify(first.current, a), /: OK/);
    assert.match(verify(next.current, b), /: OK/);
    assert.throws(() => verify(next.current, a), /certificate revoked/);
    assert.equal(next.initial, first.initial);
    assert.deepEqual(next.revokedSerials, [decimal(a)]);
    assert.deepEqual(
      next.revoked.map(({ key, serial }) => ({ key, serial })),
      [{ key: "node:a", serial: decimal(a) }],
    );
  });

  it("signs with an RSA authority, too", async () => {
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=rsa",
      "-keyout",
      "rsa.key",
      "-out",
      "rsa.crt",
    );
    const read = (name: string) => readFileSync(join(folder, name), "utf8");
    const { current } = await create({ authority: read("rsa.crt"), authorityKey: read("rsa.key"), certificates: {} });
    // It tells the result on standard error; the status is the answer.
    openssl("crl", "-in", file("rsa.crl", current), "-CAfile", "rsa.crt", "-verify", "-noout");
  });

  it("names the authority and its key as the certificate does, and ends after 2050 with it", async () => {
    const request =
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 36500 -utf8 -subj /O=a,b/CN=\u00fc";
    openssl(
      ...request.split(" "),
      ...["-addext", "subjectKeyIdentifier=01:02:03:04", "-keyout", "own.key", "-out", "own.crt"],
    );
    const read = (name: string) => readFileSync(join(folder, name), "utf8");
    const { current } = await create({ authority: read("own.crt"), authorityKey: read("own.key"), certificates: {} });
    const text = openssl("crl", "-in", file("own.crl", current), "-noout", "-text");
    assert.match(text, /X509v3 Authority Key Identifier: *\n *(keyid:)?01:02:03:04$/m);
    openssl("crl", "-in", "own.crl", "-CAfile", "own.crt", "-verify", "-noout");
    const ends = (line: string) => line.replace(/^.*?=/, "");
    assert.equal(
      ends(openssl("crl", "-in", "own.crl", "-noout", "-nextupdate")),
      ends(openssl("x509", "-in", "own.crt", "-noout", "-enddate")),
    );
  });

  it("names the key by its digest where the certificate does not", async () => {
    const { current } = await create(inputs({}));
    const { publicKey } = new X509Certificate(authority.certificate);
    // The point of a P-256 key, uncompressed.
    const bits = publicKey.export({ type: "spki", format: "der" }).subarray(-65);
    const digest = createHash("sha1").update(bits).digest("hex").toUpperCase();
    const text = openssl("crl", "-in", file("digest.crl", current), "-noout", "-text");
    assert.equal(/Authority Key Identifier: *\n *(?:keyid:)?(\S+)/.exec(text)?.[1]?.replaceAll(":", ""), digest);
  });

  it("does not sign anew when a present key gets a new certificate", async () => {
    const first = await create(inputs({ "node:a": a }));
    const renewed = await update(first, inputs({ "node:a": newA }));
    assert.deepEqual([renewed.current, renewed.revoked], [first.current, []]);
  });

  it("revokes with a key that leaves also its renewed certificates, since those are still valid", async () => {
    const first = await create(inputs({ "node:a": a }));
    const renewed = await update(first, inputs({ "node:a": newA }));
    const left = await update(renewed, inputs({}));
    assert.deepEqual(left.revokedSerials, [decimal(a), decimal(newA)]);
    assert.deepEqual(left.renewed, []);
  });

  it("keeps what is revoked when its key comes back with a new certificate", async () => {
    const left = await update(await create(inputs({ "node:a": a })), inputs({}));
    const back = await update(left, inputs({ "node:a": newA }));
    assert.deepEqual([back.revokedSerials, back.current], [[decimal(a)], left.current]);
  });

  it("forgets renewed certificates that have expired", () => {
    const old = {
      certificates: { a: newA.certificate },
      revoked: [],
      renewed: [{ key: "a", serial: "7", expiresAt: "2020-01-01T00:00:00.000Z" }],
    };
    const { revoked } = planRevocation(old, { certificates: {} }, new Date());
    assert.deepEqual(
      revoked.map(({ serial }) => serial),
      [decimal(newA)],
    );
  });

  it("lets a key that is back with the same certificate in again: its removal did not come to an end", async () => {
    const first = await create(inputs({ "node:a": a, "node:b": b }));
    const left = await update(first, inputs({ "node:b": b }));
    assert.deepEqual(left.revokedSerials, [decimal(a)]);
    const back = await update(left, inputs({ "node:a": a, "node:b": b }));
    assert.deepEqual([back.revoked, back.revokedSerials], [[], []]);
    assert.doesNotMatch(openssl("crl", "-in", file("back.crl", back.current), "-noout", "-text"), /Serial Number/);
  });

  it("starts afresh under another authority", async () => {
    const left = await update(await create(inputs({ "node:a": a })), inputs({}));
    const other = await makeAuthority("another");
    const afresh = await update(left, inputs({}, other));
    assert.deepEqual(afresh.revoked, []);
    assert.notEqual(afresh.initial, left.initial);
    assert.equal(afresh.current, afresh.initial);
  });

  it("reads what state holds, and a delete is nothing", async () => {
    const state = await create(inputs({ "node:a": a }));
    const read = await subject.read("id", state);
    assert.deepEqual(read.props, state);
    await subject.delete("id", state);
    assert.deepEqual(JSON.parse(JSON.stringify(state)), state);
  });

  it("has no change between equal arguments, and an update for any other", async () => {
    const state = await create(inputs({ "node:a": a }));
    assert.equal((await subject.diff("id", state, inputs({ "node:a": a }))).changes, false);
    for (const news of [inputs({}), inputs({ "node:a": newA }), { ...inputs({ "node:a": a }), authority: unknown }]) {
      const { changes, replaces } = await subject.diff("id", state, news);
      assert.deepEqual([changes, replaces], [true, []]);
    }
  });

  it("forecasts whose certificates it revokes", () => {
    const { forecast } = revocationList;
    assert.ok(forecast !== undefined);
    const old = {
      ...inputs({ "node:a": a, app: b }),
      initial: "",
      current: "",
      revoked: [],
      revokedSerials: [],
      renewed: [],
    };
    assert.deepEqual(forecast(old, inputs({})), [
      'revokes the certificate of node "a"',
      'revokes the certificate of role "app"',
    ]);
    assert.deepEqual(forecast(old, inputs({ "node:a": newA, app: b })), []);
  });

  it("refuses what is no certificate or no fitting key, and shows no key", async () => {
    const other = await makeAuthority();
    const good = inputs({ "node:a": a });
    const canary = "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n";
    const rows: readonly [object, readonly RegExp[]][] = [
      [{ ...good, authority: "garbage" }, [/^authority: is not a certificate/]],
      [{ ...good, authority: a.certificate }, [/^authority: is not the certificate of an authority/]],
      [{ ...good, authorityKey: canary }, [/^authorityKey: is not a private key/]],
      [{ ...good, authorityKey: other.privateKey }, [/^authorityKey: does not belong to/]],
      [
        { ...good, certificates: { "node:a": "", app: "x" } },
        [/^certificates\.node:a: is not/, /^certificates\.app: is not/],
      ],
    ];
    for (const [bad, expected] of rows) {
      const found = await reasons(bad);
      assert.equal(found.length, expected.length, found.join("\n"));
      for (const [index, pattern] of expected.entries()) assert.match(found[index] ?? "", pattern);
      assert.ok(!found.join("").includes("canary"));
    }
    assert.deepEqual(await reasons(good), []);
    for (const field of ["authority", "authorityKey", "certificates"])
      assert.deepEqual(await reasons({ ...good, [field]: unknown }), []);
  });

  it("refuses to sign for an authority that has expired", () => {
    assert.throws(
      () => signRevocationList(inputs({}), [], new Date("2100-01-01")),
      /^Error: the authority expired on \d{4}-.*; make a new one$/,
    );
  });
});
