import type { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import { categoryOfStream, idOfStream, type RecordCategory } from "../domain/record-streams.ts";

/** A stream that the view can say nothing of any more. */
export interface ClosedStream {
  readonly stream: string;
  /** `ledger.newer`, or `ledger.corrupt` where an event makes no sense behind the others. */
  readonly why: SallyportError;
}

/** Each is named once in the log, some 200 bytes; the rest is counted. */
export const MAX_NAMED_CLOSED_STREAMS = 1_000;

/**
 * Which streams the view lets nobody decide on, and why. Grows with the streams of the view, of which it holds no more: what is closed
 * is let go of there.
 */
export class ClosedStreams {
  readonly #closed = new Map<string, SallyportError>();
  readonly #listeners = new Set<(closed: ClosedStream) => void>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  get size(): number {
    return this.#closed.size;
  }

  whyClosed(stream: string): SallyportError | undefined {
    return this.#closed.get(stream);
  }

  /** What the streams of one category are about. */
  *idsOf(category: RecordCategory): Iterable<string> {
    for (const stream of this.#closed.keys()) if (categoryOfStream(stream) === category) yield idOfStream(stream);
  }

  /** Called once for each, after the view has let go of it. The answer unsubscribes. */
  onClosed(listener: (closed: ClosedStream) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(stream: string, why: SallyportError): void {
    if (this.#closed.has(stream)) return;
    this.#closed.set(stream, why);
    if (this.#closed.size <= MAX_NAMED_CLOSED_STREAMS)
      this.#log.error({ code: why.code, ...why.details, why: why.message }, "nothing is decided on this stream any more");
    else if (this.#closed.size === MAX_NAMED_CLOSED_STREAMS + 1)
      this.#log.error({ named: MAX_NAMED_CLOSED_STREAMS }, "more streams than are named here cannot be decided on");
    for (const listener of this.#listeners) {
      try {
        listener({ stream, why });
      } catch (error) {
        this.#log.error({ err: error, stream }, "a listener of the view failed");
      }
    }
  }
}
