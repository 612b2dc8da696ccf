import { Worker } from "node:worker_threads";
import type { Job, Reply, WorkerSettings } from "./parser-worker.ts";

/**
 * One parser thread and the texts that wait for it. The thread may die of any text: its stack or heap overflows, or it takes too long.
 * Then a fresh one takes over. Phases: idle (no thread yet) → starting → running → (died: starting again) → closed.
 *
 * 1. Every text is answered exactly once, in bounded time; a text is the cause of one death at most.
 * 2. The text that was being worked on when the thread died is answered `failed`; those behind it go to the next thread, MAX_DEATHS times at most.
 * 3. A thread that dies before it is ready counts as a failed start; after MAX_STARTS in a row all that wait are answered `failed`.
 * 4. At most MAX_WAITING texts and MAX_WAITING_CHARS wait; beyond that the answer is `full` at once.
 * 5. The process stays alive for texts that wait, not for an idle thread.
 */

/** Enough to keep the thread busy between two turns of the event loop; few, because each is sent again when the thread dies. */
export const MAX_IN_FLIGHT = 16;
/** A burst of as many sessions; more is refused rather than kept. */
export const MAX_WAITING = 4_096;
export const MAX_WAITING_CHARS = 64 << 20;
/** Threads that may die under a text that was only behind the culprit. */
export const MAX_DEATHS = 4;
/** A thread that cannot load its module three times will not the fourth time either. */
export const MAX_STARTS = 3;
/** Loading takes about 0.2 s; a machine under load may take ten times that. */
export const START_LIMIT_MS = 10_000;
/** 1,500 nested parentheses overflow the default of 4 MB. */
const STACK_MB = 64;
/** A 256 KiB text makes a tree of some 30 MB. */
const HEAP_MB = 512;

export type Outcome =
  | Exclude<Reply, { kind: "ready" | "broken" }>
  | { readonly kind: "failed"; readonly cause: "broken" | "time" | "start" }
  | { readonly kind: "full" };

interface Waiting {
  readonly text: string;
  readonly task: Job["task"];
  deaths: number;
  readonly settle: (outcome: Outcome) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly current: Int32Array;
  readonly inFlight: Map<number, Waiting>;
  ready: boolean;
}

export interface LaneOptions {
  /** For one text, from the moment that those before it are answered. */
  readonly timeLimitMs: number;
  readonly harmlessFunctions: readonly string[];
  /** Tests put a thread here that fails to start. */
  readonly workerFile?: URL;
}

export class ParserLane {
  readonly #options: LaneOptions;
  #waiting: Waiting[] = [];
  #waitingChars = 0;
  #thread: Thread | undefined;
  #timer: NodeJS.Timeout | undefined;
  #readers: (() => void)[] = [];
  #lastNumber = 0;
  #failedStarts = 0;
  #closed = false;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  run(text: string, task: Job["task"]): Promise<Outcome> {
    if (this.#closed) return Promise.resolve({ kind: "failed", cause: "start" });
    if (this.#waiting.length >= MAX_WAITING || this.#waitingChars + text.length > MAX_WAITING_CHARS) return Promise.resolve({ kind: "full" });
    return new Promise((settle) => {
      this.#waiting.push({ text, task, settle, deaths: 0 });
      this.#waitingChars += text.length;
      this.#pump();
    });
  }

  /** Resolves when the thread is ready, or has given up starting. */
  ready(): Promise<void> {
    if (this.#closed || this.#thread?.ready === true) return Promise.resolve();
    return new Promise((resolve) => {
      this.#readers.push(resolve);
      this.#thread ??= this.#start();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const thread = this.#abandon();
    for (const job of thread?.inFlight.values() ?? []) job.settle({ kind: "failed", cause: "start" });
    this.#failAll("start");
    this.#tellReaders();
    await thread?.worker.terminate();
  }

  #pump(): void {
    if (this.#waiting.length === 0) return;
    const thread = (this.#thread ??= this.#start());
    if (!thread.ready) return;
    const before = thread.inFlight.size;
    while (thread.inFlight.size < MAX_IN_FLIGHT) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#waitingChars -= next.text.length;
      const number = (this.#lastNumber = (this.#lastNumber + 1) & 0x3fff_ffff);
      thread.inFlight.set(number, next);
      thread.worker.postMessage({ number, text: next.text, task: next.task } satisfies Job);
    }
    if (before === 0 && thread.inFlight.size > 0) {
      thread.worker.ref();
      this.#arm(thread, this.#options.timeLimitMs);
    }
  }

  #start(): Thread {
    const current = new Int32Array(new SharedArrayBuffer(4));
    Atomics.store(current, 0, -1);
    const worker = new Worker(this.#options.workerFile ?? new URL("./parser-worker.ts", import.meta.url), {
      workerData: { current, harmlessFunctions: this.#options.harmlessFunctions } satisfies WorkerSettings,
      resourceLimits: { stackSizeMb: STACK_MB, maxOldGenerationSizeMb: HEAP_MB },
      // The thread needs nothing of it, and it holds credentials of the process.
      env: {},
      stdout: true,
      stderr: true,
    });
    const thread: Thread = { worker, current, inFlight: new Map(), ready: false };
    worker.on("message", (reply: Reply) => this.#received(thread, reply));
    worker.on("error", () => this.#died(thread, "broken"));
    worker.on("exit", () => this.#died(thread, "broken"));
    this.#arm(thread, START_LIMIT_MS);
    return thread;
  }

  #received(thread: Thread, reply: Reply): void {
    if (thread !== this.#thread) return;
    if (reply.kind === "ready") {
      thread.ready = true;
      this.#failedStarts = 0;
      this.#disarm();
      this.#tellReaders();
      thread.worker.unref();
      return this.#pump();
    }
    if (reply.kind === "broken") return this.#died(thread, "broken", reply.number);
    const job = thread.inFlight.get(reply.number);
    thread.inFlight.delete(reply.number);
    if (thread.inFlight.size === 0) {
      this.#disarm();
      thread.worker.unref();
    } else this.#arm(thread, this.#options.timeLimitMs);
    this.#pump();
    job?.settle(reply);
  }

  /** A thread that says itself what broke it has gone on to the next text since; of one that says nothing, `current` tells. */
  #died(thread: Thread, cause: "broken" | "time", culprit = Atomics.load(thread.current, 0)): void {
    if (thread !== this.#thread) return;
    this.#abandon();
    void thread.worker.terminate();
    if (!thread.ready) this.#failedStarts++;
    // Answers may have been lost on the way: what came before the culprit is done again, too.
    const again: Waiting[] = [];
    for (const [number, job] of thread.inFlight) {
      if (number === culprit || ++job.deaths >= MAX_DEATHS) job.settle({ kind: "failed", cause });
      else again.push(job);
    }
    this.#waiting = [...again, ...this.#waiting];
    for (const job of again) this.#waitingChars += job.text.length;
    if (this.#failedStarts >= MAX_STARTS) {
      this.#failedStarts = 0;
      this.#failAll("start");
      this.#tellReaders();
    } else if (this.#waiting.length > 0 || this.#readers.length > 0) {
      this.#thread = this.#start();
    }
  }

  #abandon(): Thread | undefined {
    const thread = this.#thread;
    this.#thread = undefined;
    this.#disarm();
    return thread;
  }

  #failAll(cause: "start"): void {
    const all = this.#waiting;
    this.#waiting = [];
    this.#waitingChars = 0;
    for (const job of all) job.settle({ kind: "failed", cause });
  }

  #tellReaders(): void {
    const readers = this.#readers;
    this.#readers = [];
    for (const tell of readers) tell();
  }

  /** The limit counts from the last sign of life. An answer that is waiting in our own event loop is one: it is looked for first. */
  #arm(thread: Thread, limitMs: number): void {
    this.#disarm();
    this.#timer = setTimeout(() => {
      const timer = this.#timer;
      setImmediate(() => {
        if (this.#timer === timer) this.#died(thread, "time");
      });
    }, limitMs);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
