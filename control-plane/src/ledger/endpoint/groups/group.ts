import { performance } from "node:perf_hooks";
import type { Logger } from "pino";
import type { Ledger, RecordedEvent } from "../../ledger.ts";
import { type GroupProblem, RefusalError } from "../refusal.ts";
import { Consumer, type ConsumerLink, type Delivery, type Message } from "./consumer.ts";
import { type GroupConfig, MAX_CONSUMERS } from "./group-config.ts";
import { type Found, groupSource } from "./group-source.ts";
import { GroupStreams, readEvent } from "./group-streams.ts";
import { Progress } from "./progress.ts";

/** How late a time-out or a checkpoint that is due by time may be. */
const TICK_MS = 100;

/** Places that nobody wanted are a checkpoint too, else a restart looks at them again; rarely, since each is an event that others see. */
const PASSED_PER_CHECKPOINT = 10_000;

export type Answer = "ack" | "park" | "retry" | "skip";

interface Taken {
  readonly message: Message;
  readonly event: RecordedEvent;
}

/**
 * A group of consumers that share what a source has: each event goes to one of them, and to another one when it is not answered.
 *
 * G1. At least once: the checkpoint never passes an event that is neither answered nor parked. After a crash it comes again.
 * G2. One event is with one consumer at a time.
 * G3. Nothing is buffered: the next event is taken when a consumer has a free slot, and what comes again is read again.
 * G4. One write of its state at a time; what happens meanwhile is in the next one.
 * G5. It lives on without consumers, so that what they have not answered comes first for the next one; it ends for good, with them.
 */
export class Group {
  readonly config: GroupConfig;
  readonly #ledger: Ledger;
  readonly #streams: GroupStreams;
  readonly #log: Logger;
  readonly #progress: Progress;
  readonly #replayed: Progress;
  readonly #stopped = new AbortController();
  readonly #since = performance.now();
  #consumers: readonly Consumer[] = [];
  #turn = 0;
  #source: AsyncIterator<Found> | undefined;
  #pulling = false;
  #found: Found | undefined;
  /** To be sent again before anything new; all of it was in a slot once. */
  readonly #again: Message[] = [];
  #replayNext: bigint;
  #replayEnd: bigint;
  #checkpoint: bigint | undefined;
  #unparked: bigint;
  #finished = 0;
  #passed = 0;
  #total = 0;
  #checkpointDue = 0;
  #saving: Promise<void> | undefined;
  readonly #parkings = new Set<Promise<void>>();
  #woken = false;
  #wakeUp: (() => void) | undefined;

  private constructor(ledger: Ledger, streams: GroupStreams, config: GroupConfig, log: Logger, checkpoint: bigint | undefined, parkedFrom: bigint) {
    this.#ledger = ledger;
    this.#streams = streams;
    this.config = config;
    this.#log = log.child({ source: config.source, group: config.group });
    this.#checkpoint = checkpoint;
    this.#progress = new Progress(checkpoint ?? (config.after === undefined ? undefined : BigInt(config.after)));
    this.#replayed = new Progress(parkedFrom === 0n ? undefined : parkedFrom - 1n);
    this.#unparked = parkedFrom;
    this.#replayNext = parkedFrom;
    this.#replayEnd = parkedFrom;
  }

  static async load(ledger: Ledger, streams: GroupStreams, config: GroupConfig, log: Logger): Promise<Group> {
    const [checkpoint, { first }] = await Promise.all([streams.checkpoint(), streams.parked()]);
    return new Group(ledger, streams, config, log, checkpoint, first);
  }

  get isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  join(link: ConsumerLink): Consumer {
    if (this.isStopped) throw this.#problem("dropped");
    if (this.#consumers.length >= Math.min(this.config.settings.maxSubscriberCount || MAX_CONSUMERS, MAX_CONSUMERS)) throw this.#problem("full");
    const consumer = new Consumer(link);
    this.#consumers = [...this.#consumers, consumer];
    if (this.#source === undefined) this.#start();
    this.#wake();
    return consumer;
  }

  /** What it has not answered goes to the others: counted as a retry, but never parked for it. */
  leave(consumer: Consumer): void {
    if (!this.#consumers.includes(consumer)) return;
    this.#consumers = this.#consumers.filter((other) => other !== consumer);
    for (const delivery of consumer.inFlight.values()) if (!delivery.settled) this.#sendAgain(delivery);
    this.#wake();
  }

  /** An id that is not in flight at this consumer was sent again to another one, or never. */
  answer(consumer: Consumer, ids: readonly string[], answer: Answer, reason: string): void {
    if (!this.#consumers.includes(consumer)) return;
    for (const id of ids) {
      const delivery = consumer.inFlight.get(id);
      if (delivery === undefined || delivery.settled) continue;
      if (answer === "park") this.#park(consumer, delivery, reason);
      else if (answer === "retry") this.#retry(consumer, delivery, reason);
      else {
        consumer.inFlight.delete(id);
        this.#finish(delivery.message);
      }
    }
    this.#wake();
  }

  resume(consumer: Consumer): void {
    consumer.blocked = false;
    this.#wake();
  }

  /** Sends what was parked before `end` once more. It stays parked until it is answered, so a crash forgets the replay and no event. */
  async replayParked(end: bigint | undefined): Promise<void> {
    const { next } = await this.#streams.parked();
    const wanted = end === undefined || end > next ? next : end;
    if (wanted > this.#replayEnd) this.#replayEnd = wanted;
    this.#wake();
  }

  /** Writes down how far it came, unless its state is to be forgotten. */
  async stop(error: Error, { save }: { readonly save: boolean }): Promise<void> {
    if (this.isStopped) return;
    this.#stopped.abort();
    const consumers = this.#consumers;
    this.#consumers = [];
    for (const { link } of consumers) link.cut(error);
    this.#wake();
    await Promise.all([...this.#parkings, this.#saving, this.#source?.return?.().catch(() => undefined)]);
    if (save) await this.#save();
  }

  async state() {
    const { next } = await this.#streams.parked();
    const seconds = Math.max(1, (performance.now() - this.#since) / 1_000);
    return {
      config: this.config,
      checkpoint: this.#checkpoint,
      parked: next > this.#replayNext ? next - this.#replayNext : 0n,
      retrying: this.#again.length,
      unfinished: this.#progress.unfinished + this.#replayed.unfinished,
      total: this.#total,
      perSecond: Math.round(this.#total / seconds),
      seconds,
      consumers: this.#consumers,
    };
  }

  #start(): void {
    this.#source = groupSource(this.#ledger, this.config, this.#progress.done, this.#stopped.signal)[Symbol.asyncIterator]();
    const ticking = setInterval(() => this.#tick(), TICK_MS).unref();
    this.#stopped.signal.addEventListener("abort", () => clearInterval(ticking));
    this.#run().catch((error: unknown) => this.#fail(error));
  }

  /** The next consumer loads the group anew, from its checkpoint. */
  #fail(error: unknown): void {
    if (this.isStopped) return;
    this.#log.warn({ err: error }, "persistent subscription stopped");
    void this.stop(error instanceof Error ? error : new Error(String(error)), { save: false });
  }

  async #run(): Promise<void> {
    while (!this.isStopped) {
      const taken = this.#nextConsumer() === undefined ? undefined : await this.#take();
      const consumer = this.#nextConsumer();
      if (taken !== undefined && consumer !== undefined && !this.#isInFlight(taken.message.id)) {
        this.#turn = this.#consumers.indexOf(consumer) + 1;
        this.#total++;
        consumer.send(taken.message, taken.event, performance.now());
        continue;
      }
      if (taken !== undefined) this.#again.unshift(taken.message); // whoever was free has left, or another event of this id is not answered
      await this.#wakened();
    }
  }

  async #take(): Promise<Taken | undefined> {
    for (;;) {
      const message = this.#again.shift();
      if (message !== undefined) {
        const event = await readEvent(this.#ledger, message.ref);
        if (event !== undefined) return { message, event };
        this.#finish(message);
      } else if (this.#replayNext < this.#replayEnd) {
        const place = this.#replayNext++;
        this.#replayed.begin(place);
        const event = await this.#streams.parkedAt(place);
        if (event !== undefined) return { message: messageOf(event, place, true), event };
        this.#replayed.finish(place);
      } else if (this.#found === undefined) {
        this.#pull();
        return undefined;
      } else {
        const { place, event } = this.#found;
        this.#found = undefined;
        if (event !== undefined) {
          this.#progress.begin(place);
          return { message: messageOf(event, place, false), event };
        }
        this.#progress.pass(place);
        this.#passed++;
      }
    }
  }

  #pull(): void {
    if (this.#pulling || this.#source === undefined) return;
    this.#pulling = true;
    this.#source.next().then(
      ({ done, value }) => {
        this.#pulling = false;
        if (done === true) return this.#fail(new Error("The source has ended."));
        this.#found = value;
        this.#wake();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** In turn, or always the first one that has room. */
  #nextConsumer(): Consumer | undefined {
    const from = this.config.settings.strategy === "RoundRobin" ? this.#turn : 0;
    return [...this.#consumers.slice(from), ...this.#consumers.slice(0, from)].find(({ isFree }) => isFree);
  }

  #isInFlight(id: string): boolean {
    return this.#consumers.some(({ inFlight }) => inFlight.has(id));
  }

  #retry(consumer: Consumer, delivery: Delivery, reason: string): void {
    if (delivery.message.retries >= this.config.settings.maxRetryCount) return this.#park(consumer, delivery, reason);
    consumer.inFlight.delete(delivery.message.id);
    this.#sendAgain(delivery);
  }

  #sendAgain({ message }: Delivery): void {
    this.#again.push({ ...message, retries: message.retries + 1 });
  }

  #park(consumer: Consumer, delivery: Delivery, reason: string): void {
    const { message } = delivery;
    delivery.settled = true;
    const parking = this.#streams
      .park(message.ref, reason)
      .then(
        () => this.#finish(message),
        (error: unknown) => {
          this.#log.warn({ err: error }, "an event could not be parked");
          this.#again.push(message);
        },
      )
      .finally(() => {
        this.#parkings.delete(parking);
        consumer.inFlight.delete(message.id);
        this.#wake();
      });
    this.#parkings.add(parking);
  }

  #finish({ place, replay }: Message): void {
    if (replay) return this.#replayed.finish(place);
    this.#progress.finish(place);
    this.#finished++;
    if (this.#finished >= Math.max(1, this.config.settings.maxCheckpointCount)) this.#saveSoon();
  }

  #tick(): void {
    const now = performance.now();
    const { messageTimeoutMs, checkpointAfterMs, minCheckpointCount } = this.config.settings;
    for (const consumer of this.#consumers) {
      for (const delivery of consumer.inFlight.values()) {
        if (messageTimeoutMs === 0 || now - delivery.sentAt < messageTimeoutMs) break; // the others were sent later
        if (!delivery.settled) this.#retry(consumer, delivery, "Not answered in time.");
      }
    }
    if (now >= this.#checkpointDue) {
      this.#checkpointDue = now + checkpointAfterMs;
      const due = this.#finished >= Math.max(1, minCheckpointCount) || this.#passed >= PASSED_PER_CHECKPOINT;
      if (due || this.#unparkedTo() !== this.#unparked) this.#saveSoon();
    }
    this.#wake();
  }

  #unparkedTo(): bigint {
    return (this.#replayed.done ?? -1n) + 1n;
  }

  #saveSoon(): void {
    if (this.#saving !== undefined || this.isStopped) return;
    this.#saving = this.#save().finally(() => (this.#saving = undefined));
  }

  /** A failure is not the consumers' matter: the events come again after a restart, and the next attempt is soon. */
  async #save(): Promise<void> {
    const finished = this.#finished;
    const passed = this.#passed;
    const { done } = this.#progress;
    const unparked = this.#unparkedTo();
    try {
      if (done !== undefined && done !== this.#checkpoint && finished + passed > 0) {
        await this.#streams.saveCheckpoint(done);
        this.#checkpoint = done;
      }
      this.#finished -= finished;
      this.#passed -= passed;
      if (unparked !== this.#unparked) await this.#streams.unpark(unparked);
      this.#unparked = unparked;
    } catch (error) {
      this.#log.warn({ err: error }, "the checkpoint of a persistent subscription could not be written");
    }
  }

  #wake(): void {
    this.#woken = true;
    this.#wakeUp?.();
  }

  async #wakened(): Promise<void> {
    if (!this.#woken) await new Promise<void>((resolve) => (this.#wakeUp = resolve));
    this.#woken = false;
  }

  #problem(problem: GroupProblem): RefusalError {
    return new RefusalError({ kind: "group", problem, source: this.config.source, group: this.config.group });
  }
}

const messageOf = ({ id, stream, revision }: RecordedEvent, place: bigint, replay: boolean): Message => ({
  id,
  ref: { stream, revision },
  place,
  replay,
  retries: 0,
});
