import { concat, equal, fromBase64, textOf, toBase64, utf8 } from "./bytes.ts";
import { GCM_TAG_BYTES, type Primitives } from "./primitives.ts";

/**
 * How personal data stands in an event: `sealed:1:<subject>:<base64 of nonce, ciphertext and tag>`, in place of a string, or as the only
 * member `$sealed` in place of an object. AES-256-GCM under a key that is made of the subject's key, the stream and the event's id, so that
 * the values of one event can be opened for somebody without those of any other. The leaf hash is over the sealed form: without the
 * subject's key the value is gone, and the log still verifies.
 *
 * The nonce is an HMAC over what is sealed and where: the same value seals to the same text, so that a retried append is the same, and a
 * key that opens a box to another value than the one that was sealed is found.
 */
const SEALED = /^sealed:1:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):([A-Za-z0-9+/]+={0,2})$/u;

/** AES-256. */
export const KEY_BYTES = 32;
/** What GCM is made for. */
export const NONCE_BYTES = 12;
/** Plaintexts are filled up to a multiple of this, so that the length of a name does not tell whose it is. */
const BLOCK_BYTES = 32;

export interface SealedValue {
  readonly subject: string;
  readonly nonce: Uint8Array;
  /** Ciphertext and tag. */
  readonly box: Uint8Array;
}

/** The event that a value is in, and where in it: `data` members joined by dots, list indices as numbers. */
export interface SealedPlace {
  readonly stream: string;
  readonly id: string;
  readonly path: string;
}

export function parseSealed(value: unknown): SealedValue | undefined {
  const [, subject, base64] = SEALED.exec(sealedTextIn(value) ?? "") ?? [];
  const bytes = base64 === undefined ? undefined : fromBase64(base64);
  if (subject === undefined || bytes === undefined || bytes.length < NONCE_BYTES + GCM_TAG_BYTES) return undefined;
  return { subject, nonce: bytes.subarray(0, NONCE_BYTES), box: bytes.subarray(NONCE_BYTES) };
}

/** An object stays an object, so that the event still has the shape that its schema gives it. */
function sealedTextIn(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const text: unknown = typeof value === "object" && value !== null && Object.keys(value).length === 1 ? Reflect.get(value, "$sealed") : undefined;
  return typeof text === "string" ? text : undefined;
}

export function sealedJson({ subject, nonce, box }: SealedValue, isObject: boolean): string | { readonly $sealed: string } {
  const text = `sealed:1:${subject}:${toBase64(concat(nonce, box))}`;
  return isObject ? { $sealed: text } : text;
}

/** What the key of one event is made of, under the key of the subject. */
export const eventKeyInfo = ({ stream, id }: Omit<SealedPlace, "path">): Uint8Array => utf8(`sallyport-sealed-event/1\n${stream}\n${id}\n`);
export const cipherKeyInfo: Uint8Array = utf8("sallyport-sealed-cipher/1\n");
export const nonceKeyInfo: Uint8Array = utf8("sallyport-sealed-nonce/1\n");

/** Bound to the ciphertext: a box that is moved elsewhere does not open. */
export const additionalData = ({ stream, id, path }: SealedPlace): Uint8Array => utf8(`sallyport-sealed/1\n${stream}\n${id}\n${path}\n`);

/** Blanks after JSON are still JSON. */
export function plainBytes(value: unknown): Uint8Array {
  const json = utf8(JSON.stringify(value));
  const whole = new Uint8Array(Math.ceil(json.length / BLOCK_BYTES) * BLOCK_BYTES).fill(0x20);
  whole.set(json);
  return whole;
}

/** Undefined when the key of the event does not open the value, or opens it to something that was not sealed. */
export async function openSealed(primitives: Primitives, eventKey: Uint8Array, { nonce, box }: SealedValue, place: SealedPlace): Promise<unknown> {
  if (eventKey.length !== KEY_BYTES) return undefined;
  const aad = additionalData(place);
  const plain = await primitives.openAesGcm(await primitives.hmacSha256(eventKey, cipherKeyInfo), nonce, box, aad);
  if (plain === undefined) return undefined;
  const expected = await primitives.hmacSha256(await primitives.hmacSha256(eventKey, nonceKeyInfo), concat(aad, plain));
  return equal(expected.subarray(0, NONCE_BYTES), nonce) ? jsonOf(plain) : undefined;
}

export function jsonOf(plain: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(plain) ?? "");
  } catch {
    return undefined;
  }
}
