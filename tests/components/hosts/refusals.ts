/** What makes a machine unusable, one row each: how it comes about on a test host, how it is mended, and what is said of it. */
import type { SshAddress } from "../../../providers/dynamic/engine/ssh";
import type { TestHost } from "../../support/hosts/hosts";
import { sshKeys } from "../../support/ssh-keys";

/** One mistake on host "a", or on the way to it. */
export interface Refusal {
  readonly why: string;
  /** Spoils the host; resolved once that is in force. */
  readonly spoil?: (host: TestHost, bastion: TestHost) => unknown;
  /** Makes it good again. */
  readonly mend?: (host: TestHost, bastion: TestHost) => unknown;
  /** Where the mistake is in the arguments. */
  readonly address?: Partial<SshAddress>;
  readonly throughBastion?: true;
  readonly message: RegExp;
}

/** Each machine on the way has 10 s to let us in, then the script has 60 s. */
export const deadlineSeconds = 85;

const other = sshKeys();

/** The rows. The hosts of a test are "a" and "bastion". */
export const refusals: readonly Refusal[] = [
  {
    why: "a private key that it does not know",
    address: { privateKey: other.private },
    message: /admin@10\.77\.0\.\d+:22.*(refuses|key)/,
  },
  {
    why: "another host key than the pinned one",
    address: { hostKey: other.public },
    message: /host key.*ssh-keyscan/s,
  },
  {
    why: "no rights by sudo",
    spoil: (at) => at.must("mv /etc/sudoers.d/tests /etc/tests"),
    mend: (at) => at.must("mv /etc/tests /etc/sudoers.d/tests"),
    message:
      /cannot use host "a": admin lacks rights by sudo; .* admin ALL=\(postgres\) NOPASSWD: ALL; admin ALL=\(root\) NOPASSWD: \S*systemctl start postgresql@/,
  },
  {
    why: "a full disk",
    spoil: (at) => at.fillDisk(40),
    mend: (at) => at.freeDisk(),
    message: /cannot use host "a": only \d+ MiB are free .*; free some/,
  },
  {
    why: "a closed SSH port",
    spoil: (at) => at.must("systemctl stop ssh"),
    mend: (at) => at.must("systemctl start ssh"),
    message: /10\.77\.0\.\d+:22.*(refused|ECONNREFUSED)/,
  },
  {
    why: "another operating system",
    spoil: (at) =>
      at.must("mv /etc/os-release /etc/former; printf 'ID=alpine\\nPRETTY_NAME=Alpine\\n' >/etc/os-release"),
    mend: (at) => at.must("mv /etc/former /etc/os-release"),
    message: /cannot use host "a": it is neither Debian nor Ubuntu/,
  },
  {
    why: "half-installed packages",
    spoil: (at) =>
      at.must(
        `cp /var/lib/dpkg/status /etc/status; printf '\\nPackage: postgresql-99-half\\nStatus: install ok half-configured\\nArchitecture: all\\nMaintainer: nobody\\nVersion: 1\\nDescription: half\\n\\n' >>/var/lib/dpkg/status`,
      ),
    mend: (at) => at.must("mv /etc/status /var/lib/dpkg/status"),
    message: /packages are half installed: postgresql-99-half; run dpkg --configure -a/,
  },
  {
    why: "another PostgreSQL on the port",
    spoil: (at) =>
      at.must(
        "v=$(ls /usr/lib/postgresql | tail -n 1); LC_ALL=C pg_createcluster $v other -p 5432 -o listen_addresses='*' >/dev/null; systemctl start postgresql@$v-other",
      ),
    mend: (at) => at.must("v=$(ls /usr/lib/postgresql | tail -n 1); pg_dropcluster --stop $v other"),
    message: /port 5432 on 10\.77\.0\.\d+ is taken.*; stop that process or choose another port/,
  },
  {
    why: "a clock that is behind",
    spoil: (at) =>
      at.must(
        `printf '#!/bin/sh\\n/bin/date -d "10 minutes ago" "$@"\\n' >/usr/local/bin/date; chmod 755 /usr/local/bin/date`,
      ),
    mend: (at) => at.must("rm /usr/local/bin/date"),
    message: /its clock is \d+ s behind the clock of this machine, .*timedatectl/,
  },
  {
    why: "a machine that accepts TCP and says nothing",
    spoil: (at) => at.freeze("sshd"),
    mend: (at) => at.thaw("sshd"),
    message: /10\.77\.0\.\d+:22.*takes the connection and says nothing/,
  },
  {
    why: "a bastion that refuses to forward",
    spoil: (_, bastion) => bastion.must("echo 'AllowTcpForwarding no' >>/etc/ssh/sshd_config; systemctl restart ssh"),
    mend: (_, bastion) => bastion.must("sed -i /AllowTcpForwarding/d /etc/ssh/sshd_config; systemctl restart ssh"),
    throughBastion: true,
    message: /admin@10\.77\.0\.\d+:22.*(forward|prohibited)/,
  },
];

/** Everything on a host that somebody who only looks could have changed, with its time of change. */
export const traces = (host: TestHost) =>
  host.must(
    "find /etc /var/lib/dpkg /var/lib/postgresql -xdev -path '/var/lib/postgresql/*/*/*' -prune -o -printf '%p %s %C@\\n' | sort; systemctl list-unit-files 'postgresql*' --no-legend",
  );
