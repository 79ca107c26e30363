/** tls:index/privateKey:PrivateKey. Keys come from node:crypto and ssh2, which has the OpenSSH formats. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import type * as tls from "@pulumi/tls";
import { utils } from "ssh2";
import type { FieldsOf, MadeOf, PluginResource, Values } from "../contract";
import { sshKeys } from "../../ssh-keys";

/** A key in the words of the SDK: RSA, ECDSA or ED25519. */
export function algorithmOf(key: KeyObject): string {
  switch (key.asymmetricKeyType) {
    case "rsa":
      return "RSA";
    case "ec":
      return "ECDSA";
    case "ed25519":
      return "ED25519";
    default:
      throw new Error(`keys of type ${String(key.asymmetricKeyType)} are not supported; use RSA, ECDSA or ED25519`);
  }
}

/** Reads a private key. @throws without the text, which is a secret */
export function parsePrivateKey(pem: unknown, argument: string): KeyObject {
  try {
    return createPrivateKey(String(pem));
  } catch {
    throw new Error(`${argument} is no private key in PEM`);
  }
}

const fields: FieldsOf<tls.PrivateKeyArgs> = {
  algorithm: { type: "string", required: true, oneOf: ["RSA", "ECDSA", "ED25519"] },
  ecdsaCurve: { type: "string", value: "P224", oneOf: ["P224", "P256", "P384", "P521"] },
  rsaBits: { type: "number", value: 2048, least: 1024 },
};

const made: MadeOf<tls.PrivateKey, tls.PrivateKeyArgs> = {
  privateKeyOpenssh: "secret",
  privateKeyPem: "secret",
  privateKeyPemPkcs8: "secret",
  publicKeyFingerprintMd5: "plain",
  publicKeyFingerprintSha256: "plain",
  publicKeyOpenssh: "plain",
  publicKeyPem: "plain",
};

const ecdsaBits: Readonly<Partial<Record<string, 256 | 384 | 521>>> = { P256: 256, P384: 384, P521: 521 };

interface Generated {
  readonly key: KeyObject;
  /** Empty where OpenSSH has no such key. */
  readonly openssh: string;
}

function generate({ algorithm, ecdsaCurve, rsaBits }: Values): Generated {
  // OpenSSH knows no P-224, hence ssh2 makes none.
  if (algorithm === "ECDSA" && ecdsaCurve === "P224") {
    return { key: generateKeyPairSync("ec", { namedCurve: "secp224r1" }).privateKey, openssh: "" };
  }
  const { private: openssh } =
    algorithm === "RSA"
      ? utils.generateKeyPairSync("rsa", { bits: Number(rsaBits) })
      : algorithm === "ECDSA"
        ? utils.generateKeyPairSync("ecdsa", { bits: ecdsaBits[String(ecdsaCurve)] ?? 256 })
        : sshKeys();
  const parsed = utils.parseKey(openssh);
  if (parsed instanceof Error) throw parsed;
  return { key: createPrivateKey(parsed.getPrivatePEM()), openssh };
}

/** The format that OpenSSL wrote before PKCS #8; Ed25519 has none. */
const traditional = { rsa: "pkcs1", ec: "sec1", ed25519: "pkcs8" } as const;

function describe({ key, openssh }: Generated): { id: string; made: Values } {
  const type = key.asymmetricKeyType as keyof typeof traditional;
  const pem = (format: "pkcs1" | "sec1" | "pkcs8") => key.export({ type: format, format: "pem" });
  const publicKey = createPublicKey(key);
  const parsed = openssh === "" ? undefined : utils.parseKey(openssh);
  if (parsed instanceof Error) throw parsed;
  const blob = parsed?.getPublicSSH();
  return {
    id: createHash("sha1")
      .update(publicKey.export({ type: "spki", format: "der" }))
      .digest("hex"),
    made: {
      privateKeyPem: pem(traditional[type]),
      privateKeyPemPkcs8: pem("pkcs8"),
      privateKeyOpenssh: openssh,
      publicKeyPem: publicKey.export({ type: "spki", format: "pem" }),
      publicKeyOpenssh: parsed === undefined ? "" : `${parsed.type} ${parsed.getPublicSSH().toString("base64")}\n`,
      publicKeyFingerprintMd5: blob === undefined ? "" : md5(blob),
      publicKeyFingerprintSha256: blob === undefined ? "" : sha256(blob),
    },
  };
}

const md5 = (blob: Buffer) => (createHash("md5").update(blob).digest("hex").match(/../g) ?? []).join(":");
const sha256 = (blob: Buffer) => `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;

export const privateKey: PluginResource = { fields, made, create: async (values) => describe(generate(values)) };
