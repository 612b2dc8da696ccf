import { SallyportError } from "../../errors.ts";

/** A typed message: `byte type`, `int32 length (itself included)`, payload. */
export interface Frame {
  /** ASCII code of the type byte. */
  readonly type: number;
  /** The exact bytes received, so that a frame we do not change is forwarded untouched. */
  readonly raw: Buffer;
  readonly payload: Buffer;
}

export const FRAME_HEADER_BYTES = 5;

/**
 * Splits a byte stream into frames, whatever the chunking.
 *
 * F1. A frame longer than `maxBytes` fails on its header, before it is buffered.
 * F2. Bytes are joined at most once per frame, so that a large frame in small chunks stays linear.
 */
export class FrameDecoder {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #have = 0;
  #need = FRAME_HEADER_BYTES;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held back because their frame is not complete. Not 0 at end of stream means that it was cut. */
  get pending(): number {
    return this.#have;
  }

  /** Bytes that the frame now being collected needs in all. */
  get needed(): number {
    return this.#need;
  }

  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#have += chunk.length;
    if (this.#have < this.#need) return [];

    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#have);
    const frames: Frame[] = [];
    let at = 0;
    let need = FRAME_HEADER_BYTES;
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const size = 1 + bytes.readUInt32BE(at + 1);
      if (size < FRAME_HEADER_BYTES) throw new SallyportError("wire.malformed", "A message declares a length shorter than its own header.");
      if (size > this.#maxBytes) {
        throw new SallyportError("wire.too_large", `A message of ${size} bytes is over the bound of ${this.#maxBytes}.`, { size: String(size) });
      }
      if (bytes.length - at < size) {
        need = size;
        break;
      }
      const raw = bytes.subarray(at, at + size);
      frames.push({ type: raw[0] ?? 0, raw, payload: raw.subarray(FRAME_HEADER_BYTES) });
      at += size;
    }
    this.#have = bytes.length - at;
    this.#chunks = this.#have === 0 ? [] : [bytes.subarray(at)];
    this.#need = need;
    return frames;
  }
}

/** `byte type`, `int32 length`, payload. */
export function encodeFrame(type: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  frame[0] = type;
  frame.writeUInt32BE(4 + payload.length, 1);
  payload.copy(frame, FRAME_HEADER_BYTES);
  return frame;
}
