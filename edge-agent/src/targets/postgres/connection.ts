import type { Socket } from "node:net";
import { ConnectionLost, TimedOut } from "./failure.ts";

/** A connection that is as safe as the resource asks for, before any login. */
export interface Connection {
  readonly socket: Socket;
  /** For people: "TLSv1.3 TLS_AES_256_GCM_SHA384 verify-full", "plaintext" or "unix socket". */
  readonly transport: string;
  /** Hash of the server's certificate, when there is one to bind a SCRAM login to. */
  readonly channelBinding: Buffer | undefined;
}

/**
 * Waits for `event`; fails with what broke the socket before it. The listener for `error` stays: from here on an error shows as
 * `close`, with its cause in `socket.errored`.
 */
export function settled(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.once("close", () => reject(new ConnectionLost("the peer closed the connection")));
    socket.once(event, resolve);
  });
}

export function destroyWhen(signal: AbortSignal, socket: Socket): Disposable {
  const abort = () => socket.destroy();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", abort) };
}

export function destroyAfter(ms: number, socket: Socket): Disposable {
  const timer = setTimeout(() => socket.destroy(new TimedOut("no answer in time")), ms);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
