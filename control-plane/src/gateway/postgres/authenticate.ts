import type { Socket } from "node:net";
import { SallyportError } from "@sallyport/proto/errors";
import { authentication, encodeAuthentication } from "@sallyport/proto/wire/postgres/backend";
import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { readChunk } from "./negotiate.ts";

/** A token is well below this; anything longer is not one. */
const MAX_PASSWORD_BYTES = 4_096;

/**
 * Asks for the user's token and answers it; undefined when the client left instead (psql asks its user, then comes back). What the client
 * sent along behind it waits in the socket for the session.
 */
export async function readToken(socket: Socket): Promise<string | undefined> {
  socket.write(encodeAuthentication(authentication.cleartextPassword));
  let bytes = Buffer.alloc(0);
  for (;;) {
    const chunk = await readChunk(socket);
    if (chunk === undefined) return undefined;
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length < FRAME_HEADER_BYTES) continue;
    if (bytes[0] === frontend.terminate) return undefined;
    const size = 1 + bytes.readUInt32BE(1);
    if (bytes[0] !== frontend.password || size <= FRAME_HEADER_BYTES) throw notThePassword();
    if (size > MAX_PASSWORD_BYTES)
      throw new SallyportError("wire.too_large", `A password of ${size} bytes is over the bound of ${MAX_PASSWORD_BYTES}.`, { size: String(size) });
    if (bytes.length < size) continue;
    if (bytes[size - 1] !== 0) throw notThePassword();
    if (bytes.length > size) socket.unshift(bytes.subarray(size));
    return bytes.toString("utf8", FRAME_HEADER_BYTES, size - 1);
  }
}

const notThePassword = (): SallyportError => new SallyportError("wire.malformed", "Expected the password message.");
