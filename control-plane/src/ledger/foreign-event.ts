import type { EventMetadata, NewEvent } from "./ledger.ts";
import { whereNotJson } from "./sqlite/json-value.ts";

/**
 * An event of somebody else as EventStoreDB's protocol carries it: any bytes, any content type, with or without metadata. The ledger
 * stores JSON objects, so what is not exactly that is kept in an envelope and comes out as the same bytes:
 *
 *   metadata  {"$raw": {"contentType": …, "data": "json" | "base64", "metadata": base64}}
 *   data      the object itself, or {"base64": …}
 *
 * F1. `rawForm(storedForm(raw))` is `raw`, byte for byte.
 * F2. What we append ourselves is never in an envelope, and what claims to be one is put into another.
 */
export interface RawEvent {
  readonly contentType: string;
  readonly data: Buffer;
  readonly metadata: Buffer;
}

export const JSON_CONTENT = "application/json";

const MARK = "$raw";

interface Envelope {
  readonly contentType: string;
  readonly data: "json" | "base64";
  readonly metadata: string;
}

/** The metadata of a foreign event need not be ours, whatever its type says. */
export function storedForm(raw: RawEvent): Pick<NewEvent, "data" | "metadata"> {
  const data = raw.contentType === JSON_CONTENT ? exactObject(raw.data) : undefined;
  const metadata = exactObject(raw.metadata);
  if (data !== undefined && metadata !== undefined && !(MARK in metadata)) return { data, metadata: metadata as EventMetadata };
  const envelope: Envelope = { contentType: raw.contentType, data: data === undefined ? "base64" : "json", metadata: raw.metadata.toString("base64") };
  return { data: data ?? { base64: raw.data.toString("base64") }, metadata: { [MARK]: envelope } as unknown as EventMetadata };
}

export function rawForm({ data, metadata }: Pick<NewEvent, "data" | "metadata">): RawEvent {
  const envelope = envelopeOf(metadata);
  if (envelope === undefined) return { contentType: JSON_CONTENT, data: jsonBytes(data), metadata: jsonBytes(metadata) };
  const bytes = envelope.data === "json" ? jsonBytes(data) : Buffer.from(String((data as { readonly base64?: unknown }).base64), "base64");
  return { contentType: envelope.contentType, data: bytes, metadata: Buffer.from(envelope.metadata, "base64") };
}

function envelopeOf(metadata: object): Envelope | undefined {
  return MARK in metadata ? (metadata[MARK] as Envelope) : undefined;
}

const jsonBytes = (value: object): Buffer => Buffer.from(JSON.stringify(value));

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The object that these bytes are the JSON of, when writing it again gives the same bytes: number formats, spaces and order of keys count. */
function exactObject(bytes: Buffer): object | undefined {
  try {
    const text = utf8.decode(bytes);
    if (!text.startsWith("{")) return undefined;
    const value = JSON.parse(text) as object;
    return JSON.stringify(value) === text && whereNotJson(value, "data") === undefined ? value : undefined;
  } catch {
    return undefined; // not UTF-8, not JSON, or nested too deep to be written
  }
}
