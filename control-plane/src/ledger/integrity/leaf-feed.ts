import type { MessagePort } from "node:worker_threads";
import { isLogged } from "@sallyport/proto/audit/leaf";
import { SallyportError } from "@sallyport/proto/errors";
import { type LogEntry, type ReadableLedger, readLog, type SubscribeOptions } from "../ledger.ts";
import { MAX_BATCH, pack, placeOf } from "./leaf-batch.ts";
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
    // What is removed was signed before, so it is in the tree already: a subscription need not tell of it.
    for await (const entry of live ? ledger.subscribeToAll(startOf(after, stop.signal)) : readLog(ledger, after)) {
      if (stop.signal.aborted) return;
      if (entry.kind === "caughtUp" || entry.kind === "checkpoint") continue;
      const { stream, position } = placeOf(entry);
      if (!isLogged(stream) || position === after) continue;
      const room = feed.add(entry);
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

class Feed {
  readonly #port: MessagePort;
  #events: LogEntry[] = [];
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

  add(entry: LogEntry): Promise<void> | undefined {
    this.#events.push(entry);
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
