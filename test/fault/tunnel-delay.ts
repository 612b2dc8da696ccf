import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { atEnd, type Cleanup } from "../support/cleanup.ts";

export interface DelayedRoute {
  readonly port: number;
  /** The most bytes that were ever on their way from the agent to the control plane. */
  mostInFlight(): number;
}

/** A route with a round trip of `2 × oneWayMs`, unlimited bandwidth, and a count of what is on its way. */
export async function delayedRoute(cleanup: Cleanup, targetPort: number, oneWayMs: number): Promise<DelayedRoute> {
  const sockets = new Set<Socket>();
  let inFlight = 0;
  let most = 0;
  const carry = (from: Socket, to: Socket, counted: boolean): void => {
    from.on("data", (bytes) => {
      if (counted) most = Math.max(most, (inFlight += bytes.length));
      setTimeout(() => {
        if (counted) inFlight -= bytes.length;
        if (!to.destroyed) to.write(bytes);
      }, oneWayMs);
    });
    from.on("end", () => setTimeout(() => to.end(), oneWayMs));
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  };
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (agent) => {
    const plane = connect({ host: "127.0.0.1", port: targetPort, noDelay: true, allowHalfOpen: true });
    for (const socket of [agent, plane]) sockets.add(socket);
    carry(agent, plane, true);
    carry(plane, agent, false);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(cleanup, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, mostInFlight: () => most };
}
