import type { Socket } from "node:net";
import { destroyAfter } from "./connection.ts";

/** A cancel request is a signal that may come between two statements and hit neither; it is sent again this long after. */
export const CANCEL_INTERVAL_MS = 250;

/**
 * Ends a session's connection from our side, so that its backend ends too. PostgreSQL does not notice a closed connection while a
 * statement runs, hence the cancel requests; it does notice while it reads, hence the early end of our direction. There is no
 * Terminate: the client may have been cut off in the middle of a message, of which it would become a part.
 */
export async function windDown(socket: Socket, timeoutMs: number, busy: boolean, cancel: () => Promise<void>): Promise<void> {
  if (socket.destroyed) return;
  using _limit = destroyAfter(timeoutMs, socket);
  const closed = new Promise<void>((resolve) => socket.once("close", resolve));
  // What the server still says is thrown away: unread, it would keep the socket open until the bound.
  socket.resume();
  socket.end();
  while (busy && !socket.closed) {
    await cancel();
    // What the server has not read by now must not run any more.
    if (socket.writableLength > 0) socket.destroy();
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, CANCEL_INTERVAL_MS).unref())]);
  }
  await closed;
}
