import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import * as node from "../domain/node/node.decider.ts";
import { nodeStream } from "../domain/node/node.events.ts";
import { type Appended, isRemovable, type Ledger } from "../ledger/ledger.ts";
import { createExecute } from "./execute-command.ts";
import type { LiveState } from "./live-state.ts";
import type { Clock } from "./ports.ts";
import { backOff, pause, type Scheduler } from "./scheduler.ts";
import { systemContext } from "./use-case.ts";

export type FailClosedState =
  | { readonly kind: "open" }
  | { readonly kind: "closed"; readonly since: Date; readonly cause: string; readonly refusedCommands: number };

/** The first probe comes soon, since most outages are a moment; the last leaves a sick ledger in peace. */
export const PROBE_FIRST_MS = 100;
export const PROBE_LAST_MS = 5_000;

/**
 * Whether the ledger accepts appends (I3).
 *
 * F1. Closed from the first append that failed with `ledger.unavailable`, until a probe succeeded.
 * F2. The probe is the record of the outage itself, FailClosedEntered and FailClosedLeft in one append, so that open again
 *     means: recorded.
 * F3. While closed, `guard` refuses each command and counts it. What is refused while the probe is under way counts for
 *     the next record.
 */
export class FailClosed {
  readonly #deps: FailClosedDeps;
  readonly #stop = new AbortController();
  readonly #leaveListeners = new Set<() => void>();
  readonly #enterListeners = new Set<(outage: { readonly since: Date; readonly cause: string }) => void>();
  #closed: { readonly since: Date; readonly cause: string } | undefined;
  #refused = 0;
  #wake: AbortController | undefined;
  #probing: Promise<void> = Promise.resolve();

  constructor(deps: FailClosedDeps) {
    this.#deps = deps;
  }

  state(): FailClosedState {
    return this.#closed === undefined ? { kind: "open" } : { kind: "closed", ...this.#closed, refusedCommands: this.#refused };
  }

  /** Throws `ledger.unavailable`, and counts one refused command, while the ledger does not accept appends. */
  guard(): void {
    if (this.#closed === undefined) return;
    this.#refused += 1;
    throw new SallyportError("ledger.unavailable", "The record cannot be written, so nothing may run.", { recorded: "no" });
  }

  /** For a command that was refused because its own append failed. */
  countRefused(): void {
    this.#refused += 1;
  }

  /** Nothing of this is in the record before it is over. */
  onEntered(listener: (outage: { readonly since: Date; readonly cause: string }) => void): void {
    this.#enterListeners.add(listener);
  }

  onLeft(listener: () => void): void {
    this.#leaveListeners.add(listener);
  }

  /** The same ledger, with every append watched. */
  watch(ledger: Ledger): Ledger {
    const succeeded = (appended: Appended): Appended => {
      this.#wake?.abort();
      return appended;
    };
    const failed = (error: unknown): never => {
      this.#note(error);
      throw error;
    };
    return {
      append(stream, events, expected) {
        return ledger.append(stream, events, expected).then(succeeded, failed);
      },
      readStream: (stream, options) => ledger.readStream(stream, options),
      readAll: (options) => ledger.readAll(options),
      subscribeToAll: (options) => ledger.subscribeToAll(options),
      close: () => ledger.close(),
      ...(isRemovable(ledger) ? { tombstones: (stream: string) => ledger.tombstones(stream) } : {}),
    };
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake?.abort();
    await this.#probing;
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #note(error: unknown): void {
    if (!(error instanceof SallyportError) || error.code !== "ledger.unavailable" || this.#closed !== undefined || this.#isStopped()) return;
    const { clock, log } = this.#deps;
    this.#closed = { since: clock.now(), cause: error.message };
    log.error({ err: error }, "the ledger does not accept appends; commands are refused");
    this.#probing = this.#probe(this.#closed);
    for (const listener of this.#enterListeners) listener(this.#closed);
  }

  async #probe({ since, cause }: { readonly since: Date; readonly cause: string }): Promise<void> {
    const { scheduler, log, nodeId, ledger, clock, live } = this.#deps;
    const execute = createExecute({ ledger, clock, applied: (events) => live.applyOwn(events) });
    for (let failures = 0; !this.#isStopped(); failures++) {
      // An append of somebody else that succeeds wakes the probe.
      this.#wake = new AbortController();
      await pause(scheduler, backOff(failures, PROBE_FIRST_MS, PROBE_LAST_MS), this.#wake.signal);
      if (this.#isStopped()) return;
      const refusedCommands = this.#refused;
      try {
        const command = { type: "RecordFailClosed", nodeId, cause, since: since.toISOString(), refusedCommands } as const;
        const stream = nodeStream(nodeId);
        await execute({ decider: node, stream, command, context: systemContext(nodeId), believed: live.nodes.get(stream) });
      } catch (error) {
        log.warn({ err: error }, "the ledger still does not accept appends");
        continue;
      }
      this.#closed = undefined;
      this.#refused -= refusedCommands;
      this.#wake = undefined;
      log.info({ refusedCommands }, "the ledger accepts appends again");
      for (const listener of this.#leaveListeners) listener();
      return;
    }
  }
}

export interface FailClosedDeps {
  /** Not the watched one. */
  readonly ledger: Ledger;
  readonly live: LiveState;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  readonly nodeId: string;
}
