import type { Socket } from "node:net";

/** What a TLS record holds; joining more only copies it. */
const GATHER_BYTES = 16_384;

interface Piece {
  readonly bytes: Buffer;
  readonly fromTarget: number;
  readonly whole: boolean;
}

/**
 * What goes to the client, in order.
 *
 * O1. While shut, nothing leaves: a result waits until the event that authorised it is durable (I1).
 * O2. `consumed` is told of bytes only when the socket has taken them, so that a client that reads slowly slows its own
 *     target and nobody else; what waits here is bounded by the tunnel's window.
 * O3. Small pieces of one turn leave together, as one TLS record and one system call: a result and its ReadyForQuery come in two.
 */
export class ClientOutput {
  readonly #socket: Socket;
  readonly #consumed: (bytes: number) => void;
  #waiting: Piece[] = [];
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #gatheredFromTarget = 0;
  #shut = 0;
  #owed = 0;
  #blockedSince = 0;
  #sent = 0;
  #whole = true;

  constructor(socket: Socket, consumed: (bytes: number) => void) {
    this.#socket = socket;
    this.#consumed = consumed;
    socket.on("drain", () => this.#drained());
  }

  get bytesSent(): number {
    return this.#sent;
  }

  /** What left, or is about to, ends between two messages: something may be said behind it. */
  get whole(): boolean {
    return this.#whole;
  }

  /** When the client's socket became full, in milliseconds since the epoch; 0 while it takes bytes. */
  get blockedSince(): number {
    return this.#blockedSince;
  }

  /** The socket takes no more for now. */
  get full(): boolean {
    return this.#socket.writableNeedDrain && !this.#socket.destroyed;
  }

  /** One more event that must be durable before anything leaves. */
  shut(): void {
    this.#shut++;
  }

  open(): void {
    this.#shut--;
    if (this.#shut > 0 || this.#waiting.length === 0) return;
    for (const piece of this.#takeWaiting()) this.#gather(piece);
    this.flush();
  }

  /** `fromTarget`: how many bytes of the tunnel's window these stand for. `whole`: they end where a message does. */
  write(bytes: Buffer, fromTarget = 0, whole = true): void {
    const piece = { bytes, fromTarget, whole };
    if (this.#shut > 0) this.#waiting.push(piece);
    else {
      if (this.#gathered.length === 0) queueMicrotask(() => this.flush());
      this.#gather(piece);
    }
  }

  /** What was written so far is on its way. */
  flush(): void {
    const [first, second] = this.#gathered;
    if (first === undefined) return;
    const bytes = second === undefined ? first : Buffer.concat(this.#gathered, this.#gatheredBytes);
    const fromTarget = this.#gatheredFromTarget;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#gatheredFromTarget = 0;
    this.#write(bytes, fromTarget);
  }

  /** Resolves when the socket takes more, or is gone: what we say ourselves must not pile up for a client that does not read. */
  async writable(): Promise<void> {
    this.flush();
    while (this.full) {
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
    for (const { fromTarget } of this.#takeWaiting()) this.#consumed(fromTarget);
  }

  #takeWaiting(): readonly Piece[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  #gather({ bytes, fromTarget, whole }: Piece): void {
    if (bytes.length > 0) this.#whole = whole;
    if (this.#gatheredBytes + bytes.length > GATHER_BYTES) this.flush();
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    this.#gatheredFromTarget += fromTarget;
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
