import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "pg";

const WINDOW_MS = 1_000;
/** The rest of a volley counts as a second when it is most of one. */
const SHORTEST_WINDOW_MS = 600;

/** Sessions that have nothing to do with what is measured: each runs one short statement after the other, and every text is a new one. */
export class Others {
  readonly #taken: { readonly at: number; readonly millis: number }[] = [];
  readonly #calm: number[] = [];
  readonly #running: Promise<unknown>;
  #over = false;
  #texts = 0;
  #refused = 0;

  constructor(sessions: readonly Client[]) {
    this.#running = Promise.all(sessions.map((session) => this.#run(session)));
  }

  /** What a statement took, without whatever was done to them. */
  get calmMillis(): number {
    return Number(median(this.#calm).toFixed(2));
  }

  /** Statements that were not answered, for whatever reason: none should be. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * For each second of `disturbance` how much longer a statement took than in the calm before and after it, as a ratio of medians. Where none
   * was answered, it took at least that second.
   */
  async during(calmMs: number, disturbance: () => Promise<void>): Promise<readonly number[]> {
    await pause(calmMs);
    const begin = performance.now();
    await disturbance();
    const end = performance.now();
    await pause(calmMs);
    const calm = median([...this.#between(begin - calmMs, begin), ...this.#between(end, end + calmMs)]);
    this.#calm.push(calm);
    const ratios: number[] = [];
    for (let from = begin; end - from > SHORTEST_WINDOW_MS; from += WINDOW_MS) ratios.push(this.#taking(from, Math.min(end, from + WINDOW_MS)) / calm);
    return ratios;
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#running;
  }

  async #run(session: Client): Promise<void> {
    while (!this.#over) {
      const start = performance.now();
      // Its column's name makes each text one that was never parsed.
      await session.query(`select 1 as c${this.#texts++}`).catch(() => this.#refused++);
      this.#taken.push({ at: performance.now(), millis: performance.now() - start });
    }
  }

  #taking(from: number, to: number): number {
    const taken = this.#between(from, to);
    return taken.length === 0 ? to - from : median(taken);
  }

  #between(from: number, to: number): number[] {
    return this.#taken.filter(({ at }) => at >= from && at < to).map(({ millis }) => millis);
  }
}

const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)] ?? Number.NaN;
