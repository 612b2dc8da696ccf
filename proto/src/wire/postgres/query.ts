import { SallyportError } from "../../errors.ts";
import { encodeFrame } from "./frames.ts";
import { frontend } from "./message-types.ts";

/**
 * Query (F)
 *   byte1   'Q'
 *   int32   length
 *   string  SQL text, NUL-terminated. In the client's encoding: bytes, not characters.
 */
export function decodeQuery(payload: Buffer): Buffer {
  const end = payload.indexOf(0);
  if (end !== payload.length - 1) throw new SallyportError("wire.malformed", "Query text must end in exactly one NUL.");
  return payload.subarray(0, end);
}

export function encodeQuery(sql: string): Buffer {
  if (sql.includes("\0")) throw new SallyportError("wire.malformed", "Query text holds a NUL.");
  return encodeFrame(frontend.query, Buffer.from(`${sql}\0`, "utf8"));
}
