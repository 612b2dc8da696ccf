import { performance } from "node:perf_hooks";
import type { Logger } from "pino";
import type { Ledger } from "../../ledger.ts";
import { type GroupProblem, RefusalError } from "../refusal.ts";
import { Consumer, type ConsumerLink, type Delivery } from "./consumer.ts";
import { type GroupConfig, MAX_CONSUMERS } from "./group-config.ts";
import { GroupFeed } from "./group-feed.ts";
import type { GroupStreams } from "./group-streams.ts";

/** How late a time-out or a checkpoint that is due by time may be. */
const TICK_MS = 100;

/** Places that nobody wanted are a checkpoint too, else a restart looks at them again; rarely, since each is an event that others see. */
const PASSED_PER_CHECKPOINT = 10_000;

export type Answer = "ack" | "park" | "retry" | "skip";

export interface GroupState {
  readonly checkpoint: bigint | undefined;
  readonly parked: bigint;
  readonly retrying: number;
  readonly unfinished: number;
  readonly sent: number;
  /** Since it was loaded. */
  readonly seconds: number;
  readonly consumers: readonly Consumer[];
}

/** What is written down of a group, and how far it was then. */
interface Saved {
  readonly checkpoint: bigint | undefined;
  readonly firstParked: bigint;
  readonly finished: number;
  readonly passed: number;
}

/**
 * A group of consumers that share what a source has: each event goes to one of them, and to another one when it is not answered.
 *
 * G1. At least once: the checkpoint never passes an event that is neither answered nor parked. After a crash it comes again.
 * G2. One event is with one consumer at a time.
 * G3. The next event is taken when a consumer has a free slot; nothing waits in a buffer.
 * G4. One write of its state at a time; what happens meanwhile is in the next one.
 * G5. It lives on without consumers, so that what they have not answered comes first for the next one. It ends when it is changed or
 *     deleted, when its source fails or the endpoint closes, and takes its consumers with it.
 */
export class Group {
  readonly config: GroupConfig;
  readonly #streams: GroupStreams;
  readonly #log: Logger;
  readonly #feed: GroupFeed;
  readonly #stopped = new AbortController();
  readonly #loadedAt = performance.now();
  readonly #parkings = new Set<Promise<void>>();
  #consumers: readonly Consumer[] = [];
  #turn = 0;
  #sent = 0;
  #running = false;
  #saved: Saved;
  #saving: Promise<void> | undefined;
  #ended: Promise<void> | undefined;
  #checkpointDue = 0;
  #isWoken = false;
  #wakeUp: (() => void) | undefined;

  private constructor(ledger: Ledger, streams: GroupStreams, config: GroupConfig, log: Logger, checkpoint: bigint | undefined, firstParked: bigint) {
    this.#streams = streams;
    this.config = config;
    this.#log = log.child({ source: config.source, group: config.group });
    this.#saved = { checkpoint, firstParked, finished: 0, passed: 0 };
    const after = checkpoint ?? (config.after === undefined ? undefined : BigInt(config.after));
    const on = { found: () => this.#wake(), failure: (error: unknown) => this.#fail(error) };
    this.#feed = new GroupFeed(ledger, streams, config, { after, firstParked }, on);
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
    const { maxSubscriberCount } = this.config.settings;
    if (this.#consumers.length >= (maxSubscriberCount === 0 ? MAX_CONSUMERS : Math.min(maxSubscriberCount, MAX_CONSUMERS))) throw this.#problem("full");
    const consumer = new Consumer(link);
    this.#consumers = [...this.#consumers, consumer];
    if (!this.#running) this.#start();
    this.#wake();
    return consumer;
  }

  /** What it has not answered goes to the others: counted as a retry, but never parked for it. */
  leave(consumer: Consumer): void {
    if (!this.#consumers.includes(consumer)) return;
    this.#consumers = this.#consumers.filter((other) => other !== consumer);
    for (const { message, settled } of consumer.inFlight.values()) if (!settled) this.#feed.sendAgain(message);
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
        this.#feed.finish(delivery.message);
      }
    }
    if (this.#feed.counts.finished - this.#saved.finished >= Math.max(1, this.config.settings.maxCheckpointCount)) this.#saveSoon();
    this.#wake();
  }

  resume(consumer: Consumer): void {
    consumer.blocked = false;
    this.#wake();
  }

  /** Sends what was parked before `end` once more. It stays parked until it is answered, so a crash forgets the replay and no event. */
  async replayParked(end: bigint | undefined): Promise<void> {
    const { next } = await this.#streams.parked();
    this.#feed.replayTo(end === undefined || end > next ? next : end);
    this.#wake();
  }

  /** Writes down how far it came, unless its state is to be forgotten. */
  stop(reason: Error, { save }: { readonly save: boolean }): Promise<void> {
    this.#ended ??= this.#end(reason, save);
    return this.#ended;
  }

  async #end(reason: Error, save: boolean): Promise<void> {
    this.#stopped.abort();
    const consumers = this.#consumers;
    this.#consumers = [];
    for (const { link } of consumers) link.cut(reason);
    this.#wake();
    await Promise.all([...this.#parkings, this.#saving, this.#feed.stop()]);
    if (save) await this.#save();
  }

  async state(): Promise<GroupState> {
    const { next } = await this.#streams.parked();
    const { nextReplay, retrying, unfinished } = this.#feed;
    return {
      checkpoint: this.#saved.checkpoint,
      parked: next > nextReplay ? next - nextReplay : 0n,
      retrying,
      unfinished,
      sent: this.#sent,
      seconds: Math.max(1, (performance.now() - this.#loadedAt) / 1_000),
      consumers: this.#consumers,
    };
  }

  #start(): void {
    this.#running = true;
    this.#feed.start(this.#stopped.signal);
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
      const taken = this.#nextConsumer() === undefined ? undefined : await this.#feed.take();
      const consumer = this.#nextConsumer();
      if (taken !== undefined && consumer !== undefined && !this.#isInFlight(taken.message.id)) {
        this.#turn = this.#consumers.indexOf(consumer) + 1;
        this.#sent++;
        consumer.send(taken.message, taken.event, performance.now());
      } else {
        // Whoever was free has left meanwhile, or another event with this id is not answered: ids must tell what an answer is for.
        if (taken !== undefined) this.#feed.putBack(taken.message);
        await this.#woken();
      }
    }
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
    const { message } = delivery;
    if (message.retries >= this.config.settings.maxRetryCount) return this.#park(consumer, delivery, reason);
    consumer.inFlight.delete(message.id);
    this.#feed.sendAgain(message);
  }

  #park(consumer: Consumer, delivery: Delivery, reason: string): void {
    const { message } = delivery;
    delivery.settled = true;
    const parking = this.#streams
      .park(message.ref, reason)
      .then(
        () => this.#feed.finish(message),
        (error: unknown) => {
          this.#log.warn({ err: error }, "an event could not be parked");
          this.#feed.sendAgain(message);
        },
      )
      .finally(() => {
        this.#parkings.delete(parking);
        consumer.inFlight.delete(message.id);
        this.#wake();
      });
    this.#parkings.add(parking);
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
      const { finished, passed } = this.#feed.counts;
      const enough = finished - this.#saved.finished >= Math.max(1, minCheckpointCount) || passed - this.#saved.passed >= PASSED_PER_CHECKPOINT;
      if (enough || this.#feed.firstParked !== this.#saved.firstParked) this.#saveSoon();
    }
    this.#wake();
  }

  #saveSoon(): void {
    if (this.#saving !== undefined || this.isStopped) return;
    this.#saving = this.#save().finally(() => (this.#saving = undefined));
  }

  /** A failure is not the consumers' matter: the events come again after a restart, and the next attempt is soon. */
  async #save(): Promise<void> {
    const { done, firstParked } = this.#feed;
    const { finished, passed } = this.#feed.counts;
    const { checkpoint, firstParked: before, ...counts } = this.#saved;
    try {
      if (done !== undefined && done !== checkpoint && finished + passed > counts.finished + counts.passed) await this.#streams.saveCheckpoint(done);
      if (firstParked !== before) await this.#streams.unpark(firstParked);
      this.#saved = { checkpoint: done, firstParked, finished, passed };
    } catch (error) {
      this.#log.warn({ err: error }, "the state of a persistent subscription could not be written");
    }
  }

  #wake(): void {
    this.#isWoken = true;
    this.#wakeUp?.();
  }

  async #woken(): Promise<void> {
    if (!this.#isWoken) await new Promise<void>((resolve) => (this.#wakeUp = resolve));
    this.#isWoken = false;
  }

  #problem(problem: GroupProblem): RefusalError {
    return new RefusalError({ kind: "group", problem, source: this.config.source, group: this.config.group });
  }
}
