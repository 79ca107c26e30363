/** Packages of machines, on separate hosts without PostgreSQL, from a signed repository of the test's own: refused before anything is changed,
 *  installed by a user with no rights but those that the example's README lists, found unchanged, completed after a kill. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stepText } from "../../../components/hosts/shell";
import { parseReport, preflightScript } from "../../../providers/dynamic/preflight";
import { aptValues, type AptPackages } from "../../../providers/dynamic/preflight/apt";
import {
  AptRepository,
  bareMachine,
  missingForRepository,
  repackedServer,
  SigningKey,
} from "../../support/apt-repository";
import { loginUser, operatorAddress, startHosts, type TestHost, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { projectFolder, skip } from "../../support/tools";

const server = repackedServer();
const major = () => server.major;

/** The lines of sudoers that users are told to write, for the login user of test hosts and the versions of this test. */
function documentedSudoers(): string {
  const text = readFileSync(join(projectFolder, "examples/existing-hosts/README.md"), "utf8");
  const blocks = [...text.matchAll(/```sudoers\n([\s\S]*?)```/g)].map(([, lines = ""]) => lines);
  return blocks
    .join("")
    .replaceAll("deploy", loginUser)
    .replaceAll(/\b(postgresql[-@])17/g, `$1${String(major())}`);
}

const citusVersion = "13.2";

describe("packages of a machine", function () {
  this.timeout(300_000);
  let hosts: TestHosts;
  const repository = new AptRepository();
  let key: SigningKey;
  let other: SigningKey;
  let url = "";

  before(async function () {
    const missing = missingForRepository();
    if (missing !== undefined) skip(this, missing);
    requiresHosts(this);
    [key, other] = [new SigningKey(), new SigningKey()];
    for (const name of server.packages) repository.repack(name);
    repository.add({
      name: citusPackage(),
      version: "13.2.0.citus-1",
      depends: `postgresql-${String(major())}`,
      texts: { [controlFile()]: "default_version = '13.2-1'\n" },
      // The first run is killed here, when the test asks for it.
      postinst: "if [ -e /etc/wait-once ]; then rm /etc/wait-once; touch /etc/waits; sleep infinity; fi",
    });
    repository.publish("stable", key);
    url = await repository.serve(operatorAddress);
    hosts = await startHosts(["a", "b"], { sudoers: documentedSudoers(), diskMiB: 2048 });
    await Promise.all(hosts.all().map((host) => host.must(bareMachine)));
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
    await repository.remove();
    for (const each of [key, other]) (each as SigningKey | undefined)?.remove();
  });

  const citusPackage = (version = citusVersion) => `postgresql-${String(major())}-citus-${version}`;
  const controlFile = () => `/usr/share/postgresql/${String(major())}/extension/citus.control`;

  const packages = (change: Partial<AptPackages> = {}): AptPackages => {
    const own = { url, suite: "stable", component: "main", key: key.publicKey };
    return { postgres: own, citus: own, packages: [], ...change };
  };

  const look = async (host: TestHost, install: AptPackages, version = citusVersion, user = loginUser) => {
    const script = preflightScript({
      host: host.key,
      target: {
        ssh: { address: { host: host.address, user, hostKey: "" }, user: "postgres", cluster: "citus", install },
      },
      address: host.address,
      port: 5432,
      extensions: [],
      postgresVersion: major(),
      citusVersion: version,
      deleteData: false,
    });
    const { code, stdout, stderr } = await hosts.ssh(host.key, user, "bash -s preflight", script);
    assert.equal(code, 0, stderr);
    return parseReport(stdout);
  };

  const install = (host: TestHost, from: AptPackages, version = citusVersion) =>
    hosts.ssh(
      host.key,
      loginUser,
      "bash -s create",
      stepText(
        {
          files: ["components/hosts/server.sh", "components/hosts/ssh.sh"],
          values: { KEY: host.key, CLUSTER: "citus", OS_USER: "postgres", POSTGRES_VERSION: String(major()) },
        },
        {
          files: ["root-commands.sh", "package-commands.sh", "apt-sources.sh", "install-packages.sh"].map(
            (file) => `components/hosts/${file}`,
          ),
          values: { ...aptValues(from), CITUS_VERSION: version },
        },
      ),
    );

  /** Everything that a run could have changed, with its times. */
  const traces = (host: TestHost) =>
    host.must(
      "ls -lAR --time-style=full-iso /etc /var/lib/apt /var/cache/apt /var/lib/dpkg /usr/lib/postgresql 2>/dev/null; pgrep -x postgres; true",
    );

  const changed = (before: string, after: string) => {
    const former = new Set(before.split("\n"));
    return after.split("\n").filter((line) => !former.has(line));
  };

  /** As a killed dpkg leaves a server. */
  const half = (version: string) => `cp /var/lib/dpkg/status /var/lib/dpkg/status.former
    printf 'Package: postgresql-%s\\nStatus: install ok half-configured\\nArchitecture: all\\nMaintainer: x <x@x>\\nVersion: 1\\nDescription: x\\n\\n' ${version} >>/var/lib/dpkg/status`;
  const mendHalf = "mv /var/lib/dpkg/status.former /var/lib/dpkg/status";

  const rows: readonly {
    readonly why: string;
    readonly install?: () => Partial<AptPackages>;
    readonly version?: string;
    readonly spoil?: string;
    readonly mend?: string;
    /** @default the user with limited rights */
    readonly user?: string;
    readonly problem: RegExp;
  }[] = [
    {
      why: "a repository that another key signs",
      install: () => ({
        citus: { ...packages().citus, key: other.publicKey },
        postgres: { ...packages().postgres, key: other.publicKey },
      }),
      problem:
        /^the package repositories cannot be used: .*http:\/\/10\.77\.0\.1:\d+ stable InRelease.*(NO_PUBKEY|not signed).*; look at url, suite and key of install$/,
    },
    {
      why: "a suite that is not there",
      install: () => ({ citus: { ...packages().citus, suite: "{codename}" } }),
      problem: /cannot be used: .*http:\/\/10\.77\.0\.1:\d+ [a-z]+ Release/,
    },
    {
      why: "a version that is not there",
      version: "13.9",
      user: "root",
      problem:
        /^postgresql-\d+-citus-13\.9 is not in the repositories for \w+ \w+ on \w+; they have: postgresql-\d+ postgresql-\d+-citus-13\.2$/,
    },
    {
      why: "a machine that has the same repository with another keyring",
      spoil: `printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] URL stable main\\n' >/etc/apt/sources.list.d/other.list`,
      mend: "rm /etc/apt/sources.list.d/other.list",
      problem: /^its sources for apt would contradict each other: Conflicting values set for option Signed-By/,
    },
    {
      why: "settings of a removed postgresql-common that do not read ours",
      spoil: "mkdir -p /etc/postgresql-common; echo 'ssl = on' >/etc/postgresql-common/createcluster.conf",
      // As the message says; pg_conftool is not there, and nothing is wrong any more.
      mend: "echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf",
      problem:
        /^\/etc\/postgresql-common\/createcluster.conf does not read \S+, so that the package would make a cluster called main; let it say: create_main_cluster = false$/,
    },
    {
      why: "a server of somebody else that is half installed",
      spoil: half("9.6"),
      mend: mendHalf,
      problem:
        /^packages are half installed, and completing them may restart servers: postgresql-9.6; run dpkg --configure -a there when it suits$/,
    },
    {
      why: "a server of this version that is half upgraded",
      spoil: `${half(String(major()))}; mkdir -p /etc/postgresql/${String(major())}/other`,
      mend: `${mendHalf}; rm -r /etc/postgresql`,
      problem: /may restart servers: postgresql-\d+; run/,
    },
    {
      why: "Citus without a package",
      spoil: "mkdir -p $(dirname CONTROL); touch CONTROL",
      mend: "rm CONTROL",
      problem:
        /^Citus is there without a package: \S+citus.control; remove it, or take what is there with install: "present"$/,
    },
    {
      why: "a right that is missing",
      spoil:
        "cp -p /etc/sudoers.d/tests /etc/sudoers.former; sed -i '/apt-get -q update/d; /createcluster/d' /etc/sudoers.d/tests",
      mend: "mv /etc/sudoers.former /etc/sudoers.d/tests",
      problem:
        /^admin lacks rights by sudo; .*: admin ALL=\(root\) NOPASSWD: \/usr\/bin\/install -D -m 644 \/dev\/stdin \/etc\/postgresql-common\/createcluster.d\/pulumi-citus.conf; admin ALL=\(root\) NOPASSWD: \/usr\/bin\/env DEBIAN_FRONTEND\\=noninteractive NEEDRESTART_SUSPEND\\=1 apt-get -q update$/,
    },
  ];

  it("are looked for in the repositories before anything is changed: each mistake is told", async () => {
    const host = hosts.get("a");
    const filled = (text: string) => text.replaceAll("URL", url).replaceAll("CONTROL", controlFile());
    for (const { why, install: change, version, spoil, mend, user, problem } of rows) {
      if (spoil !== undefined) await host.must(filled(spoil));
      const before = await traces(host);
      const { problems } = await look(host, packages(change?.()), version, user);
      assert.equal(problems.length, 1, `${why}: ${problems.join("\n")}`);
      assert.match(problems[0] ?? "", problem, why);
      assert.deepEqual(changed(before, await traces(host)), [], `${why}: nothing is changed`);
      if (mend !== undefined) await host.must(filled(mend));
    }
    const { facts, problems } = await look(host, packages());
    assert.deepEqual([facts["packages"], problems], ["absent", []]);
    assert.equal(await host.must("find /tmp -mindepth 1 -name 'tmp.*'"), "", "the folder of the look is gone");
  });

  it("are refused with a wrong signature at the installation too, and nothing is installed", async () => {
    const host = hosts.get("b");
    const wrong = { ...packages().citus, key: other.publicKey };
    const { code, stderr } = await install(host, packages({ citus: wrong, postgres: wrong }));
    assert.equal(code, 1, stderr);
    assert.match(stderr, /(NO_PUBKEY|is not signed)[\s\S]*host "b": the packages cannot be installed/);
    assert.equal(
      await host.must("dpkg-query -W 'postgresql*common' 2>/dev/null; ls -d /usr/lib/postgresql 2>/dev/null; true"),
      "",
    );
  });

  it("are installed, without a cluster called main, and the second run changes nothing", async () => {
    const host = hosts.get("a");
    const { code, stdout, stderr } = await install(host, packages());
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^installed postgresql-\d+ \S+, postgresql-\d+-citus-13\.2 13\.2\.0\.citus-1\n$/);
    assert.equal(await host.must("pg_lsclusters -h; pgrep -x postgres; true"), "");
    assert.equal(
      await host.must("cat /etc/apt/sources.list.d/pulumi-citus.sources"),
      `Types: deb\nURIs: ${url}\nSuites: stable\nComponents: main\nSigned-By: /etc/apt/keyrings/pulumi-citus-postgresql.asc`,
    );
    assert.equal(
      await host.must("stat -c '%a %U' /etc/apt/keyrings/* /etc/apt/sources.list.d/*"),
      "644 root\n644 root\n644 root",
    );
    const before = await traces(host);
    const again = await install(host, packages());
    assert.deepEqual([again.code, again.stdout], [0, "unchanged\n"], again.stderr);
    assert.deepEqual(await look(host, packages()).then(({ facts, problems }) => [facts["packages"], problems]), [
      "installed",
      [],
    ]);
    assert.deepEqual(changed(before, await traces(host)), []);
  });

  it("get a rotated key and another suite also where they are there", async () => {
    const host = hosts.get("a");
    repository.publish("next", other);
    const next = { ...packages().citus, suite: "next", key: other.publicKey };
    const rotated = packages({ citus: next, postgres: next });
    const wrong = { ...next, key: key.publicKey };
    assert.match(
      (await look(host, packages({ citus: wrong, postgres: wrong }))).problems.join(),
      /the package repositories cannot be used/,
    );
    const found = await look(host, rotated);
    assert.deepEqual([found.facts["packages"], found.problems], ["installed", []]);
    for (const [from, armour, outcome] of [
      [rotated, other.publicKey, "repositories written\n"],
      [rotated, other.publicKey, "unchanged\n"],
      [packages(), key.publicKey, "repositories written\n"],
    ] as const) {
      const { stdout, stderr } = await install(host, from);
      assert.equal(stdout, outcome, stderr);
      assert.equal(await host.must("cat /etc/apt/keyrings/pulumi-citus-citus.asc"), armour.trim());
      assert.match(await host.must("cat /etc/apt/sources.list.d/*"), new RegExp(`^Suites: ${from.citus.suite}$`, "m"));
    }
  });

  it("complete no server of somebody else, also where it came after the look", async () => {
    const host = hosts.get("b");
    await host.must(half("9.6"));
    const { code, stderr } = await install(host, packages());
    assert.equal(code, 1);
    assert.match(stderr, /host "b": packages are half installed, .*: postgresql-9.6; run/);
    await host.must(mendHalf);
  });

  it("are completed after a kill in the middle", async () => {
    const host = hosts.get("b");
    await host.must("touch /etc/wait-once");
    const killed = install(host, packages()).catch(() => undefined);
    for (const deadline = Date.now() + 120_000; (await host.run("test -e /etc/waits")).code !== 0;)
      assert.ok(Date.now() < deadline, "the installation began");
    await host.kill();
    await killed;
    await host.start();
    assert.match(await host.must("dpkg --audit"), /citus-13\.2/);
    const { code, stdout, stderr } = await install(host, packages());
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^installed /);
    assert.equal(await host.must("dpkg --audit; pg_lsclusters -h"), "");
  });

  it("neither replace another Citus nor upgrade a server that is there", async () => {
    const host = hosts.get("a");
    const newer = new AptRepository();
    try {
      const upgraded = `postgresql-${String(major())}`;
      newer.add({ name: upgraded, version: "99.1", texts: { "/usr/share/newer": "" } });
      newer.add({ name: citusPackage("13.1"), version: "13.1.0.citus-1", depends: `${upgraded} (>= 99)` });
      newer.publish("stable", key);
      const own = { ...packages().citus, url: await newer.serve(operatorAddress) };
      const from = packages({ citus: own, postgres: own });
      await host.must(`sed -i 's/citus-13.2/citus-13.1/' /etc/sudoers.d/tests`);
      assert.match(
        (await look(host, from, "13.1")).problems.join("\n"),
        /^postgresql-\d+-citus-13\.1 is asked for and postgresql-\d+-citus-13\.2 is installed, which is never replaced here/,
      );
      await host.must(`dpkg --purge ${citusPackage()}; pg_createcluster ${String(major())} other --start`);
      const before = await host.must("pgrep -ox postgres; dpkg-query -W 'postgresql*'");
      const { code, stderr } = await install(host, from, "13.1");
      assert.equal(code, 1);
      assert.match(
        stderr,
        /host "a": these packages would be upgraded, which restarts servers: postgresql-\d+; upgrade them there/,
      );
      assert.equal(await host.must("pgrep -ox postgres; dpkg-query -W 'postgresql*'"), before);

      await host.must(`sed -i 's/citus-13.1/citus-13.2/' /etc/sudoers.d/tests`);
      assert.equal((await install(host, packages())).code, 0);
      assert.equal(await host.must("pgrep -ox postgres"), before.split("\n")[0], "the server that is there goes on");
    } finally {
      await newer.remove();
    }
  });
});
