import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";

/** Of a longer message only the beginning is looked at: a row of a gigabyte is shown by its first cells. */
export const MAX_SHOWN_MESSAGE_BYTES = 65_536;

export interface AnswerMessage {
  /** The type byte as a letter. */
  readonly type: string;
  /** Its beginning, where it is too long. */
  readonly payload: Buffer;
  /** Of the payload, as it was. */
  readonly bytes: number;
}

/** The messages in recorded output, whose chunks may cut them anywhere. Holds at most one that is looked at. */
export class AnswerMessages {
  #held: Buffer[] = [];
  #heldBytes = 0;
  #skip = 0;

  *push(chunk: Buffer): Generator<AnswerMessage> {
    let rest = chunk;
    for (;;) {
      const skipped = Math.min(this.#skip, rest.length);
      this.#skip -= skipped;
      rest = rest.subarray(skipped);
      if (rest.length === 0) return;
      const header = this.#fill(rest, FRAME_HEADER_BYTES);
      if (header === undefined) return;
      const size = Math.max(0, header.bytes.readUInt32BE(1) - 4);
      const message = this.#fill(header.rest, FRAME_HEADER_BYTES + Math.min(size, MAX_SHOWN_MESSAGE_BYTES));
      if (message === undefined) return;
      this.#held = [];
      this.#heldBytes = 0;
      this.#skip = Math.max(0, size - MAX_SHOWN_MESSAGE_BYTES);
      rest = message.rest;
      yield { type: message.bytes.toString("latin1", 0, 1), payload: message.bytes.subarray(FRAME_HEADER_BYTES), bytes: size };
    }
  }

  /** Takes what is missing of so many bytes; undefined while they are not all there. */
  #fill(from: Buffer, wanted: number): { readonly bytes: Buffer; readonly rest: Buffer } | undefined {
    const taken = Math.min(from.length, Math.max(0, wanted - this.#heldBytes));
    this.#held.push(from.subarray(0, taken));
    this.#heldBytes += taken;
    if (this.#heldBytes < wanted) return undefined;
    const bytes = Buffer.concat(this.#held);
    this.#held = [bytes];
    return { bytes, rest: from.subarray(taken) };
  }
}
