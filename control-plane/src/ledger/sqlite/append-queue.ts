import { SallyportError } from "@sallyport/proto/errors";
import type { Appended } from "../ledger.ts";
import type { Committed } from "./commit-signal.ts";
import { errorOf, type Failure } from "./sqlite-failure.ts";
import type { AppendOutcome, EncodedAppend, WriterReply } from "./writer-messages.ts";
import type { Writer } from "./writer-thread.ts";

/** About 0.3 s of work at 30,000 appends a second: more waiting than that is a ledger that does not keep up. */
export const MAX_QUEUED_APPENDS = 10_000;

/** Bounds memory while the disk stands still: 64 of the largest appends. */
export const MAX_QUEUED_BYTES = 64 << 20;

/** Under 10 ms of inserts, so that one burst does not make everyone wait for a long transaction. */
export const MAX_BATCH_APPENDS = 512;

/** As above, for large events. A batch takes at least one append, however large. */
export const MAX_BATCH_BYTES = 4 << 20;

/** Longer than any healthy disk takes; shorter than a person or a driver waits before giving up. */
export const APPEND_DEADLINE_MS = 5_000;

interface Pending {
  readonly append: EncodedAppend;
  readonly deadline: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: Error) => void;
}

/** Hears the highest position of each commit, and all of what it stored, after its appends are resolved. */
type OnCommit = (position: number, committed: readonly Committed[]) => void;

type Phase = { readonly kind: "open" } | { readonly kind: "closed" } | { readonly kind: "dead"; readonly failure: Failure };

/**
 * Group commit. Owns every append that has no answer yet.
 *
 * Q1. One batch is in flight at most; what arrives meanwhile, or in one turn of the event loop, is the next batch.
 * Q2. Every append is answered within APPEND_DEADLINE_MS. One that was sent and not answered may still land: a retry with the same
 *     ids finds out. One that was never sent never lands.
 * Q3. Number and bytes of unanswered appends are bounded, those included that are in flight past their deadline.
 * Q4. Appends are answered in the order in which they were accepted, which is the order of their positions.
 */
export class AppendQueue {
  readonly #writer: Writer;
  readonly #onCommit: OnCommit;
  readonly #now: () => number;
  #phase: Phase = { kind: "open" };
  #waiting: Pending[] = [];
  #inFlight: readonly Pending[] = [];
  /** In flight and past their deadline, so already rejected. */
  readonly #abandoned = new Set<Pending>();
  #bytes = 0;
  #flushScheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #drained: (() => void) | undefined;

  constructor(writer: Writer, onCommit: OnCommit, now: () => number = () => performance.now()) {
    this.#writer = writer;
    this.#onCommit = onCommit;
    this.#now = now;
    writer.listen(
      (reply) => this.#onReply(reply),
      (failure) => this.#onDeath(failure),
    );
  }

  append(append: EncodedAppend): Promise<Appended> {
    if (this.#phase.kind !== "open") return Promise.reject(refusal(this.#phase));
    const queued = this.#waiting.length + this.#inFlight.length;
    if (queued >= MAX_QUEUED_APPENDS || this.#bytes + append.bytes > MAX_QUEUED_BYTES) {
      return Promise.reject(new SallyportError("ledger.unavailable", "The ledger does not keep up: too many appends wait.", { queued: String(queued) }));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ append, deadline: this.#now() + APPEND_DEADLINE_MS, resolve, reject });
      this.#bytes += append.bytes;
      this.#timer ??= setTimeout(() => this.#onTimer(), APPEND_DEADLINE_MS);
      this.#scheduleFlush();
    });
  }

  /** Refuses new appends and waits until the accepted ones are answered, in time or by their deadline. */
  async drain(): Promise<void> {
    if (this.#phase.kind === "open") this.#phase = { kind: "closed" };
    if (!this.#isEmpty()) await new Promise<void>((resolve) => (this.#drained = resolve));
    clearTimeout(this.#timer);
  }

  #isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#inFlight.length === this.#abandoned.size;
  }

  #scheduleFlush(): void {
    if (this.#inFlight.length > 0 || this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    let count = 0;
    let bytes = 0;
    for (const { append } of this.#waiting) {
      bytes += append.bytes;
      if (count === MAX_BATCH_APPENDS || (count > 0 && bytes > MAX_BATCH_BYTES)) break;
      count++;
    }
    if (count === 0) return;
    this.#inFlight = this.#waiting.splice(0, count);
    this.#writer.commit(this.#inFlight.map(({ append }) => append));
  }

  #onReply(reply: WriterReply): void {
    const batch = this.#inFlight;
    this.#inFlight = [];
    for (const { append } of batch) this.#bytes -= append.bytes;
    this.#flush(); // before the answers, so that the writer works while they are handled

    let head = 0;
    const committed: Committed[] = [];
    for (const [i, pending] of batch.entries()) {
      const outcome = reply.kind === "committed" ? reply.outcomes[i] : undefined;
      if (outcome?.kind === "appended") {
        head = Math.max(head, outcome.position);
        committed.push({ append: pending.append, position: outcome.position });
      }
      if (!this.#abandoned.delete(pending)) settle(pending, outcome, reply);
    }
    if (head > 0) this.#onCommit(head, committed);
    if (this.#isEmpty()) this.#drained?.();
  }

  /** Deadlines are equal, so they pass in the order of the queue and one timer is enough. */
  #onTimer(): void {
    const now = this.#now();
    for (const pending of this.#inFlight) {
      if (pending.deadline > now || this.#abandoned.has(pending)) continue;
      this.#abandoned.add(pending);
      pending.reject(unanswered());
    }
    const inTime = this.#waiting.findIndex(({ deadline }) => deadline > now);
    for (const pending of this.#waiting.splice(0, inTime === -1 ? this.#waiting.length : inTime)) {
      this.#bytes -= pending.append.bytes;
      pending.reject(unanswered());
    }
    const next = this.#inFlight.find((pending) => !this.#abandoned.has(pending)) ?? this.#waiting[0];
    this.#timer = next && setTimeout(() => this.#onTimer(), Math.max(1, next.deadline - now));
    if (this.#isEmpty()) this.#drained?.();
  }

  #onDeath(failure: Failure): void {
    if (this.#phase.kind === "dead") return;
    const phase = { kind: "dead", failure } as const;
    this.#phase = phase;
    const lost = [...this.#inFlight.filter((pending) => !this.#abandoned.has(pending)), ...this.#waiting];
    this.#inFlight = [];
    this.#waiting = [];
    this.#abandoned.clear();
    this.#bytes = 0;
    for (const pending of lost) pending.reject(refusal(phase));
    this.#drained?.();
  }
}

function settle({ append, resolve, reject }: Pending, outcome: AppendOutcome | undefined, reply: WriterReply): void {
  if (outcome?.kind === "appended") {
    resolve({ revision: BigInt(outcome.revision), position: BigInt(outcome.position) });
  } else if (outcome?.kind === "conflict") {
    const details = { stream: append.stream, expected: revisionText(append.expected), actual: revisionText(outcome.head) };
    reject(new SallyportError("stream.conflict", "Somebody else changed this first.", details));
  } else {
    reject(reply.kind === "failed" ? errorOf(reply.failure, "write") : new Error("The writer left an append without an outcome."));
  }
}

const revisionText = (revision: number): string => (revision === -1 ? "none" : String(revision));

function unanswered(): SallyportError {
  return new SallyportError("ledger.unavailable", `The ledger did not answer within ${APPEND_DEADLINE_MS / 1_000} s.`);
}

function refusal(phase: Exclude<Phase, { readonly kind: "open" }>): SallyportError {
  if (phase.kind === "closed") return new SallyportError("ledger.unavailable", "The ledger is closed.");
  return new SallyportError("ledger.unavailable", "The ledger's writer has died: restart the process.", {}, new Error(phase.failure.message));
}
