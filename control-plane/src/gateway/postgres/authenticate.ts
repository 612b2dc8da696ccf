import type { Socket } from "node:net";
import { SallyportError } from "@sallyport/proto/errors";
import { authentication, encodeAuthentication } from "@sallyport/proto/wire/postgres/backend";
import { FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { frontend } from "@sallyport/proto/wire/postgres/message-types";
import { readChunk } from "./negotiate.ts";

/** A token is well below this; anything longer is not one. */
const MAX_PASSWORD_BYTES = 4_096;

/** Asks for the user's token and answers it; undefined when the client left instead (psql asks its user, then comes back). */
export async function readToken(socket: Socket): Promise<string | undefined> {
  socket.write(encodeAuthentication(authentication.cleartextPassword));
  const decoder = new FrameDecoder(MAX_PASSWORD_BYTES);
  for (;;) {
    const chunk = await readChunk(socket);
    if (chunk === undefined) return undefined;
    const [frame, extra] = decoder.push(chunk);
    if (frame === undefined) continue;
    if (frame.type === frontend.terminate) return undefined;
    if (frame.type !== frontend.password || extra !== undefined || decoder.pending > 0 || frame.payload.at(-1) !== 0) {
      throw new SallyportError("wire.malformed", "Expected the password message.");
    }
    return frame.payload.toString("utf8", 0, frame.payload.length - 1);
  }
}
