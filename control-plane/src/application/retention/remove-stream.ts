import { utf8 } from "@sallyport/proto/audit/bytes";
import { leafText } from "@sallyport/proto/audit/leaf";
import { MAX_REMOVED_BYTES, MAX_REMOVED_EVENTS, type RemovableLedger, type Tombstone } from "../../ledger/ledger.ts";
import type { ProvenLog } from "./ended-streams.ts";

/**
 * Gathers the events of streams that are named in the record, and removes them some at a time, in the order of revisions: after a
 * crash, what is left of a stream is its end, and removing it again goes on from there.
 */
export class Remover {
  readonly #ledger: RemovableLedger;
  readonly #proven: ProvenLog;
  readonly #pause: () => Promise<void>;
  #waiting: Tombstone[] = [];
  #bytes = 0;

  constructor(ledger: RemovableLedger, proven: ProvenLog, pause: () => Promise<void>) {
    this.#ledger = ledger;
    this.#proven = proven;
    this.#pause = pause;
  }

  /** Of the stream as it was when it was named: what came into it later stays. */
  async remove({ stream, events }: { readonly stream: string; readonly events: number }): Promise<void> {
    for await (const event of this.#ledger.readStream(stream)) {
      if (event.revision >= BigInt(events)) return;
      const bytes = utf8(leafText(event)).length;
      if (this.#waiting.length === MAX_REMOVED_EVENTS || (this.#bytes + bytes > MAX_REMOVED_BYTES && this.#bytes > 0)) await this.flush();
      this.#waiting.push({ stream, revision: event.revision, position: event.position, leaf: this.#proven.leafOf(event) });
      this.#bytes += bytes;
    }
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    await this.#ledger.remove(this.#waiting);
    this.#waiting = [];
    this.#bytes = 0;
    await this.#pause();
  }
}
