/** Certificates: the cluster's own authority, one certificate per node, one for the operator, one per login role. By @pulumi/tls, ECDSA P-256.
 *  Stage between hosts and node configuration. Who may be whom: pg_ident.conf, written by node-configuration. */
import { isIP } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { checkHostAddress, checkRoleName } from "../sizing/names";
import { describeProblems, type Problem } from "../sizing/problem";

/** Arguments of {@link Certificates}. */
export interface CertificatesArgs {
  /** Nodes by their stable keys. The certificate's common name is `node:<key>`, its subject alternative name the address. */
  readonly nodes: Readonly<Record<string, { readonly address: pulumi.Input<string> }>>;
  /** Roles that log in with a certificate of their own name. Not postgres, not operator, no ":" in it. @default [] */
  readonly loginRoles?: readonly string[];
  /** How long the authority and the operator's certificate are valid. Unit: days. Range: 2 to 36500. Changing it issues everything anew. @default 3650 */
  readonly authorityValidityDays?: number;
  /** How long the certificates of nodes and login roles are valid. Unit: days. Range: 2 to 397. Changing it issues them anew. @default 397 */
  readonly nodeValidityDays?: number;
  /** How long before its end an `up` renews a certificate. Unit: days. Range: 1 to less than `nodeValidityDays`. @default 30 */
  readonly earlyRenewalDays?: number;
}

/** A certificate and its key, PEM. */
export interface KeyPair {
  readonly certificate: pulumi.Output<string>;
  /** Secret. */
  readonly privateKey: pulumi.Output<string>;
}

/** Every certificate of one cluster. */
export class Certificates extends pulumi.ComponentResource {
  static readonly type = "citus:index:Certificates";
  /** Certificate of the authority, PEM. */
  readonly authority: pulumi.Output<string>;
  /** Private key of the authority, PEM (SEC1). Secret; it goes to no node. */
  readonly authorityKey: pulumi.Output<string>;
  /** By the node's key: for its server, and for its connections to other nodes. */
  readonly nodes: Readonly<Record<string, KeyPair>>;
  /** For the superuser, from the operator's networks. */
  readonly operator: KeyPair;
  /** By the role's name. */
  readonly loginRoles: Readonly<Record<string, KeyPair>>;
  /** Certificates that a revocation list is made from: of nodes as `node:<key>`, of login roles by their names. */
  readonly revocable: Readonly<Record<string, pulumi.Output<string>>>;

  /** @throws pulumi.RunError with everything that is wrong with the arguments, before anything is made */
  constructor(name: string, args: CertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
    const problems = checkCertificates(args);
    if (problems.length > 0)
      throw new pulumi.RunError(`${Certificates.type} "${name}" cannot be made:\n${describeProblems(problems)}`);
    const { authorityDays, nodeDays, renewalDays } = validity(args);
    super(Certificates.type, name, { authorityDays, nodeDays, renewalDays }, opts);

    const authority = makeAuthority(name, authorityDays, renewalDays, this);
    const issue = (child: string, commonName: string, days: number, address?: pulumi.Input<string>): KeyPair =>
      issueCertificate(`${name}-${child}`, { commonName, days, renewalDays, address }, authority, this);

    this.authority = pulumi.unsecret(authority.certificate.certPem);
    this.authorityKey = pulumi.secret(authority.key.privateKeyPem);
    this.nodes = Object.fromEntries(
      Object.entries(args.nodes).map(([key, { address }]) => [
        key,
        issue(`node-${key}`, `node:${key}`, nodeDays, address),
      ]),
    );
    // As long as the authority: a renewed operator would be a change of every SQL resource.
    this.operator = issue("operator", "operator", authorityDays);
    this.loginRoles = Object.fromEntries(
      (args.loginRoles ?? []).map((role) => [role, issue(`role-${role}`, role, nodeDays)]),
    );
    this.revocable = {
      ...Object.fromEntries(Object.entries(this.nodes).map(([key, { certificate }]) => [`node:${key}`, certificate])),
      ...Object.fromEntries(Object.entries(this.loginRoles).map(([role, { certificate }]) => [role, certificate])),
    };
    this.registerOutputs({ authority: this.authority });
  }
}

interface Authority {
  readonly key: tls.PrivateKey;
  readonly certificate: tls.SelfSignedCert;
}

// TLS 1.3 has no weak curves; P-256 is what every client has.
const keyArgs = { algorithm: "ECDSA", ecdsaCurve: "P256" };

function makeAuthority(name: string, days: number, renewalDays: number, parent: pulumi.Resource): Authority {
  const key = new tls.PrivateKey(`${name}-authority`, keyArgs, { parent });
  const certificate = new tls.SelfSignedCert(
    `${name}-authority`,
    {
      privateKeyPem: key.privateKeyPem,
      subject: { commonName: name },
      isCaCertificate: true,
      setAuthorityKeyId: true,
      allowedUses: ["cert_signing", "crl_signing"],
      validityPeriodHours: hours(days),
      earlyRenewalHours: hours(renewalDays),
    },
    { parent },
  );
  return { key, certificate };
}

interface Wanted {
  readonly commonName: string;
  readonly days: number;
  readonly renewalDays: number;
  /** What others dial; undefined for those that only dial themselves. */
  readonly address?: pulumi.Input<string>;
}

function issueCertificate(name: string, wanted: Wanted, authority: Authority, parent: pulumi.Resource): KeyPair {
  const { commonName, days, renewalDays, address } = wanted;
  const key = new tls.PrivateKey(name, keyArgs, { parent });
  const request = new tls.CertRequest(
    name,
    {
      privateKeyPem: key.privateKeyPem,
      subject: { commonName },
      ...(address === undefined ? {} : alternativeNames(address)),
    },
    { parent },
  );
  const certificate = new tls.LocallySignedCert(
    name,
    {
      certRequestPem: request.certRequestPem,
      caPrivateKeyPem: authority.key.privateKeyPem,
      caCertPem: authority.certificate.certPem,
      allowedUses: ["digital_signature", ...(address === undefined ? [] : ["server_auth"]), "client_auth"],
      setSubjectKeyId: true,
      validityPeriodHours: hours(days),
      earlyRenewalHours: hours(renewalDays),
    },
    { parent },
  );
  return { certificate: pulumi.unsecret(certificate.certPem), privateKey: pulumi.secret(key.privateKeyPem) };
}

/** libpq compares an IP address with IP names only, and a name with DNS names only. */
function alternativeNames(address: pulumi.Input<string>): Pick<tls.CertRequestArgs, "dnsNames" | "ipAddresses"> {
  const known = pulumi.output(address);
  return {
    dnsNames: known.apply((text) => (isIP(text) === 0 ? [text] : [])),
    ipAddresses: known.apply((text) => (isIP(text) === 0 ? [] : [text])),
  };
}

const hours = (days: number) => days * 24;

const validity = ({
  authorityValidityDays = 3650,
  nodeValidityDays = longestNodeDays,
  earlyRenewalDays = 30,
}: CertificatesArgs) => ({
  authorityDays: authorityValidityDays,
  nodeDays: nodeValidityDays,
  renewalDays: earlyRenewalDays,
});

// CA/Browser Forum Baseline Requirements §6.3.2, the bound that clients know.
const longestNodeDays = 397;
const longestAuthorityDays = 36_500;

/** Everything wrong with the arguments, paths as the user wrote them. Pure. */
export function checkCertificates(args: CertificatesArgs): readonly Problem[] {
  const { authorityDays, nodeDays, renewalDays } = validity(args);
  const days = (path: string, value: number, least: number, most: number): Problem[] =>
    Number.isInteger(value) && value >= least && value <= most
      ? []
      : [{ path, reason: `must be a whole number of days from ${least} to ${most}, got ${String(value)}` }];
  const ranges = [
    ...days("authorityValidityDays", authorityDays, 2, longestAuthorityDays),
    ...days("nodeValidityDays", nodeDays, 2, longestNodeDays),
    ...days("earlyRenewalDays", renewalDays, 1, longestAuthorityDays),
  ];
  const shortest = Math.min(authorityDays, nodeDays);
  const renewal =
    ranges.length === 0 && renewalDays >= shortest
      ? [
          {
            path: "earlyRenewalDays",
            reason: `must be shorter than the shortest validity, ${shortest} days, got ${renewalDays}: every run would issue all certificates anew`,
          },
        ]
      : [];
  return [...ranges, ...renewal, ...checkNodes(args), ...checkLoginRoles(args.loginRoles ?? [])];
}

function checkNodes({ nodes }: CertificatesArgs): readonly Problem[] {
  return Object.entries(nodes).flatMap(([key, { address }]): Problem[] => {
    const path = `nodes.${key}`;
    const keyProblem = /^[A-Za-z0-9][A-Za-z0-9._-]{0,57}$/.test(key)
      ? []
      : [{ path, reason: `${JSON.stringify(key)} is no key of a node; use 1 to 58 letters, digits, ".", "_" and "-"` }];
    const reason = typeof address === "string" ? checkHostAddress(address) : undefined;
    return reason === undefined ? keyProblem : [...keyProblem, { path: `${path}.address`, reason }];
  });
}

function checkLoginRoles(roles: readonly string[]): readonly Problem[] {
  return roles.flatMap((role, index): Problem[] => {
    const reason =
      loginRoleProblem(role) ?? (roles.indexOf(role) < index ? `${JSON.stringify(role)} is there twice` : undefined);
    return reason === undefined ? [] : [{ path: `loginRoles[${index}]`, reason }];
  });
}

/** A certificate of that name would be taken for a node, the operator or the superuser. */
function loginRoleProblem(role: string): string | undefined {
  if (role === "postgres") return '"postgres" is the superuser, who logs in with the operator\'s certificate';
  if (role === "operator") return '"operator" is the name of the operator\'s certificate, which is the superuser';
  if (role.includes(":")) return `${JSON.stringify(role)} must not hold ":", which marks certificates of nodes`;
  if (role.startsWith("/"))
    return `${JSON.stringify(role)} must not begin with "/", which marks a pattern in pg_hba.conf`;
  return checkRoleName(role);
}
