import { setImmediate as nextTurn } from "node:timers/promises";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { DataOf, EventType } from "../../domain/events.ts";
import type { ReadableLedger, RecordedEvent, SubscriptionMessage } from "../../ledger/ledger.ts";
import { backOff, pause, type Scheduler } from "../scheduler.ts";
import type { Change } from "./change.ts";
import { project, PROJECTED_PREFIXES } from "./project.ts";
import { type Checkpoint, nothingProjected, type ReadModelStore } from "./read-model-store.ts";

/**
 * Feeds one store from one subscription.
 *
 * Phases: catching up, live, failed (the store did not take a batch; whoever owns the run begins another one).
 * P1. Each event is projected once, in the order of positions: the subscription begins after the store's checkpoint, and the store
 *     takes a batch only if it follows that.
 * P2. One batch is with the store at a time, and at most one more in memory. Nothing is asked of the ledger meanwhile.
 * P3. After each batch others run, and once live it waits `LINGER_MS`, or until somebody waits for it, so that a busy ledger is
 *     read many events at a time. Then all that has come is one batch.
 * P4. A lost subscription is taken up again after the last position seen.
 */
export class ProjectionRun {
  readonly #deps: ProjectionRunDeps;
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  readonly #waiters = new Set<Waiter>();
  #hurry = new AbortController();
  readonly #begunAt = performance.now();
  #checkpoint: Checkpoint;
  /** Of the batch that is being gathered. */
  #changes: Change[] = [];
  #next: Checkpoint;
  #gathered = 0;
  #live = false;
  #failure: SallyportError | undefined;

  constructor(deps: ProjectionRunDeps) {
    this.#deps = deps;
    this.#checkpoint = deps.store.opened;
    this.#next = deps.store.opened;
    this.#loop = this.#run();
  }

  /** What is in the store. */
  get checkpoint(): Checkpoint {
    return this.#checkpoint;
  }

  get live(): boolean {
    return this.#live;
  }

  get failure(): SallyportError | undefined {
    return this.#failure;
  }

  /** Resolves with whether everything up to the position is in the store, after `patienceMs` at the latest. */
  reached(position: bigint, patienceMs: number): Promise<boolean> {
    if (this.#isAt(position)) return Promise.resolve(true);
    if (this.#failure !== undefined || this.#stop.signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (reached: boolean): void => {
        cancel();
        this.#waiters.delete(waiter);
        resolve(reached);
      };
      const waiter: Waiter = { position, settle };
      const cancel = this.#deps.scheduler.after(patienceMs, () => settle(false));
      this.#waiters.add(waiter);
      this.#hurry.abort();
    });
  }

  /** Leaves the store open. Resolves when nothing more is written. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#hurry.abort();
    await this.#loop;
    for (const { settle } of this.#waiters) settle(false);
  }

  async #run(): Promise<void> {
    const { log, scheduler } = this.#deps;
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      const before = this.#next.position;
      try {
        await this.#follow();
      } catch (error) {
        if (error instanceof StoreFailed) {
          this.#failure = error.cause;
          for (const { settle } of this.#waiters) settle(false);
          this.#deps.failed(error.cause);
          return;
        }
        log.warn({ err: error }, "the read models lost their subscription");
      }
      this.#live = false;
      failures = this.#next.position === before ? failures + 1 : 0;
      await pause(scheduler, backOff(failures, RESUBSCRIBE_FIRST_MS, RESUBSCRIBE_LAST_MS), signal);
    }
  }

  async #follow(): Promise<void> {
    const { ledger } = this.#deps;
    const { signal } = this.#stop;
    // Ended here as well when the store fails: a subscription that waits for the next event would hold up its own end.
    const left = new AbortController();
    const from = this.#next.position === undefined ? {} : { after: this.#next.position };
    const options = { ...from, filter: { by: "stream", prefixes: PROJECTED_PREFIXES }, signal: AbortSignal.any([signal, left.signal]) } as const;
    const messages = ledger.subscribeToAll(options)[Symbol.asyncIterator]();
    let coming: Promise<IteratorResult<SubscriptionMessage>> | undefined;
    let turn: Promise<undefined> | undefined;
    let came = false;
    try {
      while (!signal.aborted) {
        coming ??= messages.next();
        // What is there already comes a page with each turn of the event loop; when one brings nothing, what was gathered is written.
        const message = this.#gathered === 0 ? await coming : await Promise.race([coming, (turn ??= nextTurn(undefined))]);
        if (message === undefined) {
          turn = undefined;
          if (came) {
            came = false;
            continue;
          }
          await this.#flush();
          if (this.#live) await this.#linger();
          continue;
        }
        came = true;
        coming = undefined;
        if (message.done === true) return;
        this.#take(message.value);
        if (this.#gathered >= MAX_BATCH_EVENTS || this.#changes.length >= MAX_BATCH_CHANGES) {
          await this.#flush();
          await nextTurn();
        }
      }
    } finally {
      left.abort();
      coming?.catch(() => undefined); // it fails along with the loop
      await messages.return?.();
    }
  }

  async #linger(): Promise<void> {
    if (this.#waiters.size > 0 || this.#stop.signal.aborted) return;
    this.#hurry = new AbortController();
    await pause(this.#deps.scheduler, LINGER_MS, this.#hurry.signal);
  }

  #take(message: SubscriptionMessage): void {
    switch (message.kind) {
      case "event":
        return this.#gather(message.event);
      case "checkpoint":
        this.#next = { ...this.#next, position: message.position };
        this.#gathered += 1;
        return;
      case "caughtUp":
        this.#live = true;
        this.#gathered += 1; // written at once, so that whoever waits for it is told
    }
  }

  #gather(recorded: RecordedEvent): void {
    const { position, id, recordedAt, stream, type } = recorded;
    if (type === ("SubjectKeyDestroyed" satisfies EventType)) this.#forget(recorded);
    const projection = project(recorded);
    let { unreadable, later } = this.#next;
    if (projection.kind === "changes") this.#changes.push(...projection.changes);
    else {
      unreadable += 1;
      if (projection.later) later += 1;
      if (unreadable <= MAX_NAMED_UNREADABLE)
        this.#deps.log.warn({ stream, type: type.slice(0, 100), position: String(position), why: projection.why }, "an event is left out of the read models");
    }
    this.#next = { position, lastEvent: { position, id, recordedAt: recordedAt.toISOString() }, events: this.#next.events + 1, unreadable, later };
    this.#gathered += 1;
  }

  /** Rows of an earlier run may name them, and so may those of this one, if it began while there was a key. */
  #forget({ data }: RecordedEvent): void {
    const { subject } = data as DataOf<"SubjectKeyDestroyed">;
    const { store, forgotten } = this.#deps;
    const since = forgotten?.(subject);
    if (store.opened.position === undefined && (since === undefined || since < this.#begunAt)) return;
    throw new StoreFailed(new SallyportError("read_models.unavailable", "They are made anew, since somebody was forgotten.", { damaged: "yes" }));
  }

  async #flush(): Promise<void> {
    const { store } = this.#deps;
    const batch = { after: this.#checkpoint.position, changes: this.#changes, checkpoint: this.#next };
    this.#changes = [];
    this.#gathered = 0;
    if (batch.checkpoint !== this.#checkpoint) {
      try {
        await store.apply(batch);
      } catch (error) {
        throw new StoreFailed(SallyportError.from(error));
      }
      this.#checkpoint = batch.checkpoint;
    }
    for (const { position, settle } of this.#waiters) if (this.#isAt(position)) settle(true);
    this.#deps.progressed?.(this.#checkpoint, this.#live);
  }

  #isAt(position: bigint): boolean {
    return (this.#checkpoint.position ?? nothingBefore) >= position;
  }
}

export interface ProjectionRunDeps {
  readonly ledger: ReadableLedger;
  readonly store: ReadModelStore;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  /** The store is of no more use; the run has ended. */
  readonly failed: (error: SallyportError) => void;
  /** Since when (`performance.now()`) the ledger's events are not opened with this subject's key any more; undefined when they never were. */
  readonly forgotten?: (subject: string) => number | undefined;
  /** After each batch. */
  readonly progressed?: (checkpoint: Checkpoint, live: boolean) => void;
}

/** Of a file, in the log; after that they are only counted. A later release may have written all of them. */
export const MAX_NAMED_UNREADABLE = 1_000;
/** In one transaction: some 20 ms of the store, and a megabyte or two. */
export const MAX_BATCH_EVENTS = 2_048;
/** An event makes two changes at most today; this bounds a batch should one make many. */
export const MAX_BATCH_CHANGES = 4_096;
/**
 * How late a list may be that nobody asks for: who asks is not made to wait for it. Full-text search merges what each transaction
 * adds, so that a command costs half as much in one of a thousand as in one of a hundred.
 */
export const LINGER_MS = 250;
export const RESUBSCRIBE_FIRST_MS = 50;
export const RESUBSCRIBE_LAST_MS = 5_000;

/** Positions are zero or more. */
const nothingBefore = -1n;

interface Waiter {
  readonly position: bigint;
  readonly settle: (reached: boolean) => void;
}

class StoreFailed extends Error {
  override readonly name = "StoreFailed";
  declare readonly cause: SallyportError;

  constructor(cause: SallyportError) {
    super(cause.message, { cause });
  }
}

/** Whether the ledger has the last event that the store saw at the place where it saw it. */
export async function isOf(ledger: ReadableLedger, { position, lastEvent }: Checkpoint = nothingProjected): Promise<boolean> {
  if (lastEvent === undefined) return position === undefined || (await headOf(ledger)) !== undefined;
  for await (const { id, position: found } of ledger.readAll({ from: lastEvent.position, limit: 1 }))
    return id === lastEvent.id && found === lastEvent.position;
  return false;
}

/** The last event that concerns the read models. */
export async function headOf(ledger: ReadableLedger): Promise<RecordedEvent | undefined> {
  for await (const event of ledger.readAll({ direction: "backwards", limit: 1, filter: { by: "stream", prefixes: PROJECTED_PREFIXES } })) return event;
  return undefined;
}
