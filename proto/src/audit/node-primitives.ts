import { createDecipheriv, createHmac, createPublicKey, hash, verify } from "node:crypto";
import { ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES, GCM_TAG_BYTES, type Primitives } from "./primitives.ts";

/** What comes before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export const nodePrimitives = {
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
  verifyEd25519(publicKey, message, signature) {
    if (publicKey.length !== ED25519_KEY_BYTES || signature.length !== ED25519_SIGNATURE_BYTES) return false;
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: "der", type: "spki" });
    return verify(null, message, key, signature);
  },
  hmacSha256: (key, message) => createHmac("sha256", key).update(message).digest(),
  openAesGcm(key, nonce, box, additional) {
    if (box.length < GCM_TAG_BYTES) return undefined;
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: GCM_TAG_BYTES }).setAAD(additional);
    decipher.setAuthTag(box.subarray(-GCM_TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(box.subarray(0, -GCM_TAG_BYTES)), decipher.final()]);
    } catch {
      return undefined;
    }
  },
} satisfies Primitives;

/** The 32 bytes of a public key in DER, as node:crypto and key management services export it. */
export function rawEd25519Key(spki: Uint8Array): Uint8Array | undefined {
  const der = Buffer.from(spki);
  const fits = der.length === SPKI_PREFIX.length + ED25519_KEY_BYTES && der.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX);
  return fits ? new Uint8Array(der.subarray(SPKI_PREFIX.length)) : undefined;
}
