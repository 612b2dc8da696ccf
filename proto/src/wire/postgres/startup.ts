import { SallyportError } from "../../errors.ts";
import { PayloadReader } from "./reader.ts";

/**
 * The first packet of a connection has no type byte:
 *   int32  length, itself included
 *   int32  code: 80877103 SSLRequest, 80877104 GSSENCRequest, 80877102 CancelRequest, else protocol version
 *   CancelRequest: int32 process id, byte[n] key
 *   StartupMessage: (string name, string value)*, byte 0
 */
export type StartupPacket =
  | { readonly kind: "ssl" }
  | { readonly kind: "gssenc" }
  | { readonly kind: "cancel"; readonly processId: number; readonly key: Buffer }
  | { readonly kind: "startup"; readonly major: number; readonly minor: number; readonly parameters: ReadonlyMap<string, string> };

const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

/** PostgreSQL's own bound (MAX_STARTUP_PACKET_LENGTH). */
export const MAX_STARTUP_BYTES = 10_000;
/** Protocol 3.2 allows cancel keys of up to this many bytes. */
const MAX_CANCEL_KEY_BYTES = 256;

/** The packet and how many bytes it took, or undefined when there are not enough bytes yet. */
export function decodeStartup(bytes: Buffer): { readonly packet: StartupPacket; readonly size: number } | undefined {
  if (bytes.length < 4) return undefined;
  const size = bytes.readUInt32BE(0);
  if (size < 8 || size > MAX_STARTUP_BYTES) throw new SallyportError("wire.malformed", "The startup packet has an impossible length.");
  if (bytes.length < size) return undefined;
  const reader = new PayloadReader(bytes.subarray(4, size));
  const code = reader.uint32();
  switch (code) {
    case SSL_REQUEST:
      reader.end();
      return { packet: { kind: "ssl" }, size };
    case GSSENC_REQUEST:
      reader.end();
      return { packet: { kind: "gssenc" }, size };
    case CANCEL_REQUEST: {
      const processId = reader.uint32();
      if (reader.rest === 0 || reader.rest > MAX_CANCEL_KEY_BYTES) throw new SallyportError("wire.malformed", "The cancel key has an impossible length.");
      return { packet: { kind: "cancel", processId, key: reader.bytes(reader.rest) }, size };
    }
    default:
      return { packet: { kind: "startup", major: code >>> 16, minor: code & 0xffff, parameters: decodeParameters(reader) }, size };
  }
}

function decodeParameters(reader: PayloadReader): Map<string, string> {
  const parameters = new Map<string, string>();
  for (;;) {
    const name = reader.cstring().toString("utf8");
    if (name === "") break;
    parameters.set(name, reader.cstring().toString("utf8"));
  }
  reader.end();
  return parameters;
}

export function encodeSslRequest(): Buffer {
  const packet = Buffer.allocUnsafe(8);
  packet.writeUInt32BE(8, 0);
  packet.writeUInt32BE(SSL_REQUEST, 4);
  return packet;
}

export function encodeCancelRequest(processId: number, key: Buffer): Buffer {
  const packet = Buffer.allocUnsafe(12 + key.length);
  packet.writeUInt32BE(packet.length, 0);
  packet.writeUInt32BE(CANCEL_REQUEST, 4);
  packet.writeUInt32BE(processId >>> 0, 8);
  key.copy(packet, 12);
  return packet;
}

export function encodeStartupMessage(parameters: ReadonlyMap<string, string>, minor = 0): Buffer {
  const fields = [...parameters].flatMap(([name, value]) => [Buffer.from(`${name}\0`), Buffer.from(`${value}\0`)]);
  const head = Buffer.allocUnsafe(8);
  const packet = Buffer.concat([head, ...fields, Buffer.from([0])]);
  packet.writeUInt32BE(packet.length, 0);
  packet.writeUInt32BE((3 << 16) | minor, 4);
  return packet;
}
