import type { RetainedCategory } from "../../domain/retention/retention-rules.ts";
import type { EndedStream } from "./ended-streams.ts";

/** What a run removes, or would, of one category. */
export interface RetentionCount {
  readonly category: RetainedCategory;
  readonly cutOff: string;
  readonly streams: number;
  readonly events: number;
  readonly oldest: Date | undefined;
  readonly newest: Date | undefined;
}

export class Counter {
  readonly #category: RetainedCategory;
  readonly #cutOff: string;
  #streams = 0;
  #events = 0;
  #oldest: Date | undefined;
  #newest: Date | undefined;

  constructor(category: RetainedCategory, cutOff: string) {
    this.#category = category;
    this.#cutOff = cutOff;
  }

  add({ events, oldest, newest }: EndedStream): void {
    this.#streams++;
    this.#events += events;
    if (this.#oldest === undefined || oldest < this.#oldest) this.#oldest = oldest;
    if (this.#newest === undefined || newest > this.#newest) this.#newest = newest;
  }

  result(): RetentionCount {
    return { category: this.#category, cutOff: this.#cutOff, streams: this.#streams, events: this.#events, oldest: this.#oldest, newest: this.#newest };
  }
}
