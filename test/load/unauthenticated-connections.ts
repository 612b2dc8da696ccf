import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { connect as connectTls } from "node:tls";
import { encodeSslRequest, encodeStartupMessage } from "@sallyport/proto/wire/postgres/startup";
import { atEnd, type Cleanup } from "../support/cleanup.ts";

/** How many connect at a time: few enough for the listener's backlog. */
const WAVE = 100;

/** How far each goes, in turn: the last has cost a TLS handshake, and waits for its own password. */
const manners: readonly ((socket: Socket) => void)[] = [
  () => undefined,
  (socket) => void socket.write(encodeSslRequest()),
  (socket) => void socket.write(encodeStartupMessage(new Map([["user", "ana"]])).subarray(0, 9)),
  (socket) => void socket.write("G"),
  (socket) => {
    socket.write(encodeSslRequest());
    socket.once("data", () => {
      // It does not care who answers.
      const secure = connectTls({ socket, rejectUnauthorized: false });
      secure.on("error", () => socket.destroy());
      secure.on("close", () => socket.destroy());
      secure.resume().once("secureConnect", () => secure.write(encodeStartupMessage(new Map([["user", "ana"]]))));
    });
  },
];

/** Connections that never sign in, and go only when they are sent away. */
export class UnauthenticatedConnections {
  readonly #port: number;
  readonly #open = new Set<Socket>();
  #arrived = 0;
  #longestMillis = 0;
  #nobody: (() => void) | undefined;

  constructor(cleanup: Cleanup, port: number) {
    this.#port = port;
    atEnd(cleanup, () => {
      for (const socket of this.#open) socket.destroy();
    });
  }

  get open(): number {
    return this.#open.size;
  }

  /** The longest that one was left connected, of those that are gone. */
  get longestMillis(): number {
    return this.#longestMillis;
  }

  /** So many more, each connected when this resolves, though perhaps gone again. */
  async arrive(count: number): Promise<void> {
    for (let left = count; left > 0; left -= WAVE) await Promise.all(Array.from({ length: Math.min(WAVE, left) }, () => this.#one()));
  }

  /** Resolves when the last is gone. */
  async gone(): Promise<void> {
    while (this.#open.size > 0) await new Promise<void>((resolve) => (this.#nobody = resolve));
  }

  async #one(): Promise<void> {
    const socket = connect({ host: "127.0.0.1", port: this.#port });
    const manner = manners[this.#arrived++ % manners.length];
    socket.on("error", () => socket.destroy());
    await once(socket, "connect");
    const since = performance.now();
    this.#open.add(socket);
    socket.resume().once("close", () => {
      this.#longestMillis = Math.max(this.#longestMillis, performance.now() - since);
      this.#open.delete(socket);
      if (this.#open.size === 0) this.#nobody?.();
    });
    manner?.(socket);
  }
}
