/** A small signed apt repository that a test makes and serves itself: of the packages that are installed here, as they are, and of made ones. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Fields of a package's control file, and what it holds. */
export interface MadePackage {
  readonly name: string;
  readonly version: string;
  readonly depends?: string;
  /** Files of this machine that it brings. @default [] */
  readonly files?: readonly string[];
  /** Texts by path that it brings. @default {} */
  readonly texts?: Readonly<Record<string, string>>;
  /** Script that ends its installation. */
  readonly postinst?: string;
}

/** A key that signs. */
export class SigningKey {
  private readonly folder = mkdtempSync(join(tmpdir(), "gpg-"));

  constructor() {
    this.gpg(["--passphrase", "", "--quick-gen-key", "test", "ed25519", "sign", "never"]);
  }

  /** ASCII armour. */
  get publicKey(): string {
    return this.gpg(["--armor", "--export"]);
  }

  clearSign(text: string): string {
    return this.gpg(["--clearsign"], text);
  }

  remove(): void {
    execFileSync("gpgconf", ["--homedir", this.folder, "--kill", "all"]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private gpg(args: readonly string[], input = ""): string {
    const options = ["--homedir", this.folder, "--batch", "--quiet", "--pinentry-mode", "loopback"];
    return execFileSync("gpg", [...options, ...args], { input, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });
  }
}

/** Packages of the server that is installed here; its major is 0 where there is none. */
export function repackedServer(): { readonly major: number; readonly packages: readonly string[] } {
  const folder = "/var/lib/dpkg/info";
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const major = Math.max(0, ...files.flatMap((file) => /^postgresql-(\d+)\.list$/.exec(file)?.[1] ?? []).map(Number));
  const ofMajor = [`postgresql-client-${String(major)}`, `postgresql-${String(major)}`];
  return { major, packages: ["postgresql-common", "postgresql-client-common", ...ofMajor] };
}

/** Why no repository can be made here, or undefined. */
export function missingForRepository(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(":");
  const programs = ["gpg", "gpgconf", "dpkg-deb", "dpkg-query", "apt-get"];
  const missing = programs.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  const { major } = repackedServer();
  const isThere = existsSync(`/usr/lib/postgresql/${String(major)}/bin/initdb`);
  return isThere ? undefined : "the distribution's package of PostgreSQL is not installed";
}

/** Script of a machine that then is as it comes: without a trace of the PostgreSQL that is installed here. */
export const bareMachine = `
  export DEBIAN_FRONTEND=noninteractive
  dpkg-query -W -f '\${Package}\\n' 'postgresql*' | xargs dpkg --purge --force-depends >/dev/null 2>&1
  rm -rf /usr/lib/postgresql /usr/share/postgresql /usr/share/doc/postgresql-* /var/lib/postgresql /etc/postgresql* /var/cache/apt/*.bin
  userdel postgres
  # Containers have one that starts no service.
  rm -f /usr/sbin/policy-rc.d
  apt-get check`;

const architecture = () => execFileSync("dpkg", ["--print-architecture"], { encoding: "utf8" }).trim();

/** One folder with packages, one suite, one component. */
export class AptRepository {
  private readonly folder = mkdtempSync(join(tmpdir(), "apt-"));
  private server: Server | undefined;

  /** Takes a package that is installed here, with its scripts, as it was. */
  repack(name: string): void {
    const control = execFileSync("dpkg-query", ["--status", name], { encoding: "utf8" })
      .split("\n")
      .filter((line) => !/^Status:/.test(line))
      .join("\n")
      .replace(/^Conffiles:\n( .*\n)*/m, "");
    const files = execFileSync("dpkg-query", ["--listfiles", name], { encoding: "utf8" }).trimEnd().split("\n");
    const root = this.newRoot();
    writeFileSync(join(root, "DEBIAN/control"), control);
    const info = "/var/lib/dpkg/info";
    for (const file of readdirSync(info)) {
      const [, member = ""] =
        /^[^:]+(?::\w+)?\.(preinst|postinst|prerm|postrm|conffiles|triggers|config|templates)$/.exec(file) ?? [];
      if (member !== "" && file.split(/[:]|\.(?=\w+$)/)[0] === name)
        cpSync(join(info, file), join(root, "DEBIAN", member));
    }
    for (const file of files) this.take(root, file);
    this.pack(root, name);
  }

  /** Makes one. */
  add({ name, version, depends, files = [], texts = {}, postinst }: MadePackage): void {
    const root = this.newRoot();
    const fields = [
      `Package: ${name}`,
      `Version: ${version}`,
      `Architecture: ${architecture()}`,
      "Maintainer: tests <tests@example.invalid>",
      ...(depends === undefined ? [] : [`Depends: ${depends}`]),
      "Description: made by a test",
    ];
    writeFileSync(join(root, "DEBIAN/control"), `${fields.join("\n")}\n`);
    if (postinst !== undefined)
      writeFileSync(join(root, "DEBIAN/postinst"), `#!/bin/sh\nset -e\n${postinst}\n`, { mode: 0o755 });
    for (const file of files) this.take(root, file);
    for (const [path, text] of Object.entries(texts)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    this.pack(root, name);
  }

  /** Writes the suite's index and signs it. */
  publish(suite: string, key: SigningKey): void {
    const packages = readdirSync(this.folder)
      .filter((file) => file.endsWith(".deb"))
      .map((file) => {
        const content = readFileSync(join(this.folder, file));
        const control = execFileSync("dpkg-deb", ["--field", join(this.folder, file)], { encoding: "utf8" }).trimEnd();
        return `${control}\nFilename: ${file}\nSize: ${String(content.length)}\nSHA256: ${sha256(content)}\n`;
      })
      .join("\n");
    const index = `main/binary-${architecture()}/Packages`;
    const dists = join(this.folder, "dists", suite);
    mkdirSync(dirname(join(dists, index)), { recursive: true });
    writeFileSync(join(dists, index), packages);
    const release = [
      `Suite: ${suite}`,
      `Codename: ${suite}`,
      "Components: main",
      `Architectures: ${architecture()}`,
      `Date: ${new Date().toUTCString().replace("GMT", "UTC")}`,
      "SHA256:",
      ` ${sha256(Buffer.from(packages))} ${String(Buffer.byteLength(packages))} ${index}`,
    ];
    writeFileSync(join(dists, "InRelease"), key.clearSign(`${release.join("\n")}\n`));
  }

  /** Serves it at that address; gives the URL. */
  async serve(address: string): Promise<string> {
    const server = createServer((request, response) => {
      const file = join(this.folder, decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname));
      if (!existsSync(file) || !statSync(file).isFile()) response.writeHead(404).end();
      else response.end(readFileSync(file));
    });
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.on("error", reject).listen(0, address, resolve);
    });
    return `http://${address}:${String((server.address() as AddressInfo).port)}`;
  }

  /** Whoever asks from now on is refused. */
  async close(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    server?.closeAllConnections();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private newRoot(): string {
    const root = mkdtempSync(join(this.folder, "root-"));
    mkdirSync(join(root, "DEBIAN"));
    return root;
  }

  private take(root: string, file: string): void {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) mkdirSync(join(root, file), { recursive: true });
    // What an administrator has left out of the installation is not there.
    if (found?.isFile() !== true) return;
    mkdirSync(dirname(join(root, file)), { recursive: true });
    cpSync(file, join(root, file), { verbatimSymlinks: true });
  }

  private pack(root: string, name: string): void {
    execFileSync("dpkg-deb", ["--root-owner-group", "-Znone", "--build", root, join(this.folder, `${name}.deb`)], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    rmSync(root, { recursive: true });
  }
}

const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");
