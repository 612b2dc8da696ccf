import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { errorOf, type Failure, failureOf } from "./sqlite-failure.ts";
import type { EncodedAppend, WriterReply, WriterRequest } from "./writer-messages.ts";

/** How long `stop` waits for the thread to let go of the file before it leaves it behind. */
export const STOP_DEADLINE_MS = 2_000;

/** One reply per commit, in order, until it dies. */
export interface Writer {
  listen(onReply: (reply: WriterReply) => void, onDeath: (failure: Failure) => void): void;
  commit(appends: readonly EncodedAppend[]): void;
}

/** Owns the worker in which a LedgerWriter lives. */
export class WriterThread implements Writer {
  readonly #worker: Worker;
  readonly #exited: Promise<true>;

  private constructor(worker: Worker) {
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once("exit", () => resolve(true)));
  }

  /** Resolves when the writer has opened the file; fails with what kept it from that. */
  static async start(path: string): Promise<WriterThread> {
    const worker = new Worker(new URL("./writer.worker.ts", import.meta.url), { workerData: path, name: "ledger-writer" });
    const thread = new WriterThread(worker);
    const [reply] = (await once(worker, "message")) as [WriterReply];
    if (reply.kind !== "failed") return thread;
    await worker.terminate();
    throw errorOf(reply.failure, "write");
  }

  listen(onReply: (reply: WriterReply) => void, onDeath: (failure: Failure) => void): void {
    this.#worker.on("message", onReply);
    this.#worker.on("error", (error) => onDeath(failureOf(error)));
    this.#worker.on("exit", () => onDeath({ message: "the writer thread ended" }));
  }

  commit(appends: readonly EncodedAppend[]): void {
    this.#worker.postMessage({ kind: "commit", appends } satisfies WriterRequest);
  }

  /** Says whether the thread has let go of the file; if not, it hangs in a system call and may still write. */
  async stop(): Promise<boolean> {
    this.#worker.postMessage({ kind: "close" } satisfies WriterRequest);
    const cancel = new AbortController();
    const stopped = await Promise.race([this.#exited, delay(STOP_DEADLINE_MS, false, { signal: cancel.signal })]);
    cancel.abort();
    if (!stopped) this.#worker.unref();
    return stopped;
  }
}
