import { SallyportError } from "@sallyport/proto/errors";
import { encodeFrame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import { backend } from "@sallyport/proto/wire/postgres/message-types";
import type { CopyFormat } from "./copy-format.ts";
import { MAX_MASKED_MESSAGE_BYTES } from "./message-splitter.ts";
import { admits, type Caps } from "./result-caps.ts";
import type { Outbox } from "./outbox.ts";
import type { ResultTally } from "./result-tally.ts";

/**
 * One COPY OUT under obligations. PostgreSQL sends a row per CopyData, but promises nothing: rows are found in the
 * concatenation, and what is incomplete waits for more, at most `MAX_MASKED_MESSAGE_BYTES` of it.
 */
export class CopyOut {
  readonly #holds: (bytes: number) => void;
  readonly #format: CopyFormat;
  readonly #caps: Caps;
  readonly #out: Outbox;
  readonly #tally: ResultTally;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** What is pending is looked at again when it has doubled, so that a row in many small pieces stays linear. */
  #retryAt = 0;

  constructor(format: CopyFormat, caps: Caps, out: Outbox, tally: ResultTally, holds: (bytes: number) => void) {
    this.#holds = holds;
    this.#format = format;
    this.#caps = caps;
    this.#out = out;
    this.#tally = tally;
  }

  /** A CopyData message. */
  message(bytes: Buffer, from: number, to: number): void {
    if (this.#pendingBytes === 0) {
      const { parts, intact } = this.#units(bytes, from + FRAME_HEADER_BYTES, to);
      if (intact) this.#emit(bytes, from, to);
      else this.#frame(parts);
      return;
    }
    this.#wait(Buffer.from(bytes.subarray(from + FRAME_HEADER_BYTES, to)));
    if (this.#pendingBytes >= this.#retryAt) this.#retry();
  }

  /** CopyDone: a row that never got its end is one all the same. */
  finish(): void {
    if (this.#pendingBytes > 0) this.#retry();
    if (this.#pendingBytes === 0) return;
    const rest = Buffer.concat(this.#pending);
    const { kept } = this.#unit(rest, 0, rest.length);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#frame(kept === undefined ? [] : [kept]);
  }

  #retry(): void {
    const joined = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#frame(this.#units(joined, 0, joined.length).parts);
    this.#holds(this.#pendingBytes);
  }

  #wait(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#holds(this.#pendingBytes);
    if (this.#pendingBytes <= MAX_MASKED_MESSAGE_BYTES) return;
    throw new SallyportError("wire.too_large", "A row of a COPY is too large to be masked.", { size: String(this.#pendingBytes) });
  }

  /** The units that are complete, masked; the rest waits. Intact: the bytes can go out where they stand. */
  #units(bytes: Buffer, from: number, to: number): { readonly parts: readonly Buffer[]; readonly intact: boolean } {
    const parts: Buffer[] = [];
    let intact = true;
    let at = from;
    while (at < to) {
      const end = this.#format.unitEnd(bytes, at, to);
      if (end < 0) {
        this.#wait(Buffer.from(bytes.subarray(at, to)));
        this.#retryAt = this.#pendingBytes * 2;
        return { parts, intact: false };
      }
      const unit = this.#unit(bytes, at, end);
      if (unit.kept !== undefined) parts.push(unit.kept);
      intact &&= unit.intact;
      at = end;
    }
    return { parts, intact };
  }

  /** What is left of a unit: itself, its replacement, or nothing when it is withheld. */
  #unit(bytes: Buffer, from: number, to: number): { readonly kept: Buffer | undefined; readonly intact: boolean } {
    if (this.#format.isRow(bytes, from, to)) {
      if (!admits(this.#caps, to - from, this.#tally)) return { kept: undefined, intact: false };
      const replacement = this.#format.mask(bytes, from, to);
      if (replacement !== undefined) return { kept: replacement, intact: false };
    }
    return { kept: bytes.subarray(from, to), intact: true };
  }

  #frame(parts: readonly Buffer[]): void {
    if (parts.length === 0) return;
    const message = encodeFrame(backend.copyData, Buffer.concat(parts));
    this.#emit(message, 0, message.length);
  }

  #emit(bytes: Buffer, from: number, to: number): void {
    this.#out.add(bytes, from, to);
    this.#tally.add(bytes, from, to);
  }
}
