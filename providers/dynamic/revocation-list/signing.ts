/** Signs the revocation list of an authority (RFC 5280 §5), since the tls provider makes none. */
import { createHash, sign } from "node:crypto";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AuthorityKeyIdentifier,
  Certificate,
  CertificateList,
  CRLNumber,
  CRLReason,
  CRLReasons,
  Extension,
  id_ce_authorityKeyIdentifier,
  id_ce_cRLNumber,
  id_ce_cRLReasons,
  id_ce_subjectKeyIdentifier,
  RevokedCertificate,
  SubjectKeyIdentifier,
  TBSCertList,
  Time,
  Version,
} from "@peculiar/asn1-x509";
import { readAuthority, readCertificate, type AuthorityPem } from "./authority";

/** The authority's key as its own certificate names it, so that readers find it; else RFC 5280 §4.2.1.2, method 1. */
function keyIdentifier({ tbsCertificate: { extensions, subjectPublicKeyInfo } }: Certificate): SubjectKeyIdentifier {
  const named = extensions?.find(({ extnID }) => extnID === id_ce_subjectKeyIdentifier);
  if (named !== undefined) return AsnConvert.parse(named.extnValue.buffer, SubjectKeyIdentifier);
  return new SubjectKeyIdentifier(
    createHash("sha1").update(Buffer.from(subjectPublicKeyInfo.subjectPublicKey)).digest(),
  );
}

const hour = 3_600_000;

const extension = (extnID: string, value: object) =>
  new Extension({ extnID, extnValue: new OctetString(AsnConvert.serialize(value)) });

/** Years before 2050 have two digits (RFC 5280 §5.1.2.4). */
const toTheSecond = (moment: Date) => new Time(new Date(Math.floor(moment.getTime() / 1000) * 1000));

/** A whole number from 0 on: its first bit is the sign. */
function integer(value: bigint): ArrayBuffer {
  const hex = value.toString(16);
  const digits = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return Uint8Array.from((digits[0] ?? 0) < 0x80 ? digits : [0, ...digits]).buffer;
}

/** The signed list, PEM; valid as long as the authority. @throws when the authority has expired or cannot sign */
export function signRevocationList(
  i: AuthorityPem,
  revoked: readonly { readonly serial: string; readonly revokedAt: string }[],
  now: Date,
): string {
  const { key, algorithm, problems } = readAuthority(i);
  if (key === undefined || algorithm === undefined)
    throw new Error(problems.map(({ path, reason }) => `${path} ${reason}`).join("; "));
  // RFC 4055: the parameters of RSA are NULL, not absent.
  const parameters = key.asymmetricKeyType === "rsa" ? new Uint8Array([5, 0]).buffer : undefined;
  const identifier = new AlgorithmIdentifier({ algorithm: algorithm.identifier, parameters });
  const certificate = readCertificate(i.authority);
  const [from, to] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
  if (to <= now) throw new Error(`the authority expired on ${to.toISOString()}; make a new one`);
  const issuer = AsnConvert.parse(certificate.raw, Certificate);
  const entries = revoked.map(
    ({ serial, revokedAt }) =>
      new RevokedCertificate({
        userCertificate: integer(BigInt(serial)),
        revocationDate: toTheSecond(new Date(revokedAt)),
        crlEntryExtensions: [extension(id_ce_cRLReasons, new CRLReason(CRLReasons.cessationOfOperation))],
      }),
  );
  const list = new TBSCertList({
    version: Version.v2,
    signature: identifier,
    issuer: issuer.tbsCertificate.subject,
    // A node whose clock is late would take the list for one of the future, and refuse every connection.
    thisUpdate: toTheSecond(new Date(Math.max(from.getTime(), now.getTime() - hour))),
    nextUpdate: toTheSecond(to),
    ...(entries.length === 0 ? {} : { revokedCertificates: entries }),
    crlExtensions: [
      extension(id_ce_authorityKeyIdentifier, new AuthorityKeyIdentifier({ keyIdentifier: keyIdentifier(issuer) })),
      // The list's own number, which has to grow (RFC 5280 §5.2.3).
      extension(id_ce_cRLNumber, new CRLNumber(Math.floor(now.getTime() / 1000))),
    ],
  });
  const signature = sign(algorithm.hash, Buffer.from(AsnConvert.serialize(list)), key);
  return pemOf(
    new CertificateList({
      tbsCertList: list,
      signatureAlgorithm: identifier,
      signature: new Uint8Array(signature).buffer,
    }),
  );
}

/** RFC 7468 §6: OpenSSL, and so PostgreSQL, knows this label only. */
function pemOf(list: CertificateList): string {
  const lines =
    Buffer.from(AsnConvert.serialize(list))
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN X509 CRL-----\n${lines.join("\n")}\n-----END X509 CRL-----\n`;
}
