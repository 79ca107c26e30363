/** What the offline plugins refuse: by name, all problems at once, and never with a secret. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { plugin as command } from "./command/plugin";
import { isRefused, plain, plainValues, type Values } from "./contract";
import { pluginProvider } from "./serve";
import { plugin as tls } from "./tls/plugin";

const urn = (type: string) => `urn:pulumi:dev::test::my:own:Component$${type}::it`;
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

async function reasons(plugin: typeof tls, type: string, inputs: Readonly<Record<string, unknown>>): Promise<string> {
  const result = await pluginProvider(plugin).check?.(urn(type), {}, inputs);
  const failures = result?.failures ?? [];
  for (const { property } of failures) assert.equal(property, "");
  return failures.map(({ reason }) => reason).join("\n");
}

const isMarked = (value: unknown) =>
  typeof value === "object" && value !== null && "4dabf18193072939515e22adb298388d" in value;

/** False when there is no such process. */
function signal(id: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(id, name);
  } catch {
    return false;
  }
}

describe("offline plugins", () => {
  it("have every resource of the SDKs, except those that no component uses", () => {
    assert.deepEqual(
      Object.keys(tls.resources).map((type) => type.split(":")[2]),
      ["PrivateKey", "CertRequest", "SelfSignedCert", "LocallySignedCert"],
    );
    assert.deepEqual(Object.keys(command.resources), ["command:local:Command", "command:remote:Command"]);
  });

  it("refuse by name what they do not support", async () => {
    let refused = 0;
    for (const plugin of [tls, command])
      for (const [type, { fields }] of Object.entries(plugin.resources))
        for (const [name, field] of Object.entries(fields)) {
          if (!isRefused(field)) continue;
          refused += 1;
          assert.match(
            await reasons(plugin, type, { [name]: ["a value"] }),
            new RegExp(`^${name}: the offline plugin does not support this argument: ${field.refused}$`, "m"),
          );
        }
    assert.equal(refused, 3);
  });

  it("refuse arguments, resources and functions that they do not know, and name the way out", async () => {
    assert.equal(
      await reasons(command, "command:local:Command", { creat: "echo" }),
      "creat: the offline plugin does not know this argument",
    );
    assert.match(
      await reasons(command, "command:remote:CopyToRemote", {}),
      /^command:remote:CopyToRemote is not in the offline command plugin of pulumi-citus.*pulumi plugin install resource command \d/,
    );
    const result = await pluginProvider(tls).invoke?.("tls:index/getCertificate:getCertificate", {});
    assert.match(
      result?.failures?.[0]?.reason ?? "",
      /^tls:index\/getCertificate:getCertificate is not in the offline tls plugin/,
    );
  });

  it("tell all problems at once, and no secret", async () => {
    const secret = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value: { hidden: 1 } };
    const text = await reasons(tls, "tls:index/selfSignedCert:SelfSignedCert", {
      privateKeyPem: secret,
      allowedUses: ["server_auth", "cert_sign"],
      validityPeriodHours: -1,
      subject: { commonName: 1, nick: "x" },
    });
    const lines = [
      "privateKeyPem: must be a string",
      "validityPeriodHours: must be at least 0",
      "subject.commonName: must be a string",
      "subject.nick: the offline plugin does not know this argument",
    ];
    for (const line of lines) assert.ok(text.split("\n").includes(line), text);
    assert.match(text, /^allowedUses: must be one of .*, got server_auth, cert_sign$/m);
    assert.doesNotMatch(text, /hidden/);
    assert.equal(await reasons(tls, "tls:index/privateKey:PrivateKey", {}), "algorithm: is required");
  });

  it("accept what a preview does not know yet", async () => {
    const inputs = { privateKeyPem: unknown, allowedUses: [unknown], validityPeriodHours: unknown, dnsNames: unknown };
    assert.equal(await reasons(tls, "tls:index/selfSignedCert:SelfSignedCert", inputs), "");
  });

  it("replace in a preview for what is not known yet", async () => {
    const provider = pluginProvider(tls);
    const before = { privateKeyPem: "a", subject: { commonName: "x" } };
    const diff = await provider.diff?.("id", urn("tls:index/certRequest:CertRequest"), before, {
      ...before,
      privateKeyPem: unknown,
    });
    assert.deepEqual([diff?.changes, diff?.replaces], [true, ["privateKeyPem"]]);
    const same = await provider.diff?.("id", urn("tls:index/certRequest:CertRequest"), before, before);
    assert.deepEqual([same?.changes, same?.replaces], [false, []]);
  });

  it("make every output that the SDK promises, secret ones marked as such", async () => {
    const make = async (plugin: typeof tls, type: string, inputs: Values): Promise<Values> =>
      ((await pluginProvider(plugin).create?.(urn(type), inputs))?.outs ?? {}) as Values;
    const [key, request, selfSigned, locallySigned] = Object.keys(tls.resources) as [string, string, string, string];
    const { privateKeyPem } = plainValues(await make(tls, key, { algorithm: "ED25519" }));
    const certificate = { allowedUses: [], validityPeriodHours: 1 };
    const own = await make(tls, selfSigned, { ...certificate, privateKeyPem, subject: { commonName: "x" } });
    const { certRequestPem } = await make(tls, request, { privateKeyPem });
    const samples: readonly [plugin: typeof tls, type: string, inputs: Values][] = [
      [tls, key, { algorithm: "RSA" }],
      [tls, request, { privateKeyPem }],
      [tls, selfSigned, { ...certificate, privateKeyPem }],
      [
        tls,
        locallySigned,
        { ...certificate, certRequestPem, caPrivateKeyPem: privateKeyPem, caCertPem: own["certPem"] },
      ],
      [command, "command:local:Command", { create: "true" }],
    ];
    for (const [plugin, type, inputs] of samples) {
      const resource = plugin.resources[type];
      assert.ok(resource !== undefined);
      const outs = await make(plugin, type, inputs);
      for (const [name, kind] of Object.entries(resource.made)) {
        if (typeof kind === "object") continue;
        assert.notEqual(plain(outs[name]), undefined, `${type} ${name}`);
        assert.equal(isMarked(outs[name]), kind === "secret", `${type} ${name}`);
      }
      for (const [name, field] of Object.entries(resource.fields)) {
        if (isRefused(field) || outs[name] === undefined) continue;
        assert.equal(isMarked(outs[name]), field.secret === true, `${type} ${name}`);
      }
    }
  });

  it("end a command when the run is interrupted", async () => {
    const provider = pluginProvider(command);
    const created = provider.create?.(urn("command:local:Command"), { create: "exec sleep 15" });
    await provider.cancel?.();
    await assert.rejects(created ?? Promise.resolve(), /signal: SIGKILL: running "exec sleep 15"/);
  });

  it("end when the engine was killed", async () => {
    const main = join(__dirname, "tls", "plugin.js");
    const engine = spawn("/bin/sh", ["-c", '"$0" "$1" & echo $!; wait', process.execPath, main], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let printed = "";
    engine.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    const until = async (what: string, done: () => boolean) => {
      for (const deadline = Date.now() + 20_000; !done(); await new Promise((resolve) => setTimeout(resolve, 20)))
        assert.ok(Date.now() < deadline, what);
    };
    await until("it listens", () => printed.split("\n").length > 2);
    const id = Number(printed.split("\n")[0]);
    engine.kill("SIGKILL");
    try {
      await until("it ends", () => !signal(id, 0));
    } finally {
      signal(id, "SIGKILL");
    }
  }).timeout(45_000);

  it("are not in the npm package", () => {
    const list = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [{ files }] = JSON.parse(list) as [{ readonly files: readonly { readonly path: string }[] }];
    assert.ok(files.length > 10);
    assert.deepEqual(
      files.filter(({ path }) => /plugins|^dist\/tests|^tests/.test(path)),
      [],
    );
  }).timeout(60_000);
});
