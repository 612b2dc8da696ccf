import type { Ledger, RecordedEvent } from "../../ledger.ts";
import type { Message } from "./consumer.ts";
import type { GroupConfig } from "./group-config.ts";
import { type Found, groupSource } from "./group-source.ts";
import { type GroupStreams, readEvent } from "./group-streams.ts";
import { Progress } from "./progress.ts";

export interface Taken {
  readonly message: Message;
  readonly event: RecordedEvent;
}

/**
 * What a group hands out next: first what comes again, then what is replayed of the parked, then what the source has.
 *
 * E1. It holds references and one event at most: what comes again is read again.
 * E2. What was taken is unfinished until it is said to be finished.
 */
export class GroupFeed {
  readonly #ledger: Ledger;
  readonly #streams: GroupStreams;
  readonly #config: GroupConfig;
  readonly #progress: Progress;
  readonly #replayed: Progress;
  /** All of it has been in a consumer's slot, which bounds it. */
  readonly #again: Message[] = [];
  readonly #onFound: () => void;
  readonly #onFailure: (error: unknown) => void;
  #source: AsyncIterator<Found> | undefined;
  #pulling = false;
  #found: Found | undefined;
  #replayNext: bigint;
  #replayEnd: bigint;
  #finished = 0;
  #passed = 0;

  constructor(
    ledger: Ledger,
    streams: GroupStreams,
    config: GroupConfig,
    from: { readonly after: bigint | undefined; readonly firstParked: bigint },
    on: { readonly found: () => void; readonly failure: (error: unknown) => void },
  ) {
    this.#ledger = ledger;
    this.#streams = streams;
    this.#config = config;
    this.#progress = new Progress(from.after);
    this.#replayed = new Progress(from.firstParked === 0n ? undefined : from.firstParked - 1n);
    this.#replayNext = from.firstParked;
    this.#replayEnd = from.firstParked;
    this.#onFound = on.found;
    this.#onFailure = on.failure;
  }

  /** Everything up to this place is finished. */
  get done(): bigint | undefined {
    return this.#progress.done;
  }

  /** The first of the parked that was not replayed, or is not finished. */
  get firstParked(): bigint {
    return (this.#replayed.done ?? -1n) + 1n;
  }

  /** The first of the parked that was not replayed. */
  get nextReplay(): bigint {
    return this.#replayNext;
  }

  /** Since it began. Places that nobody wanted are told apart. */
  get counts(): { readonly finished: number; readonly passed: number } {
    return { finished: this.#finished, passed: this.#passed };
  }

  get retrying(): number {
    return this.#again.length;
  }

  get unfinished(): number {
    return this.#progress.unfinished + this.#replayed.unfinished;
  }

  start(signal: AbortSignal): void {
    this.#source ??= groupSource(this.#ledger, this.#config, this.#progress.done, signal)[Symbol.asyncIterator]();
  }

  /** After its signal has aborted. */
  async stop(): Promise<void> {
    await this.#source?.return?.().catch(() => undefined);
  }

  replayTo(end: bigint): void {
    if (end > this.#replayEnd) this.#replayEnd = end;
  }

  /** It was sent, to no avail. */
  sendAgain(message: Message): void {
    this.#again.push({ ...message, retries: message.retries + 1 });
  }

  /** It could not be sent: the next one, once more. */
  putBack(message: Message): void {
    this.#again.unshift(message);
  }

  finish({ place, replay }: Message): void {
    if (replay) return this.#replayed.finish(place);
    this.#progress.finish(place);
    this.#finished++;
  }

  /** Nothing when there is nothing now; it says when there is. One call at a time. */
  async take(): Promise<Taken | undefined> {
    for (;;) {
      const message = this.#again.shift();
      if (message !== undefined) {
        const event = await readEvent(this.#ledger, message.ref);
        if (event !== undefined) return { message, event };
        this.finish(message);
      } else if (this.#replayNext < this.#replayEnd) {
        const taken = await this.#replay();
        if (taken !== undefined) return taken;
      } else {
        if (this.#found === undefined) return this.#pull();
        const taken = this.#begin(this.#found);
        this.#found = undefined;
        if (taken !== undefined) return taken;
      }
    }
  }

  async #replay(): Promise<Taken | undefined> {
    const place = this.#replayNext++;
    this.#replayed.begin(place);
    const event = await this.#streams.parkedAt(place);
    if (event !== undefined) return takenAs(event, place, true);
    this.#replayed.finish(place);
    return undefined;
  }

  #begin({ place, event }: Found): Taken | undefined {
    if (event !== undefined) {
      this.#progress.begin(place);
      return takenAs(event, place, false);
    }
    this.#progress.pass(place);
    this.#passed++;
    return undefined;
  }

  #pull(): undefined {
    if (this.#pulling || this.#source === undefined) return;
    this.#pulling = true;
    this.#source.next().then(
      ({ done, value }) => {
        this.#pulling = false;
        if (done === true) return this.#onFailure(new Error("The source of a persistent subscription has ended."));
        this.#found = value;
        this.#onFound();
      },
      (error: unknown) => this.#onFailure(error),
    );
  }
}

const takenAs = (event: RecordedEvent, place: bigint, replay: boolean): Taken => ({
  message: { id: event.id, ref: { stream: event.stream, revision: event.revision }, place, replay, retries: 0 },
  event,
});
