import { createCipheriv, createHmac } from "node:crypto";
import { equal } from "@sallyport/proto/audit/bytes";
import { nodePrimitives } from "@sallyport/proto/audit/node-primitives";
import { GCM_TAG_BYTES } from "@sallyport/proto/audit/primitives";
import {
  additionalData,
  cipherKeyInfo,
  eventKeyInfo,
  jsonOf,
  NONCE_BYTES,
  nonceKeyInfo,
  plainBytes,
  sealedJson,
  type SealedPlace,
  type SealedValue,
} from "@sallyport/proto/audit/sealed";
import type { Subject } from "./subject-keys.ts";

/** What opens the values of one subject in one event, and nothing else. */
export const eventKey = ({ key }: Subject, place: Omit<SealedPlace, "path">): Buffer => hmac(key, eventKeyInfo(place));

export function sealValue(subject: Subject, value: unknown, place: SealedPlace): string | { readonly $sealed: string } {
  const key = eventKey(subject, place);
  const aad = additionalData(place);
  const plain = plainBytes(value);
  const nonce = nonceOf(key, aad, plain);
  const cipher = createCipheriv("aes-256-gcm", hmac(key, cipherKeyInfo), nonce, { authTagLength: GCM_TAG_BYTES }).setAAD(aad);
  const box = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return sealedJson({ subject: subject.subject, nonce, box }, typeof value === "object");
}

/** Like `openSealed` of proto, without its promises. Undefined when it does not open. */
export function openValue(subject: Subject, { nonce, box }: SealedValue, place: SealedPlace): unknown {
  const key = eventKey(subject, place);
  const aad = additionalData(place);
  const plain = nodePrimitives.openAesGcm(hmac(key, cipherKeyInfo), nonce, box, aad);
  return plain !== undefined && equal(nonceOf(key, aad, plain), nonce) ? jsonOf(plain) : undefined;
}

const nonceOf = (key: Buffer, aad: Uint8Array, plain: Uint8Array): Buffer =>
  createHmac("sha256", hmac(key, nonceKeyInfo)).update(aad).update(plain).digest().subarray(0, NONCE_BYTES);

const hmac = (key: Uint8Array, message: Uint8Array): Buffer => createHmac("sha256", key).update(message).digest();
