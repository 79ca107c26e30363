/** NodeConfiguration: settings, pg_hba.conf, pg_ident.conf, certificates of every node; one script per host, all hosts at once.
 *  Reloads, or restarts once where PostgreSQL says so. After the hosts, before databases. Citus 13.0 or newer, PostgreSQL 15 or newer. */
import * as pulumi from "@pulumi/pulumi";
import type { Host, Hosts } from "./hosts/host";
import type { ScriptRun } from "./hosts/shell";
import {
  hbaFile,
  identFile,
  nodeConninfo,
  nodeSettings,
  settingsFile,
  type Settings,
} from "./node-configuration/files";

/** Certificate and private key of one node, PEM. */
export interface NodeCertificate {
  readonly certificate: pulumi.Input<string>;
  readonly privateKey: pulumi.Input<string>;
}

/** Arguments of {@link NodeConfiguration}. */
export interface NodeConfigurationArgs {
  /** The hosts to configure. */
  readonly hosts: Hosts;
  /** Authority that signed every certificate, PEM. */
  readonly authority: pulumi.Input<string>;
  /** Certificate of each node, by the host's key. It names the host's address. */
  readonly certificates: Readonly<Record<string, NodeCertificate>>;
  /** Revocation list to begin with, PEM. A newer one of the same authority on the host stays; {@link Fencing} brings later ones. */
  readonly revocationList: pulumi.Input<string>;
  /** Settings of each node, by the host's key. @default - none besides what the cluster needs */
  readonly settings?: Readonly<Record<string, Settings>>;
  /** Libraries to preload after citus, on every node. @default [] */
  readonly preload?: readonly string[];
  /** Roles that log in. PostgreSQL 15 lets nodes act for these only. @default [] */
  readonly loginRoles?: readonly string[];
  /** Networks or addresses from which the operator's certificate is taken. @default - the nodes' own addresses */
  readonly operatorNetworks?: readonly string[];
  /** Networks or addresses from which roles log in, with a password but for `certificateRoles`. @default [] */
  readonly clientNetworks?: readonly string[];
  /** Roles that log in by certificate from `clientNetworks`. @default [] */
  readonly certificateRoles?: readonly string[];
}

/** Configures PostgreSQL on every host and has it running with that configuration. */
export class NodeConfiguration extends pulumi.ComponentResource {
  static readonly type = "citus:index:NodeConfiguration";
  /** By the host's key: resolved once the node runs with its configuration. What needs the node depends on it. */
  readonly configured: Readonly<Record<string, pulumi.Resource>>;
  /** By the host's key, what the last run did: `started`, `reloaded`, `restarted: <settings>` or `unchanged`. */
  readonly outcomes: Readonly<Record<string, pulumi.Output<string>>>;
  /** By the host's key: every setting of its configuration file that does not depend on the machine. */
  readonly settings: Readonly<Record<string, pulumi.Output<Settings>>>;
  /** By the host's key: the exact pg_hba.conf, for fencing. */
  readonly hba: Readonly<Record<string, pulumi.Output<string>>>;
  /** By the host's key: whom the exact firewall lets in, for fencing. */
  readonly allowed: Readonly<Record<string, pulumi.Output<string>>>;

  constructor(name: string, args: NodeConfigurationArgs, opts?: pulumi.ComponentResourceOptions) {
    const files = eachHost(args.hosts, (host) => nodeFiles(host, args));
    // Plain values, so that a preview shows which line of which node changes; the script's input is secret.
    super(NodeConfiguration.type, name, { nodes: eachHost(files, ({ visible }) => visible) }, opts);

    const runs = eachHost(args.hosts, (host, key) => configure(`${name}-${key}`, host, args, files[key], this));
    this.configured = eachHost(runs, ({ resource }) => resource);
    this.outcomes = eachHost(runs, ({ outcome }) => outcome);
    this.settings = eachHost(files, ({ settings }) => settings);
    this.hba = eachHost(files, ({ hba }) => hba);
    this.allowed = eachHost(files, ({ allowed }) => allowed);
    this.registerOutputs({ outcomes: this.outcomes });
  }
}

/** The texts that one node gets. */
interface NodeFiles {
  readonly settings: pulumi.Output<Settings>;
  readonly hba: pulumi.Output<string>;
  /** Addresses and networks that may dial it, one a line. */
  readonly allowed: pulumi.Output<string>;
  readonly visible: pulumi.Output<{ settings: Settings; hba: string[] }>;
}

function nodeFiles(host: Host, args: NodeConfigurationArgs): NodeFiles {
  const addresses = pulumi.all(Object.values(args.hosts).map(({ address }) => address));
  const settings = pulumi.output(host.address).apply((address) =>
    nodeSettings({
      address,
      port: host.port,
      preload: args.preload ?? [],
      settings: args.settings?.[host.key] ?? {},
    }),
  );
  const dialling = addresses.apply((nodes) => ({
    nodes,
    operatorNetworks: args.operatorNetworks ?? nodes,
    clientNetworks: args.clientNetworks ?? [],
  }));
  const hba = dialling.apply((networks) =>
    hbaFile({ osUser: host.osUser, certificateRoles: args.certificateRoles ?? [], ...networks }),
  );
  const allowed = dialling.apply((networks) => [...new Set(Object.values(networks).flat())].sort().join("\n"));
  const visible = pulumi.all([settings, hba]).apply(([set, lines]) => ({ settings: set, hba: lines.split("\n") }));
  return { settings, hba, allowed, visible };
}

function configure(
  name: string,
  host: Host,
  args: NodeConfigurationArgs,
  files: NodeFiles | undefined,
  parent: pulumi.Resource,
): ScriptRun {
  const certificate = args.certificates[host.key];
  if (files === undefined || certificate === undefined) {
    throw new pulumi.RunError(`certificates.${host.key}: is missing; every host needs a certificate`);
  }
  const ident = (postgresVersion: number) =>
    identFile({ osUser: host.osUser, loginRoles: args.loginRoles ?? [], postgresVersion });
  return host.shell.run(
    name,
    {
      files: [
        ...(host.beforeConfiguration?.files ?? []),
        "components/node-configuration/server-files.sh",
        ...firewallFiles(host),
        "components/node-configuration/configure.sh",
      ],
      values: {
        ...host.beforeConfiguration?.values,
        ...firewallValues(host, files.allowed, false),
        ADDRESS: host.address,
        PORT: String(host.port),
        SETTINGS: files.settings.apply(settingsFile),
        HBA: files.hba,
        // The host's own version decides which of the two it takes.
        IDENT: ident(16),
        IDENT_15: ident(15),
        NODE_CONNINFO: nodeConninfo,
        CA: args.authority,
        CERTIFICATE: certificate.certificate,
        PRIVATE_KEY: certificate.privateKey,
        REVOCATION_LIST: args.revocationList,
      },
      asServer: true,
    },
    { parent, dependsOn: [host.created] },
  );
}

/** What comes before a script that decides who gets in. */
export const firewallFiles = ({ firewall }: Host) => (firewall === true ? ["components/hosts/firewall.sh"] : []);

/** The values of {@link firewallFiles}. `exact` forgets whom a former configuration let in. */
export const firewallValues = (
  { firewall, port }: Host,
  allowed: pulumi.Input<string>,
  exact: boolean,
): Readonly<Record<string, pulumi.Input<string>>> =>
  firewall === true ? { PORT: String(port), ALLOWED: allowed, EXACT: exact ? "yes" : "no" } : {};

function eachHost<From, To>(
  hosts: Readonly<Record<string, From>>,
  make: (host: From, key: string) => To,
): Readonly<Record<string, To>> {
  return Object.fromEntries(Object.entries(hosts).map(([key, host]) => [key, make(host, key)]));
}
