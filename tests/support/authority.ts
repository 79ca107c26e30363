/** Certificates for tests: an authority of their own, made in this process. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const day = 86_400_000;

/** Certificate and key, PEM. */
export interface Issued {
  readonly certificate: string;
  readonly privateKey: string;
  /** Hexadecimal, as @peculiar/x509 gives it. */
  readonly serial: string;
}

/** An authority. */
export interface Authority {
  readonly certificate: string;
  readonly privateKey: string;
  /** A certificate for server and client use. `address` becomes the subject's alternative name. */
  readonly issue: (commonName: string, address?: string) => Promise<Issued>;
  /** A signed list of revoked serials. */
  readonly revocationList: (serials?: readonly string[]) => Promise<string>;
}

async function keyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
}

/** A new authority whose certificates hold for a day. */
export async function makeAuthority(name = "test authority"): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const notBefore = new Date(Date.now() - 3_600_000);
  const notAfter = new Date(Date.now() + day);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    notBefore,
    notAfter,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return {
    certificate: root.toString("pem"),
    privateKey: await keyPem(keys),
    issue: async (commonName, address) => {
      const own = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${commonName}`,
        issuer: root.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        notBefore,
        notAfter,
        extensions: [
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
          ...(address === undefined
            ? []
            : [
                new x509.SubjectAlternativeNameExtension([
                  { type: isIP(address) === 0 ? "dns" : "ip", value: address },
                ]),
              ]),
        ],
      });
      return {
        certificate: certificate.toString("pem"),
        privateKey: await keyPem(own),
        serial: certificate.serialNumber,
      };
    },
    revocationList: async (serials = []) => {
      const list = await x509.X509CrlGenerator.create({
        issuer: root.subject,
        thisUpdate: notBefore,
        nextUpdate: notAfter,
        signingAlgorithm: algorithm,
        signingKey: keys.privateKey,
        entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date() })),
      });
      // OpenSSL only knows the label of RFC 7468.
      return list.toString("pem").replaceAll(" CRL-----", " X509 CRL-----");
    },
  };
}
