import type { SQLOutputValue } from "node:sqlite";
import type { Urgency } from "./notice.ts";

/** What is to be told to one channel: where the event is, never what it says. */
export interface Delivery {
  /** Event and channel: the same notification has the same id, however often it is made. */
  readonly id: string;
  readonly channel: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly urgency: Urgency;
  /** Stands for whoever made it happen, and tells nothing of them; empty when that was no person and no machine. */
  readonly source: string;
}

export interface QueuedDelivery extends Delivery {
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly queuedAt: Date;
  /** Of the next attempt; of the last failure when it has failed. */
  readonly dueAt: Date;
  /** Of the last attempt, empty before one. */
  readonly failure: string;
}

export const deliveryStates = ["waiting", "failed"] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** The most urgent first; the place of each is what the file holds. */
export const urgencies = ["alarm", "action", "info"] as const satisfies readonly Urgency[];

export const deliveryOf = (row: Record<string, SQLOutputValue>): QueuedDelivery => ({
  id: String(row["id"]),
  channel: String(row["channel"]),
  eventId: String(row["event_id"]),
  eventType: String(row["event_type"]),
  stream: String(row["stream"]),
  revision: BigInt(String(row["revision"])),
  urgency: urgencies[Number(row["urgency"])] ?? "action",
  source: String(row["source"]),
  state: row["state"] === "failed" ? "failed" : "waiting",
  attempts: Number(row["attempts"]),
  queuedAt: new Date(Number(row["queued_at"])),
  dueAt: new Date(Number(row["due_at"])),
  failure: String(row["failure"]),
});
