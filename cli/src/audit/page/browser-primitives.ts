import { equal, utf8 } from "@sallyport/proto/audit/bytes";
import { ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES, type Primitives } from "@sallyport/proto/audit/primitives";
import { sha256 } from "@sallyport/proto/audit/sha256";

export const browserPrimitives: Primitives = {
  sha256,
  async verifyEd25519(publicKey, message, signature) {
    if (publicKey.length !== ED25519_KEY_BYTES || signature.length !== ED25519_SIGNATURE_BYTES) return false;
    const key = await crypto.subtle.importKey("raw", publicKey.slice(), "Ed25519", false, ["verify"]);
    return crypto.subtle.verify("Ed25519", key, signature.slice(), message.slice());
  },
  async hmacSha256(key, message) {
    const imported = await crypto.subtle.importKey("raw", key.slice(), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message.slice()));
  },
  async openAesGcm(key, nonce, box, additional) {
    const imported = await crypto.subtle.importKey("raw", key.slice(), "AES-GCM", false, ["decrypt"]);
    const algorithm = { name: "AES-GCM", iv: nonce.slice(), additionalData: additional.slice() };
    return crypto.subtle.decrypt(algorithm, imported, box.slice()).then(
      (plain) => new Uint8Array(plain),
      () => undefined,
    );
  },
};

/** RFC 8032, section 7.1, test 2. */
const KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const SIGNATURE = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

/** Says what this browser cannot do, before a bundle is believed or doubted for it. */
export async function selfTest(): Promise<string | undefined> {
  const text = utf8("abc".repeat(100));
  const own = new Uint8Array(await crypto.subtle.digest("SHA-256", text.slice()));
  if (!equal(own, sha256(text))) return "This page's SHA-256 is not the browser's: the page was altered.";
  try {
    if (await browserPrimitives.verifyEd25519(fromHex(KEY), Uint8Array.of(0x72), fromHex(SIGNATURE))) return undefined;
  } catch {
    return "This browser cannot verify Ed25519 signatures: use a newer one, or the command line.";
  }
  return "This browser does not verify Ed25519 signatures rightly.";
}

const fromHex = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../gu) ?? [], (byte) => Number.parseInt(byte, 16));
