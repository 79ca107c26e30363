/** The tool chain on bad machines: each failure says what to do, and the next run is clean. Own cache folders, own PATH, no network. */
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { projectFolder, skip } from "../support/tools";

interface Found {
  readonly version?: string;
  readonly from?: string;
  readonly path?: string;
  readonly real?: string;
  readonly missing?: string;
}

interface Outcome {
  readonly found: Found;
  /** What was said on the way. */
  readonly said: readonly string[];
}

// Runs one finder as scripts/tools.mjs does; its arguments come as JSON.
const caller = `
const [file, finder, cache, ...args] = process.argv.slice(1).map((text) => JSON.parse(text));
const scripts = await import(file);
const said = [];
const say = (line) => said.push(line);
const blocked = scripts.prepareCache(cache);
const found = blocked === undefined ? await scripts[finder](...args.map((each) => (each === "say" ? say : each))) : { missing: blocked };
console.log(JSON.stringify({ found, said }));`;

const half = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]), Buffer.alloc(500, 7)]);

describe("tool chain", function () {
  this.timeout(30_000);
  let folder = "";
  let bin = "";
  let cache = "";
  let root = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "citus-tools-"));
    chmodSync(folder, 0o755);
    [bin, cache, root] = [join(folder, "bin"), join(folder, "cache"), join(folder, "it's a root")];
    for (const each of [bin, join(root, "scripts", "pulumi-cli")]) mkdirSync(each, { recursive: true });
    for (const file of ["pulumi.mjs", "run.mjs"])
      cpSync(join(projectFolder, "scripts", file), join(root, "scripts", file));
    for (const name of ["tls", "pulumi"]) {
      const manifest = join(root, "node_modules", "@pulumi", name, "package.json");
      mkdirSync(dirname(manifest), { recursive: true });
      writeFileSync(manifest, JSON.stringify({ version: "9.8.7" }));
    }
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const program = (path: string, ...lines: string[]) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${lines.join("\n")}\n`, { mode: 0o755 });
  };
  const truncated = (path: string) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, half, { mode: 0o755 });
  };
  const command = (finder: string, ...args: unknown[]) => {
    const file = join(root, "scripts", "pulumi.mjs");
    return ["--input-type=module", "-e", caller, ...[file, finder, cache, ...args].map((each) => JSON.stringify(each))];
  };
  const environment = (more: Readonly<Record<string, string>> = {}) => ({ PATH: bin, HOME: folder, ...more });
  const find = (finder: string, args: unknown[], more: Readonly<Record<string, string>> = {}): Outcome => {
    const text = execFileSync(process.execPath, command(finder, ...args), { env: environment(more), encoding: "utf8" });
    return JSON.parse(text) as Outcome;
  };
  const findCli = (more?: Readonly<Record<string, string>>) => find("findCli", [root, cache, "say"], more);
  const files = (at = cache) =>
    readdirSync(at, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, name }) => join(parentPath, name).slice(at.length + 1))
      .sort();

  const goodCli = "echo v3.250.0";
  const noNetwork = ['echo "npm error network request failed: getaddrinfo ENOTFOUND" >&2', "exit 1"];
  const cliMade = "versions/3.259.0/bin/pulumi";
  const goodDownload = [
    `/bin/mkdir -p "$PULUMI_HOME/versions/3.259.0/bin"`,
    `printf '#!/bin/sh\\necho v3.259.0\\n' > "$PULUMI_HOME/${cliMade}"`,
    `/bin/chmod +x "$PULUMI_HOME/${cliMade}"`,
  ];

  describe("Pulumi CLI", () => {
    it("asks for an installation where there is no CLI, no Go and no network", () => {
      program(join(bin, "npm"), ...noNetwork);
      const { found } = findCli();
      assert.match(
        found.missing ?? "",
        /^install the Pulumi CLI \(https:\S+\) or Go 1\.25\.11 or newer; tried: download .*ENOTFOUND; build .*: go is not on PATH$/,
      );
      assert.deepEqual(files(), []);
      program(join(bin, "pulumi"), goodCli);
      assert.equal(findCli().found.version, "3.250.0");
      assert.deepEqual(files(), ["bin/pulumi"]);
    });

    it("says when there is not even npm", () => {
      assert.match(findCli().found.missing ?? "", /download through the npm package: spawn npm ENOENT/);
    });

    it("does not use a truncated CLI of PATH", () => {
      truncated(join(bin, "pulumi"));
      program(join(bin, "npm"), ...goodDownload);
      const { found, said } = findCli();
      assert.equal(found.version, "3.259.0");
      assert.match(said.join("\n"), new RegExp(`Pulumi CLI: ${bin}/pulumi does not run \\(`));
    });

    it("does not use a CLI that is too old or too new, and says what is needed", () => {
      program(join(bin, "npm"), ...noNetwork);
      for (const version of ["3.226.9", "4.0.0"]) {
        program(join(bin, "pulumi"), `echo v${version}`);
        assert.ok(
          (findCli().found.missing ?? "").includes(
            `${bin}/pulumi has version ${version}; 3.227.0 or newer, below 4.0.0, is needed`,
          ),
        );
      }
    });

    it("replaces a truncated or old CLI in the cache folder", () => {
      program(join(bin, "npm"), ...goodDownload);
      const target = join(cache, "bin", "pulumi");
      for (const spoil of [() => truncated(target), () => program(target, "echo v3.1.0")]) {
        spoil();
        const { found, said } = findCli();
        assert.deepEqual([found.version, found.from], ["3.259.0", "download through the npm package"]);
        assert.match(
          said[0] ?? "",
          /the one in the cache folder (does not run|has version 3\.1\.0).*; it is replaced$/,
        );
      }
      const again = findCli();
      assert.deepEqual([again.found.from, again.said], ["cache folder", []]);
    });

    it("does not take half a CLI of a download that was killed", () => {
      truncated(join(cache, "download", cliMade));
      program(join(bin, "npm"), ...noNetwork);
      assert.match(findCli().found.missing ?? "", /ENOTFOUND/);
      assert.deepEqual(files(), []);
    });

    it("keeps nothing of a download whose CLI does not run", () => {
      program(
        join(bin, "npm"),
        ...goodDownload.slice(0, 1),
        `echo broken > "$PULUMI_HOME/${cliMade}"`,
        goodDownload[2] ?? "",
      );
      assert.match(findCli().found.missing ?? "", /the result does not run/);
      assert.deepEqual(files(), []);
      program(join(bin, "npm"), ...goodDownload);
      assert.equal(findCli().found.version, "3.259.0");
    });

    it("shows that a long build lives", () => {
      program(join(bin, "npm"), ...noNetwork);
      const output = 'while [ "$1" != -o ]; do shift; done; out=$2';
      program(
        join(bin, "go"),
        output,
        "echo one/package >&2; /bin/sleep 0.7; echo other/package >&2; /bin/sleep 0.7",
        `printf '#!/bin/sh\\necho v3.259.0\\n' > "$out"; /bin/chmod +x "$out"`,
      );
      const { found, said } = findCli({ PULUMI_CITUS_PROGRESS_SECONDS: "0.2" });
      assert.deepEqual([found.version, found.from], ["3.259.0", "build from the Go module"]);
      assert.ok(
        said.some((line) => /^ {2}\d+ s: 1 packages read or compiled, last one\/package$/.test(line)),
        said.join("\n"),
      );
      assert.ok(
        said.some((line) => /^ {2}\d+ s: 2 packages read or compiled, last other\/package$/.test(line)),
        said.join("\n"),
      );
      assert.deepEqual(files(), ["bin/pulumi"]);
    });

    it("tells what the compiler said of a build that fails, and leaves nothing", () => {
      program(join(bin, "npm"), ...noNetwork);
      program(join(bin, "go"), 'echo "go.mod requires go >= 1.25.11 (running go 1.19)" >&2', "exit 1");
      assert.match(
        findCli().found.missing ?? "",
        /build from the Go module: exit code 1\ngo\.mod requires go >= 1\.25\.11/,
      );
      assert.deepEqual(files(), []);
    });

    it("removes what killed runs have left, not what others are writing", () => {
      const { pid: ended } = spawnSync("true");
      for (const owner of [ended, process.pid]) {
        writeIn(join(cache, "bin", `pulumi.${owner}.tmp`));
        writeIn(join(cache, "downloads", `tls-9.8.7.${owner}.tmp`, "half"));
      }
      program(join(bin, "pulumi"), goodCli);
      findCli();
      assert.deepEqual(files(), [
        "bin/pulumi",
        `bin/pulumi.${process.pid}.tmp`,
        `downloads/tls-9.8.7.${process.pid}.tmp/half`,
      ]);
    });
  });

  const writeIn = (path: string) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "half");
  };

  describe("plugins", () => {
    const versioned = join("resource-tls-v9.8.7", "pulumi-resource-tls");
    const target = () => join(cache, "pulumi-home", "plugins", versioned);
    /** A CLI that counts how often it is asked to download. */
    const cli = (...download: string[]) => {
      const path = join(folder, "cli", "pulumi");
      program(
        path,
        'if [ "$2" = get-schema ]; then echo \'{\n  "version": "1.0.0"\n}\'; exit; fi',
        `echo "$*" >> ${folder}/asked`,
        ...download,
      );
      return { path, from: path, version: "3.259.0" };
    };
    const asked = () =>
      existsSync(join(folder, "asked")) ? readFileSync(join(folder, "asked"), "utf8").trimEnd().split("\n").length : 0;
    const findTls = (using: Found, more?: Readonly<Record<string, string>>) =>
      find("findPlugin", [root, cache, using, "tls"], more).found;
    const offline = { PULUMI_CITUS_PLUGINS: "offline" };
    const noDownload = ["echo 'error: failed all 5 attempts' >&2", "exit 255"];
    const download = [
      `/bin/mkdir -p "$PULUMI_HOME/plugins/resource-tls-v9.8.7"`,
      `printf '#!/bin/sh\\necho real\\n' > "$PULUMI_HOME/plugins/${versioned}"`,
      `/bin/chmod +x "$PULUMI_HOME/plugins/${versioned}"`,
    ];
    /** What the plugin in the cache folder is: it is started. */
    const started = () => {
      const main = join(root, "dist", "tests", "support", "plugins", "tls", "plugin.js");
      mkdirSync(dirname(main), { recursive: true });
      writeFileSync(main, "console.log('offline', ...process.argv.slice(2))");
      return execFileSync(target(), ["an argument"], { encoding: "utf8" }).trim();
    };

    it("are downloaded once", () => {
      const using = cli(...download);
      assert.equal(findTls(using).from, "downloaded");
      assert.equal(findTls(using).from, "cache folder");
      assert.deepEqual([asked(), started()], [1, "real"]);
    });

    it("are replaced by the offline ones without a network, and the failed download is not repeated", () => {
      const using = cli(...noDownload);
      assert.match(
        findTls(using).from ?? "",
        /^offline plugin of this project \(download failed: exit code 255, error: failed all 5 attempts; tried again after 24 h\)$/,
      );
      assert.match(
        findTls(using).from ?? "",
        /^offline plugin of this project \(download failed at 20\S+: exit code 255, /,
      );
      assert.deepEqual([asked(), started()], [1, "offline an argument"]);
    });

    it("are asked for again a day later, after a damaged note, and for another version", () => {
      const using = cli(...noDownload);
      const note = join(cache, "downloads", "tls-9.8.7.json");
      findTls(using);
      writeFileSync(note, JSON.stringify({ at: new Date(Date.now() - 25 * 3_600_000).toISOString(), reason: "old" }));
      findTls(using);
      writeFileSync(note, '{"at":');
      findTls(using);
      writeFileSync(join(root, "node_modules", "@pulumi", "tls", "package.json"), JSON.stringify({ version: "9.9.0" }));
      findTls(using);
      assert.equal(asked(), 4);
    });

    it("can be forced to be the offline ones and back, without another download", () => {
      const using = cli(...download);
      for (let round = 0; round < 2; round += 1) {
        const forced = findTls(using, offline);
        assert.equal(forced.from, "offline plugin of this project (as PULUMI_CITUS_PLUGINS asks)");
        assert.equal(started(), "offline an argument");
        assert.equal(forced.real === undefined, round === 0);
        const real = findTls(using);
        assert.deepEqual([real.from, real.real], [round === 0 ? "downloaded" : "cache folder", target()]);
        assert.equal(started(), "real");
      }
      assert.equal(asked(), 1);
    });

    it("are taken from PATH or the user's home in the right version only, and whole", () => {
      program(join(bin, "pulumi-resource-tls"), "echo other");
      const wrong = findTls(cli(...noDownload));
      assert.match(
        wrong.from ?? "",
        new RegExp(`offline plugin of this project \\(${bin}/pulumi-resource-tls: version 1.0.0; download failed`),
      );

      const home = join(folder, ".pulumi", "plugins");
      program(join(home, versioned), "echo real");
      writeFileSync(join(home, "resource-tls-v9.8.7.partial"), "");
      assert.match(findTls(cli(...noDownload)).from ?? "", /^offline/);
      rmSync(join(home, "resource-tls-v9.8.7.partial"));
      assert.equal(findTls(cli(...noDownload)).from, join(home, versioned));
      assert.equal(started(), "real");
    });

    it("leave a registered plugin in place when they are forced, and find it again", () => {
      program(join(folder, "given", versioned), "echo real");
      const given = { PULUMI_CITUS_PLUGINS: join(folder, "given") };
      findTls(cli(...noDownload), given);
      assert.equal(findTls(cli(...noDownload), offline).real, `${target()}.real`);
      assert.equal(started(), "offline an argument");
      assert.equal(findTls(cli(...noDownload)).from, "cache folder");
      assert.deepEqual([asked(), started()], [0, "real"]);
    });
  });

  describe("cache folder", () => {
    const host = (size: number) => program(join(bin, "pulumi-language-nodejs"), "echo 3.259.0; exit", "#".repeat(size));

    it("that may not be written is told, with the way out", function () {
      mkdirSync(cache, { mode: 0o555 });
      // Root may write everywhere.
      const other = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
      const { stdout } = spawnSync(process.execPath, command("findCli", root, cache, "say"), {
        env: environment(),
        encoding: "utf8",
        ...other,
      });
      assert.match(
        (JSON.parse(stdout) as Outcome).found.missing ?? "",
        /^cannot write \S+\/cache\/bin\/probe: no permission: run it as the folder's owner, or remove the folder$/,
      );
      chmodSync(cache, 0o755);
      program(join(bin, "pulumi"), goodCli);
      assert.equal(findCli().found.version, "3.250.0");
    });

    it("on a full disk is told, and nothing half-made stays", function () {
      mkdirSync(cache);
      if (spawnSync("unshare", ["--mount", "true"]).status !== 0) skip(this, "this system allows no mount namespaces");
      const call = (args: readonly string[]) =>
        [process.execPath, ...args].map((each) => `'${each.replaceAll("'", `'\\''`)}'`).join(" ");
      const onDisk = (kib: number, ...lines: string[]) =>
        execFileSync(
          "unshare",
          ["--mount", "/bin/sh", "-ec", [`/bin/mount -t tmpfs -o size=${kib}k none ${cache}`, ...lines].join("\n")],
          { env: environment({ PATH: `${bin}:/usr/bin:/bin` }), encoding: "utf8" },
        )
          .trim()
          .split("\n");
      const findHost = call(command("findLanguageHost", cache, {}));

      const [blocked = "", ...rest] = onDisk(64, findHost, `find ${cache} -type f`);
      assert.deepEqual(rest, []);
      assert.match(
        (JSON.parse(blocked) as Outcome).found.missing ?? "",
        /probe: the disk is full: make room \(the tools take about 300 MB\), then run it again$/,
      );

      host(3_000_000);
      const [full = "", ...left] = onDisk(
        1024,
        findHost,
        `find ${cache} -type f`,
        `printf '#!/bin/sh\\necho 3.259.0\\n' > ${bin}/pulumi-language-nodejs`,
        findHost,
      );
      assert.match((JSON.parse(full) as Outcome).found.missing ?? "", /pulumi-language-nodejs: the disk is full/);
      assert.equal(left.length, 1, left.join("\n"));
      assert.equal((JSON.parse(left[0] ?? "{}") as Outcome).found.version, "3.259.0");
    });
  });

  it("ends what it has started when it is interrupted, and the next run is clean", async () => {
    program(join(bin, "npm"), `echo $$ > ${folder}/pid`, "/bin/sleep 600");
    const child = spawn(process.execPath, command("findCli", root, cache, "say"), {
      env: environment(),
      stdio: "ignore",
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    const deadline = Date.now() + 10_000;
    while (!existsSync(join(folder, "pid")) || readFileSync(join(folder, "pid"), "utf8") === "") {
      assert.ok(Date.now() < deadline, "the download has not begun");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGTERM");
    await ended;
    const id = Number(readFileSync(join(folder, "pid"), "utf8"));
    assert.throws(() => process.kill(id, 0), { code: "ESRCH" });
    program(join(bin, "npm"), ...goodDownload);
    assert.equal(findCli().found.version, "3.259.0");
    assert.deepEqual(files(), ["bin/pulumi"]);
  });
});
