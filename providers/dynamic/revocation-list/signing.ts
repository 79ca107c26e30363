/** Reads an authority and signs its revocation list (RFC 5280 §5) with @peculiar/x509, since the tls provider makes none. */
import { createPrivateKey, webcrypto, X509Certificate, type KeyObject } from "node:crypto";
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
  readonly problems: readonly Problem[];
} {
  const refuse = (path: string, reason: string) => ({ problems: [{ path, reason }] });
  const certificate = readCertificate(authority);
  if (!certificate.ca) return refuse("authority", "is not the certificate of an authority (CA:TRUE is missing)");
  const key = privateKey(authorityKey);
  if (key === undefined) return refuse("authorityKey", "is not a private key in PEM form, or is encrypted");
  if (!certificate.checkPrivateKey(key))
    return refuse("authorityKey", "does not belong to the authority's certificate");
  if (algorithmOf(key) === undefined)
    return refuse("authorityKey", `is of type ${String(key.asymmetricKeyType)}; use EC (P-256, P-384, P-521) or RSA`);
  return { key, problems: [] };
}

function privateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's words name no cause that a user could act on.
    return undefined;
  }
}

/** How the key signs, in the words of Web Cryptography; undefined for keys that we do not use. */
function algorithmOf(key: KeyObject): { name: string; hash: string; namedCurve?: string } | undefined {
  if (key.asymmetricKeyType === "rsa") return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  if (key.asymmetricKeyType !== "ec") return undefined;
  switch (key.asymmetricKeyDetails?.namedCurve) {
    case "prime256v1":
      return { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    case "secp384r1":
      return { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
    case "secp521r1":
      return { name: "ECDSA", namedCurve: "P-521", hash: "SHA-512" };
    default:
      return undefined;
  }
}

const hour = 3_600_000;

/** The signed list, PEM; valid as long as the authority. @throws when the authority has expired or cannot sign */
export async function signRevocationList(
  i: AuthorityPem,
  revoked: readonly { readonly serial: string; readonly revokedAt: string }[],
  now: Date,
): Promise<string> {
  const { key, problems } = readAuthority(i);
  const algorithm = key && algorithmOf(key);
  if (key === undefined || algorithm === undefined)
    throw new Error(problems.map(({ path, reason }) => `${path} ${reason}`).join("; "));
  // Loaded only where a list is signed: it takes 0.2 s, and every run of the engine starts a process with this file.
  // @peculiar/x509 needs reflect-metadata first and, from version 2 on, does not load it by itself.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const issuer = new x509.X509Certificate(i.authority);
  if (issuer.notAfter <= now)
    throw new Error(`the authority expired on ${issuer.notAfter.toISOString()}; make a new one`);
  const signingKey = await webcrypto.subtle.importKey(
    "pkcs8",
    key.export({ type: "pkcs8", format: "der" }),
    algorithm,
    false,
    ["sign"],
  );
  const list = await x509.X509CrlGenerator.create(
    {
      issuer: issuer.subjectName,
      // A node whose clock is late would take the list for one of the future, and refuse every connection.
      thisUpdate: new Date(Math.max(issuer.notBefore.getTime(), now.getTime() - hour)),
      nextUpdate: issuer.notAfter,
      signingAlgorithm: algorithm,
      signingKey,
      entries: revoked.map(({ serial, revokedAt }) => ({
        serialNumber: unsignedHex(BigInt(serial)),
        revocationDate: new Date(revokedAt),
        reason: x509.X509CrlReason.cessationOfOperation,
      })),
      extensions: [
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto),
        new x509.Extension("2.5.29.20", false, derInteger(BigInt(Math.floor(now.getTime() / 1000)))),
      ],
    },
    webcrypto,
  );
  // RFC 7468 §6: OpenSSL, and so PostgreSQL, knows this label only.
  return (
    list
      .toString("pem")
      .replaceAll(/ CRL-----/g, " X509 CRL-----")
      .trimEnd() + "\n"
  );
}

/** Whole bytes, with a leading zero byte where the number would else be negative (DER integers are signed). */
function unsignedHex(number: bigint): string {
  const digits = number.toString(16);
  const bytes = digits.length % 2 === 0 ? digits : `0${digits}`;
  return /^[89a-f]/.test(bytes) ? `00${bytes}` : bytes;
}

/** A short number as DER, for the list's own number (RFC 5280 §5.2.3), which has to grow. */
function derInteger(number: bigint): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(unsignedHex(number), "hex");
  return Uint8Array.from([2, bytes.length, ...bytes]);
}
