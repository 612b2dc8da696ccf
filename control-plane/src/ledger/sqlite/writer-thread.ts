import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { SallyportError } from "@sallyport/proto/errors";
import { errorOf, type Failure, failureOf } from "./sqlite-failure.ts";
import type { EncodedAppend, Removal, WriterReply, WriterRequest } from "./writer-messages.ts";

/** How long `stop` waits for the thread to let go of the file before it leaves it behind. */
export const STOP_DEADLINE_MS = 2_000;

type Removed = Extract<WriterReply, { kind: "removed" }>;

/** One reply per commit, in order, until it dies. */
export interface Writer {
  listen(onReply: (reply: WriterReply) => void, onDeath: (failure: Failure) => void): void;
  commit(appends: readonly EncodedAppend[]): void;
}

/** Owns the worker in which a LedgerWriter lives. */
export class WriterThread implements Writer {
  readonly #worker: Worker;
  readonly #exited: Promise<true>;
  /** The last removal. */
  #removing: Promise<unknown> = Promise.resolve();

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
    this.#worker.on("message", (reply: WriterReply) => {
      if (reply.kind !== "removed") onReply(reply);
    });
    this.#worker.on("error", (error) => onDeath(failureOf(error)));
    this.#worker.on("exit", () => onDeath({ message: "the writer thread ended" }));
  }

  commit(appends: readonly EncodedAppend[]): void {
    this.#worker.postMessage({ kind: "commit", appends } satisfies WriterRequest);
  }

  async remove(removals: readonly Removal[]): Promise<void> {
    const { corrupt } = await this.#asked({ kind: "remove", removals });
    if (corrupt === undefined) return;
    const position = String(corrupt);
    throw new SallyportError("ledger.corrupt", `The event at position ${position} is not the one that its leaf in the tree is of.`, { position });
  }

  async purge(): Promise<void> {
    await this.#asked({ kind: "purge" });
  }

  /** One at a time, so that each has its answer. */
  #asked(request: WriterRequest): Promise<Removed> {
    const answer = this.#removing.then(() => this.#ask(request));
    this.#removing = answer.catch(() => undefined);
    return answer;
  }

  async #ask(request: WriterRequest): Promise<Removed> {
    const worker = this.#worker;
    const { promise, resolve } = Promise.withResolvers<Removed | undefined>();
    const hear = (reply: WriterReply): void => {
      if (reply.kind === "removed") resolve(reply);
    };
    worker.on("message", hear);
    worker.postMessage(request);
    const removed = await Promise.race([promise, this.#exited.then(() => undefined)]);
    worker.off("message", hear);
    if (removed === undefined) throw new SallyportError("ledger.unavailable", "The ledger's writer has ended.");
    if (removed.failure !== undefined) throw errorOf(removed.failure, "write");
    return removed;
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
