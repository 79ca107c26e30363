/** Certificates: what is refused, what is registered, and on the real engine what OpenSSL makes of the result. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { RevocationList } from "../../index";
import { Certificates, checkCertificates, type CertificatesArgs } from "../../components/certificates";
import { describeProblems } from "../../sizing/problem";
import { withStack, type StackRun } from "../support/stack";
import { requires } from "../support/tools";
import { mockEngine } from "./hosts/mock-engine";

const nodes = { coordinator: { address: "10.0.0.1" }, a: { address: "db-a.example" } };

// Another OpenSSL may be judged by, such as the one of a PostgreSQL build.
const opensslProgram = process.env["OPENSSL"] ?? "openssl";

describe("checkCertificates", () => {
  const good: readonly Partial<CertificatesArgs>[] = [
    {},
    { loginRoles: ["app", 'we"ird', "sp ace"] },
    { authorityValidityDays: 3, nodeValidityDays: 3, earlyRenewalDays: 2 },
    { nodes: { a: { address: pulumi.output("any") }, b: { address: "fd00::1" } } },
  ];
  for (const [index, args] of good.entries())
    it(`accepts row ${String(index)}`, () => assert.deepEqual(checkCertificates({ nodes, ...args }), []));

  const bad: readonly [Partial<CertificatesArgs>, string][] = [
    [{ authorityValidityDays: 0 }, "authorityValidityDays: must be a whole number of days from 2 to 36500, got 0"],
    [{ nodeValidityDays: 398 }, "nodeValidityDays: must be a whole number of days from 2 to 397, got 398"],
    [{ earlyRenewalDays: 1.5 }, "earlyRenewalDays: must be a whole number of days from 1 to 36500, got 1.5"],
    [
      { nodeValidityDays: 30 },
      "earlyRenewalDays: must be shorter than the shortest validity, 30 days, got 30: every run would issue all certificates anew",
    ],
    [
      { authorityValidityDays: 10 },
      "earlyRenewalDays: must be shorter than the shortest validity, 10 days, got 30: every run would issue all certificates anew",
    ],
    [
      { loginRoles: ["postgres"] },
      'loginRoles[0]: "postgres" is the superuser, who logs in with the operator\'s certificate',
    ],
    [
      { loginRoles: ["app", "operator"] },
      'loginRoles[1]: "operator" is the name of the operator\'s certificate, which is the superuser',
    ],
    [{ loginRoles: ["/a"] }, 'loginRoles[0]: "/a" must not begin with "/", which marks a pattern in pg_hba.conf'],
    [{ loginRoles: ["node:a"] }, 'loginRoles[0]: "node:a" must not hold ":", which marks certificates of nodes'],
    [{ loginRoles: ["app", "app"] }, 'loginRoles[1]: "app" is there twice'],
    [{ loginRoles: [""] }, "loginRoles[0]: must not be empty"],
    [
      { nodes: { "a:b": { address: "x" } } },
      'nodes.a:b: "a:b" is no key of a node; use 1 to 58 letters, digits, ".", "_" and "-"',
    ],
    [
      { nodes: { a: { address: "x,y" } } },
      'nodes.a.address: "x,y" must be one address without blanks, ",", "/", "=" or invisible characters',
    ],
  ];
  for (const [args, text] of bad)
    it(`refuses ${JSON.stringify(args)}`, () =>
      assert.equal(describeProblems(checkCertificates({ nodes, ...args })), text));

  it("tells all problems at once", () => {
    const problems = checkCertificates({ nodes: { "": { address: "" } }, nodeValidityDays: 0, loginRoles: ["none"] });
    assert.deepEqual(
      problems.map(({ path }) => path),
      ["nodeValidityDays", "nodes.", "nodes..address", "loginRoles[0]"],
    );
  });
});

describe("Certificates", () => {
  it("refuses before anything is made, with every problem", () => {
    mockEngine();
    assert.throws(
      () => new Certificates("demo", { nodes, loginRoles: ["postgres"], earlyRenewalDays: 0 }),
      (error: unknown) => {
        assert.ok(pulumi.RunError.isInstance(error));
        assert.equal(error.message.split("\n").length, 3);
        return true;
      },
    );
  });

  it("names its children by stable keys, all below it", async () => {
    const finish = mockEngine();
    new Certificates("demo", { nodes, loginRoles: ["app"] });
    const made = (await finish()).filter(({ type }) => type !== Certificates.type);
    const issued = ["demo-node-a", "demo-node-coordinator", "demo-operator", "demo-role-app"];
    const expected = [
      "tls:index/privateKey:PrivateKey demo-authority",
      "tls:index/selfSignedCert:SelfSignedCert demo-authority",
      ...issued.flatMap((name) => [
        `tls:index/certRequest:CertRequest ${name}`,
        `tls:index/locallySignedCert:LocallySignedCert ${name}`,
        `tls:index/privateKey:PrivateKey ${name}`,
      ]),
    ];
    assert.deepEqual(made.map(({ type, name }) => `${type} ${name}`).sort(), expected.sort());
    assert.ok(made.every(({ parent }) => parent === "demo"));
  });

  it("renews before the end, and names addresses as what they are", async () => {
    const finish = mockEngine();
    new Certificates("demo", { nodes: { ...nodes, b: { address: "fd00::1" } } });
    const made = await finish();
    const inputs = (type: string, name: string) =>
      made.find((one) => one.type.endsWith(type) && one.name === name)?.inputs ?? {};
    const hours = (type: string, name: string) => [
      inputs(type, name)["validityPeriodHours"],
      inputs(type, name)["earlyRenewalHours"],
    ];
    assert.deepEqual(hours("LocallySignedCert", "demo-node-a"), [397 * 24, 30 * 24]);
    assert.deepEqual(hours("LocallySignedCert", "demo-operator"), [3650 * 24, 30 * 24]);
    assert.deepEqual(hours("SelfSignedCert", "demo-authority"), [3650 * 24, 30 * 24]);
    const names = (name: string) => [
      inputs("CertRequest", name)["dnsNames"],
      inputs("CertRequest", name)["ipAddresses"],
    ];
    assert.deepEqual(names("demo-node-coordinator"), [[], ["10.0.0.1"]]);
    assert.deepEqual(names("demo-node-a"), [["db-a.example"], []]);
    assert.deepEqual(names("demo-node-b"), [[], ["fd00::1"]]);
    assert.deepEqual(names("demo-operator"), [undefined, undefined]);
  });

  it("marks keys as secret, and certificates as public", async () => {
    const finish = mockEngine();
    const {
      authority,
      authorityKey,
      nodes: issued,
      operator,
      loginRoles,
    } = new Certificates("demo", { nodes, loginRoles: ["app"] });
    await finish();
    const pairs = [...Object.values(issued), operator, ...Object.values(loginRoles)];
    for (const secret of [authorityKey, ...pairs.map(({ privateKey }) => privateKey)])
      assert.equal(await pulumi.isSecret(secret), true);
    for (const plain of [authority, ...pairs.map(({ certificate }) => certificate)])
      assert.equal(await pulumi.isSecret(plain), false);
  });

  it("issues what OpenSSL accepts; a second up changes nothing; a key that goes is revoked; state holds no clear key", async function () {
    requires(this, "cli", "tls", "launcher");
    this.timeout(120_000);
    const program = (addresses: Readonly<Record<string, string>>) => () => {
      const certificates = new Certificates("demo", {
        nodes: Object.fromEntries(
          Object.entries(addresses).map(([key, address]) => [key, { address: pulumi.output(address) }]),
        ),
        loginRoles: ['we"ird é'],
      });
      const list = new RevocationList("demo", {
        authority: certificates.authority,
        authorityKey: certificates.authorityKey,
        certificates: certificates.revocable,
      });
      const { initial, current, revokedSerials } = list;
      return Promise.resolve({
        ...{
          authority: certificates.authority,
          initial,
          current,
          revokedSerials,
          operator: certificates.operator.certificate,
        },
        ...{ certificates: certificates.revocable },
      });
    };
    const all = { coordinator: "127.0.0.1", a: "db-a.example", b: "fd00::1" };
    await withStack(
      () => program(all),
      async (stack) => {
        const openssl = (...args: string[]) =>
          execFileSync(opensslProgram, args, { cwd: stack.workFolder, encoding: "utf8", stdio: "pipe" });
        const file = (name: string, text: string) => {
          writeFileSync(join(stack.workFolder, name), text);
          return name;
        };
        const output = (run: StackRun, name: string): string => {
          const value: unknown = run.outputs[name]?.value;
          assert.ok(typeof value === "string", name);
          return value;
        };
        const certificateOf = (run: StackRun, key: string): string => {
          const value: unknown = run.outputs["certificates"]?.value;
          assert.ok(typeof value === "object" && value !== null);
          const found: unknown = Object.entries(value).find(([name]) => name === key)?.[1];
          assert.ok(typeof found === "string", key);
          return found;
        };
        const verify = (run: StackRun, certificate: string, ...options: string[]) => {
          const list = file("list.crl", output(run, "current"));
          const authority = file("ca.crt", output(run, "authority"));
          return openssl(
            "verify",
            "-x509_strict",
            "-crl_check",
            "-CAfile",
            authority,
            "-CRLfile",
            list,
            ...options,
            file("leaf.crt", certificate),
          );
        };
        const text = (certificate: string) =>
          openssl("x509", "-in", file("leaf.crt", certificate), "-noout", "-text", "-nameopt", "utf8,sep_comma_plus");

        const first = await stack.up();
        await stack.expectNoChanges();
        const authority = openssl("x509", "-in", file("ca.crt", output(first, "authority")), "-noout", "-text");
        assert.match(authority, /CA:TRUE/);
        assert.match(authority, /Certificate Sign, CRL Sign/);
        const names: readonly [string, RegExp, string[]][] = [
          ["node:coordinator", /IP Address:127\.0\.0\.1/, ["-verify_ip", "127.0.0.1"]],
          ["node:a", /DNS:db-a\.example/, ["-verify_hostname", "db-a.example"]],
          ["node:b", /IP Address:FD00:0:0:0:0:0:0:1/, ["-verify_ip", "fd00::1"]],
        ];
        for (const [key, alternative, check] of names) {
          const certificate = certificateOf(first, key);
          const shown = text(certificate);
          assert.match(shown, alternative);
          assert.match(shown, new RegExp(`Subject: CN ?= ?${key}\n`));
          assert.match(shown, /TLS Web Server Authentication, TLS Web Client Authentication/);
          assert.match(shown, /ASN1 OID: prime256v1/);
          for (const purpose of ["sslserver", "sslclient"])
            assert.match(verify(first, certificate, "-purpose", purpose, ...check), /: OK/);
          assert.throws(() => verify(first, certificate, "-verify_hostname", "other.example"));
        }
        const people: readonly [string, string][] = [
          ["operator", output(first, "operator")],
          ['we"ird é', certificateOf(first, 'we"ird é')],
        ];
        for (const [name, certificate] of people) {
          assert.ok(text(certificate).includes(`${name}\n`), text(certificate));
          assert.match(verify(first, certificate, "-purpose", "sslclient"), /: OK/);
          assert.throws(() => verify(first, certificate, "-purpose", "sslserver"), /unsuitable/);
        }

        stack.change(program({ coordinator: all.coordinator, b: all.b }));
        const plan = await stack.preview();
        assert.match(plan.output, /revokes the certificate of node "a"/);
        const second = await stack.up();
        assert.equal(output(second, "initial"), output(first, "initial"));
        assert.throws(() => verify(second, certificateOf(first, "node:a")), /certificate revoked/);
        assert.match(verify(second, certificateOf(second, "node:b")), /: OK/);
        await stack.expectNoChanges();

        const refreshed = await stack.refresh();
        assert.equal(refreshed.changes["update"], undefined);
        // The files of the backend, former versions included: an export decrypts.
        const saved = readdirSync(join(stack.workFolder, "state"), { recursive: true, withFileTypes: true }).filter(
          (entry) => entry.isFile(),
        );
        assert.ok(saved.length > 0);
        for (const { parentPath, name } of saved)
          assert.ok(!readFileSync(join(parentPath, name), "utf8").includes("PRIVATE KEY"), name);
        assert.ok(!`${first.output}${second.output}${plan.output}`.includes("PRIVATE KEY"));
      },
    );
  });
});
