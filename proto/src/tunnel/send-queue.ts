import type { EncodedBody, OutBody } from "./data-codec.ts";
import { CONTROL_COST_BYTES } from "./limits.ts";

type Item = Buffer | EncodedBody;

/** Consumed entries are dropped together, so that taking one stays constant however long the queue is. */
const COMPACT_AFTER = 1_024;

const cost = (item: Item): number => (Buffer.isBuffer(item) ? item.length : item.value.length + CONTROL_COST_BYTES);

/** What one channel has yet to send: data and control frames in the order in which they were given. */
export class SendQueue {
  #items: Item[] = [];
  #head = 0;
  #bytes = 0;

  /** Data, and what each control frame counts for. */
  get bytes(): number {
    return this.#bytes;
  }

  get empty(): boolean {
    return this.#head === this.#items.length;
  }

  push(item: Item): void {
    this.#items.push(item);
    this.#bytes += cost(item);
  }

  /** Whether `take` would answer something. */
  ready(credit: number): boolean {
    const first = this.#items[this.#head];
    return first !== undefined && (credit > 0 || !Buffer.isBuffer(first));
  }

  /** One control frame, or as much data as is next in line, at most `maxData` bytes of it. */
  take(maxData: number): OutBody | undefined {
    const first = this.#items[this.#head];
    if (first === undefined) return undefined;
    if (!Buffer.isBuffer(first)) {
      this.#advance(first);
      return first;
    }
    const parts: Buffer[] = [];
    let room = maxData;
    while (room > 0) {
      const next = this.#items[this.#head];
      if (!Buffer.isBuffer(next)) break;
      if (next.length > room) {
        parts.push(next.subarray(0, room));
        this.#items[this.#head] = next.subarray(room);
        this.#bytes -= room;
        break;
      }
      parts.push(next);
      this.#advance(next);
      room -= next.length;
    }
    return parts.length === 0 ? undefined : { $case: "data", value: parts };
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #advance(item: Item): void {
    this.#bytes -= cost(item);
    this.#head++;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_AFTER && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
