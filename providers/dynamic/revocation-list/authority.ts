/** Reads an authority: its certificate, its key, and how that one signs. */
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import type { Problem } from "../../../sizing/problem";

/** An authority: its certificate and private key, PEM. */
export interface AuthorityPem {
  readonly authority: string;
  readonly authorityKey: string;
}

/** Parsed. @throws when the text is no certificate */
export const readCertificate = (pem: string) => new X509Certificate(pem);

/** The private key, or everything that keeps the authority from signing. No key is ever in a problem. */
export function readAuthority({ authority, authorityKey }: AuthorityPem): {
  readonly key?: KeyObject;
  readonly algorithm?: Algorithm;
  readonly problems: readonly Problem[];
} {
  const refuse = (path: string, reason: string) => ({ problems: [{ path, reason }] });
  const certificate = readCertificate(authority);
  if (!certificate.ca) return refuse("authority", "is not the certificate of an authority (CA:TRUE is missing)");
  const key = privateKey(authorityKey);
  if (key === undefined) return refuse("authorityKey", "is not a private key in PEM form, or is encrypted");
  if (!certificate.checkPrivateKey(key))
    return refuse("authorityKey", "does not belong to the authority's certificate");
  const algorithm = algorithmOf(key);
  if (algorithm === undefined)
    return refuse("authorityKey", `is of type ${String(key.asymmetricKeyType)}; use EC (P-256, P-384, P-521) or RSA`);
  return { key, algorithm, problems: [] };
}

function privateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's words name no cause that a user could act on.
    return undefined;
  }
}

interface Algorithm {
  /** As node:crypto names it. */
  readonly hash: string;
  /** Object identifier of the signature. */
  readonly identifier: string;
}

/** How the key signs; undefined for keys that we do not use. Source: RFC 5758 §3.2, RFC 4055 §5. */
function algorithmOf(key: KeyObject): Algorithm | undefined {
  if (key.asymmetricKeyType === "rsa") return { hash: "sha256", identifier: "1.2.840.113549.1.1.11" };
  return key.asymmetricKeyType === "ec" ? ecdsa.get(key.asymmetricKeyDetails?.namedCurve) : undefined;
}

const ecdsa = new Map<string | undefined, Algorithm>([
  ["prime256v1", { hash: "sha256", identifier: "1.2.840.10045.4.3.2" }],
  ["secp384r1", { hash: "sha384", identifier: "1.2.840.10045.4.3.3" }],
  ["secp521r1", { hash: "sha512", identifier: "1.2.840.10045.4.3.4" }],
]);
