import { Worker } from "node:worker_threads";
import { CURRENT, type Job, type Reply, SINCE_CPU, type WorkerSettings } from "./parser-messages.ts";
import { cpuMillisOf } from "./thread-cpu.ts";

/**
 * One parser thread and the texts that wait for it. The thread may die of any text: its stack or heap overflows, or it takes too long.
 * Then a fresh one takes over. Phases: idle (no thread yet) → starting → running → (died: starting again) → closed.
 *
 * 1. Every text is answered exactly once, in bounded time; a text is the cause of one death at most.
 * 2. The text that was being worked on when the thread died is answered `failed`; those behind it go to the next thread, MAX_DEATHS times at most.
 * 3. A thread that dies before it is ready counts as a failed start; after MAX_STARTS in a row all that wait are answered `failed`.
 * 4. At most MAX_WAITING texts and MAX_WAITING_CHARS wait; beyond that the answer is `full` at once.
 * 5. The process stays alive for texts that wait, not for an idle thread.
 * 6. A text has so much CPU time, however long it takes to get it, up to a bound: on a busy machine an honest text is not taken for a hostile one.
 */

/** A burst of as many sessions; more is refused rather than kept. */
export const MAX_WAITING = 4_096;
export const MAX_WAITING_CHARS = 64 << 20;
/** Threads that may die under a text that was only behind the culprit. */
export const MAX_DEATHS = 4;
/** A thread that cannot load its module three times will not the fourth time either. */
export const MAX_STARTS = 3;
/** Loading takes about 0.2 s; in the background of a machine under load it may take a hundred times that. */
export const START_LIMIT_MS = 30_000;
/** A thread that gets little of the CPU is asked again and again how much it had: not more often than this. */
const SHORTEST_WATCH_MS = 10;
/** 1,500 nested parentheses overflow the default of 4 MB. */
const STACK_MB = 64;
/** A 256 KiB text makes a tree of some 30 MB. */
const HEAP_MB = 512;

/** The process's own holds credentials. Of it the thread is told at most where Node keeps what it compiled, which halves its start. */
const threadEnvironment = Object.fromEntries(Object.entries(process.env).filter(([name]) => name === "NODE_COMPILE_CACHE"));

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
  readonly progress: Int32Array;
  readonly inFlight: Map<number, Waiting>;
  ready: boolean;
  /** What the system calls it, once it is ready. */
  number: number | undefined;
}

export interface LaneOptions {
  /** Of CPU time for one text; of the clock's where the system does not tell. */
  readonly cpuLimitMs: (text: string) => number;
  /** By the clock, from the moment that those before it are answered. */
  readonly clockLimitMs: number;
  /** Texts that the thread is given ahead. Each is sent again when it dies, and may be given up in the end for what was before it. */
  readonly maxInFlight: number;
  /** Its thread works only while nobody else wants the CPU, as far as the system knows such threads. */
  readonly background: boolean;
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
    while (thread.inFlight.size < this.#options.maxInFlight) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#waitingChars -= next.text.length;
      const number = (this.#lastNumber = (this.#lastNumber + 1) & 0x3fff_ffff);
      thread.inFlight.set(number, next);
      thread.worker.postMessage({ number, text: next.text, task: next.task } satisfies Job);
    }
    if (before === 0 && thread.inFlight.size > 0) {
      thread.worker.ref();
      this.#watch(thread);
    }
  }

  #start(): Thread {
    const { workerFile, background, harmlessFunctions } = this.#options;
    const progress = new Int32Array(new SharedArrayBuffer(8));
    Atomics.store(progress, CURRENT, -1);
    const worker = new Worker(workerFile ?? new URL("./parser-thread.ts", import.meta.url), {
      workerData: { progress, background, harmlessFunctions } satisfies WorkerSettings,
      resourceLimits: { stackSizeMb: STACK_MB, maxOldGenerationSizeMb: HEAP_MB },
      env: threadEnvironment,
      stdout: true,
      stderr: true,
    });
    const thread: Thread = { worker, progress, inFlight: new Map(), ready: false, number: undefined };
    worker.on("message", (reply: Reply) => this.#received(thread, reply));
    worker.on("error", () => this.#died(thread, "broken"));
    worker.on("exit", () => this.#died(thread, "broken"));
    this.#arm(START_LIMIT_MS, () => this.#died(thread, "time"));
    return thread;
  }

  #received(thread: Thread, reply: Reply): void {
    if (thread !== this.#thread) return;
    if (reply.kind === "ready") {
      thread.ready = true;
      thread.number = reply.thread;
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
    } else this.#watch(thread);
    this.#pump();
    job?.settle(reply);
  }

  /** A thread that says itself what broke it has gone on to the next text since; of one that says nothing, `current` tells. */
  #died(thread: Thread, cause: "broken" | "time", culprit = Atomics.load(thread.progress, CURRENT)): void {
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

  /** The limits count from the last sign of life: those of the text that is next, since answers come in order. */
  #watch(thread: Thread): void {
    const [next] = thread.inFlight.values();
    if (next === undefined) return;
    const since = performance.now();
    const cpuLimitMs = this.#options.cpuLimitMs(next.text);
    const look = (): void => {
      const left = Math.min(cpuLimitMs - this.#usedBy(thread, since), this.#options.clockLimitMs - (performance.now() - since));
      if (left <= 0) this.#died(thread, "time");
      else this.#arm(Math.max(left, SHORTEST_WATCH_MS), look);
    };
    this.#arm(cpuLimitMs, look);
  }

  /** CPU milliseconds for the text that it works on; none for one that it has not begun. */
  #usedBy({ number, progress, inFlight }: Thread, since: number): number {
    const cpu = number === undefined ? undefined : cpuMillisOf(number);
    if (cpu === undefined) return performance.now() - since;
    return inFlight.has(Atomics.load(progress, CURRENT)) ? cpu - Atomics.load(progress, SINCE_CPU) : 0;
  }

  /** An answer that is waiting in our own event loop is a sign of life: it is looked for first. */
  #arm(limitMs: number, run: () => void): void {
    this.#disarm();
    this.#timer = setTimeout(() => {
      const timer = this.#timer;
      setImmediate(() => {
        if (this.#timer === timer) run();
      });
    }, limitMs);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
