import { gunzipSync } from "node:zlib";
import type { RecordedEvent } from "@sallyport/proto/gen/sallyport/api/v1/api";
import type { AnswerLine } from "./answer-lines.ts";
import { type AnswerMessage, AnswerMessages } from "./answer-messages.ts";
import { dim } from "./io.ts";
import { INDENT } from "./replay.ts";

/** A chunk is 256 KiB, by its event; what says otherwise is not unpacked to more than this. */
const MAX_CHUNK_BYTES = 16 * 1_048_576;

/** What clients were shown, or sent, from the chunks of a recording in their order: so many rows of each command, and how many more there are. */
export class ReplayOutput {
  readonly #limit: number;
  readonly #linesOf: (message: AnswerMessage) => readonly AnswerLine[];
  #commandId: unknown;
  #messages = new AnswerMessages();
  #shown = 0;
  #hidden = 0;

  constructor(limit: number, linesOf: (message: AnswerMessage) => readonly AnswerLine[]) {
    this.#limit = limit;
    this.#linesOf = linesOf;
  }

  /** Lines of one OutputRecorded or CopyDataRecorded. */
  lines({ dataJson }: RecordedEvent): string[] {
    const { commandId, gzipBase64 } = JSON.parse(dataJson) as { readonly commandId: number; readonly gzipBase64: string };
    const lines = commandId === this.#commandId ? [] : this.rest();
    if (commandId !== this.#commandId) this.#messages = new AnswerMessages();
    this.#commandId = commandId;
    for (const line of this.#linesIn(gzipBase64)) {
      if (!line.content && this.#hidden === 0 && this.#limit > 0) lines.push(`${INDENT}${line.text}`);
      if (!line.content) continue;
      if (this.#shown === this.#limit) this.#hidden++;
      else {
        this.#shown++;
        lines.push(`${INDENT}${line.text}`);
      }
    }
    return lines;
  }

  *#linesIn(gzipBase64: string): Generator<AnswerLine> {
    for (const message of this.#messages.push(unpacked(gzipBase64))) yield* this.#linesOf(message);
  }

  /** What is to be said before something else follows. */
  rest(): string[] {
    const lines = this.#hidden === 0 || this.#limit === 0 ? [] : [`${INDENT}${dim(`… ${this.#hidden} more lines (--output)`)}`];
    this.#shown = 0;
    this.#hidden = 0;
    return lines;
  }
}

const unpacked = (gzipBase64: string): Buffer => gunzipSync(Buffer.from(gzipBase64, "base64"), { maxOutputLength: MAX_CHUNK_BYTES });
