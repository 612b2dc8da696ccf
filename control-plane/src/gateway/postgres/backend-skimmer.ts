import { backend } from "@sallyport/proto/wire/postgres/message-types";
import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { SallyportError } from "@sallyport/proto/errors";

/** One whole message of the target, inside `buffer`. */
export interface SkimmedMessage {
  readonly type: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Larger messages of a kind that we read (an error with a huge text) are passed on unread. */
const MAX_READ_BYTES = 65_536;

/** Rows up to this long, as most are, leave whole: whoever ends a session in the middle of a result can say so behind the last of them. */
const WHOLE_ROW_BYTES = 8_192;

/** Result data: passed on, never read, however large. */
const unread = new Set<number>([backend.dataRow, backend.copyData, backend.functionCallResponse, backend.parameterDescription]);
/** Told of, not read: it may be long, and only that it came matters. */
const noted = new Set<number>([backend.rowDescription]);

/**
 * Finds the messages in what a target sends, without reading results.
 *
 * B1. Every byte comes out once, in order, as part of exactly one returned buffer.
 * B2. A message that we read, or a short row, is never split over two returned buffers; the others may be.
 * B3. Memory held is at most MAX_READ_BYTES plus a header.
 */
export class BackendSkimmer {
  #carry: Buffer | undefined;
  /** Bytes still to come of a message that is passed on in parts. */
  #left = 0;

  /** Between messages, with nothing held: other messages may be put in here. */
  get aligned(): boolean {
    return this.#left === 0 && this.#carry === undefined;
  }

  /** What was passed on ends between two messages. */
  get whole(): boolean {
    return this.#left === 0;
  }

  /** Calls `visit` for each message that begins in here and is read; answers what may be passed on now. */
  push(chunk: Buffer, visit: (message: SkimmedMessage) => void): Buffer {
    const bytes = this.#carry === undefined ? chunk : Buffer.concat([this.#carry, chunk]);
    this.#carry = undefined;
    let at = Math.min(this.#left, bytes.length);
    this.#left -= at;
    while (at < bytes.length) {
      if (bytes.length - at < FRAME_HEADER_BYTES) return this.#hold(bytes, at);
      const type = bytes[at] ?? 0;
      const size = 1 + bytes.readUInt32BE(at + 1);
      if (size < FRAME_HEADER_BYTES) throw new SallyportError("wire.malformed", "The target sent a message with an impossible length.");
      const end = at + size;
      if (unread.has(type) || noted.has(type) || size > MAX_READ_BYTES) {
        if (end > bytes.length && unread.has(type) && size <= WHOLE_ROW_BYTES) return this.#hold(bytes, at);
        if (!unread.has(type)) visit({ type, buffer: bytes, start: at, end: Math.min(end, bytes.length) });
        this.#left = Math.max(0, end - bytes.length);
        at = Math.min(end, bytes.length);
        continue;
      }
      if (end > bytes.length) return this.#hold(bytes, at);
      visit({ type, buffer: bytes, start: at, end });
      at = end;
    }
    return bytes;
  }

  #hold(bytes: Buffer, from: number): Buffer {
    this.#carry = Buffer.from(bytes.subarray(from));
    return bytes.subarray(0, from);
  }
}
