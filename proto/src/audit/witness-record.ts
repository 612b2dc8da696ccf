import { canonicalJson } from "./canonical-json.ts";
import { type Checkpoint, parseCheckpointText } from "./checkpoint.ts";
import { parseNote } from "./note.ts";
import type { WitnessRecord } from "./verdict.ts";

/** One line of a witness file. */
export const witnessLine = (record: WitnessRecord): string => `${canonicalJson(record)}\n`;

/** Undefined when the line is not a record; the last line of a file may be cut off by a crash. */
export function parseWitnessLine(line: string): WitnessRecord | undefined {
  try {
    const { checkpoint, leaf, position } = JSON.parse(line) as Partial<Record<keyof WitnessRecord, unknown>>;
    if (typeof checkpoint !== "string" || typeof leaf !== "string" || typeof position !== "string") return undefined;
    return { checkpoint, leaf, position };
  } catch {
    return undefined;
  }
}

export function checkpointIn({ checkpoint }: WitnessRecord): Checkpoint | undefined {
  const note = parseNote(checkpoint);
  return note === undefined ? undefined : parseCheckpointText(note.text);
}

/** Walks through what a witness kept, beside the log, in the order of tree sizes. */
export class WitnessCursor {
  readonly #records: AsyncIterator<WitnessRecord> | Iterator<WitnessRecord>;
  #next: { readonly record: WitnessRecord; readonly checkpoint: Checkpoint } | undefined;
  #ended = false;
  compared = 0;

  constructor(records: AsyncIterable<WitnessRecord> | Iterable<WitnessRecord>) {
    this.#records = Symbol.asyncIterator in records ? records[Symbol.asyncIterator]() : records[Symbol.iterator]();
  }

  /** The next record that was not taken; undefined at the end. A record that is no checkpoint ends it too. */
  async peek(): Promise<{ readonly record: WitnessRecord; readonly checkpoint: Checkpoint } | undefined> {
    if (this.#next !== undefined || this.#ended) return this.#next;
    const next = await this.#records.next();
    const record = next.done === true ? undefined : next.value;
    const checkpoint = record === undefined ? undefined : checkpointIn(record);
    if (record === undefined || checkpoint === undefined) {
      this.#ended = true;
      return undefined;
    }
    this.#next = { record, checkpoint };
    return this.#next;
  }

  take(): void {
    this.#next = undefined;
    this.compared++;
  }
}
