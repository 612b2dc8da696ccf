import { SallyportError } from "@sallyport/proto/errors";
import { type MessageChunk, MessageChunker, RECORDED_CHUNK_BYTES } from "./message-chunker.ts";
import { recordedChunk } from "./recorded-chunk.ts";
import type { RecordingWriter } from "./recording-writer.ts";

/** How long the first byte of a chunk waits for others: who sends a row now and then does not fill the record with events of one row each. */
export const INPUT_LINGER_MS = 1_000;

interface Piece extends Pick<MessageChunk, "commandId" | "bytes"> {
  /** Ends the COPY. */
  readonly last: boolean;
}

export interface InputRecorderDeps {
  readonly writer: RecordingWriter;
  /** Resolves when the target took it, and answered it where it is the last. */
  readonly send: (bytes: Buffer, last: boolean) => Promise<void>;
  readonly chunkBytes?: number;
}

/**
 * The COPY data that a client sends, recorded first where policy says so.
 *
 * N1. No byte of a message goes to the target before the events that hold all of that message are durable: the target never
 *     stands within one, and its COPY can be made to fail.
 * N2. What waits is bounded by two chunks, or a chunk and one message: whoever adds waits for more room. One chunk is compressed
 *     at a time, and all but the short ones off the main thread.
 * N3. After a failure nothing more goes, until whoever asked for it has taken notice.
 */
export class InputRecorder {
  readonly #deps: InputRecorderDeps;
  readonly #chunkBytes: number;
  readonly #chunker: MessageChunker;
  readonly #waiting: Piece[] = [];
  #waitingBytes = 0;
  #pumping: Promise<void> | undefined;
  #linger: NodeJS.Timeout | undefined;
  #failure: SallyportError | undefined;
  /** What is being written is not to be sent. */
  #dropping = false;

  constructor(deps: InputRecorderDeps) {
    this.#deps = deps;
    this.#chunkBytes = deps.chunkBytes ?? RECORDED_CHUNK_BYTES;
    this.#chunker = new MessageChunker(this.#chunkBytes);
  }

  /** Nothing waits, and nothing failed. */
  get idle(): boolean {
    return this.#pumping === undefined && this.#chunker.empty && this.#failure === undefined;
  }

  /** A whole message. Resolves when there is room for another, and behind the last one when all was sent; with what went wrong by then. */
  async add(commandId: number, message: Buffer, last: boolean): Promise<SallyportError | undefined> {
    if (this.#failure === undefined) this.#take(commandId, message, last);
    if (last) return this.settled();
    if (this.#waitingBytes > this.#chunkBytes) await this.#pumping;
    return this.#failure === undefined ? undefined : this.settled();
  }

  /** Resolves when nothing waits any more; with what went wrong since the last time, where something did. */
  async settled(): Promise<SallyportError | undefined> {
    this.#flush(false);
    while (this.#pumping !== undefined) await this.#pumping;
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  /** Nobody takes the data any more. Resolves when nothing is being written. */
  async drop(): Promise<void> {
    this.#discard();
    this.#dropping = true;
    while (this.#pumping !== undefined) await this.#pumping;
    this.#dropping = false;
    this.#failure = undefined;
  }

  #take(commandId: number, message: Buffer, last: boolean): void {
    if (message.length > this.#chunkBytes) {
      this.#flush(false);
      this.#push({ commandId, bytes: message, last });
      return;
    }
    for (const { bytes } of this.#chunker.push(commandId, message, 0)) this.#push({ commandId, bytes, last: false });
    if (last) this.#flush(true);
    else this.#linger ??= setTimeout(() => this.#flush(false), INPUT_LINGER_MS).unref();
  }

  #flush(last: boolean): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    const chunk = this.#chunker.take();
    if (chunk !== undefined) this.#push({ ...chunk, last });
  }

  #push(piece: Piece): void {
    this.#waiting.push(piece);
    this.#waitingBytes += piece.bytes.length;
    this.#pumping ??= this.#pump();
  }

  async #pump(): Promise<void> {
    for (let piece = this.#waiting.shift(); piece !== undefined; piece = this.#waiting.shift()) {
      try {
        await this.#record(piece);
        if (!this.#dropping) await this.#deps.send(piece.bytes, piece.last);
      } catch (error) {
        this.#discard();
        this.#failure = SallyportError.from(error);
      }
      this.#waitingBytes -= piece.bytes.length;
    }
    this.#pumping = undefined;
  }

  async #record({ commandId, bytes }: Piece): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#dropping; at += this.#chunkBytes) {
      const part = { commandId, bytes: bytes.subarray(at, at + this.#chunkBytes) };
      await this.#deps.writer.append([await recordedChunk("CopyDataRecorded", this.#deps.writer.reserve(1), part)]);
    }
  }

  /** What is not being written is forgotten. */
  #discard(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#chunker.discard();
    for (const { bytes } of this.#waiting.splice(0)) this.#waitingBytes -= bytes.length;
  }
}
