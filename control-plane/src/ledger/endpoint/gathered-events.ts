import type { AppendReq_ProposedMessage } from "@sallyport/proto/gen/event_store/client/streams";
import { JSON_CONTENT } from "../foreign-event.ts";
import { MAX_APPEND_BYTES } from "../ledger.ts";
import { RefusalError } from "./refusal.ts";
import type { ProposedEvent } from "./stream-appender.ts";
import { uuidText } from "./wire-values.ts";

/** Events without data weigh nothing, so their number is bounded too; 100 bytes each would fill an append just as well. */
export const MAX_APPEND_EVENTS = 10_000;

/** The events of one append as they come, message by message; past a bound they are not kept. */
export class GatheredEvents {
  readonly #events: ProposedEvent[] = [];
  #bytes = 0;
  #tooLarge = false;

  /** Of what is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  add({ id, metadata, customMetadata, data }: AppendReq_ProposedMessage): void {
    const bytes = data.length + customMetadata.length;
    if (this.#bytes + bytes > MAX_APPEND_BYTES || this.#events.length >= MAX_APPEND_EVENTS) this.#tooLarge = true;
    if (this.#tooLarge) return;
    this.#bytes += bytes;
    const type = metadata["type"] ?? "";
    this.#events.push({ id: uuidText(id), type, contentType: metadata["content-type"] ?? JSON_CONTENT, data, metadata: customMetadata });
  }

  all(): readonly ProposedEvent[] {
    if (this.#tooLarge) throw new RefusalError({ kind: "tooLarge" });
    return this.#events;
  }
}
