/**
 * The primitives that everything here rests on. Node's own in the control plane and on the command line
 * (`node-primitives.ts`); WebCrypto and `sha256.ts` in the page that an auditor opens in a browser.
 *
 * Hashing is synchronous on purpose: a promise per hash costs several times the hash, twice per event.
 */
export interface Primitives {
  /** 32 bytes; the input may be overwritten afterwards. */
  sha256(bytes: Uint8Array): Uint8Array;
  /** Keys are the 32 bytes of RFC 8032, signatures its 64. A key or signature of another length is a false, not an error. */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>;
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** AES-256-GCM; `box` ends with the tag of 16 bytes. Undefined when it does not authenticate. */
  openAesGcm(key: Uint8Array, nonce: Uint8Array, box: Uint8Array, additional: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

export type Sha256 = Primitives["sha256"];

/** SHA-256. */
export const HASH_BYTES = 32;
/** RFC 8032. */
export const ED25519_KEY_BYTES = 32;
/** RFC 8032. */
export const ED25519_SIGNATURE_BYTES = 64;
/** NIST SP 800-38D. */
export const GCM_TAG_BYTES = 16;
