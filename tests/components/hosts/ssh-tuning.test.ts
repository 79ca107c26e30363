/** Settings of the operating system on a separate host, by a user with limited rights. Its kernel is this machine's, so that of the kernel's settings
 *  only the network's are its own: for the others a recorder stands in place of sysctl. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stepText } from "../../../components/hosts/shell";
import { promisedMemory, tuningValues } from "../../../components/hosts/tuning";
import { parseReport, preflightScript } from "../../../providers/dynamic/preflight";
import { operatingSystemSettings } from "../../../sizing/operating-system";
import { loginUser, startHosts, type TestHost, type TestHosts } from "../../support/hosts/hosts";
import { requiresHosts } from "../../support/hosts/namespaces";
import { recordedSysctl } from "../../support/hosts/recorded-sysctl";
import { projectFolder, skip } from "../../support/tools";

const majors = () =>
  existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql").map(Number).filter(Number.isInteger) : [];
const unit = () => `postgresql@${String(Math.max(...majors()))}-citus.service`;

function documentedSudoers(): string {
  const text = readFileSync(join(projectFolder, "examples/existing-hosts/README.md"), "utf8");
  const blocks = [...text.matchAll(/```sudoers\n([\s\S]*?)```/g)].map(([, lines = ""]) => lines);
  return blocks.join("").replaceAll("deploy", loginUser).replaceAll("postgresql@17-citus.service", unit());
}

const planOf = (maxConnections: number, workers: number) => {
  const cluster = { workers, coresPerWorker: 8, shards: 16 * workers };
  return { ram: { value: 32 }, operatingSystem: operatingSystemSettings({ ramGiB: 32, maxConnections, cluster }) };
};

describe("the operating system of a machine", function () {
  this.timeout(120_000);
  let hosts: TestHosts;
  let host: TestHost;

  before(async function () {
    if (majors().length === 0) skip(this, "the distribution's package of PostgreSQL is not installed");
    if (!existsSync("/usr/sbin/sysctl")) skip(this, "sysctl is not installed");
    requiresHosts(this);
    hosts = await startHosts(["a"], { sudoers: documentedSudoers() });
    host = hosts.get("a");
    await host.must(recordedSysctl);
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
  });

  const prelude = {
    files: ["components/hosts/server.sh", "components/hosts/ssh.sh"],
    values: { KEY: "a", CLUSTER: "citus", OS_USER: "postgres", POSTGRES_VERSION: "" },
  };
  const tried = (files: readonly string[], values = {}) =>
    hosts.ssh("a", loginUser, "bash -s create", stepText(prelude, { files, values }));
  const run = async (...step: Parameters<typeof tried>) => {
    const ran = await tried(...step);
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stderr;
  };
  const tuning = (maxConnections: number, workers: number): Parameters<typeof tried> => [
    ["root-commands.sh", "overcommit.sh", "tune.sh"].map((file) => `components/hosts/${file}`),
    tuningValues(planOf(maxConnections, workers)),
  ];
  const tune = (maxConnections: number, workers: number) => run(...tuning(maxConnections, workers));
  const shown = (property: string) => host.must(`systemctl show --property ${property} --value ${unit()}`);

  /** As the kernel of a machine with 32 GiB of RAM and 1 GiB of swap says it. Unit: MiB. */
  const promised = (mebibytes: number) =>
    host.must(`{ umount /proc/meminfo; } 2>/dev/null
      printf '%s kB\\n' 'MemTotal: ${String(32 * 1024 * 1024)}' 'Hugetlb: 0' 'SwapTotal: ${String(1024 * 1024)}' \\
        'Committed_AS: ${String(mebibytes * 1024)}' >/srv/meminfo
      chmod 644 /srv/meminfo
      mount --bind /srv/meminfo /proc/meminfo`);

  const look = async () => {
    const target = { user: "postgres", cluster: "citus", tune: promisedMemory(planOf(300, 4)) };
    const script = preflightScript({
      host: "a",
      target: { ssh: { ...target, address: { host: host.address, user: loginUser, hostKey: "" } } },
      address: host.address,
      port: 5432,
      extensions: [],
      deleteData: false,
    });
    const { stdout } = await hosts.ssh("a", loginUser, "bash -s preflight", script);
    return parseReport(stdout).problems.filter((problem) => problem.includes("overcommit"));
  };

  // 90 % of 32 GiB and the swap are 30515 MiB, shared_buffers and 16 processes 8352 MiB.
  const tooMuch =
    /vm.overcommit_memory = 2 with vm.overcommit_ratio = 90 would let 30515 MiB be promised there; 22163 MiB are promised \(Committed_AS of \/proc\/meminfo\) and the server needs 8352 MiB more, so that nothing could start any more, .*tuneSystem: false$/m;

  it("is left alone where more memory is promised than the kernel would allow then, which is told before anything is changed", async () => {
    await promised(30515 - 8352);
    const [problem = "", ...others] = await look();
    assert.deepEqual(others, []);
    assert.match(problem, tooMuch);
    const { code, stderr } = await tried(...tuning(3000, 4));
    assert.equal(code, 1);
    assert.match(stderr, /^host "a": vm.overcommit_memory/);
    assert.match(stderr, tooMuch);
    assert.equal(
      await host.must("ls /etc/sysctl.d/60-pulumi-citus.conf 2>/dev/null; grep -e -p /srv/sysctl.calls; true"),
      "",
    );
    await promised(30515 - 8352 - 1);
    assert.deepEqual(await look(), []);
  });

  it("gets the plan's settings, in force at once where they can be", async () => {
    assert.equal(
      await tune(3000, 4),
      `wrote /etc/sysctl.d/60-pulumi-citus.conf
sets vm.overcommit_ratio vm.overcommit_memory net.core.somaxconn
wrote /etc/systemd/system/${unit()}.d/pulumi-citus.conf
`,
    );
    assert.equal(
      await host.must("grep -v '^#' /etc/sysctl.d/60-pulumi-citus.conf"),
      "vm.overcommit_ratio = 90\nvm.overcommit_memory = 2\nnet.core.somaxconn = 6000",
    );
    assert.equal(await host.must("cat /proc/sys/net/core/somaxconn"), "6000");
    assert.equal(await shown("LimitNOFILESoft"), "2048");
    assert.equal(await shown("LimitNOFILE"), "524288");
    assert.equal(await host.must("stat -c '%a %U' /etc/sysctl.d/60-pulumi-citus.conf"), "644 root");
  });

  it("gets nothing the second time", async () => {
    const before = await host.must("ls -lR --time-style=full-iso /etc/sysctl.d /etc/systemd/system");
    await host.must(": >/srv/sysctl.calls");
    assert.equal(await tune(3000, 4), "");
    assert.equal(await host.must("ls -lR --time-style=full-iso /etc/sysctl.d /etc/systemd/system"), before);
    assert.ok(!(await host.must("cat /srv/sysctl.calls")).includes("-p"), "the kernel was asked only");
  });

  it("is not asked about memory again once the kernel keeps to it", async () => {
    await promised(30515);
    assert.deepEqual(await look(), []);
    assert.equal(await tune(3000, 4), "");
  });

  it("says what waits for the server's next start, and starts nothing again by itself", async () => {
    await run(["components/hosts/data-folder.sh", "components/hosts/create-ssh-host.sh"], { FIREWALL: "none" });
    await run(["tests/components/hosts/start-unit.sh"]);
    const server = await host.must("pgrep -ox postgres");
    assert.equal(await tune(3000, 4), "", "the running server has the settings");
    const told = await tune(4000, 100);
    assert.match(
      told,
      /in force from the server's next start on: net.core.somaxconn LimitNOFILE \(systemctl restart postgresql@\d+-citus.service\)\n$/,
    );
    assert.equal(await host.must("pgrep -ox postgres"), server);
    await host.must(`systemctl restart ${unit()}`);
    assert.equal(await tune(4000, 100), "");
    assert.equal(await host.must("awk '/^Max open files/ { print $4 }' /proc/$(pgrep -ox postgres)/limits"), "4096");
  });

  it("counts the memory of its own server once", async () => {
    const shared = await host.must(
      "awk '/dev.zero/ { getline; kb += $2 } END { print int(kb / 1024) }' /proc/$(pgrep -ox postgres)/smaps",
    );
    assert.ok(Number(shared) > 100, `${shared} MiB of shared memory`);
    await host.must("echo 'vm.overcommit_memory = 0' >/srv/sysctl.memory");
    await promised(30515 - 8352 + Number(shared));
    assert.match((await look()).join(), new RegExp(`the server needs ${String(8352 - Number(shared))} MiB more`));
    await promised(30515 - 8352 + Number(shared) - 1);
    assert.deepEqual(await look(), []);
    await tune(4000, 100);
  });

  it("is mended where somebody changed a file, the kernel, or stopped before units were read anew", async () => {
    await host.must(`echo 'vm.overcommit_memory = 0' >/etc/sysctl.d/60-pulumi-citus.conf
      /usr/sbin/sysctl.real -q -w net.core.somaxconn=128
      sed -i 's/4096/1024/' /etc/systemd/system/${unit()}.d/pulumi-citus.conf`);
    const told = await tune(4000, 100);
    assert.match(told, /^wrote \/etc\/sysctl.d\/60-pulumi-citus.conf\nsets net.core.somaxconn\nwrote \/etc\/systemd/);
    assert.equal(await host.must("cat /proc/sys/net/core/somaxconn"), "8000");
    assert.equal(await shown("LimitNOFILESoft"), "4096");
    assert.equal(await shown("NeedDaemonReload"), "no");
  });

  it("comes back after a reboot", async () => {
    await host.reboot();
    assert.equal(await shown("LimitNOFILESoft"), "4096");
    assert.match(await host.must("cat /etc/sysctl.d/60-pulumi-citus.conf"), /somaxconn = 8000/);
  });
});
