/** Signatures of certificates and requests, by the algorithms that Go's crypto/x509 chooses for a key. */
import { createPublicKey, sign, type KeyObject } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import { AlgorithmIdentifier, SubjectPublicKeyInfo } from "@peculiar/asn1-x509";
import { algorithmOf } from "./keys";

interface Signing {
  readonly identifier: AlgorithmIdentifier;
  readonly hash: string | null;
}

/** How this key signs. */
export function signing(key: KeyObject): Signing {
  switch (algorithmOf(key)) {
    case "RSA":
      // RFC 4055: the parameters are NULL, not absent.
      return {
        identifier: new AlgorithmIdentifier({
          algorithm: "1.2.840.113549.1.1.11",
          parameters: new Uint8Array([5, 0]).buffer,
        }),
        hash: "sha256",
      };
    case "ECDSA":
      return ecdsa(key.asymmetricKeyDetails?.namedCurve);
    default:
      return { identifier: new AlgorithmIdentifier({ algorithm: "1.3.101.112" }), hash: null };
  }
}

function ecdsa(curve: string | undefined): Signing {
  const [algorithm, hash] =
    curve === "secp384r1"
      ? ["1.2.840.10045.4.3.3", "sha384"]
      : curve === "secp521r1"
        ? ["1.2.840.10045.4.3.4", "sha512"]
        : ["1.2.840.10045.4.3.2", "sha256"];
  return { identifier: new AlgorithmIdentifier({ algorithm }), hash };
}

/** The signature over a part of a certificate or request. */
export function signatureOf(part: object, key: KeyObject): ArrayBuffer {
  return bytes(sign(signing(key).hash, Buffer.from(AsnConvert.serialize(part)), key));
}

export const bytes = (buffer: Buffer): ArrayBuffer => new Uint8Array(buffer).buffer;

/** The public half, as certificates and requests hold it. */
export function publicKeyInfo(key: KeyObject): SubjectPublicKeyInfo {
  return AsnConvert.parse(createPublicKey(key).export({ type: "spki", format: "der" }), SubjectPublicKeyInfo);
}

/** A PEM block of DER, lines of 64. */
export function pemBlock(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The DER of the only PEM block of that label. @throws when there is none */
export function derOf(label: string, pem: unknown, argument: string): Buffer {
  const body = new RegExp(`^\\s*-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----\\s*$`).exec(
    String(pem),
  )?.[1];
  if (body === undefined) throw new Error(`${argument} is no PEM block "${label}"`);
  return Buffer.from(body, "base64");
}
