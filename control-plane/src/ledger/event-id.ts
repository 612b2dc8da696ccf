import { createHash } from "node:crypto";

/** Namespace of event ids; data at rest: another value would make every retry a new event. */
const EVENT_NAMESPACE = "5d1f2c0e-7a3b-4c54-9b1e-2f6a8d90c7e1";

/** The same command gives the same ids each time, so that a retried append is recognised (L1). */
export function eventId(commandId: string, index: number): string {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError(`Not an index of an event: ${index}`);
  if (!commandId.isWellFormed()) throw new TypeError("A command id must be well-formed Unicode, or two of them would hash alike.");
  return uuidV5(EVENT_NAMESPACE, `${commandId}:${index}`);
}

/** RFC 9562, section 5.5: SHA-1 of the namespace's 16 bytes and the name's UTF-8 bytes. */
export function uuidV5(namespace: string, name: string): string {
  const digest = createHash("sha1")
    .update(Buffer.from(namespace.replaceAll("-", ""), "hex"))
    .update(name, "utf8")
    .digest();
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = digest.toString("hex", 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
