import { randomUUID } from "node:crypto";
import type { TreeHasher } from "@sallyport/proto/audit/merkle";
import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import { MAX_REMOVED_STREAMS } from "../../domain/retention/retention.decider.ts";
import type { RetentionTrigger } from "../../domain/retention/retention.events.ts";
import { cutOffOf, type RetentionRule } from "../../domain/retention/retention-rules.ts";
import { isRemovable, type Ledger, type RemovableLedger } from "../../ledger/ledger.ts";
import type { Execute } from "../execute-command.ts";
import type { Clock, CommandContext } from "../ports.ts";
import { pause, type Scheduler } from "../scheduler.ts";
import { type EndedStream, endedStreams, type ProvenLog } from "./ended-streams.ts";
import { lastRuns, type RetentionRun, unfinishedRemovals } from "./past-runs.ts";
import { Remover } from "./remove-stream.ts";
import { Counter, type RetentionCount } from "./retention-count.ts";
import { RunRecord } from "./run-record.ts";

/** After each removal, so that appends which came meanwhile go first: a run takes a third of the writer's time at most. */
export const REMOVAL_PAUSE_MS = 10;
/** Between two looks at whether a decision is signed, which takes a second at most when the checkpointer is well, */
export const SIGNED_POLL_MS = 100;
/** and after which the run gives up: it is completed by the next one. */
export const SIGNED_DEADLINE_MS = 60_000;
/** A start has better things to do at first. */
export const FIRST_RUN_MS = 10_000;

export interface RetentionDeps {
  /** As it is stored: the leaves are hashes of that. */
  readonly ledger: Ledger;
  /** As it reads: who asked for a run has a name, and what others wrote into it is not there. */
  readonly record: Pick<Ledger, "readAll" | "readStream">;
  readonly proven: ProvenLog;
  readonly hasher: TreeHasher;
  readonly rules: readonly RetentionRule[];
  readonly execute: Execute;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Logger;
}

export interface RetentionReport {
  /** Empty for a dry run. */
  readonly runId: string;
  readonly counts: readonly RetentionCount[];
}

export interface Retention {
  readonly rules: readonly RetentionRule[];
  /** Newest first. */
  lastRuns(limit: number): Promise<readonly RetentionRun[]>;
  /** What a run would remove now. */
  preview(): Promise<RetentionReport>;
  /** One at a time; whoever asks meanwhile fails with `input.invalid`. Fails with what stopped it, which is in the record too. */
  run(trigger: RetentionTrigger, context: CommandContext): Promise<RetentionReport>;
  /** Runs soon, and then each time after so many milliseconds; without rules, at most once, to complete what was begun with some. */
  schedule(everyMs: number, context: CommandContext): void;
  /** Stops between two removals; the next run completes what was begun. */
  close(): Promise<void>;
}

/**
 * Removes from the record what its rules no longer keep.
 *
 * G1. What goes is named in the record first, and the event that names it is signed before the first of it goes.
 * G2. Only whole streams go: over, signed before the cut-off to their last event, and found to be what was signed. What others wrote
 *     behind the end goes along when it is old enough too.
 * G3. A run that was cut short is completed by the next one, before that begins its own.
 * G4. Nobody waits for it: it holds the writer for one small removal at a time, and pauses after each.
 */
export function createRetention({ ledger, record, proven, hasher, rules, execute, clock, scheduler, log }: RetentionDeps): Retention {
  const stop = new AbortController();
  let running: Promise<RetentionReport> | undefined;
  let cancel: () => void = () => undefined;

  function requireGoing(): void {
    if (stop.signal.aborted) throw new SallyportError("ledger.unavailable", "The control plane stops; the next run of retention completes this one.");
  }

  async function untilSigned(position: bigint): Promise<void> {
    for (let waited = 0; !proven.covers(position); waited += SIGNED_POLL_MS) {
      requireGoing();
      if (waited >= SIGNED_DEADLINE_MS) throw new SallyportError("ledger.unavailable", "The decision to remove streams was not signed in time.");
      await pause(scheduler, SIGNED_POLL_MS, stop.signal);
    }
  }

  const removerOf = (removable: RemovableLedger): Remover =>
    new Remover(removable, proven, async () => {
      await pause(scheduler, REMOVAL_PAUSE_MS, stop.signal);
      requireGoing();
    });

  /** What earlier runs have named and not removed. */
  async function complete(removable: RemovableLedger): Promise<void> {
    const remover = removerOf(removable);
    for await (const { streams, position } of unfinishedRemovals(record)) {
      await untilSigned(position);
      for (const stream of streams) await remover.remove(stream);
    }
    await remover.flush();
  }

  async function removeCategory(removable: RemovableLedger, rule: RetentionRule, run: RunRecord): Promise<RetentionCount> {
    const { category } = rule;
    const cutOff = run.cutOffOf(category);
    const count = new Counter(category, cutOff);
    const horizon = await proven.horizon(cutOff);
    if (horizon === undefined) return count.result();
    const remover = removerOf(removable);
    let named: EndedStream[] = [];
    const removeNamed = async (): Promise<void> => {
      if (named.length === 0) return;
      const position = await run.record({ type: "RemoveStreams", category, streams: named.map(({ stream, events, leaves }) => ({ stream, events, leaves })) });
      await untilSigned(position);
      for (const stream of named) await remover.remove(stream);
      await remover.flush();
      for (const stream of named) count.add(stream);
      named = [];
    };
    for await (const stream of endedStreams({ ledger, record, proven, hasher }, category, horizon)) {
      requireGoing();
      named.push(stream);
      if (named.length === MAX_REMOVED_STREAMS) await removeNamed();
    }
    await removeNamed();
    return count.result();
  }

  async function perform(trigger: RetentionTrigger, context: CommandContext): Promise<RetentionReport> {
    const runId = randomUUID();
    const run = new RunRecord({ ledger, execute }, runId, context);
    await run.record({ type: "StartRetention", runId, trigger, rules });
    try {
      if (!isRemovable(ledger)) throw new SallyportError("config.invalid", "Nothing can be removed from this ledger: retention is for the ledger in a file.");
      await complete(ledger);
      const counts: RetentionCount[] = [];
      for (const rule of rules) counts.push(await removeCategory(ledger, rule, run));
      // Before its end is recorded: a run that dies here is completed, and purged, by the next one.
      await ledger.purge();
      await run.record({ type: "FinishRetention" });
      return { runId, counts };
    } catch (error) {
      const failure = SallyportError.from(error).code;
      await run
        .record({ type: "FinishRetention", failure })
        .catch((lost: unknown) => log.warn({ err: lost, runId }, "the end of a run of retention could not be recorded"));
      throw error;
    }
  }

  async function alone(trigger: RetentionTrigger, context: CommandContext): Promise<RetentionReport> {
    if (running !== undefined) throw new SallyportError("input.invalid", "A run of retention is under way.");
    running = perform(trigger, context);
    try {
      return await running;
    } finally {
      running = undefined;
    }
  }

  /** Without rules, only what an earlier run has named and not removed. */
  async function scheduled(context: CommandContext): Promise<void> {
    try {
      if (rules.length === 0 && (!isRemovable(ledger) || (await unfinishedRemovals(record).next()).done === true)) return;
      const { runId, counts } = await alone("schedule", context);
      log.info({ runId, streams: counts.reduce((sum, { streams }) => sum + streams, 0) }, "a run of retention is complete");
    } catch (error) {
      log.error({ err: error }, "a run of retention failed");
    }
  }

  return {
    rules,
    lastRuns: (limit) => lastRuns(record, limit),

    async preview() {
      const counts: RetentionCount[] = [];
      for (const rule of rules) {
        const cutOff = cutOffOf(rule, clock.now());
        const count = new Counter(rule.category, cutOff);
        const horizon = await proven.horizon(cutOff);
        if (horizon !== undefined) for await (const stream of endedStreams({ ledger, record, proven, hasher }, rule.category, horizon)) count.add(stream);
        counts.push(count.result());
      }
      return { runId: "", counts };
    },

    async run(trigger, context) {
      if (rules.length === 0) throw new SallyportError("input.invalid", "There are no rules (SALLYPORT_RETENTION): everything is kept.");
      return alone(trigger, context);
    },

    schedule(everyMs, context) {
      const next = (ms: number): void => {
        cancel = scheduler.after(ms, () => {
          void scheduled(context).then(() => {
            if (!stop.signal.aborted && rules.length > 0) next(everyMs);
          });
        });
      };
      next(FIRST_RUN_MS);
    },

    async close() {
      stop.abort();
      cancel();
      await running?.catch(() => undefined);
    },
  };
}
