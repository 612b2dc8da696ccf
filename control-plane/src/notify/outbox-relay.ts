import type { Logger } from "pino";
import type { Clock } from "../application/ports.ts";
import { isNewer } from "../domain/catalogue.ts";
import { backOff, pause, type Scheduler } from "../application/scheduler.ts";
import type { Channel, Outcome } from "./channel.ts";
import type { Message } from "./message.ts";
import type { QueuedDelivery } from "./delivery.ts";
import type { Outbox } from "./outbox.ts";
import { retryAt } from "./retry-schedule.ts";

/** The failure of what this release cannot read. */
export const LATER_RELEASE = "written by a later release";
/** Something of ours failed (the ledger, the disk): it is looked at again after this long, and counts as no attempt. */
export const UNREADY_MS = 5_000;
/** With nothing to do it looks again, should the clock have been set. */
export const IDLE_MS = 3_600_000;

/** A channel that cannot be reached at all is let alone for so long, at first. */
export const REST_FIRST_MS = 1_000;
/** And at last: an alarm waits no longer than this for a channel that is back. */
export const REST_LAST_MS = 60_000;

export interface OutboxRelayDeps {
  readonly outbox: Outbox;
  /** What is to be told now. Undefined: nothing is, any more. */
  readonly read: (delivery: QueuedDelivery, channel: Channel) => Promise<Message | undefined>;
  /** Records that it was given up, durably, before it is a dead letter. */
  readonly giveUp: (delivery: QueuedDelivery, failure: string) => Promise<void>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly log: Logger;
}

/**
 * Brings one channel what waits for it, one message at a time, and knows nothing of the other channels.
 *
 * C1. A message leaves the outbox only when it was delivered, given up in the record, or has nothing to tell any more: at least once.
 * C2. A message that failed waits its turn behind nothing: the next one that is due goes meanwhile. A channel that failed is let
 *     alone, with all its messages, for as long as it says or a while that doubles.
 * C3. Whatever fails, the loop goes on until it is stopped.
 */
export class OutboxRelay {
  readonly #channel: Channel;
  readonly #deps: OutboxRelayDeps;
  readonly #stop = new AbortController();
  #woken = new AbortController();
  readonly #running: Promise<void>;
  #failing = false;
  /** Attempts in a row that failed for reasons of the channel. */
  #failures = 0;
  /** Nothing is sent before. */
  #restsUntil = 0;

  constructor(channel: Channel, deps: OutboxRelayDeps) {
    this.#channel = channel;
    this.#deps = deps;
    this.#running = this.#run();
  }

  /** There is something new. */
  wake(): void {
    this.#woken.abort();
  }

  /** Breaks off an attempt that is under way; it will be made again. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { outbox, clock, scheduler, log } = this.#deps;
    const { name } = this.#channel;
    while (!this.#stop.signal.aborted) {
      this.#woken = new AbortController();
      try {
        const now = clock.now();
        const next = outbox.next(name, now);
        const due = next === undefined ? IDLE_MS : Math.max(next.dueAt.getTime(), this.#restsUntil) - now.getTime();
        if (next !== undefined && due <= 0) await this.#attempt(next);
        else await pause(scheduler, Math.min(due, IDLE_MS), this.#woken.signal);
      } catch (error) {
        log.warn({ err: error, channel: name }, "notifications wait for the ledger");
        await pause(scheduler, UNREADY_MS, this.#stop.signal);
      }
    }
  }

  async #attempt(delivery: QueuedDelivery): Promise<void> {
    const { outbox, read } = this.#deps;
    let message: Message | undefined;
    try {
      message = await read(delivery, this.#channel);
    } catch (error) {
      if (!isNewer(error)) throw error;
      // Somebody may try it again when this release is upgraded; what comes behind it waits for nothing.
      await this.#deps.giveUp(delivery, LATER_RELEASE);
      return;
    }
    const outcome: Outcome = message === undefined ? { kind: "delivered" } : await this.#channel.send(message, this.#stop.signal);
    if (outcome.kind === "delivered") {
      outbox.remove(delivery.id);
      if (message !== undefined) this.#delivered(delivery, outcome.refusedReceivers ?? 0);
    } else if (!this.#stop.signal.aborted) {
      await this.#failed(delivery, outcome);
    }
  }

  #delivered(delivery: QueuedDelivery, refusedReceivers: number): void {
    this.#failures = 0;
    this.#tell(true, delivery, "");
    const fields = { channel: this.#channel.name, notification: delivery.id, refused: refusedReceivers };
    if (refusedReceivers > 0) this.#deps.log.warn(fields, "a notification was refused for some of its receivers");
  }

  async #failed(delivery: QueuedDelivery, { failure, final = false, retryAfterMs, ofChannel = false }: Extract<Outcome, { kind: "failed" }>): Promise<void> {
    const { outbox, clock, random, giveUp } = this.#deps;
    const attempts = delivery.attempts + 1;
    const now = clock.now();
    this.#tell(false, delivery, failure);
    this.#failures = ofChannel ? this.#failures + 1 : 0;
    const rest = ofChannel ? backOff(this.#failures - 1, REST_FIRST_MS, REST_LAST_MS) : 0;
    this.#restsUntil = now.getTime() + Math.max(rest, retryAfterMs ?? 0);
    const again = final ? undefined : retryAt({ attempts, queuedAt: delivery.queuedAt, now, retryAfterMs, random: random() });
    if (again === undefined) await giveUp({ ...delivery, attempts }, failure);
    else outbox.postpone(delivery.id, attempts, again, failure);
  }

  /** Each change between well and not, once. */
  #tell(well: boolean, { id }: QueuedDelivery, failure: string): void {
    if (this.#failing !== well) return;
    this.#failing = !well;
    const fields = { channel: this.#channel.name, notification: id };
    if (well) this.#deps.log.info(fields, "the channel takes notifications again");
    else this.#deps.log.warn({ ...fields, failure }, "a channel does not take notifications");
  }
}
