import type { UUID } from "@sallyport/proto/gen/event_store/client/shared";
import type { ReadResp, ReadResp_ReadEvent_RecordedEvent } from "@sallyport/proto/gen/event_store/client/streams";
import { rawForm } from "../foreign-event.ts";
import type { RecordedEvent } from "../ledger.ts";

/** `created` counts in these since 1970. */
export const TICKS_PER_MILLISECOND = 10_000n;

/** The revision that the protocol gives the event that ends a stream for good: the largest that fits. */
const TOMBSTONE_REVISION = 2n ** 63n - 1n;

/** Stored as the last event of its stream. */
export const TOMBSTONE_TYPE = "$streamDeleted";

export const streamName = (identifier: { readonly streamName: Buffer } | undefined): string => (identifier?.streamName ?? Buffer.alloc(0)).toString("utf8");

export const streamIdentifier = (name: string): { readonly streamName: Buffer } => ({ streamName: Buffer.from(name) });

/** Either form of the wire, as text; empty when there is none. */
export function uuidText(uuid: UUID | undefined): string {
  if (uuid?.value === undefined) return "";
  if (uuid.value.$case === "string") return uuid.value.value.toLowerCase();
  const { mostSignificantBits, leastSignificantBits } = uuid.value.value;
  const hex = half(mostSignificantBits) + half(leastSignificantBits);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const half = (bits: bigint): string => BigInt.asUintN(64, bits).toString(16).padStart(16, "0");

/** A client says in which form it wants ids; without a word they are structured. */
export type UuidForm = "string" | "structured";

function wireUuid(text: string, form: UuidForm): UUID {
  if (form === "string") return { value: { $case: "string", value: text } };
  const hex = text.replaceAll("-", "");
  const bits = (from: number): bigint => BigInt.asIntN(64, BigInt(`0x${hex.slice(from, from + 16)}`));
  return { value: { $case: "structured", value: { mostSignificantBits: bits(0), leastSignificantBits: bits(16) } } };
}

/** Commit and prepare position are the same here, as they are on a server for what was written through this protocol. */
export function recordedEvent(event: RecordedEvent, form: UuidForm): ReadResp_ReadEvent_RecordedEvent {
  const raw = rawForm(event);
  return {
    id: wireUuid(event.id, form),
    streamIdentifier: { streamName: Buffer.from(event.stream) },
    streamRevision: event.type === TOMBSTONE_TYPE ? TOMBSTONE_REVISION : event.revision,
    preparePosition: event.position,
    commitPosition: event.position,
    metadata: { "type": event.type, "content-type": raw.contentType, "created": String(BigInt(event.recordedAt.getTime()) * TICKS_PER_MILLISECOND) },
    customMetadata: raw.metadata,
    data: raw.data,
  };
}

export function eventMessage(event: RecordedEvent, form: UuidForm): ReadResp {
  const position = { $case: "commitPosition", value: event.position } as const;
  return { content: { $case: "event", value: { event: recordedEvent(event, form), link: undefined, position } } };
}

export const checkpointMessage = (position: bigint): ReadResp => ({
  content: { $case: "checkpoint", value: { commitPosition: position, preparePosition: position } },
});

export const caughtUpMessage: ReadResp = { content: { $case: "caughtUp", value: {} } };

export const confirmationMessage = (subscriptionId: string): ReadResp => ({ content: { $case: "confirmation", value: { subscriptionId } } });

export const notFoundMessage = (stream: string): ReadResp => ({
  content: { $case: "streamNotFound", value: { streamIdentifier: { streamName: Buffer.from(stream) } } },
});
