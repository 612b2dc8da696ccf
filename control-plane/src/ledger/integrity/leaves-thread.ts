import { once } from "node:events";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import { type Leaf, unpack } from "./leaf-batch.ts";
import type { LeafAnswer, LeafReading, LeavesRequest, LeavesSettings } from "./leaf-messages.ts";

/** It only reads, so nothing is lost when it is cut off. */
export const CLOSE_MS = 3_000;

/**
 * Owns the thread that reads the log and hashes its leaves, so that the thread of the sessions neither parses nor hashes an event for
 * it. Its death fails the reading that is under way; the next one starts it again.
 */
export class LeavesThread {
  readonly #settings: LeavesSettings;
  readonly #log: Logger;
  #worker: Worker | undefined;

  constructor(settings: LeavesSettings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Those after a position, up to what was the last event when the read began. */
  read(after: bigint | undefined): AsyncGenerator<readonly Leaf[], void, undefined> {
    return this.#leaves(after);
  }

  /** Those after a position, and then those that come, each time all that came since; until `signal` aborts. */
  follow(after: bigint | undefined, signal: AbortSignal): AsyncGenerator<readonly Leaf[], void, undefined> {
    return this.#leaves(after, signal);
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = once(worker, "exit");
    const cut = setTimeout(() => void worker.terminate(), CLOSE_MS);
    worker.postMessage("close" satisfies LeavesRequest);
    await exited;
    clearTimeout(cut);
  }

  async *#leaves(after: bigint | undefined, signal?: AbortSignal): AsyncGenerator<readonly Leaf[], void, undefined> {
    const { port1: port, port2 } = new MessageChannel();
    const ask = questionsTo(port);
    const close = (): void => port.close();
    const isOver = (): boolean => signal?.aborted === true; // it changes while leaves are with the caller
    signal?.addEventListener("abort", close, { once: true });
    try {
      const live = signal !== undefined;
      const worker = this.#started();
      worker.postMessage({ after, live, port: port2 } satisfies LeafReading, [port2]);
      while (!isOver()) {
        const answer = await ask();
        if (answer === undefined) {
          if (isOver()) return;
          await worker.terminate(); // it is ending; whoever reads next shall not meet it
          throw new SallyportError("ledger.unavailable", "The thread that hashes the log ended.");
        }
        if (answer.kind === "end") return;
        if (answer.kind === "failure") throw new SallyportError(answer.code, answer.message, answer.details);
        yield unpack(answer.batch);
      }
    } finally {
      signal?.removeEventListener("abort", close);
      close();
    }
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL("../../leaves.worker.ts", import.meta.url), { workerData: this.#settings, name: "leaves" });
    worker.on("error", (error: unknown) => this.#log.error({ err: error }, "the thread that hashes the log failed")); // its exit follows
    worker.on("exit", () => {
      this.#worker = undefined;
    });
    return (this.#worker = worker);
  }
}

/** Asks one question at a time. Answers nothing when the port closed, as it does when either end is gone. */
function questionsTo(port: MessagePort): () => Promise<LeafAnswer | undefined> {
  let isClosed = false;
  let settle: ((answer?: LeafAnswer) => void) | undefined;
  port.on("message", (answer: LeafAnswer) => settle?.(answer));
  port.on("close", () => {
    isClosed = true;
    settle?.();
  });
  return () =>
    new Promise((resolve) => {
      if (isClosed) return resolve(undefined);

      settle = resolve;
      port.postMessage("more");
    });
}
