import type { Socket } from "node:net";

/**
 * What goes to the client, in order.
 *
 * O1. While shut, nothing leaves: a result waits until the event that authorised it is durable (I1).
 * O2. `consumed` is told of bytes only when the socket has taken them, so that a client that reads slowly slows its own
 *     target and nobody else; what waits here is bounded by the tunnel's window.
 */
export class ClientOutput {
  readonly #socket: Socket;
  readonly #consumed: (bytes: number) => void;
  readonly #waiting: { readonly bytes: Buffer; readonly fromTarget: number }[] = [];
  #shut = 0;
  #owed = 0;
  #blockedSince = 0;
  #sent = 0;

  constructor(socket: Socket, consumed: (bytes: number) => void) {
    this.#socket = socket;
    this.#consumed = consumed;
    socket.on("drain", () => this.#drained());
  }

  get bytesSent(): number {
    return this.#sent;
  }

  /** When the client's socket became full, in milliseconds since the epoch; 0 while it takes bytes. */
  get blockedSince(): number {
    return this.#blockedSince;
  }

  /** One more event that must be durable before anything leaves. */
  shut(): void {
    this.#shut++;
  }

  open(): void {
    this.#shut--;
    if (this.#shut > 0) return;
    for (const { bytes, fromTarget } of this.#waiting.splice(0)) this.#write(bytes, fromTarget);
  }

  /** `fromTarget`: how many bytes of the tunnel's window these stand for. */
  write(bytes: Buffer, fromTarget = 0): void {
    if (this.#shut > 0) this.#waiting.push({ bytes, fromTarget });
    else this.#write(bytes, fromTarget);
  }

  /** Resolves when the socket takes more, or is gone: what we say ourselves must not pile up for a client that does not read. */
  async writable(): Promise<void> {
    while (this.#socket.writableNeedDrain && !this.#socket.destroyed) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#socket.off("drain", done).off("close", done);
          resolve();
        };
        this.#socket.on("drain", done).on("close", done);
      });
    }
  }

  /** Takes back what waits, of the target's bytes, unseen by the client. */
  discard(): void {
    for (const { fromTarget } of this.#waiting.splice(0)) this.#consumed(fromTarget);
  }

  #write(bytes: Buffer, fromTarget: number): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) {
      this.#consumed(fromTarget);
      return;
    }
    this.#sent += bytes.length;
    const accepted = bytes.length === 0 || this.#socket.write(bytes);
    if (accepted && this.#owed === 0) {
      if (fromTarget > 0) this.#consumed(fromTarget);
      return;
    }
    this.#owed += fromTarget;
    if (this.#blockedSince === 0) this.#blockedSince = Date.now();
  }

  #drained(): void {
    this.#blockedSince = 0;
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0) this.#consumed(owed);
  }
}
