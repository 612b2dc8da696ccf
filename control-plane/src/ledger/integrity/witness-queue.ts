import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Witness, Witnessed } from "./witness.ts";

/** Checkpoints that wait for a witness that does not answer; the newest cover what the oldest did, so those go first. */
export const MAX_WAITING = 256;
/** A stop of the control plane waits for its witnesses no longer than this. */
export const CLOSE_DEADLINE_MS = 5_000;
/** A witness that is back is told soon; one that is gone is left in peace. */
export const RETRY_FIRST_MS = 500;
export const RETRY_LAST_MS = 30_000;

/**
 * Brings every checkpoint to one witness, in order, one at a time, and never makes anybody wait.
 * What a witness does not take is tried again until it does or is overtaken; each change between well and not is logged once.
 */
export class WitnessQueue {
  readonly #witness: Witness;
  readonly #log: Logger;
  readonly #onSigned: (treeSize: number, lines: readonly string[]) => void;
  readonly #waiting: Witnessed[] = [];
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #failures = 0;
  #closed = false;

  constructor(witness: Witness, log: Logger, onSigned: (treeSize: number, lines: readonly string[]) => void) {
    this.#witness = witness;
    this.#log = log;
    this.#onSigned = onSigned;
  }

  push(witnessed: Witnessed): void {
    this.#waiting.push(witnessed);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#running ??= this.#run();
  }

  /** Tries once more what waits, then lets go; also of a witness that hangs. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    const waited = new AbortController();
    const deadline = delay(CLOSE_DEADLINE_MS, undefined, { signal: waited.signal, ref: false }).catch(() => undefined);
    await Promise.race([this.#running, deadline]);
    waited.abort();
  }

  async #run(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      try {
        const lines = await this.#witness.push(next);
        if (lines.length > 0) this.#onSigned(next.checkpoint.treeSize, lines);
        const at = this.#waiting.indexOf(next);
        if (at >= 0) this.#waiting.splice(at, 1);
        if (this.#failures > 0) this.#log.info({ witness: this.#witness.name }, "the witness takes checkpoints again");
        this.#failures = 0;
      } catch (error) {
        if (this.#failures++ === 0) this.#log.error({ err: error, witness: this.#witness.name }, "a witness does not take checkpoints");
        if (this.#closed) break;
        await this.#pause(Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures - 1, 20)));
      }
    }
    this.#running = undefined;
  }

  #next(): Witnessed | undefined {
    if (this.#witness.onlyLatest) this.#waiting.splice(0, this.#waiting.length - 1);
    return this.#waiting[0];
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
