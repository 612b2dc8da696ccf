import type { StatementAnalysis } from "./analysis.ts";

/** What an entry costs besides its texts. */
const ENTRY_BYTES = 1_024;

/** The least recently used go first when the texts exceed the bound. Keyed by the exact text: nothing else is the same statement. */
export class TextCache {
  readonly #entries = new Map<string, StatementAnalysis>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(text: string): StatementAnalysis | undefined {
    const found = this.#entries.get(text);
    if (found === undefined) return undefined;
    // A Map keeps the order of insertion: the newest is the last.
    this.#entries.delete(text);
    this.#entries.set(text, found);
    return found;
  }

  set(text: string, analysis: StatementAnalysis): void {
    const size = sizeOf(text);
    if (size > this.#maxBytes / 8) return;
    if (!this.#entries.has(text)) this.#bytes += size;
    this.#entries.set(text, analysis);
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#entries.delete(oldest);
      this.#bytes -= sizeOf(oldest);
    }
  }
}

/** The recordable text is as long as the text at most, and names in the facts are part of it. */
const sizeOf = (text: string): number => text.length * 4 + ENTRY_BYTES;
