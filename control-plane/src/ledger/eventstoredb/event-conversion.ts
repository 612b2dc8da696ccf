import type { JSONEventData, RecordedEvent as ClientEvent } from "@eventstore/db-client";
import { JSON_CONTENT, storedForm } from "../foreign-event.ts";
import type { EventMetadata, NewEvent, RecordedEvent } from "../ledger.ts";

/** The metadata as bytes, which the client takes as they are: an object it would turn into base64 and back. */
export function toClientEvent({ id, type, data, metadata }: NewEvent): JSONEventData {
  return { id: id.toLowerCase(), contentType: JSON_CONTENT, type, data: data as Record<string, unknown>, metadata: utf8.encode(JSON.stringify(metadata)) };
}

const utf8 = new TextEncoder();

/** What others wrote, in whatever form, comes in the envelope that the embedded ledger keeps it in. */
export function fromClientEvent(event: ClientEvent, position: bigint): RecordedEvent {
  const content = isPlain(event.data) && event.isJson && isPlain(event.metadata) ? { data: event.data, metadata: event.metadata } : foreign(event);
  return {
    id: event.id,
    type: event.type,
    data: content.data,
    metadata: content.metadata as EventMetadata,
    stream: event.streamId,
    revision: event.revision,
    position,
    recordedAt: event.created,
  };
}

/** The client has parsed what it could, so numbers and blanks of others' JSON may not be the very bytes any more. */
function foreign({ data, metadata, isJson }: ClientEvent): Pick<NewEvent, "data" | "metadata"> {
  const contentType = isJson ? JSON_CONTENT : "application/octet-stream";
  return storedForm({ contentType, data: bytesOf(data), metadata: metadata === undefined ? Buffer.alloc(0) : bytesOf(metadata) });
}

const bytesOf = (value: unknown): Buffer => (value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(JSON.stringify(value)));

const isPlain = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
