import { once } from "node:events";
import { encodeCancelRequest } from "@sallyport/proto/wire/postgres/startup";
import { connectTarget, type Timeouts } from "./connect.ts";
import { destroyAfter } from "./connection.ts";
import type { BackendKey } from "./login.ts";
import type { PostgresResource } from "./resource.ts";

/**
 * Asks the server, over a connection of its own with the same TLS, to cancel what the session runs. The server closes without an
 * answer, having signalled the backend; whether there was anything to cancel shows on the session itself.
 */
export async function cancelRequest(resource: PostgresResource, { processId, key }: BackendKey, timeouts: Timeouts, address?: string): Promise<void> {
  const { socket } = await connectTarget(resource, timeouts, undefined, address);
  using _limit = destroyAfter(timeouts.closeTimeoutMs, socket);
  const closed = once(socket, "close");
  socket.resume();
  socket.end(encodeCancelRequest(processId, key));
  await closed;
}
