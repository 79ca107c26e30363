/** Subjects and alternative names of certificates and requests. */
import { isIP } from "node:net";
import { AsnConvert } from "@peculiar/asn1-schema";
import {
  AttributeTypeAndValue,
  AttributeValue,
  GeneralName,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
} from "@peculiar/asn1-x509";
import type * as tls from "@pulumi/tls";
import type { FieldsOf, Values } from "../contract";

/** Arguments that requests and self-signed certificates share. */
export const nameFields = {
  dnsNames: { type: "strings" },
  ipAddresses: { type: "strings" },
  uris: { type: "strings" },
  subject: {
    type: "object",
    fields: {
      commonName: { type: "string" },
      country: { type: "string" },
      emailAddress: { type: "string" },
      locality: { type: "string" },
      organization: { type: "string" },
      organizationalUnit: { type: "string" },
      postalCode: { type: "string" },
      province: { type: "string" },
      serialNumber: { type: "string" },
      streetAddresses: { type: "strings" },
    } satisfies FieldsOf<tls.types.input.CertRequestSubject> & FieldsOf<tls.types.input.SelfSignedCertSubject>,
  },
} satisfies Partial<FieldsOf<tls.CertRequestArgs | tls.SelfSignedCertArgs>>;

// In the order in which the real plugin writes them: two certificates of one subject are then one issuer.
const attributes: readonly (readonly [field: string, oid: string])[] = [
  ["country", "2.5.4.6"],
  ["province", "2.5.4.8"],
  ["locality", "2.5.4.7"],
  ["streetAddresses", "2.5.4.9"],
  ["postalCode", "2.5.4.17"],
  ["organization", "2.5.4.10"],
  ["organizationalUnit", "2.5.4.11"],
  ["commonName", "2.5.4.3"],
  ["serialNumber", "2.5.4.5"],
  ["emailAddress", "1.2.840.113549.1.9.1"],
];

/** The distinguished name; several street addresses are one part of it. */
export function subjectName({ subject }: Values): Name {
  const given = (subject ?? {}) as Values;
  return new Name(
    attributes.flatMap(([field, type]) => {
      const texts = [given[field] ?? []].flat().map(String);
      if (texts.length === 0) return [];
      const values = texts.map((text) => new AttributeTypeAndValue({ type, value: attributeValue(field, text) }));
      return [new RelativeDistinguishedName(sorted(values))];
    }),
  );
}

/** A SET of DER is in the order of its parts' encodings (X.690 §11.6). */
function sorted(values: readonly AttributeTypeAndValue[]): AttributeTypeAndValue[] {
  const encoded = (value: AttributeTypeAndValue) => Buffer.from(AsnConvert.serialize(value));
  return [...values].sort((a, b) => Buffer.compare(encoded(a), encoded(b)));
}

function attributeValue(field: string, text: string): AttributeValue {
  if (field === "emailAddress") return new AttributeValue({ ia5String: text });
  return new AttributeValue(/^[A-Za-z0-9 '()+,./:=?-]*$/.test(text) ? { printableString: text } : { utf8String: text });
}

/** Undefined without any. @throws for what is no IP address or URI */
export function alternativeNames({ dnsNames, ipAddresses, uris }: Values): SubjectAlternativeName | undefined {
  const list = (values: unknown) => ((values ?? []) as readonly unknown[]).map(String);
  for (const address of list(ipAddresses)) {
    if (isIP(address) === 0) throw new Error(`ipAddresses: "${address}" is no IP address`);
  }
  for (const uri of list(uris)) {
    if (!URL.canParse(uri)) throw new Error(`uris: "${uri}" is no URI`);
  }
  const names = [
    ...list(dnsNames).map((dNSName) => new GeneralName({ dNSName })),
    ...list(ipAddresses).map((iPAddress) => new GeneralName({ iPAddress })),
    ...list(uris).map((uniformResourceIdentifier) => new GeneralName({ uniformResourceIdentifier })),
  ];
  return names.length === 0 ? undefined : new SubjectAlternativeName(names);
}
