import { SallyportError } from "@sallyport/proto/errors";
import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";

/** A message that has to be seen whole before it may pass: twice the largest cell that is masked in practice, and what one session may hold. */
export const MAX_MASKED_MESSAGE_BYTES = 128 * 1024 * 1024;
/** First allocation for a message that is held; it doubles as bytes really come, so that a declared length costs nothing. */
const FIRST_HOLD_BYTES = 64 * 1024;

/** pass: its bytes go on as they come. hold: it is handed over whole. drop: it goes nowhere. */
export type Treatment = "pass" | "hold" | "drop";

export interface MessageHandler {
  /** Decides on the header alone; `size` counts it. */
  begin(type: number, size: number): Treatment;
  pass(bytes: Buffer, from: number, to: number): void;
  /** The whole message, header included, at `from`..`to`; may be overwritten there. */
  held(type: number, bytes: Buffer, from: number, to: number): void;
  /** After the last byte of a message that was passed or dropped. */
  end(type: number): void;
}

/**
 * Walks a stream of `byte type, int32 length, payload` without joining what may pass.
 *
 * S1. Only a header (4 bytes at most) and messages that the handler holds are kept between two calls.
 * S2. A held message over `MAX_MASKED_MESSAGE_BYTES` fails on its header; what is kept of a smaller one doubles as bytes come, and each
 *     step is told to `holds` before it is taken.
 * S3. While it is suspended nothing reaches the handler: what comes is kept, so that whoever suspends it stops the stream, too.
 */
export class MessageSplitter {
  readonly #handler: MessageHandler;
  readonly #holds: (bytes: number) => void;
  readonly #head = Buffer.alloc(FRAME_HEADER_BYTES);
  #headBytes = 0;
  #type = 0;
  #treatment: Treatment = "pass";
  /** Bytes of the current message that are still to come. */
  #left = 0;
  #hold = Buffer.alloc(0);
  #holdBytes = 0;
  #holdSize = 0;
  #suspended = false;
  #kept: Buffer[] = [];

  constructor(handler: MessageHandler, holds: (bytes: number) => void = () => undefined) {
    this.#handler = handler;
    this.#holds = holds;
  }

  /** To be called from the handler; takes effect behind the message that it is called for. */
  suspend(): void {
    this.#suspended = true;
  }

  resume(): void {
    this.#suspended = false;
    const kept = this.#kept;
    this.#kept = [];
    // Each by the same way in, for it may be suspended again.
    for (const chunk of kept) this.push(chunk);
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#suspended) {
        this.#kept.push(at === 0 ? chunk : chunk.subarray(at));
        return;
      }
      if (this.#left > 0) {
        at = this.#body(chunk, at);
        continue;
      }
      if (this.#headBytes > 0 || chunk.length - at < FRAME_HEADER_BYTES) {
        at += this.#collectHead(chunk, at);
        continue;
      }
      const size = messageSize(chunk, at);
      const type = chunk[at] ?? 0;
      const treatment = this.#handler.begin(type, size);
      if (chunk.length - at >= size) {
        this.#whole(type, treatment, chunk, at, at + size);
        at += size;
        continue;
      }
      this.#open(type, treatment, size);
      at = this.#body(chunk, at);
    }
  }

  #whole(type: number, treatment: Treatment, bytes: Buffer, from: number, to: number): void {
    if (treatment === "hold") {
      refuseOversized(to - from);
      this.#handler.held(type, bytes, from, to);
      return;
    }
    if (treatment === "pass") this.#handler.pass(bytes, from, to);
    this.#handler.end(type);
  }

  #collectHead(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#head, this.#headBytes, at, at + FRAME_HEADER_BYTES - this.#headBytes);
    this.#headBytes += taken;
    if (this.#headBytes < FRAME_HEADER_BYTES) return taken;
    this.#headBytes = 0;
    const head = Buffer.from(this.#head);
    const size = messageSize(head, 0);
    const type = head[0] ?? 0;
    const treatment = this.#handler.begin(type, size);
    if (size === FRAME_HEADER_BYTES) this.#whole(type, treatment, head, 0, size);
    else {
      this.#open(type, treatment, size);
      this.#body(head, 0);
    }
    return taken;
  }

  #open(type: number, treatment: Treatment, size: number): void {
    this.#type = type;
    this.#treatment = treatment;
    this.#left = size;
    if (treatment !== "hold") return;
    refuseOversized(size);
    this.#hold = Buffer.allocUnsafe(Math.min(size, FIRST_HOLD_BYTES));
    this.#holdBytes = 0;
    this.#holdSize = size;
  }

  #body(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    if (this.#treatment === "hold") this.#keep(chunk, at, end);
    else if (this.#treatment === "pass") this.#handler.pass(chunk, at, end);
    if (this.#left > 0) return end;
    if (this.#treatment !== "hold") {
      this.#handler.end(this.#type);
      return end;
    }
    const whole = this.#hold;
    this.#hold = Buffer.alloc(0);
    this.#handler.held(this.#type, whole, 0, this.#holdSize);
    this.#holds(0);
    return end;
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    const needed = this.#holdBytes + to - from;
    if (needed > this.#hold.length) {
      const size = Math.min(this.#holdSize, Math.max(needed, this.#hold.length * 2));
      this.#holds(size);
      const grown = Buffer.allocUnsafe(size);
      this.#hold.copy(grown, 0, 0, this.#holdBytes);
      this.#hold = grown;
    }
    chunk.copy(this.#hold, this.#holdBytes, from, to);
    this.#holdBytes = needed;
  }
}

function messageSize(bytes: Buffer, at: number): number {
  const length = ((bytes[at + 1] ?? 0) << 24) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0);
  if (length < 4) throw new SallyportError("wire.malformed", "A message declares a length that is negative or shorter than its own header.");
  return length + 1;
}

function refuseOversized(size: number): void {
  if (size <= MAX_MASKED_MESSAGE_BYTES) return;
  throw new SallyportError("wire.too_large", `A message of ${size} bytes is too large to be masked.`, { size: String(size) });
}
