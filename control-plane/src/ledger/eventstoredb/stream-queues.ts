import { SallyportError } from "@sallyport/proto/errors";
import { type Appended, type ExpectedRevision, MAX_APPEND_BYTES, type NewEvent } from "../ledger.ts";

/** As the embedded ledger: more waiting than that is a ledger that does not keep up. */
export const MAX_QUEUED_APPENDS = 10_000;
export const MAX_QUEUED_BYTES = 64 << 20;

/** Appends of one stream that travel as one: their events together stay within an append's bound of bytes too. */
export const MAX_BATCH_APPENDS = 64;

/**
 * The client puts each append as a message into a stream that says at the 16th that it is full; then the client makes callers wait in a
 * queue of its own, and a connection that breaks while anybody is in there ends the process with an unhandled rejection.
 */
export const MAX_IN_FLIGHT = 15;

export interface QueuedAppend {
  readonly stream: string;
  readonly events: readonly NewEvent[];
  readonly expected: ExpectedRevision;
  readonly bytes: number;
  /** Of `performance.now()`. */
  readonly deadline: number;
}

interface Pending extends QueuedAppend {
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: unknown) => void;
}

/** Sends what belongs together as one append and answers for each part, in order. */
export type SendBatch = (batch: readonly QueuedAppend[]) => Promise<readonly PromiseSettledResult<Appended>[]>;

/**
 * Order and bounds of everything that has no answer yet.
 *
 * Q1. One batch of a stream is in flight at most; what is queued meanwhile and follows on, revision by revision, is the next batch.
 * Q2. MAX_IN_FLIGHT batches are in flight at most, over all streams, each stream in its turn.
 * Q3. Appends of one stream are answered in the order in which they were accepted.
 */
export class StreamQueues {
  readonly #send: SendBatch;
  readonly #queues = new Map<string, Pending[]>();
  /** Streams that have something to send and nothing in flight, longest waiting first. */
  readonly #ready: string[] = [];
  #inFlight = 0;
  #count = 0;
  #bytes = 0;
  #drained: (() => void) | undefined;

  constructor(send: SendBatch) {
    this.#send = send;
  }

  append(append: QueuedAppend): Promise<Appended> {
    if (this.#count >= MAX_QUEUED_APPENDS || this.#bytes + append.bytes > MAX_QUEUED_BYTES) {
      return Promise.reject(new SallyportError("ledger.unavailable", "The ledger does not keep up: too many appends wait.", { queued: String(this.#count) }));
    }
    return new Promise((resolve, reject) => {
      const pending = { ...append, resolve, reject };
      this.#count++;
      this.#bytes += append.bytes;
      const queue = this.#queues.get(append.stream);
      if (queue === undefined) {
        this.#queues.set(append.stream, [pending]);
        this.#ready.push(append.stream);
        this.#next();
      } else queue.push(pending);
    });
  }

  /** Resolves when everything accepted is answered. */
  async drain(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  #next(): void {
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const stream = this.#ready.shift();
      if (stream === undefined) return;
      this.#inFlight++;
      void this.#run(stream, this.#queues.get(stream) ?? []);
    }
  }

  async #run(stream: string, queue: Pending[]): Promise<void> {
    const batch = queue.splice(0, batchLength(queue));
    const outcomes = await this.#send(batch);
    this.#inFlight--;
    for (const [i, pending] of batch.entries()) {
      this.#count--;
      this.#bytes -= pending.bytes;
      const outcome = outcomes[i];
      if (outcome?.status === "fulfilled") pending.resolve(outcome.value);
      else pending.reject(outcome?.reason ?? new Error("An append was left without an outcome."));
    }
    if (queue.length > 0) this.#ready.push(stream);
    else this.#queues.delete(stream);
    this.#next();
    if (this.#count === 0) this.#drained?.();
  }
}

/** How many from the head of the queue expect just what the one before them leaves, within the bounds. */
function batchLength(queue: readonly QueuedAppend[]): number {
  let bytes = 0;
  let follows: bigint | undefined;
  let length = 0;
  for (const { events, expected, bytes: more } of queue) {
    const at = expected === "none" ? -1n : expected;
    bytes += more;
    if (length === MAX_BATCH_APPENDS || (length > 0 && (at !== follows || bytes > MAX_APPEND_BYTES))) break;
    follows = at + BigInt(events.length);
    length++;
  }
  return length;
}
