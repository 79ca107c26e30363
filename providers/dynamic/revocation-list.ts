/** RevocationList: which certificates a cluster's authority has revoked, signed when it is made and whenever a certificate leaves.
 *  Touches no server: `Fencing` brings it to the nodes (ssl_crl_file, and sslcrl of citus.node_conninfo). Source: RFC 5280 §5. */
import type * as pulumi from "@pulumi/pulumi";
import type { Problem } from "../../sizing/problem";
import type { Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { equal } from "./engine/rules";
import { readAuthority, readCertificate } from "./revocation-list/authority";

/** What the list follows from. */
export interface RevocationListArgs {
  /**
   * Certificate of the authority, PEM. The list holds until it expires. Changing it signs anew; what was revoked stays
   * revoked if the key is the same, since certificates of before still count; with another key the list starts afresh.
   */
  authority: pulumi.Input<string>;
  /** Private key of the authority, PEM: EC or RSA, SEC1, PKCS#1 or PKCS#8. Secret. Changing it signs anew. */
  authorityKey: pulumi.Input<string>;
  /**
   * Every certificate that counts, PEM, by a stable key. Taking a key out revokes its certificate for good; changing the
   * certificate of a key (a renewal) does not.
   */
  certificates: pulumi.Input<Readonly<Record<string, pulumi.Input<string>>>>;
}

/** A revoked certificate. */
export interface Revoked {
  /** Its key in `certificates`. */
  readonly key: string;
  /** Serial number, decimal. */
  readonly serial: string;
  /** When it left, ISO 8601. */
  readonly revokedAt: string;
}

/** A certificate that was renewed and is still valid: it leaves together with its key. */
interface Renewed {
  readonly key: string;
  readonly serial: string;
  readonly expiresAt: string;
}

/** What the list is. */
export interface RevocationListState {
  /** The list that nodes begin with, PEM. It stays the same as long as the authority does. */
  readonly initial: string;
  /** The list with everything that is revoked, PEM. */
  readonly current: string;
  /** What is revoked, oldest first. */
  readonly revoked: readonly Revoked[];
  /** Serial numbers of all revoked certificates, decimal. */
  readonly revokedSerials: readonly string[];
  /** Certificates that a newer one of the same key has replaced. */
  readonly renewed: readonly Renewed[];
}

type Inputs = Resolved<RevocationListArgs>;

/** Keys whose certificates this change revokes, in the order of the former inputs. */
const leaving = (old: Pick<Inputs, "certificates">, i: Pick<Inputs, "certificates">) =>
  Object.keys(old.certificates).filter((key) => i.certificates[key] === undefined);

const sameKey = (one: string, other: string) => {
  const keyOf = (pem: string) => readCertificate(pem).publicKey.export({ type: "spki", format: "pem" });
  return keyOf(one) === keyOf(other);
};

/** What is revoked and what was renewed after the change. Pure. */
export function planRevocation(
  old: Pick<Inputs, "certificates"> & Pick<RevocationListState, "revoked" | "renewed">,
  i: Pick<Inputs, "certificates">,
  now: Date,
): Pick<RevocationListState, "revoked" | "renewed"> {
  const gone = leaving(old, i);
  const former = Object.entries(old.certificates).map(([key, pem]) => ({ key, ...identityOf(pem) }));
  const replaced = former.filter(({ key, serial }) => {
    const pem = i.certificates[key];
    return pem !== undefined && identityOf(pem).serial !== serial;
  });
  // A renewed certificate of a node works until it expires, so it has to be shut out with the node.
  const known = [...old.renewed, ...replaced].filter(({ expiresAt }) => new Date(expiresAt) > now);
  const revokedNow = [...known, ...former]
    .filter(({ key, serial }) => gone.includes(key) && !old.revoked.some((revoked) => revoked.serial === serial))
    .map(({ key, serial }) => ({ key, serial, revokedAt: now.toISOString() }));
  // A key that is back with the same certificate never left: its removal did not come to an end.
  const present = new Set(Object.values(i.certificates).map((pem) => identityOf(pem).serial));
  return {
    revoked: [...old.revoked, ...revokedNow].filter(({ serial }) => !present.has(serial)),
    renewed: known.filter(({ key }) => !gone.includes(key)),
  };
}

function identityOf(pem: string): { serial: string; expiresAt: string } {
  const { serialNumber, validTo } = readCertificate(pem);
  return { serial: BigInt(`0x${serialNumber}`).toString(), expiresAt: new Date(validTo).toISOString() };
}

// Loaded only where a list is signed: every run of the engine starts a process with this file, and hardly any of them signs.
const signing = () => import("./revocation-list/signing");

async function start(i: Inputs, now: Date): Promise<RevocationListState> {
  const { signRevocationList } = await signing();
  const empty = signRevocationList(i, [], now);
  return { initial: empty, current: empty, revoked: [], revokedSerials: [], renewed: [] };
}

async function signAnew(i: Inputs, old: Inputs & RevocationListState, now: Date): Promise<RevocationListState> {
  if (!sameKey(old.authority, i.authority)) return await start(i, now);
  const plan = planRevocation(old, i, now);
  const revokedSerials = plan.revoked.map(({ serial }) => serial);
  const sameAuthority = old.authority === i.authority;
  if (sameAuthority && equal(revokedSerials, old.revokedSerials))
    return { initial: old.initial, current: old.current, ...plan, revokedSerials };
  const { signRevocationList } = await signing();
  const current = signRevocationList(i, plan.revoked, now);
  // Nodes take the first list together with a renewed authority: what was revoked has to be in it, but not who leaves
  // in this very run, and must be let in until it is drained.
  const before = plan.revoked.filter(({ serial }) => old.revokedSerials.includes(serial));
  const initial = sameAuthority ? old.initial : signRevocationList(i, before, now);
  return { initial, current, ...plan, revokedSerials };
}

/** "node:a" is node "a"; any other key is the role that logs in with it. */
const ownerOf = (key: string) => (key.startsWith("node:") ? `node "${key.slice(5)}"` : `role "${key}"`);

const certificateProblem = (pem: string) => (isReadable(pem) ? undefined : "is not a certificate in PEM form");

function isReadable(pem: string): boolean {
  try {
    readCertificate(pem);
    return true;
  } catch {
    // Whatever OpenSSL says about it, the answer is the same.
    return false;
  }
}

export const revocationList: Kind<Inputs, RevocationListState> = {
  type: "RevocationList",
  fields: {
    authority: { onChange: "update", check: certificateProblem },
    authorityKey: { onChange: "update", secret: true },
    certificates: {
      onChange: "update",
      check: (certificates) =>
        Object.entries(certificates).flatMap(([key, pem]): Problem[] => {
          const reason = certificateProblem(pem);
          return reason === undefined ? [] : [{ path: key, reason }];
        }),
    },
  },
  outputs: ["initial", "current", "revoked", "revokedSerials", "renewed"],
  check: (i) => readAuthority(i).problems,
  id: (i) => readCertificate(i.authority).subject.replaceAll("\n", ", "),
  forecast: (old, i) =>
    sameKey(old.authority, i.authority)
      ? leaving(old, i).map((key) => `revokes the certificate of ${ownerOf(key)}`)
      : ["starts an empty revocation list, since the authority is another one"],
  // The list lives in state only, so that nothing can change behind our back.
  read: async (_i, _context, state) => (state === undefined ? undefined : { inputs: {}, state }),
  create: (i) => start(i, new Date()),
  update: (i, _context, old) => signAnew(i, old, new Date()),
  delete: async () => {
    // Nothing but state.
  },
};

/** The revocation list of one authority. See {@link RevocationListArgs}. */
export class RevocationList extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = revocationList;
  /** The list that nodes begin with, PEM. */
  declare readonly initial: pulumi.Output<string>;
  /** The list with everything that is revoked, PEM. */
  declare readonly current: pulumi.Output<string>;
  /** What is revoked, oldest first. */
  declare readonly revoked: pulumi.Output<readonly Revoked[]>;
  /** Serial numbers of all revoked certificates, decimal. */
  declare readonly revokedSerials: pulumi.Output<string[]>;

  constructor(name: string, args: RevocationListArgs, opts?: pulumi.CustomResourceOptions) {
    super(revocationList, name, args, opts);
  }
}
