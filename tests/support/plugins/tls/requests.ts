/** tls:index/certRequest:CertRequest. */
import { createHash } from "node:crypto";
import { Attributes, CertificationRequest, CertificationRequestInfo } from "@peculiar/asn1-csr";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import { Attribute, Extension, Extensions, id_ce_subjectAltName, SubjectAlternativeName } from "@peculiar/asn1-x509";
import type { Name, SubjectPublicKeyInfo } from "@peculiar/asn1-x509";
import type * as tls from "@pulumi/tls";
import type { FieldsOf, MadeOf, PluginResource, Values } from "../contract";
import { algorithmOf, parsePrivateKey } from "./keys";
import { alternativeNames, nameFields, subjectName } from "./names";
import { derOf, pemBlock, publicKeyInfo, signatureOf, signing } from "./signature";

const label = "CERTIFICATE REQUEST";
// PKCS #9 extensionRequest, which carries the alternative names.
const extensionRequest = "1.2.840.113549.1.9.14";

const fields: FieldsOf<tls.CertRequestArgs> = {
  ...nameFields,
  privateKeyPem: { type: "string", required: true, secret: true },
};

const made: MadeOf<tls.CertRequest, tls.CertRequestArgs> = { certRequestPem: "plain", keyAlgorithm: "plain" };

function makeRequest(values: Values) {
  const key = parsePrivateKey(values["privateKeyPem"], "privateKeyPem");
  const names = alternativeNames(values);
  const certificationRequestInfo = new CertificationRequestInfo({
    subject: subjectName(values),
    subjectPKInfo: publicKeyInfo(key),
    attributes: new Attributes(names === undefined ? [] : [requestExtensions(names)]),
  });
  const der = AsnConvert.serialize(
    new CertificationRequest({
      certificationRequestInfo,
      signatureAlgorithm: signing(key).identifier,
      signature: signatureOf(certificationRequestInfo, key),
    }),
  );
  return {
    id: createHash("sha1").update(Buffer.from(der)).digest("hex"),
    made: { certRequestPem: pemBlock(label, der), keyAlgorithm: algorithmOf(key) },
  };
}

function requestExtensions(names: SubjectAlternativeName): Attribute {
  const extension = new Extension({
    extnID: id_ce_subjectAltName,
    extnValue: new OctetString(AsnConvert.serialize(names)),
  });
  return new Attribute({ type: extensionRequest, values: [AsnConvert.serialize(new Extensions([extension]))] });
}

/** What a certificate takes from a request. */
export interface ParsedRequest {
  readonly subject: Name;
  readonly publicKey: SubjectPublicKeyInfo;
  readonly names: SubjectAlternativeName | undefined;
}

export function parseRequest(pem: unknown, argument: string): ParsedRequest {
  const { certificationRequestInfo: info } = AsnConvert.parse(derOf(label, pem, argument), CertificationRequest);
  const extensions = info.attributes
    .filter(({ type }) => type === extensionRequest)
    .flatMap(({ values }) => values.flatMap((value) => AsnConvert.parse(value, Extensions).slice()));
  const names = extensions.find(({ extnID }) => extnID === id_ce_subjectAltName);
  return {
    subject: info.subject,
    publicKey: info.subjectPKInfo,
    names: names && AsnConvert.parse(names.extnValue, SubjectAlternativeName),
  };
}

export const certRequest: PluginResource = { fields, made, create: async (values) => makeRequest(values) };
