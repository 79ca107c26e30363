/** tls:index/selfSignedCert:SelfSignedCert and tls:index/locallySignedCert:LocallySignedCert. */
import { createHash, createPublicKey, randomBytes, X509Certificate, type KeyObject } from "node:crypto";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import * as asn1 from "@peculiar/asn1-x509";
import type * as tls from "@pulumi/tls";
import type { FieldsOf, MadeOf, PluginResource, Values } from "../contract";
import { algorithmOf, parsePrivateKey } from "./keys";
import { alternativeNames, nameFields, subjectName } from "./names";
import { parseRequest } from "./requests";
import { bytes, derOf, pemBlock, publicKeyInfo, signatureOf, signing } from "./signature";

const label = "CERTIFICATE";

const keyUsages: Readonly<Partial<Record<string, asn1.KeyUsageFlags>>> = {
  digital_signature: asn1.KeyUsageFlags.digitalSignature,
  content_commitment: asn1.KeyUsageFlags.nonRepudiation,
  key_encipherment: asn1.KeyUsageFlags.keyEncipherment,
  data_encipherment: asn1.KeyUsageFlags.dataEncipherment,
  key_agreement: asn1.KeyUsageFlags.keyAgreement,
  cert_signing: asn1.KeyUsageFlags.keyCertSign,
  crl_signing: asn1.KeyUsageFlags.cRLSign,
  encipher_only: asn1.KeyUsageFlags.encipherOnly,
  decipher_only: asn1.KeyUsageFlags.decipherOnly,
};

const purposes = "1.3.6.1.5.5.7.3";
const extendedKeyUsages: Readonly<Partial<Record<string, string>>> = {
  any_extended: "2.5.29.37.0",
  server_auth: `${purposes}.1`,
  client_auth: `${purposes}.2`,
  code_signing: `${purposes}.3`,
  email_protection: `${purposes}.4`,
  ipsec_end_system: `${purposes}.5`,
  ipsec_tunnel: `${purposes}.6`,
  ipsec_user: `${purposes}.7`,
  timestamping: `${purposes}.8`,
  ocsp_signing: `${purposes}.9`,
  microsoft_server_gated_crypto: "1.3.6.1.4.1.311.10.3.3",
  netscape_server_gated_crypto: "2.16.840.1.113730.4.1",
  microsoft_commercial_code_signing: "1.3.6.1.4.1.311.2.1.22",
  microsoft_kernel_code_signing: "1.3.6.1.4.1.311.61.1.1",
};

const certificateFields = {
  allowedUses: {
    type: "strings",
    required: true,
    oneOf: [...Object.keys(keyUsages), ...Object.keys(extendedKeyUsages)],
  },
  // A later renewal leaves the certificate that is there as it is.
  earlyRenewalHours: { type: "number", value: 0, least: 0, onChange: "update" },
  isCaCertificate: { type: "boolean", value: false },
  maxPathLength: { type: "number", least: -1 },
  setSubjectKeyId: { type: "boolean", value: false },
  validityPeriodHours: { type: "number", required: true, least: 0 },
} satisfies Partial<FieldsOf<tls.SelfSignedCertArgs | tls.LocallySignedCertArgs>>;

const selfSignedFields: FieldsOf<tls.SelfSignedCertArgs> = {
  ...certificateFields,
  ...nameFields,
  privateKeyPem: { type: "string", required: true, secret: true },
  setAuthorityKeyId: { type: "boolean", value: false },
};

const selfSignedMade: MadeOf<tls.SelfSignedCert, tls.SelfSignedCertArgs> = {
  certPem: "plain",
  keyAlgorithm: "plain",
  readyForRenewal: "plain",
  validityEndTime: "plain",
  validityStartTime: "plain",
};

const locallySignedFields: FieldsOf<tls.LocallySignedCertArgs> = {
  ...certificateFields,
  caCertPem: { type: "string", required: true },
  caPrivateKeyPem: { type: "string", required: true, secret: true },
  certRequestPem: { type: "string", required: true },
};

const locallySignedMade: MadeOf<tls.LocallySignedCert, tls.LocallySignedCertArgs> = {
  caKeyAlgorithm: "plain",
  certPem: "plain",
  readyForRenewal: "plain",
  validityEndTime: "plain",
  validityStartTime: "plain",
};

interface Wanted {
  readonly subject: asn1.Name;
  readonly publicKey: asn1.SubjectPublicKeyInfo;
  readonly names: asn1.SubjectAlternativeName | undefined;
  /** Undefined: the subject itself. */
  readonly issuer?: asn1.Name;
  readonly issuerKey: KeyObject;
  readonly authorityKeyId: ArrayBuffer | undefined;
}

function issue(wanted: Wanted, values: Values): { id: string; made: Values } {
  const start = new Date(Math.floor(Date.now() / 1000) * 1000);
  const end = new Date(start.getTime() + Number(values["validityPeriodHours"]) * 3_600_000);
  // Positive and of a fixed length, as RFC 5280 §4.1.2.2 wants it.
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const { identifier } = signing(wanted.issuerKey);
  const tbsCertificate = new asn1.TBSCertificate({
    version: asn1.Version.v3,
    serialNumber: bytes(serial),
    signature: identifier,
    issuer: wanted.issuer ?? wanted.subject,
    validity: new asn1.Validity({ notBefore: start, notAfter: end }),
    subject: wanted.subject,
    subjectPublicKeyInfo: wanted.publicKey,
    extensions: new asn1.Extensions(extensionsOf(wanted, values)),
  });
  const der = AsnConvert.serialize(
    new asn1.Certificate({
      tbsCertificate,
      signatureAlgorithm: identifier,
      signatureValue: signatureOf(tbsCertificate, wanted.issuerKey),
    }),
  );
  const validity = { validityStartTime: start.toISOString(), validityEndTime: end.toISOString() };
  const readyForRenewal = isReady({ ...values, ...validity });
  return {
    id: BigInt(`0x${serial.toString("hex")}`).toString(),
    made: { ...validity, certPem: pemBlock(label, der), readyForRenewal },
  };
}

function extensionsOf({ subject, publicKey, names, authorityKeyId }: Wanted, values: Values): asn1.Extension[] {
  const uses = values["allowedUses"] as readonly string[];
  const usage = uses.reduce((flags, use) => flags | (keyUsages[use] ?? 0), 0);
  const extended = uses.flatMap((use) => extendedKeyUsages[use] ?? []);
  const isAuthority = values["isCaCertificate"] === true;
  const pathLength = Number(values["maxPathLength"] ?? -1);
  const extension = (extnID: string, critical: boolean, value: object) =>
    new asn1.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
  return [
    ...(usage === 0 ? [] : [extension(asn1.id_ce_keyUsage, true, new asn1.KeyUsage(usage))]),
    ...(extended.length === 0 ? [] : [extension(asn1.id_ce_extKeyUsage, false, new asn1.ExtendedKeyUsage(extended))]),
    extension(
      asn1.id_ce_basicConstraints,
      true,
      // The real plugin cannot express a path length of 0: it means no limit there.
      new asn1.BasicConstraints({
        cA: isAuthority,
        ...(isAuthority && pathLength > 0 ? { pathLenConstraint: pathLength } : {}),
      }),
    ),
    ...(isAuthority || values["setSubjectKeyId"] === true
      ? [extension(asn1.id_ce_subjectKeyIdentifier, false, new asn1.SubjectKeyIdentifier(keyId(publicKey)))]
      : []),
    ...(authorityKeyId === undefined
      ? []
      : [
          extension(
            asn1.id_ce_authorityKeyIdentifier,
            false,
            new asn1.AuthorityKeyIdentifier({ keyIdentifier: new asn1.KeyIdentifier(authorityKeyId) }),
          ),
        ]),
    // Without a subject the names are all that there is (RFC 5280 §4.1.2.6).
    ...(names === undefined ? [] : [extension(asn1.id_ce_subjectAltName, subject.length === 0, names)]),
  ];
}

/** RFC 5280 §4.2.1.2, method 1. */
const keyId = ({ subjectPublicKey }: asn1.SubjectPublicKeyInfo): ArrayBuffer =>
  bytes(createHash("sha1").update(Buffer.from(subjectPublicKey)).digest());

function selfSign(values: Values) {
  const issuerKey = parsePrivateKey(values["privateKeyPem"], "privateKeyPem");
  const publicKey = publicKeyInfo(issuerKey);
  const subject = subjectName(values);
  if (values["isCaCertificate"] === true && subject.length === 0)
    throw new Error("subject: must have at least one part in the certificate of an authority");
  const hasKeyId = values["isCaCertificate"] === true || values["setSubjectKeyId"] === true;
  if (values["setAuthorityKeyId"] === true && !hasKeyId)
    throw new Error("setAuthorityKeyId: the certificate has no subject key identifier; set setSubjectKeyId, too");
  const authorityKeyId = values["setAuthorityKeyId"] === true ? keyId(publicKey) : undefined;
  const names = alternativeNames(values);
  const { id, made } = issue({ subject, publicKey, names, issuerKey, authorityKeyId }, values);
  return { id, made: { ...made, keyAlgorithm: algorithmOf(issuerKey) } };
}

function signLocally(values: Values) {
  const issuerKey = parsePrivateKey(values["caPrivateKeyPem"], "caPrivateKeyPem");
  const authorityDer = derOf(label, values["caCertPem"], "caCertPem");
  if (!new X509Certificate(authorityDer).publicKey.equals(createPublicKey(issuerKey)))
    throw new Error("caPrivateKeyPem is not the key of caCertPem");
  const authority = AsnConvert.parse(authorityDer, asn1.Certificate).tbsCertificate;
  const identifier = authority.extensions?.find(({ extnID }) => extnID === asn1.id_ce_subjectKeyIdentifier);
  const { id, made } = issue(
    {
      ...parseRequest(values["certRequestPem"], "certRequestPem"),
      issuer: authority.subject,
      issuerKey,
      authorityKeyId: identifier && AsnConvert.parse(identifier.extnValue, asn1.SubjectKeyIdentifier).buffer,
    },
    values,
  );
  return { id, made: { ...made, caKeyAlgorithm: algorithmOf(issuerKey) } };
}

function isReady({ validityEndTime, earlyRenewalHours }: Values): boolean {
  return Date.parse(String(validityEndTime)) - Number(earlyRenewalHours) * 3_600_000 <= Date.now();
}

const renewal = {
  due: (state: Values) => (isReady(state) ? ["readyForRenewal"] : []),
  read: (state: Values) => (isReady(state) ? { readyForRenewal: true } : {}),
};

export const selfSignedCert: PluginResource = {
  fields: selfSignedFields,
  made: selfSignedMade,
  create: async (values) => selfSign(values),
  ...renewal,
};

export const locallySignedCert: PluginResource = {
  fields: locallySignedFields,
  made: locallySignedMade,
  create: async (values) => signLocally(values),
  ...renewal,
};
