import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { CommandQuery, CommandRow, Page, SessionQuery, SessionRow } from "../application/projections/read-model-store.ts";
import type { ReadModelsService, ReadModelsStatus, RebuildProgress } from "../application/projections/read-models.ts";
import type { CallName, Calls, Reply, Request, ThreadSettings } from "./messages.ts";

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
  readonly progressed: ((progress: RebuildProgress) => void) | undefined;
}

/** A thread that died is started again by the first question after this long: what killed it may kill it again. */
export const RESTART_MS = 5_000;
/** A long search may be under way; its file survives being cut off. */
export const CLOSE_MS = 3_000;
/** Questions that wait for answers; a thread this far behind would answer nobody in time. */
export const MAX_WAITING_QUESTIONS = 1_000;

/**
 * Owns the thread of the read models: it reads the ledger, writes its file and answers questions, and the thread of the sessions only
 * passes questions on. Its death fails what waits for it, and nothing else.
 */
export class ReadModelsThread implements ReadModelsService {
  readonly #settings: ThreadSettings;
  readonly #log: Logger;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #diedAt = -Infinity;
  #lastId = 0;
  #closing = false;
  #leftOut = 0;

  constructor(settings: ThreadSettings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    this.#worker = this.#start();
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  sessions(query: SessionQuery): Promise<Page<SessionRow>> {
    return this.#call("sessions", query);
  }

  commands(query: CommandQuery): Promise<Page<CommandRow>> {
    return this.#call("commands", query);
  }

  status(): Promise<ReadModelsStatus> {
    return this.#call("status", undefined);
  }

  async *rebuild(signal: AbortSignal): AsyncGenerator<RebuildProgress> {
    let latest: RebuildProgress | undefined;
    let ended = false;
    let changed = (): void => undefined;
    const rebuilt = this.#call("rebuild", undefined, (progress) => {
      latest = progress;
      changed();
    }).finally(() => {
      ended = true;
      changed();
    });
    rebuilt.catch(() => undefined); // told below, to whoever still listens
    signal.addEventListener("abort", () => changed(), { once: true });
    const isOver = (): boolean => ended; // it changes while the progress is with the caller
    for (let told: RebuildProgress | undefined; !signal.aborted;) {
      const next = new Promise<void>((resolve) => (changed = resolve));
      if (latest !== undefined && latest !== told) yield (told = latest);
      else if (isOver()) break;
      else await next;
    }
    if (isOver()) await rebuilt;
  }

  async close(): Promise<void> {
    this.#closing = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = once(worker, "exit");
    const cut = setTimeout(() => void worker.terminate(), CLOSE_MS);
    await this.#call("close", undefined).catch(() => worker.terminate());
    await exited;
    clearTimeout(cut);
  }

  #call<C extends CallName>(call: C, argument: Calls[C]["argument"], progressed?: Waiting["progressed"]): Promise<Calls[C]["answer"]> {
    if (this.#worker === undefined && !this.#closing && performance.now() - this.#diedAt > RESTART_MS) this.#worker = this.#start();
    const worker = this.#worker;
    if (worker === undefined) return Promise.reject(unavailable("their thread ended"));
    if (this.#waiting.size >= MAX_WAITING_QUESTIONS) return Promise.reject(unavailable("too many ask"));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, progressed });
      worker.postMessage({ id, call, argument } satisfies Request);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL("../read-models.worker.ts", import.meta.url), { workerData: this.#settings, name: "read-models" });
    worker.on("message", (reply: Reply) => this.#settle(reply));
    worker.on("error", (error: unknown) => this.#log.error({ err: error }, "the thread of the read models failed")); // its exit follows
    worker.on("exit", () => {
      this.#worker = undefined;
      this.#diedAt = performance.now();
      for (const { reject } of this.#waiting.values()) reject(unavailable("their thread ended"));
      this.#waiting.clear();
    });
    return worker;
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    if (reply.kind === "progress") return waiting?.progressed?.(reply.progress);
    this.#waiting.delete(reply.id);
    if (reply.kind === "answer") {
      this.#leftOut = reply.leftOut;
      waiting?.resolve(reply.answer as never);
    } else waiting?.reject(new SallyportError(reply.failure.code, reply.failure.message, reply.failure.details));
  }
}

const unavailable = (why: string): SallyportError => new SallyportError("read_models.unavailable", `The lists cannot be read now: ${why}.`);
