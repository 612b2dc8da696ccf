import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below what the kernel gives to outgoing connections and to whoever listens on port 0: a server that a test kills finds its port free again
 * when it starts anew.
 */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;
/** Few of them are in use. */
const MAX_ATTEMPTS = 100;

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error(`No port of ${FIRST_PORT} to ${LAST_PORT} is free.`);
}
