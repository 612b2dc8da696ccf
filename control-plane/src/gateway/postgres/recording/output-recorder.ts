import { SallyportError } from "@sallyport/proto/errors";
import type { RecordingEvent } from "../../../domain/session/recording.events.ts";
import type { ClientOutput } from "../client-output.ts";
import { type MessageChunk, MessageChunker, RECORDED_CHUNK_BYTES } from "./message-chunker.ts";
import { recordedChunk } from "./recorded-chunk.ts";
import type { RecordingWriter } from "./recording-writer.ts";

/** How long the first byte of an answer waits for others: people take it for at once. */
export const OUTPUT_LINGER_MS = 1_000;

type Piece = MessageChunk | (Omit<MessageChunk, "commandId"> & { readonly commandId: undefined });

export interface OutputRecorderDeps {
  readonly output: ClientOutput;
  readonly writer: RecordingWriter;
  readonly chunkBytes: number;
  /** Told at once; whoever awaits `settled` hears it, too. */
  readonly failed: (error: SallyportError) => void;
}

/**
 * What goes to the client, recorded first where policy says so.
 *
 * W1. No byte of the answer to a recorded command reaches the client before the event that holds it is durable.
 * W2. Order is kept: what is not recorded waits for what is.
 * W3. What waits is bounded by the tunnel's window: it is given back with the bytes. One chunk is compressed at a time, and
 *     all but the short ones off the main thread, so that no other session waits for it.
 * W4. After a failure nothing more of the answer leaves, up to the next `begin`.
 */
export class OutputRecorder {
  readonly #deps: OutputRecorderDeps;
  readonly #chunker: MessageChunker;
  #commandId: number | undefined;
  readonly #waiting: Piece[] = [];
  #pumping: Promise<void> | undefined;
  #linger: NodeJS.Timeout | undefined;
  #failure: SallyportError | undefined;
  #whole = true;
  #over = false;

  constructor(deps: OutputRecorderDeps) {
    this.#deps = deps;
    this.#chunker = new MessageChunker(Math.min(deps.chunkBytes, RECORDED_CHUNK_BYTES));
  }

  /** Whose answer is being recorded. */
  get commandId(): number | undefined {
    return this.#commandId;
  }

  /** Nothing waits, and nothing failed. */
  get idle(): boolean {
    return this.#pumping === undefined && this.#chunker.empty && this.#failure === undefined;
  }

  /** The client's stream stands between two messages of the target. */
  get whole(): boolean {
    return this.#whole;
  }

  /** What comes from here on answers this command; undefined: one whose output is not recorded. Only when settled, or in the same unit. */
  begin(commandId: number | undefined): void {
    this.#commandId = commandId;
  }

  /** `fromTarget`: how many bytes of the tunnel's window these stand for. `whole`: they end where a message does. */
  write(bytes: Buffer, fromTarget = 0, whole = true): void {
    if (this.#over || (this.#failure !== undefined && this.#commandId !== undefined)) this.#deps.output.write(nothing, fromTarget);
    else if (this.#commandId !== undefined) this.#record(this.#commandId, bytes, fromTarget);
    else if (this.#pumping === undefined && this.#chunker.empty) this.#deps.output.write(bytes, fromTarget, whole);
    else {
      this.flush();
      this.#push({ commandId: undefined, bytes, fromTarget, whole });
    }
  }

  /** The target waits for the client: what is there need not wait for more. */
  flush(): void {
    if (this.#chunker.empty) return;
    clearTimeout(this.#linger);
    this.#linger = undefined;
    const chunk = this.#chunker.take();
    if (chunk !== undefined) this.#push(chunk);
  }

  /** Resolves when nothing waits any more; with what went wrong since the last time, where something did. */
  async settled(): Promise<SallyportError | undefined> {
    this.flush();
    while (this.#pumping !== undefined) await this.#pumping;
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  /** The session is over: what waits is dropped, unseen by the client. Resolves when nothing is being written any more. */
  async drop(): Promise<void> {
    this.#over = true;
    clearTimeout(this.#linger);
    this.#giveBack();
    await this.#pumping;
  }

  #record(commandId: number, bytes: Buffer, fromTarget: number): void {
    for (const chunk of this.#chunker.push(commandId, bytes, fromTarget)) this.#push(chunk);
    if (!this.#chunker.empty) this.#linger ??= setTimeout(() => this.flush(), OUTPUT_LINGER_MS).unref();
  }

  #push(piece: Piece): void {
    this.#waiting.push(piece);
    this.#pumping ??= this.#pump();
  }

  async #pump(): Promise<void> {
    // Behind what calls: it may have more to say.
    await Promise.resolve();
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
      try {
        await this.#write(batch);
        for (const piece of batch) this.#release(piece);
      } catch (error) {
        for (const { fromTarget } of batch) this.#deps.output.write(nothing, fromTarget);
        this.#fail(SallyportError.from(error));
      }
    }
    this.#pumping = undefined;
  }

  /** Small chunks go together: those of a pipeline have one append. */
  #next(): readonly Piece[] {
    let bytes = 0;
    let count = 0;
    for (const piece of this.#waiting) {
      bytes += piece.bytes.length;
      if (count > 0 && bytes > RECORDED_CHUNK_BYTES) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(batch: readonly Piece[]): Promise<void> {
    const recorded = batch.filter((piece) => piece.commandId !== undefined && piece.bytes.length > 0);
    let sequence = this.#deps.writer.reserve(recorded.length);
    const events: RecordingEvent[] = [];
    for (const { commandId = 0, bytes } of recorded) events.push(await recordedChunk("OutputRecorded", sequence++, { commandId, bytes }));
    if (events.length > 0) await this.#deps.writer.append(events);
  }

  #release(piece: Piece): void {
    if (this.#over) this.#deps.output.write(nothing, piece.fromTarget);
    else {
      this.#deps.output.write(piece.bytes, piece.fromTarget, piece.whole);
      if (piece.commandId !== undefined && piece.bytes.length > 0) this.#whole = piece.whole;
    }
  }

  #fail(error: SallyportError): void {
    this.#giveBack();
    if (this.#over) return;
    this.#failure ??= error;
    this.#deps.failed(error);
  }

  /** What waits is never seen, but its part of the window is free again. */
  #giveBack(): void {
    this.#deps.output.write(nothing, this.#chunker.discard());
    for (const { fromTarget } of this.#waiting.splice(0)) this.#deps.output.write(nothing, fromTarget);
  }
}

const nothing = Buffer.alloc(0);
