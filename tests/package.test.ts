/** The package as users get it: what the tarball holds, and that it works in a folder that knows nothing of this repository. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeAuthority } from "./support/authority";
import { withProgram } from "./support/program";
import { projectFolder, requires } from "./support/tools";

const execute = promisify(execFile);

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const allowed = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^dist\/index\.(js|d\.ts)$/,
  /^dist\/(commands|components|providers|sizing)\/.*\.(js|d\.ts)$/,
  /^(components|providers)\/.*\.sh$/,
];

describe("package", function () {
  this.timeout(180_000);
  let folder: string;
  let packed: Packed;

  const npm = (args: readonly string[], cwd: string) =>
    execute("npm", [...args], { cwd, timeout: 120_000, env: { ...process.env, NO_UPDATE_NOTIFIER: "1" } });

  /** Standard output of a CommonJS program that runs in the user's folder. */
  const node = async (program: string): Promise<string> => {
    const { stdout } = await execute(process.execPath, ["-e", program], { cwd: join(folder, "program") });
    return stdout.trim();
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "citus-package-"));
    // The files are built already; building while other suites load them would pull them away.
    const { stdout } = await npm(["pack", "--json", "--ignore-scripts", "--pack-destination", folder], projectFolder);
    const [first] = JSON.parse(stdout) as readonly Packed[];
    assert.ok(first !== undefined);
    packed = first;

    const program = join(folder, "program");
    mkdirSync(join(program, "node_modules", "@pulumi"), { recursive: true });
    // The user's own SDK, which is the peer: installing it anew would take most of a minute.
    symlinkSync(join(projectFolder, "node_modules", "@pulumi", "pulumi"), join(program, "node_modules/@pulumi/pulumi"));
    writeFileSync(join(program, "package.json"), JSON.stringify({ name: "program", private: true }));
    const tarball = join(folder, packed.filename);
    await npm(["install", "--prefer-offline", "--no-audit", "--no-fund", "--no-package-lock", tarball], program);
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("holds only what users need", () => {
    const others = packed.files.map(({ path }) => path).filter((path) => !allowed.some((rule) => rule.test(path)));
    assert.deepEqual(others, []);
  });

  it("holds every file that its manifest promises", () => {
    const manifest = JSON.parse(readFileSync(join(projectFolder, "package.json"), "utf8")) as {
      readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
    };
    const promised = Object.values(manifest.exports).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target),
    );
    const installed = join(folder, "program", "node_modules", "pulumi-citus");
    assert.deepEqual(
      promised.filter((path) => !existsSync(join(installed, path))),
      [],
    );
  });

  it("gives each entry point under plain node", async () => {
    const loaded = await node(`
      const names = ["pulumi-citus", "pulumi-citus/sizing"];
      console.log(names.every((name) => Object.keys(require(name)).length > 0));
      console.log(typeof require("pulumi-citus").CitusCluster);`);
    assert.equal(loaded, "true\nfunction");
  });

  it("gives ES module programs the same", async () => {
    const { stdout } = await execute(
      process.execPath,
      ["--input-type=module", "-e", 'import { CitusCluster } from "pulumi-citus"; console.log(typeof CitusCluster);'],
      { cwd: join(folder, "program") },
    );
    assert.equal(stdout.trim(), "function");
  });

  it("gives the provider of a kind, as the stub in every state asks for it", async () => {
    const operations = await node(`
      const provider = require("pulumi-citus/provider").kind("RevocationList");
      console.log(["check", "diff", "create", "read", "update", "delete"].map((name) => typeof provider[name]).join());`);
    assert.equal(operations, Array(6).fill("function").join());
  });

  it("refuses a kind that it does not know, by name", async () => {
    const message = await node(`
      try { require("pulumi-citus/provider").kind("Nothing"); } catch (error) { console.log(error.message); }`);
    assert.match(message, /"Nothing"/);
  });

  it("sizes a cluster from the command line", async () => {
    const own = join(folder, "program");
    const workload =
      "kind: custom\nworkers: 2\ncoresPerWorker: 4\nramPerWorker: 16 GiB\ndataSize: 50 GB\npeakClients: 100\n";
    writeFileSync(join(own, "workload.yaml"), workload);
    const { stdout } = await execute("npx", ["--no-install", "pulumi-citus", "plan", "workload.yaml"], { cwd: own });
    assert.match(stdout, /^worker +2 +4 +16 /m);
  });

  it("finds the shell files that it runs on hosts", async () => {
    const scripts = packed.files.map(({ path }) => path).filter((path) => path.endsWith(".sh"));
    assert.notDeepEqual(scripts, []);
    // By file, since users have no entry point to it.
    const length = await node(`
      const { shellFile } = require("./node_modules/pulumi-citus/dist/providers/dynamic/engine/script.js");
      console.log(${JSON.stringify(scripts)}.every((path) => shellFile(path).length > 0));`);
    assert.equal(length, "true");
  });

  it("does not open files that are no entry point", async () => {
    const code = await node(`
      try { require("pulumi-citus/dist/providers/dynamic/index.js"); } catch (error) { console.log(error.code); }`);
    assert.equal(code, "ERR_PACKAGE_PATH_NOT_EXPORTED");
  });

  it("makes a resource by `pulumi up` in a program of its own, changes nothing the second time, and deletes it", async function () {
    requires(this, "cli", "languageHost");
    const authority = await makeAuthority();
    const { certificate } = await authority.issue("node:a", "127.0.0.1");
    const texts = { "ca.crt": authority.certificate, "ca.key": authority.privateKey, "a.crt": certificate };
    await withProgram(
      (own) => {
        for (const [name, text] of Object.entries({ ...texts, ...revocationProgram }))
          writeFileSync(join(own, name), text);
      },
      async (program) => {
        await program.pulumi("up", "--yes");
        const list = await program.output("list");
        assert.match(String(list), /^-----BEGIN X509 CRL-----\n/);
        await program.pulumi("up", "--yes", "--expect-no-changes");
        assert.equal(await program.output("list"), list);
        const state = await program.pulumi("stack", "export");
        assert.doesNotMatch(state, /BEGIN PRIVATE KEY/, "the authority's key is encrypted");
        assert.match(await program.pulumi("destroy", "--yes"), /RevocationList/);
      },
      join(folder, "program"),
    );
  });
});

/** A program as a user would write it, in JavaScript: without a compiler of its own. */
const revocationProgram = {
  "package.json": JSON.stringify({ name: "revocation", private: true }),
  "Pulumi.yaml": "name: revocation\nruntime: nodejs\nmain: index.js\n",
  "index.js": `
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const pulumi = require("@pulumi/pulumi");
const { RevocationList } = require("pulumi-citus");

const file = (name) => readFileSync(join(__dirname, name), "utf8");
const { current } = new RevocationList("list", {
  authority: file("ca.crt"),
  authorityKey: pulumi.secret(file("ca.key")),
  certificates: { a: file("a.crt") },
});
exports.list = current;
`,
};
