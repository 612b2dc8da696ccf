import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import { JSON_CONTENT, rawForm } from "../../foreign-event.ts";
import type { Ledger, RecordedEvent } from "../../ledger.ts";
import type { StreamAppender } from "../stream-appender.ts";
import { lastEvent, metastreamOf, viewStream } from "../stream-view.ts";
import { type GroupConfig, groupKey, storedGroups } from "./group-config.ts";

/** The last event holds all groups. */
const CONFIG_STREAM = "$persistentSubscriptionConfig";
const STATE_PREFIX = "$persistentsubscription-";

/** What groups write about themselves: shown to the groups of all, it would make them write more. */
export const isGroupState = (stream: string): boolean => stream.startsWith(STATE_PREFIX) || stream.startsWith(`$$${STATE_PREFIX}`) || stream === CONFIG_STREAM;

/** Where an event is. */
export interface EventRef {
  readonly stream: string;
  readonly revision: bigint;
}

interface Writer {
  readonly ledger: Ledger;
  readonly appender: StreamAppender;
}

export async function loadGroups({ ledger }: Writer): Promise<readonly GroupConfig[]> {
  const last = await lastEvent(ledger, CONFIG_STREAM);
  if (last === undefined) return [];
  const stored = storedGroups.safeParse(jsonOf(last));
  if (stored.success) return stored.data.groups;
  throw new SallyportError("ledger.corrupt", `The last event of ${CONFIG_STREAM} does not describe persistent subscriptions.`, {}, stored.error);
}

export const saveGroups = (writer: Writer, groups: readonly GroupConfig[]): Promise<void> => write(writer, CONFIG_STREAM, "$PersistentConfig", { groups });

export async function readEvent(ledger: Ledger, { stream, revision }: EventRef): Promise<RecordedEvent | undefined> {
  for await (const event of ledger.readStream(stream, { from: revision, limit: 1 })) if (event.revision === revision) return event;
  return undefined;
}

/**
 * What a group has done, in streams of the ledger: its checkpoint, the last event of one, and links to what it has parked, from the
 * `$tb` of the other on. What a stranger wrote there and is neither does not count.
 */
export class GroupStreams {
  readonly #writer: Writer;
  readonly #checkpoints: string;
  readonly #parked: string;

  constructor(writer: Writer, source: string, group: string) {
    const name = `${STATE_PREFIX}${groupKey(source, group)}`;
    this.#writer = writer;
    this.#checkpoints = `${name}-checkpoint`;
    this.#parked = `${name}-parked`;
  }

  async checkpoint(): Promise<bigint | undefined> {
    const view = await viewStream(this.#writer.ledger, this.#checkpoints);
    const last = view.kind === "present" ? await lastEvent(this.#writer.ledger, this.#checkpoints) : undefined;
    return last && placeOf((jsonOf(last) as { readonly checkpoint?: unknown }).checkpoint);
  }

  saveCheckpoint(place: bigint): Promise<void> {
    return write(this.#writer, this.#checkpoints, "$SubscriptionCheckpoint", { checkpoint: String(place) });
  }

  /** The first that is parked, and where the next one will be. */
  async parked(): Promise<{ readonly first: bigint; readonly next: bigint }> {
    const view = await viewStream(this.#writer.ledger, this.#parked);
    if (view.kind === "present") return { first: view.truncatedBefore, next: view.head + 1n };
    const next = view.kind === "softDeleted" ? view.head + 1n : 0n;
    return { first: next, next };
  }

  park({ stream, revision }: EventRef, reason: string): Promise<void> {
    return write(this.#writer, this.#parked, "$>", { revision: String(revision), stream, reason: reason.slice(0, MAX_REASON_LENGTH) });
  }

  async parkedAt(sequence: bigint): Promise<RecordedEvent | undefined> {
    const link = await readEvent(this.#writer.ledger, { stream: this.#parked, revision: sequence });
    if (link === undefined) return undefined;
    const { stream, revision } = jsonOf(link) as { readonly stream?: unknown; readonly revision?: unknown };
    const place = placeOf(revision);
    return typeof stream === "string" && place !== undefined ? readEvent(this.#writer.ledger, { stream, revision: place }) : undefined;
  }

  /** What is parked before this one has been done after all. */
  unpark(before: bigint): Promise<void> {
    return write(this.#writer, metastreamOf(this.#parked), "$metadata", { $tb: Number(before) });
  }

  /** So that a group of the same name begins anew. */
  async delete(): Promise<void> {
    for (const stream of [this.#checkpoints, this.#parked]) {
      const { kind } = await viewStream(this.#writer.ledger, stream);
      if (kind === "present") await this.#writer.appender.delete(stream, "any");
    }
  }
}

/** A reason is a line for whoever looks; the client may send megabytes. */
const MAX_REASON_LENGTH = 1_000;

async function write({ appender }: Writer, stream: string, type: string, value: object): Promise<void> {
  const data = Buffer.from(JSON.stringify(value));
  await appender.append(stream, [{ id: randomUUID(), type, contentType: JSON_CONTENT, data, metadata: Buffer.alloc(0) }], "any");
}

function jsonOf(event: RecordedEvent): object {
  try {
    const value: unknown = JSON.parse(rawForm(event).data.toString("utf8"));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

const placeOf = (value: unknown): bigint | undefined => (typeof value === "string" && /^\d{1,19}$/.test(value) ? BigInt(value) : undefined);
