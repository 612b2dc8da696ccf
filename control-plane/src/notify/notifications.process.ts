import { createHmac, randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { Execute } from "../application/execute-command.ts";
import type { Clock, CommandContext } from "../application/ports.ts";
import { backOff, pause, type Scheduler } from "../application/scheduler.ts";
import { isNewer, isOfLaterRelease, upcast } from "../domain/catalogue.ts";
import * as notification from "../domain/notification/notification.decider.ts";
import { notificationStream } from "../domain/notification/notification.events.ts";
import type { Actor, Ledger, RecordedEvent } from "../ledger/ledger.ts";
import { SallyportError } from "@sallyport/proto/errors";
import type { Channel } from "./channel.ts";
import { OutboxRelay } from "./outbox-relay.ts";
import { type Message, messageOf } from "./message.ts";
import type { Delivery, DeliveryState, QueuedDelivery } from "./delivery.ts";
import { type Outbox, type Overflow, QUEUE_FULL, SHARE_FULL } from "./outbox.ts";
import type { Urgency } from "./notice.ts";
import { groupsToTell, noticeOf, notifyingTypes } from "./topics.ts";

/** A dropped subscription is taken up at once; a dead ledger is not hammered. */
export const REFOLLOW_FIRST_MS = 50;
export const REFOLLOW_LAST_MS = 5_000;

/** What a restart may look at again for nothing; an own write for each event that nobody wants to hear of would cost as much as the event. */
export const CHECKPOINT_EVENTS = 1_000;

/** Of a digest: as many as tell the few who act within the life of a process apart. */
const SOURCE_CHARACTERS = 16;
/** Fewer characters of an id are a slip of the hand. */
const MIN_PREFIX = 4;

export interface NotificationDeps {
  /** With names in it. */
  readonly ledger: Ledger;
  readonly outbox: Outbox;
  readonly channels: readonly Channel[];
  readonly execute: Execute;
  /** Of what it does by itself. */
  readonly context: CommandContext;
  readonly agentName: (agentId: string) => string;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly log: Logger;
}

export interface NotificationList {
  readonly channels: readonly (Pick<Channel, "name" | "kind"> & ReturnType<Outbox["counts"]>)[];
  readonly deliveries: readonly QueuedDelivery[];
}

/**
 * Follows the ledger and tells channels of what they want to hear.
 *
 * N1. At least once: an event is in the outbox, or behind the checkpoint, or told, or given up in the record; of those for which a
 *     queue had no room, each alarm and the first of the others. The id of a message is that of event and channel, so that whoever
 *     hears it twice can tell.
 * N2. It begins at the end of the ledger the first time, and where it was from then on; without channels it forgets where that was.
 * N3. Nobody waits for it, and no channel for another: each has a relay of its own, and the outbox bounds them all.
 * N4. One node of an installation sends. A second one with an outbox of its own would tell everything twice.
 */
export class Notifications {
  readonly #deps: NotificationDeps;
  readonly #stop = new AbortController();
  readonly #relays: ReadonlyMap<string, OutboxRelay>;
  readonly #following: Promise<void>;
  readonly #buryingStrays: Promise<void>;
  #closing: Promise<void> | undefined;
  /** Events since the checkpoint that nobody wanted to hear of. */
  #passedOver = 0;
  /** What is full: queues, and shares of them. */
  readonly #full = new Set<string>();
  /** Of this process alone: what stands in the outbox for somebody means nothing to anybody else. */
  readonly #sourceKey = randomBytes(32);

  private constructor(deps: NotificationDeps) {
    this.#deps = deps;
    const { outbox, clock, scheduler, random, log } = deps;
    const relay = {
      outbox,
      clock,
      scheduler,
      random,
      log,
      read: (delivery: QueuedDelivery, channel: Channel) => this.#read(delivery, channel),
      giveUp: (delivery: QueuedDelivery, failure: string) => this.#giveUp(delivery, delivery.attempts, failure),
    };
    this.#relays = new Map(deps.channels.map((channel) => [channel.name, new OutboxRelay(channel, relay)]));
    this.#following = deps.channels.length === 0 ? Promise.resolve() : this.#follow();
    this.#buryingStrays = this.#buryStrays();
  }

  /** Resolves when the place to begin at is durable: from then on nothing is missed. */
  static async start(deps: NotificationDeps): Promise<Notifications> {
    const { ledger, outbox, channels, log } = deps;
    if (channels.length === 0) {
      try {
        outbox.forgetPlace();
      } catch (error) {
        // Whoever tells nobody needs no outbox; what else wants the disk says so itself.
        log.warn({ err: error }, "the outbox of notifications could not be set back");
      }
    } else if (outbox.checkpoint() === undefined) {
      let head: bigint | undefined;
      for await (const { position } of ledger.readAll({ direction: "backwards", limit: 1 })) head = position;
      outbox.moveTo(head);
    }
    return new Notifications(deps);
  }

  /** A dead letter is tried again, as if it were new; the first characters of its id do. Fails with `input.invalid` when there is none. */
  async retry(idOrPrefix: string, by: string, context: CommandContext): Promise<QueuedDelivery> {
    const { outbox, clock, execute } = this.#deps;
    const delivery = this.#failed(idOrPrefix);
    const { id } = delivery;
    const relay = this.#relays.get(delivery.channel);
    if (relay === undefined) throw new SallyportError("input.invalid", `There is no channel ${delivery.channel} any more.`, { field: "id" });
    if (delivery.failure === QUEUE_FULL || delivery.failure === SHARE_FULL) await this.#record(delivery, 0, delivery.failure); // as far as it is not
    await execute({ decider: notification, stream: notificationStream(id), command: { type: "Retry", notificationId: id, by }, context });
    outbox.revive(id, clock.now());
    relay.wake();
    return { ...delivery, state: "waiting", attempts: 0 };
  }

  #failed(idOrPrefix: string): QueuedDelivery {
    const { outbox } = this.#deps;
    const whole = outbox.find(idOrPrefix);
    const like = whole === undefined && idOrPrefix.length >= MIN_PREFIX ? outbox.failedLike(idOrPrefix) : [];
    const [found, another] = whole?.state === "failed" ? [whole] : like;
    if (found === undefined) throw new SallyportError("input.invalid", `No notification ${idOrPrefix} has failed.`, { field: "id" });
    if (another !== undefined) throw new SallyportError("input.invalid", `More than one notification begins with ${idOrPrefix}.`, { field: "id" });
    return found;
  }

  /** Each channel with what waits for it, and the newest deliveries that were not made yet. */
  list(limit: number, states?: readonly DeliveryState[]): NotificationList {
    const { outbox, channels } = this.#deps;
    return {
      channels: channels.map(({ name, kind }) => ({ name, kind, ...outbox.counts(name) })),
      deliveries: outbox.list(limit, states),
    };
  }

  /** Safe to repeat. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#following, this.#buryingStrays, ...Array.from(this.#relays.values(), (relay) => relay.close())]);
    this.#deps.outbox.close();
  }

  async #follow(): Promise<void> {
    const { ledger, outbox, channels, scheduler, log } = this.#deps;
    const { signal } = this.#stop;
    // The decisions on commands are read only when somebody may be told of them.
    const types = [...new Set(channels.flatMap((channel) => [...channel.types, ...(channel.groups.size > 0 ? notifyingTypes : [])]))];
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const position = outbox.checkpoint()?.position;
        const from = position === undefined ? {} : { after: position };
        for await (const message of ledger.subscribeToAll({ ...from, filter: { by: "type", prefixes: types }, signal })) {
          failures = 0;
          if (message.kind === "event") await this.#take(message.event);
          else if (message.kind === "checkpoint") outbox.moveTo(message.position);
        }
      } catch (error) {
        log.warn({ err: error }, "notifications lost their subscription");
      }
      await pause(scheduler, backOff(failures, REFOLLOW_FIRST_MS, REFOLLOW_LAST_MS), signal);
    }
  }

  async #take(recorded: RecordedEvent): Promise<void> {
    const { outbox, channels, clock } = this.#deps;
    const { id: eventId, type: eventType, stream, revision, position, data, metadata } = recorded;
    const own = eventType === "NotificationFailed" && "channel" in data ? data.channel : undefined;
    const notify = groupsToTell(data);
    const wanting = channels.filter(({ name, types, groups }) => name !== own && (types.has(eventType) || notify.some((group) => groups.has(group))));
    if (wanting.length === 0 && ++this.#passedOver < CHECKPOINT_EVENTS) return;
    this.#passedOver = 0;
    const of = { eventId, eventType, stream, revision, urgency: urgencyOf(recorded), source: this.#sourceOf(metadata.actor) };
    const deliveries = wanting.map(({ name }): Delivery => ({ ...of, id: `${eventId}_${name}`, channel: name }));
    const overflow = outbox.take(deliveries, position, clock.now());
    for (const { name } of wanting) this.#relays.get(name)?.wake();
    for (const each of overflow) await this.#tellOverflow(each);
    for (const delivery of deliveries) {
      if (overflow.some((each) => each.delivery === delivery)) continue;
      for (const failure of [QUEUE_FULL, SHARE_FULL] as const) this.#full.delete(placeOf({ delivery, failure }));
    }
  }

  /** Each alarm; else once for each time that a queue fills: a record of every loss would be as much again as what is lost. */
  async #tellOverflow(overflow: Overflow): Promise<void> {
    const { delivery, failure } = overflow;
    const place = placeOf(overflow);
    if (delivery.urgency !== "alarm" && this.#full.has(place)) return;
    this.#full.add(place);
    await this.#record(delivery, 0, failure).catch((error: unknown) => this.#deps.log.warn({ err: error }, "a dead letter is not in the record yet"));
  }

  /** What the control plane does by itself is nobody's. */
  #sourceOf({ kind, id }: Actor): string {
    if (kind !== "human" && kind !== "machine") return "";
    return createHmac("sha256", this.#sourceKey).update(`${kind}:${id}`).digest("base64url").slice(0, SOURCE_CHARACTERS);
  }

  async #read({ id, eventId, stream, revision }: Delivery, channel: Channel): Promise<Message | undefined> {
    const { ledger, agentName } = this.#deps;
    const first = await eventAt(ledger, stream, 0n);
    const recorded = revision === 0n ? first : await eventAt(ledger, stream, revision);
    // What retention removed is told to nobody any more.
    if (recorded === undefined) return undefined;
    const event = upcast(recorded);
    const notice = noticeOf(event, { subject: first === undefined ? event : upcast(first), agentName });
    if (notice === undefined) return undefined;
    return messageOf(notice, { id, at: recorded.metadata.at, eventId, eventType: event.type }, channel.discretion);
  }

  /** In the record first: a crash in between makes it be given up once more, which changes nothing. */
  async #giveUp(delivery: Delivery, attempts: number, failure: string): Promise<void> {
    const { outbox, clock, log } = this.#deps;
    await this.#record(delivery, attempts, failure).catch((error: unknown) => {
      // A later release has written of it already, and nothing can be written behind that. What comes behind it waits for nothing.
      if (!isNewer(error)) throw error;
      log.warn({ code: error.code, ...error.details, why: error.message }, "that a notification was given up is not in the record");
    });
    outbox.bury(delivery, attempts, clock.now(), failure);
  }

  async #record({ id: notificationId, channel, eventId, eventType }: Delivery, attempts: number, failure: string): Promise<void> {
    const { execute, context, log } = this.#deps;
    const data = { notificationId, channel, eventId, eventType, attempts, failure };
    log.error(data, "a notification was given up");
    await execute({ decider: notification, stream: notificationStream(notificationId), command: { type: "Fail", data }, context });
  }

  /** What waits for channels that are configured no more. Nothing waits for that, least of all a start. */
  async #buryStrays(): Promise<void> {
    const { scheduler, log } = this.#deps;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        if (!(await this.#buryStray())) return;
        failures = 0;
      } catch (error) {
        log.warn({ err: error }, "what waits for channels that are no more is not given up yet");
        await pause(scheduler, backOff(failures, REFOLLOW_FIRST_MS, REFOLLOW_LAST_MS), signal);
      }
    }
  }

  /** Answers whether there was one. */
  async #buryStray(): Promise<boolean> {
    const { outbox, channels } = this.#deps;
    const stray = outbox.stray(channels.map(({ name }) => name));
    if (stray !== undefined) await this.#giveUp(stray, stray.attempts, "channel removed");
    return stray !== undefined;
  }
}

/** Before it is read again to be told; without its subject a notice has the same urgency. What a later release wrote becomes a dead letter. */
function urgencyOf(recorded: RecordedEvent): Urgency {
  if (isOfLaterRelease(recorded)) return "info";
  const event = upcast(recorded);
  return noticeOf(event, { subject: event, agentName: (agentId) => agentId })?.urgency ?? "info";
}

/** A queue, or somebody's share of it. */
const placeOf = ({ delivery: { channel, source }, failure }: Overflow): string => (failure === QUEUE_FULL ? channel : `${channel} ${source}`);

async function eventAt(ledger: Ledger, stream: string, revision: bigint): Promise<RecordedEvent | undefined> {
  for await (const recorded of ledger.readStream(stream, { from: revision, limit: 1 })) return recorded.revision === revision ? recorded : undefined;
  return undefined;
}
