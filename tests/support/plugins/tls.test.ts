/** The tls plugin as our components and users of the schema need it: the same on the real plugin and on the offline one. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { utils } from "ssh2";
import { withStack, type StackRun, type TestStack } from "../stack";
import { onBothPlugins } from "./home";

const output = (run: StackRun, name: string): string => String(run.outputs[name]?.value);
const stepsOf = (run: StackRun, name: string) => run.steps.filter((step) => step.name === name).map(({ op }) => op);
const replaced = ["create-replacement", "replace", "delete-replaced"];

/** Text that openssl prints for a certificate or request. */
function text(stack: TestStack, pem: string, command = "x509"): string {
  const file = join(stack.dataFolder, "shown.pem");
  writeFileSync(file, pem);
  return execFileSync("openssl", [command, "-in", file, "-noout", "-text", "-nameopt", "utf8,sep_comma_plus"], {
    encoding: "utf8",
  });
}

const algorithms: readonly [name: string, args: tls.PrivateKeyArgs, pem: RegExp, openssh: RegExp][] = [
  ["rsa", { algorithm: "RSA" }, /BEGIN RSA PRIVATE KEY/, /^ssh-rsa \S+\n$/],
  ["rsa3072", { algorithm: "RSA", rsaBits: 3072 }, /BEGIN RSA PRIVATE KEY/, /^ssh-rsa \S+\n$/],
  ["default-curve", { algorithm: "ECDSA" }, /BEGIN EC PRIVATE KEY/, /^$/],
  ["p256", { algorithm: "ECDSA", ecdsaCurve: "P256" }, /BEGIN EC PRIVATE KEY/, /^ecdsa-sha2-nistp256 \S+\n$/],
  ["p384", { algorithm: "ECDSA", ecdsaCurve: "P384" }, /BEGIN EC PRIVATE KEY/, /^ecdsa-sha2-nistp384 \S+\n$/],
  ["p521", { algorithm: "ECDSA", ecdsaCurve: "P521" }, /BEGIN EC PRIVATE KEY/, /^ecdsa-sha2-nistp521 \S+\n$/],
  ["ed25519", { algorithm: "ED25519" }, /BEGIN PRIVATE KEY/, /^ssh-ed25519 \S+\n$/],
];

const subject = {
  commonName: "node:a",
  country: "DE",
  emailAddress: "a@b.example",
  locality: "Ort",
  organization: "é",
  organizationalUnit: "ou",
  postalCode: "1",
  province: "Land",
  serialNumber: "2",
  streetAddresses: ["b", "a"],
};

interface Renewal {
  readonly validityPeriodHours: number;
  readonly earlyRenewalHours: number;
}

/** An authority and a certificate of it. */
function authority({ validityPeriodHours, earlyRenewalHours }: Renewal, subjectOfAuthority = subject) {
  const key = new tls.PrivateKey("authority", { algorithm: "ECDSA", ecdsaCurve: "P256" });
  const certificate = new tls.SelfSignedCert("authority", {
    privateKeyPem: key.privateKeyPem,
    subject: subjectOfAuthority,
    isCaCertificate: true,
    setAuthorityKeyId: true,
    maxPathLength: 2,
    allowedUses: ["cert_signing", "crl_signing"],
    validityPeriodHours,
    earlyRenewalHours,
  });
  const leafKey = new tls.PrivateKey("leaf", { algorithm: "ECDSA", ecdsaCurve: "P384" });
  const request = new tls.CertRequest("leaf", {
    privateKeyPem: leafKey.privateKeyPem,
    subject: { commonName: "leaf" },
    dnsNames: ["db.example"],
    ipAddresses: ["127.0.0.1", "fd00::1"],
    uris: ["spiffe://cluster/a"],
  });
  const leaf = new tls.LocallySignedCert("leaf", {
    certRequestPem: request.certRequestPem,
    caPrivateKeyPem: key.privateKeyPem,
    caCertPem: certificate.certPem,
    allowedUses: ["digital_signature", "server_auth", "client_auth"],
    setSubjectKeyId: true,
    validityPeriodHours: 48,
  });
  return { key, certificate, leafKey, request, leaf };
}

onBothPlugins("tls plugin", (environment) => {
  const onStack = (program: () => pulumi.Inputs, use: (stack: TestStack) => Promise<void>) =>
    withStack(() => async () => program(), use, { environment: environment() });

  it("makes keys of every algorithm, in formats that agree", async function () {
    this.timeout(60_000);
    const program = () =>
      Object.fromEntries(
        algorithms.map(([name, args]) => {
          const key = new tls.PrivateKey(name, args);
          return [
            name,
            pulumi.all({
              pem: key.privateKeyPem,
              pkcs8: key.privateKeyPemPkcs8,
              openssh: key.privateKeyOpenssh,
              publicPem: key.publicKeyPem,
              publicOpenssh: key.publicKeyOpenssh,
              md5: key.publicKeyFingerprintMd5,
              sha256: key.publicKeyFingerprintSha256,
            }),
          ];
        }),
      );
    await onStack(program, async (stack) => {
      const run = await stack.up();
      for (const [name, args, pem, openssh] of algorithms) {
        assert.equal(run.outputs[name]?.secret, true, name);
        const key = run.outputs[name].value as Readonly<Record<string, string>>;
        assert.match(key["pem"] ?? "", pem);
        assert.match(key["pkcs8"] ?? "", /BEGIN PRIVATE KEY/);
        assert.match(key["publicOpenssh"] ?? "", openssh);
        const parsed = createPrivateKey(key["pem"] ?? "");
        assert.ok(parsed.equals(createPrivateKey(key["pkcs8"] ?? "")), name);
        assert.ok(createPublicKey(parsed).equals(createPublicKey(key["publicPem"] ?? "")), name);
        if (args.rsaBits !== undefined) assert.equal(parsed.asymmetricKeyDetails?.modulusLength, args.rsaBits);
        if (name === "default-curve") {
          assert.equal(parsed.asymmetricKeyDetails?.namedCurve, "secp224r1");
          assert.deepEqual([key["openssh"], key["md5"], key["sha256"]], ["", "", ""]);
        } else {
          const ssh = utils.parseKey(key["openssh"] ?? "");
          assert.ok(!(ssh instanceof Error), name);
          assert.equal(`${ssh.type} ${ssh.getPublicSSH().toString("base64")}\n`, key["publicOpenssh"]);
          assert.ok(createPublicKey(ssh.getPublicPEM()).equals(createPublicKey(parsed)), name);
          assert.match(key["md5"] ?? "", /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
          assert.match(key["sha256"] ?? "", /^SHA256:[A-Za-z0-9+/]{43}$/);
        }
      }
      await stack.expectNoChanges();
    });
  });

  it("signs with keys of every algorithm", async function () {
    this.timeout(60_000);
    const program = () =>
      Object.fromEntries(
        algorithms.map(([name, args]) => {
          const { privateKeyPem } = new tls.PrivateKey(name, args);
          const shared = { privateKeyPem, subject: { commonName: name } };
          const own = { ...shared, allowedUses: ["any_extended"], validityPeriodHours: 24 };
          const request = new tls.CertRequest(name, shared);
          return [name, pulumi.all([new tls.SelfSignedCert(name, own).certPem, request.certRequestPem])];
        }),
      );
    await onStack(program, async (stack) => {
      const run = await stack.up();
      for (const [name] of algorithms) {
        const [pem, request] = run.outputs[name]?.value as [string, string];
        const certificate = new X509Certificate(pem);
        assert.ok(certificate.verify(certificate.publicKey), name);
        assert.match(text(stack, pem), /Any Extended Key Usage/);
        const file = join(stack.dataFolder, "request.pem");
        writeFileSync(file, request);
        execFileSync("openssl", ["req", "-in", file, "-noout", "-verify"], { stdio: "pipe" });
      }
    });
  });

  it("issues certificates that say what was asked and that verify", async function () {
    this.timeout(60_000);
    const program = () => {
      const made = authority({ validityPeriodHours: 24, earlyRenewalHours: 0 });
      const nameless = new tls.SelfSignedCert("nameless", {
        privateKeyPem: made.leafKey.privateKeyPem,
        dnsNames: ["db.example"],
        allowedUses: [],
        validityPeriodHours: 24,
      });
      const { certificate, leaf, request } = made;
      return {
        authority: certificate.certPem,
        leaf: leaf.certPem,
        nameless: nameless.certPem,
        request: request.certRequestPem,
        id: leaf.id,
        algorithms: pulumi.all([certificate.keyAlgorithm, leaf.caKeyAlgorithm, request.keyAlgorithm]),
        validity: pulumi.all([leaf.validityStartTime, leaf.validityEndTime]),
        defaults: pulumi.all([leaf.earlyRenewalHours, leaf.isCaCertificate, leaf.readyForRenewal]),
      };
    };
    await onStack(program, async (stack) => {
      const run = await stack.up();
      const root = text(stack, output(run, "authority"));
      assert.match(
        root,
        /Subject: C ?= ?DE,ST ?= ?Land,L ?= ?Ort,street ?= ?a\+street ?= ?b,postalCode ?= ?1,O ?= ?é,OU ?= ?ou,CN ?= ?node:a,serialNumber ?= ?2,emailAddress ?= ?a@b.example\n/,
      );
      assert.match(root, /Key Usage: critical\n\s+Certificate Sign, CRL Sign\n/);
      assert.match(root, /Basic Constraints: critical\n\s+CA:TRUE, pathlen:2\n/);
      assert.match(root, /Subject Key Identifier:[^]+Authority Key Identifier:/);
      const leaf = text(stack, output(run, "leaf"));
      assert.match(leaf, /Key Usage: critical\n\s+Digital Signature\n/);
      assert.match(leaf, /Extended Key Usage: \n\s+TLS Web Server Authentication, TLS Web Client Authentication\n/);
      assert.match(leaf, /Basic Constraints: critical\n\s+CA:FALSE\n/);
      assert.match(
        leaf,
        /Alternative Name: \n\s+DNS:db.example, IP Address:127.0.0.1, IP Address:FD00:0:0:0:0:0:0:1, URI:spiffe:\/\/cluster\/a\n/,
      );
      assert.match(text(stack, output(run, "nameless")), /Alternative Name: critical\n\s+DNS:db.example\n/);
      assert.match(text(stack, output(run, "request"), "req"), /DNS:db.example, IP Address:127.0.0.1/);

      const [root_, leaf_] = [new X509Certificate(output(run, "authority")), new X509Certificate(output(run, "leaf"))];
      assert.equal(BigInt(`0x${leaf_.serialNumber}`).toString(), output(run, "id"));
      assert.deepEqual(run.outputs["algorithms"]?.value, ["ECDSA", "ECDSA", "ECDSA"]);
      assert.deepEqual(run.outputs["defaults"]?.value, [0, false, false]);
      const [start = "", end = ""] = run.outputs["validity"]?.value as string[];
      assert.equal(Date.parse(end) - Date.parse(start), 48 * 3_600_000);
      assert.equal(Math.floor(Date.parse(start) / 1000), Date.parse(leaf_.validFrom) / 1000);
      assert.equal(Math.floor(Date.parse(end) / 1000), Date.parse(leaf_.validTo) / 1000);
      assert.ok(leaf_.checkIssued(root_) && leaf_.verify(root_.publicKey));
      const [ca, file] = [join(stack.dataFolder, "ca.pem"), join(stack.dataFolder, "leaf.pem")];
      writeFileSync(ca, output(run, "authority"));
      writeFileSync(file, output(run, "leaf"));
      const verify = (name: string) =>
        execFileSync(
          "openssl",
          ["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name, "-CAfile", ca, file],
          { encoding: "utf8", stdio: "pipe" },
        );
      assert.match(verify("db.example"), /: OK/);
      assert.throws(() => verify("other.example"));

      const saved = readdirSync(join(stack.workFolder, "state"), { recursive: true, withFileTypes: true });
      for (const entry of saved.filter((each) => each.isFile()))
        assert.ok(!readFileSync(join(entry.parentPath, entry.name), "utf8").includes("PRIVATE KEY"), entry.name);
      await stack.expectNoChanges();
      assert.deepEqual((await stack.refresh()).steps, []);
    });
  });

  it("replaces what an argument changes, and only notes a later renewal", async function () {
    this.timeout(60_000);
    const program =
      (renewal: Renewal, of = subject) =>
      () => ({ pem: authority(renewal, of).certificate.certPem });
    await onStack(program({ validityPeriodHours: 24, earlyRenewalHours: 0 }), async (stack) => {
      const first = await stack.up();
      stack.change(async () => program({ validityPeriodHours: 24, earlyRenewalHours: 1 })());
      const noted = await stack.up();
      assert.deepEqual(
        noted.steps.map(({ op, name }) => `${op} ${name}`),
        ["update authority"],
      );
      assert.equal(output(noted, "pem"), output(first, "pem"));

      const other = program({ validityPeriodHours: 24, earlyRenewalHours: 1 }, { ...subject, organization: "o" });
      stack.change(async () => other());
      const plan = await stack.preview();
      const certificates = ["tls:index/selfSignedCert:SelfSignedCert", "tls:index/locallySignedCert:LocallySignedCert"];
      // The leaf, too: its authority's certificate is not known until it is made.
      assert.deepEqual(Object.keys(plan.changesByType).sort(), [...certificates].sort());
      const changed = await stack.up();
      for (const type of certificates)
        assert.deepEqual(Object.keys(changed.changesByType[type] ?? {}).sort(), [...replaced].sort(), type);
      await stack.expectNoChanges();
    });
  });

  it("renews when the time has come, and says so in preview and refresh", async function () {
    this.timeout(60_000);
    const program = () => {
      const { certificate, leaf } = authority({ validityPeriodHours: 2, earlyRenewalHours: 2 });
      return { authority: certificate.certPem, leaf: leaf.certPem, ready: certificate.readyForRenewal };
    };
    await onStack(program, async (stack) => {
      const first = await stack.up();
      const plan = await stack.preview();
      assert.deepEqual(stepsOf(plan, "authority").sort(), [...replaced].sort());
      assert.deepEqual(stepsOf(plan, "leaf").sort(), [...replaced].sort());
      const refreshed = await stack.refresh();
      assert.deepEqual(
        refreshed.steps.map(({ op, name }) => `${op} ${name}`),
        ["update authority"],
      );
      const second = await stack.up();
      assert.notEqual(output(second, "authority"), output(first, "authority"));
      assert.notEqual(output(second, "leaf"), output(first, "leaf"));
    });
  });

  it("knows in a preview only what was given", async function () {
    this.timeout(60_000);
    const known: string[] = [];
    const program = () => {
      known.length = 0;
      const made = authority({ validityPeriodHours: 24, earlyRenewalHours: 0 });
      const watch = (name: string, value: pulumi.Output<unknown>) => void value.apply(() => known.push(name));
      watch("algorithm", made.key.algorithm);
      watch("validityPeriodHours", made.certificate.validityPeriodHours);
      watch("privateKeyPem", made.key.privateKeyPem);
      watch("publicKeyPem", made.key.publicKeyPem);
      watch("certPem", made.certificate.certPem);
      watch("validityEndTime", made.certificate.validityEndTime);
      watch("certRequestPem", made.request.certRequestPem);
      watch("leaf", made.leaf.certPem);
      return {};
    };
    await onStack(program, async (stack) => {
      await stack.preview();
      assert.deepEqual(known.sort(), ["algorithm", "validityPeriodHours"]);
    });
  });

  it("refuses what it cannot make, without showing a key", async function () {
    this.timeout(120_000);
    const validityPeriodHours = 24;
    const key = (name: string) => new tls.PrivateKey(name, { algorithm: "ECDSA", ecdsaCurve: "P256" });
    const broken: readonly [why: string, program: () => pulumi.Inputs][] = [
      ["algorithm", () => ({ key: new tls.PrivateKey("key", { algorithm: "DSA" }) })],
      ["curve", () => ({ key: new tls.PrivateKey("key", { algorithm: "ECDSA", ecdsaCurve: "P192" }) })],
      [
        "use",
        () => {
          const { privateKeyPem } = key("key");
          return {
            made: new tls.SelfSignedCert("c", { privateKeyPem, allowedUses: ["clientAuth"], validityPeriodHours }),
          };
        },
      ],
      [
        "nameless authority",
        () => {
          const { privateKeyPem } = key("key");
          return {
            made: new tls.SelfSignedCert("c", {
              privateKeyPem,
              allowedUses: [],
              validityPeriodHours,
              isCaCertificate: true,
            }),
          };
        },
      ],
      [
        "no authority key id",
        () => {
          const { privateKeyPem } = key("key");
          return {
            made: new tls.SelfSignedCert("c", {
              privateKeyPem,
              allowedUses: [],
              validityPeriodHours,
              setAuthorityKeyId: true,
            }),
          };
        },
      ],
      [
        "address",
        () => {
          const { privateKeyPem } = key("key");
          return { made: new tls.CertRequest("c", { privateKeyPem, ipAddresses: ["127.0.0"] }) };
        },
      ],
      [
        "no key",
        () => ({ made: new tls.CertRequest("c", { privateKeyPem: "-----BEGIN PRIVATE KEY-----\nsecret text" }) }),
      ],
      [
        "another authority's key",
        () => {
          const { leaf } = authority({ validityPeriodHours, earlyRenewalHours: 0 });
          const { certRequestPem, caCertPem } = leaf;
          const caPrivateKeyPem = key("key").privateKeyPem;
          return {
            made: new tls.LocallySignedCert("c", {
              certRequestPem,
              caCertPem,
              caPrivateKeyPem,
              allowedUses: [],
              validityPeriodHours,
            }),
          };
        },
      ],
    ];
    await onStack(
      () => ({}),
      async (stack) => {
        for (const [why, program] of broken) {
          stack.change(async () => void program());
          const run = await stack.failing("up");
          assert.doesNotMatch(run.output, /PRIVATE KEY-----\n(MI|secret)/, why);
          assert.ok(run.failed.length + run.diagnostics.filter(({ severity }) => severity === "error").length > 0, why);
        }
      },
    );
  });
});
