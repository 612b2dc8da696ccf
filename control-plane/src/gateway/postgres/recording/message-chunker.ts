import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";

/** One OutputRecorded or CopyDataRecorded holds this many bytes of messages at most: compressed or not, an append of one stays well under the ledger's bound. */
export const RECORDED_CHUNK_BYTES = 262_144;

/** A chunk begins this small: most answers are. */
const FIRST_BYTES = 4_096;

/** What goes on together, when its event is durable. */
export interface MessageChunk {
  readonly commandId: number;
  readonly bytes: Buffer;
  /** How many bytes of the tunnel's window it stands for; 0 of a client's own. */
  readonly fromTarget: number;
  /** The stream stands between two messages behind it. */
  readonly whole: boolean;
}

/**
 * Cuts what a target answers, or a client sends, into chunks of one command each.
 *
 * C1. Every byte comes out once, in order, in a chunk of at most `limit` bytes.
 * C2. A chunk ends between two messages, but for one that is full of a part of a single message.
 * C3. Bytes are copied: those of a tunnel's frame would keep alive what came with it, for other sessions too.
 */
export class MessageChunker {
  readonly #limit: number;
  #bytes = Buffer.allocUnsafe(0);
  #filled = 0;
  #commandId = 0;
  #fromTarget = 0;
  /** Where the last message that is complete ends. */
  #boundary = 0;
  /** Still to come of the message that is under way. */
  #left = 0;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerBytes = 0;

  constructor(limit = RECORDED_CHUNK_BYTES) {
    this.#limit = limit;
  }

  get empty(): boolean {
    return this.#filled === 0 && this.#fromTarget === 0;
  }

  /** Answers the chunks that are full. The bytes before, if of another command, are a chunk too. */
  push(commandId: number, bytes: Buffer, fromTarget: number): MessageChunk[] {
    const full: MessageChunk[] = [];
    if (commandId !== this.#commandId && !this.empty) full.push(this.#cut(this.#filled));
    this.#commandId = commandId;
    for (let at = 0; at < bytes.length;) {
      if (this.#filled === this.#limit) full.push(this.#cut(this.#boundary === 0 ? this.#filled : this.#boundary));
      const taken = Math.min(bytes.length - at, this.#limit - this.#filled);
      this.#take(bytes.subarray(at, at + taken));
      at += taken;
    }
    this.#fromTarget += fromTarget;
    return full;
  }

  /** What is there, up to the last message that is complete, or all of it where none is. */
  take(): MessageChunk | undefined {
    return this.empty ? undefined : this.#cut(this.#boundary === 0 ? this.#filled : this.#boundary);
  }

  /** Forgets what is there, and begins at a message again. Answers how much of the window it stood for. */
  discard(): number {
    const held = this.#fromTarget;
    this.#cut(this.#filled);
    this.#left = 0;
    this.#headerBytes = 0;
    return held;
  }

  #take(bytes: Buffer): void {
    this.#grow(this.#filled + bytes.length);
    bytes.copy(this.#bytes, this.#filled);
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, bytes.length - at);
        this.#left -= passed;
        at += passed;
      } else {
        const passed = bytes.copy(this.#header, this.#headerBytes, at, Math.min(bytes.length, at + FRAME_HEADER_BYTES - this.#headerBytes));
        this.#headerBytes += passed;
        at += passed;
        if (this.#headerBytes < FRAME_HEADER_BYTES) break;
        this.#left = 1 + this.#header.readUInt32BE(1) - FRAME_HEADER_BYTES;
        this.#headerBytes = 0;
      }
      if (this.#left === 0) this.#boundary = this.#filled + at;
    }
    this.#filled += bytes.length;
  }

  #grow(needed: number): void {
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(FIRST_BYTES, needed, 2 * this.#bytes.length)));
    this.#bytes.copy(grown, 0, 0, this.#filled);
    this.#bytes = grown;
  }

  #cut(end: number): MessageChunk {
    const rest = this.#bytes.subarray(end, this.#filled);
    const chunk = { commandId: this.#commandId, bytes: this.#bytes.subarray(0, end), fromTarget: this.#fromTarget, whole: end === this.#boundary };
    this.#bytes = Buffer.allocUnsafe(rest.length);
    this.#filled = rest.copy(this.#bytes);
    this.#fromTarget = 0;
    this.#boundary = 0;
    return chunk;
  }
}
