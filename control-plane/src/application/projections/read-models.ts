import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { ReadableLedger } from "../../ledger/ledger.ts";
import { backOff, pause, type Scheduler } from "../scheduler.ts";
import { headOf, isOf, ProjectionRun, type ProjectionRunDeps } from "./projection-run.ts";
import {
  type Checkpoint,
  type CommandQuery,
  type CommandRow,
  nothingProjected,
  type Page,
  type ReadModelStore,
  type ReadModelStores,
  type SessionQuery,
  type SessionRow,
} from "./read-model-store.ts";

/** What others ask of them, in whatever thread they are. */
export type ReadModelsService = Pick<ReadModels, "sessions" | "commands" | "status" | "rebuild" | "leftOut" | "close">;

/**
 * The read models of this process: lists and search over the ledger. Nothing is decided on them, and no session waits for them.
 *
 * Phases of the store in use: opening, in use (catching up, then live), down (tried again with growing pauses).
 * M1. A question is answered when everything that was in the ledger when it was asked is in the answer, or not at all.
 * M2. A store that saw another ledger, or a later state of this one (a restored copy), is begun anew.
 * M3. When somebody is forgotten, the store is begun anew: what it says of them is gone with its file.
 * M4. While it is rebuilt, the one in use goes on answering; the new one takes its place when it has caught up.
 */
export class ReadModels {
  readonly #deps: ReadModelsDeps;
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #inUse: InUse | undefined;
  #why = "They are being opened.";
  #rebuilding: Promise<unknown> | undefined;
  #progress: RebuildProgress | undefined;
  /** The owner of the store in use takes it down for a moment, and takes up what stands in its place then. */
  #exchange: PromiseWithResolvers<void> | undefined;
  #wake: () => void = () => undefined;
  readonly #waiting = new Set<(inUse: InUse) => void>();

  constructor(deps: ReadModelsDeps) {
    this.#deps = deps;
    this.#loop = this.#own();
  }

  /** Events of a later release that are not in what the store in use answers. */
  get leftOut(): number {
    return this.#inUse?.run.checkpoint.later ?? 0;
  }

  async sessions(query: SessionQuery): Promise<Page<SessionRow>> {
    return (await this.#current()).sessions(query);
  }

  async commands(query: CommandQuery): Promise<Page<CommandRow>> {
    return (await this.#current()).commands(query);
  }

  async status(): Promise<ReadModelsStatus> {
    const head = await headOf(this.#deps.ledger);
    const inUse = this.#inUse;
    const checkpoint = inUse?.run.checkpoint ?? nothingProjected;
    const last = checkpoint.lastEvent;
    const isBehind = head !== undefined && (checkpoint.position ?? -1n) < head.position;
    return {
      state: inUse === undefined ? "down" : isBehind ? "behind" : "current",
      why: inUse === undefined ? this.#why : "",
      checkpoint,
      head: head === undefined ? undefined : { position: head.position, recordedAt: head.recordedAt },
      lagMs: isBehind ? Math.max(0, head.recordedAt.getTime() - (last === undefined ? 0 : Date.parse(last.recordedAt))) : 0,
      rows: (await inUse?.store.counts()) ?? {},
      rebuild: this.#progress,
    };
  }

  /**
   * Makes everything anew from the first event, and tells how far it is; the last word is `done`. One at a time: whoever asks
   * meanwhile fails with `read_models.unavailable`. Goes on when nobody listens any more.
   */
  async *rebuild(signal: AbortSignal): AsyncGenerator<RebuildProgress> {
    if (this.#rebuilding !== undefined)
      throw new SallyportError("read_models.unavailable", "They are being rebuilt already; `projections status` tells how far.");
    let failure: unknown;
    let told: RebuildProgress | undefined;
    const changed = { resolve: (): void => undefined };
    const rebuilding = this.#rebuild(() => changed.resolve())
      .catch((error: unknown) => {
        failure = error;
        this.#deps.log.error({ err: error }, "the read models could not be rebuilt");
      })
      .finally(() => {
        this.#rebuilding = undefined;
        changed.resolve();
      });
    this.#rebuilding = rebuilding;
    while (!signal.aborted) {
      const next = new Promise<void>((resolve) => {
        changed.resolve = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      const progress = this.#progress;
      if (progress !== undefined && progress !== told) yield (told = progress);
      if (this.#rebuilding !== rebuilding) break;
      await next;
    }
    this.#progress = undefined;
    if (failure !== undefined) throw SallyportError.from(failure);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#rebuilding;
    await this.#loop;
  }

  /** M1. */
  async #current(): Promise<ReadModelStore> {
    const head = await headOf(this.#deps.ledger);
    const inUse = this.#inUse ?? (await this.#opened());
    if (head !== undefined && !(await inUse.run.reached(head.position, CATCH_UP_PATIENCE_MS))) {
      const { events } = inUse.run.checkpoint;
      throw unavailable(`They are behind the ledger: ${String(events)} events are in them so far.`);
    }
    return inUse.store;
  }

  /** The store is away for a moment at the start, and while another takes its place. */
  async #opened(): Promise<InUse> {
    const patience = new AbortController();
    const { promise, resolve } = Promise.withResolvers<InUse>();
    this.#waiting.add(resolve);
    try {
      const inUse = await Promise.race([promise, pause(this.#deps.scheduler, CATCH_UP_PATIENCE_MS, AbortSignal.any([patience.signal, this.#stop.signal]))]);
      if (inUse === undefined) throw unavailable(this.#why);
      return inUse;
    } finally {
      patience.abort();
      this.#waiting.delete(resolve);
    }
  }

  /** Opens the store, feeds it, and does so again after each failure. */
  async #own(): Promise<void> {
    const { stores, scheduler, log } = this.#deps;
    const { signal } = this.#stop;
    const stopping = (): boolean => signal.aborted; // it changes while something is awaited
    let failures = 0;
    while (!stopping()) {
      try {
        this.#takeExchange();
        const store = await this.#openChecked();
        const failed = Promise.withResolvers<SallyportError | undefined>();
        const run = new ProjectionRun({ ...this.#deps, store, failed: failed.resolve });
        this.#wake = () => failed.resolve(undefined);
        if (stopping() || this.#exchange !== undefined) this.#wake();
        this.#inUse = { store, run };
        for (const tell of this.#waiting) tell(this.#inUse);
        const failure = await failed.promise;
        this.#inUse = undefined;
        failures = run.live ? 0 : failures;
        await run.close();
        await store.close();
        if (failure !== undefined) {
          if (failure.details["damaged"] === "yes") stores.discard();
          throw failure;
        }
        continue;
      } catch (error) {
        this.#why = SallyportError.from(error).message;
        log.error({ err: error }, "the read models are down; they are tried again");
      }
      await pause(scheduler, backOff(failures++, REOPEN_FIRST_MS, REOPEN_LAST_MS), signal);
    }
  }

  /** Between two stores in use. */
  #takeExchange(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange === undefined) return;
    try {
      this.#deps.stores.adopt();
      exchange.resolve();
    } catch (error) {
      exchange.reject(error);
    }
  }

  /** M2. */
  async #openChecked(): Promise<ReadModelStore> {
    const { stores, ledger, log } = this.#deps;
    const store = await stores.open();
    try {
      if (await isOf(ledger, store.opened)) return store;
    } catch (error) {
      await store.close();
      throw error;
    }
    log.warn("the read models were made from another ledger, or a later state of this one; they are begun anew");
    await store.close();
    stores.discard();
    return stores.open();
  }

  async #rebuild(changed: () => void): Promise<void> {
    const { stores } = this.#deps;
    const { signal } = this.#stop;
    const expected = this.#inUse?.run.checkpoint.events ?? 0;
    const tell = ({ events, lastEvent }: Checkpoint, done: boolean): void => {
      this.#progress = { events, expected: Math.max(events, expected), upTo: lastEvent === undefined ? undefined : new Date(lastEvent.recordedAt), done };
      changed();
    };
    const store = await stores.draft();
    const ended = Promise.withResolvers<void>();
    const run = new ProjectionRun({
      ...this.#deps,
      store,
      failed: ended.reject,
      progressed: (checkpoint, live) => {
        tell(checkpoint, false);
        if (live) ended.resolve();
      },
    });
    signal.addEventListener("abort", () => ended.reject(unavailable("The control plane is stopping.")), { once: true });
    if (signal.aborted) ended.reject(unavailable("The control plane is stopping."));
    try {
      await ended.promise;
    } finally {
      await run.close();
      await store.close();
    }
    const exchange = Promise.withResolvers<void>();
    this.#exchange = exchange;
    this.#why = "They are being replaced by the rebuilt ones.";
    this.#wake();
    await exchange.promise;
    tell(run.checkpoint, true);
  }
}

export interface ReadModelsDeps {
  readonly ledger: ReadableLedger;
  readonly stores: ReadModelStores;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  readonly forgotten?: NonNullable<ProjectionRunDeps["forgotten"]>;
}

export interface ReadModelsStatus {
  readonly state: "down" | "behind" | "current";
  /** Why it is down; empty otherwise. */
  readonly why: string;
  readonly checkpoint: Checkpoint;
  readonly head: { readonly position: bigint; readonly recordedAt: Date } | undefined;
  /** Between the last event in the rows and the last one in the ledger. */
  readonly lagMs: number;
  readonly rows: Readonly<Record<string, number>>;
  readonly rebuild: RebuildProgress | undefined;
}

export interface RebuildProgress {
  readonly events: number;
  /** As many as there were the last time; never less than `events`. */
  readonly expected: number;
  readonly upTo: Date | undefined;
  readonly done: boolean;
}

/** How long a question waits for what was recorded just before it: many times the usual lag. */
export const CATCH_UP_PATIENCE_MS = 3_000;
export const REOPEN_FIRST_MS = 200;
export const REOPEN_LAST_MS = 30_000;

interface InUse {
  readonly store: ReadModelStore;
  readonly run: ProjectionRun;
}

const unavailable = (why: string): SallyportError => new SallyportError("read_models.unavailable", `The lists cannot be read now. ${why}`);
