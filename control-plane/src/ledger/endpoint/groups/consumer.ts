import type { RecordedEvent } from "../../ledger.ts";
import type { EventRef } from "./group-streams.ts";

/** An event on its way through a group. */
export interface Message {
  readonly id: string;
  readonly ref: EventRef;
  /** Of the group's source; of the parked ones when it is a replay. */
  readonly place: bigint;
  readonly replay: boolean;
  readonly retries: number;
}

export interface Delivery {
  readonly message: Message;
  readonly sentAt: number;
  /** Being parked: nobody's any more, though it takes its slot until that is written. */
  settled: boolean;
}

export interface ConsumerLink {
  /** How many events it takes without an answer to any. */
  readonly slots: number;
  readonly from: string;
  readonly user: string;
  readonly connection: string;
  /** False when it takes no more for now; `Group.resume` says when it does. */
  send(event: RecordedEvent, retries: number): boolean;
  cut(error: Error): void;
}

/** One of those who share a group's events: what it was sent and has not answered. */
export class Consumer {
  readonly link: ConsumerLink;
  /** By the event's id, in the order of sending; no more than there are slots. */
  readonly inFlight = new Map<string, Delivery>();
  sent = 0;
  blocked = false;

  constructor(link: ConsumerLink) {
    this.link = link;
  }

  get isFree(): boolean {
    return !this.blocked && this.inFlight.size < this.link.slots;
  }

  send(message: Message, event: RecordedEvent, now: number): void {
    this.inFlight.set(message.id, { message, sentAt: now, settled: false });
    this.sent++;
    this.blocked = !this.link.send(event, message.retries);
  }
}
