import { hash } from "node:crypto";

/** Namespace of event ids; data at rest: another value would make every retry a new event. */
const EVENT_NAMESPACE = bytesOf("5d1f2c0e-7a3b-4c54-9b1e-2f6a8d90c7e1");

/** The same command gives the same ids each time, so that a retried append is recognised (L1). */
export function eventId(commandId: string, index: number): string {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError(`Not an index of an event: ${index}`);
  if (!commandId.isWellFormed()) throw new TypeError("A command id must be well-formed Unicode, or two of them would hash alike.");
  return uuidOf(EVENT_NAMESPACE, `${commandId}:${index}`);
}

/** RFC 9562, section 5.5: SHA-1 of the namespace's 16 bytes and the name's UTF-8 bytes. */
export const uuidV5 = (namespace: string, name: string): string => uuidOf(bytesOf(namespace), name);

/** In one shot, which costs a third of a Hash object: two ids are made for each command. */
function uuidOf(namespace: Buffer, name: string): string {
  const hex = hash("sha1", Buffer.concat([namespace, Buffer.from(name, "utf8")]));
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function bytesOf(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll("-", ""), "hex");
}
