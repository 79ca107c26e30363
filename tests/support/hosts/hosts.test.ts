/** The test hosts themselves: separate as machines are, and every fault is one that services notice. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { loginUser, startHosts, type TestHost, type TestHosts } from "./hosts";
import { requiresHosts } from "./namespaces";

describe("test hosts", function () {
  this.timeout(120_000);
  let hosts: TestHosts;

  before(async function () {
    requiresHosts(this);
    hosts = await startHosts(["a", "b"], { diskMiB: 200 });
  });
  after(async () => {
    await (hosts as TestHosts | undefined)?.remove();
  });

  /** What one command over SSH prints. */
  const ssh = async (host: TestHost, command: string) => {
    const { stdout, stderr } = await hosts.ssh(host.key, loginUser, command);
    return `${stdout}${stderr}`.trim();
  };

  /** A lost packet is sent again after a second: whoever is to be reached has longer than whoever is not. */
  const canDial = (from: TestHost, to: TestHost, seconds = 20) =>
    from
      .run(`timeout ${String(seconds)} bash -c 'exec 3<>/dev/tcp/${to.address}/22 && head -c 4 <&3'`)
      .then(({ stdout }) => stdout === "SSH-");

  it("each has its own name, address, root folder, processes and systemd", async () => {
    for (const host of hosts.all()) {
      assert.equal(await ssh(host, "hostname; whoami"), `${host.key}\n${loginUser}`);
      assert.equal(
        await host.must("cat /proc/1/comm; ls /root /home; ls /etc/postgresql"),
        "systemd\n/home:\n\n/root:",
      );
      assert.match(await host.must("ip -4 -o address show dev eth0"), new RegExp(`${host.address}/24`));
      await host.must(`echo ${host.key} >/etc/mark`);
    }
    assert.equal(await ssh(hosts.get("a"), "cat /etc/mark"), "a");
    assert.ok(!existsSync("/etc/mark"));
    assert.equal(await ssh(hosts.get("b"), "sudo -n id -un"), "root");
    assert.ok(await canDial(hosts.get("a"), hosts.get("b")));
  });

  it("settings of this machine's kernel are out of reach", async () => {
    const before = readFileSync("/proc/sys/vm/overcommit_memory", "utf8");
    assert.notEqual((await hosts.get("a").run("echo 2 >/proc/sys/vm/overcommit_memory")).code, 0);
    assert.equal(readFileSync("/proc/sys/vm/overcommit_memory", "utf8"), before);
  });

  it("a cut cable and dropped packets keep them apart until they are mended", async () => {
    const [a, b] = [hosts.get("a"), hosts.get("b")];
    b.cut();
    assert.ok(!(await canDial(a, b, 1)));
    b.mend();
    assert.ok(await canDial(a, b));
    b.dropFrom(a.address, 22);
    assert.ok(!(await canDial(a, b, 1)));
    assert.equal(await ssh(b, "hostname"), "b", "others get through");
    b.dropNothing();
    assert.ok(await canDial(a, b));
  });

  it("a full disk takes nothing until it is freed", async () => {
    const a = hosts.get("a");
    a.fillDisk();
    assert.match((await a.run("echo x >/var/lib/postgresql/x")).stderr, /No space left on device/);
    a.freeDisk();
    await a.must("echo x >/var/lib/postgresql/x");
  });

  it("a frozen sshd accepts connections and says nothing", async () => {
    const b = hosts.get("b");
    await b.freeze("sshd");
    const heard = await new Promise<string>((resolve) => {
      const socket = connect({ host: b.address, port: 22 });
      let accepted = "refused";
      socket.on("connect", () => {
        accepted = "accepted";
        socket.setTimeout(500, () => socket.destroy());
      });
      socket.on("data", () => (accepted = "answered"));
      socket.on("error", () => undefined).on("close", () => resolve(accepted));
    });
    assert.equal(heard, "accepted");
    await b.thaw("sshd");
    assert.equal(await ssh(b, "hostname"), "b");
  });

  it("what it wrote outlives a reboot and a kill; its processes and /run do not", async () => {
    const a = hosts.get("a");
    for (const end of [() => a.reboot(), () => a.kill().then(() => a.start())]) {
      await a.must("touch /var/lib/kept /run/gone");
      await end();
      assert.equal(
        await ssh(a, "ls /var/lib/kept /run/gone 2>&1"),
        "ls: cannot access '/run/gone': No such file or directory\n/var/lib/kept",
      );
    }
  });

  it("answers at its new address only, also after a reboot", async () => {
    const b = hosts.get("b");
    const former = b.address;
    b.changeAddress("10.77.0.99");
    assert.ok(await canDial(hosts.get("a"), b));
    await b.reboot();
    assert.equal(await ssh(b, "hostname"), "b");
    assert.notEqual((await hosts.get("a").run(`timeout 1 bash -c 'exec 3<>/dev/tcp/${former}/22'`)).code, 0);
  });
});
