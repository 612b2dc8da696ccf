import type { MessagePort } from "node:worker_threads";
import { isLogged } from "@sallyport/proto/audit/leaf";
import { SallyportError } from "@sallyport/proto/errors";
import type { ReadableLedger, RecordedEvent, SubscribeOptions, SubscriptionMessage } from "../ledger.ts";
import { MAX_BATCH, pack } from "./leaf-batch.ts";
import type { LeafAnswer, LeafReading } from "./leaf-messages.ts";

/**
 * Feeds one reading of the log into its port, in the thread that hashes. Ends when the port closes; a bug is thrown.
 *
 * F1. Each question is answered once, as soon as there is something: what was read by then, the end, or why there is no more.
 * F2. Not more than MAX_BATCH events wait to be asked for; then reading waits.
 */
export async function feedLeaves(ledger: ReadableLedger, { after, live, port }: LeafReading): Promise<void> {
  const stop = new AbortController();
  const feed = new Feed(port);
  port.once("close", () => {
    stop.abort();
    feed.close();
  });
  try {
    for await (const message of live ? ledger.subscribeToAll(startOf(after, stop.signal)) : ledger.readAll(after === undefined ? {} : { from: after })) {
      if (stop.signal.aborted) return;
      const event = "kind" in message ? eventIn(message) : message;
      if (event === undefined || !isLogged(event.stream) || event.position === after) continue;
      const room = feed.add(event);
      if (room !== undefined) await room;
    }
    feed.end({ kind: "end" });
  } catch (error) {
    const { code, message, details } = SallyportError.from(error);
    if (code === "internal") throw error;
    feed.end({ kind: "failure", code, message, details });
  }
}

const startOf = (after: bigint | undefined, signal: AbortSignal): SubscribeOptions => ({ ...(after === undefined ? {} : { after }), signal });

const eventIn = (message: SubscriptionMessage): RecordedEvent | undefined => (message.kind === "event" ? message.event : undefined);

class Feed {
  readonly #port: MessagePort;
  #events: RecordedEvent[] = [];
  #over: LeafAnswer | undefined;
  #asked = false;
  #closed = false;
  #planned = false;
  #hasRoom: (() => void) | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", () => {
      this.#asked = true;
      this.#answer();
    });
  }

  add(event: RecordedEvent): Promise<void> | undefined {
    this.#events.push(event);
    if (this.#asked && !this.#planned) {
      // The rest of the page comes in this turn.
      this.#planned = true;
      setImmediate(() => {
        this.#planned = false;
        this.#answer();
      });
    }
    if (this.#events.length < MAX_BATCH || this.#closed) return undefined;
    return new Promise((resolve) => (this.#hasRoom = resolve));
  }

  end(over: LeafAnswer): void {
    this.#over = over;
    this.#answer();
  }

  close(): void {
    this.#closed = true;
    this.#hasRoom?.();
  }

  #answer(): void {
    if (!this.#asked || this.#closed) return;
    const answer = this.#events.length > 0 ? ({ kind: "leaves", batch: pack(this.#events) } as const) : this.#over;
    if (answer === undefined) return;
    this.#asked = false;
    this.#events = [];
    this.#port.postMessage(answer);
    this.#hasRoom?.();
  }
}
