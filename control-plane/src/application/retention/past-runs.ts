import { upcast } from "../../domain/catalogue.ts";
import { type RemovedStreamName, type RetentionEvent, retentionStream, type RetentionTrigger } from "../../domain/retention/retention.events.ts";
import type { RetentionRule } from "../../domain/retention/retention-rules.ts";
import type { Actor, Ledger, RecordedEvent } from "../../ledger/ledger.ts";

/** A run as the record has it. */
export interface RetentionRun {
  readonly runId: string;
  readonly trigger: RetentionTrigger;
  readonly by: Actor;
  readonly startedAt: Date;
  readonly rules: readonly (RetentionRule & { readonly cutOff: string })[];
  /** `interrupted`: it never came to its end; a later run completed it. */
  readonly outcome: "completed" | "failed" | "interrupted";
  readonly failure: string;
  readonly streams: number;
  readonly events: number;
}

type Finished = Extract<RetentionEvent, { type: "RetentionFinished" }>["data"];

/** Backwards, newest first. */
export async function lastRuns(ledger: Pick<Ledger, "readAll">, limit: number): Promise<RetentionRun[]> {
  const runs: RetentionRun[] = [];
  const ended = new Map<string, Finished>();
  const named = new Map<string, { streams: number; events: number }>();
  for await (const { event, metadata } of decisions(ledger)) {
    const { runId } = event.data;
    const removed = named.get(runId) ?? { streams: 0, events: 0 };
    if (event.type === "RetentionFinished") ended.set(runId, event.data);
    else if (event.type === "StreamsRemoved") {
      for (const { events } of event.data.streams) removed.events += events;
      removed.streams += event.data.streams.length;
      named.set(runId, removed);
    } else {
      const { trigger, rules } = event.data;
      const { outcome = "interrupted", failure = "" } = ended.get(runId) ?? {};
      runs.push({ runId, trigger, by: metadata.actor, startedAt: new Date(metadata.at), rules, outcome, failure, ...removed });
      if (runs.length === limit) return runs;
    }
  }
  return runs;
}

/** What runs have named since the last one that was completed; there is nothing left of what came before. */
export async function* unfinishedRemovals(
  ledger: Pick<Ledger, "readAll" | "readStream">,
): AsyncGenerator<{ readonly position: bigint; readonly streams: readonly RemovedStreamName[] }> {
  const open: string[] = [];
  for await (const { event } of decisions(ledger)) {
    if (event.type === "RetentionFinished" && event.data.outcome === "completed") break;
    if (event.type === "RetentionStarted") open.push(event.data.runId);
  }
  for (const runId of open.toReversed()) {
    for await (const recorded of ledger.readStream(retentionStream(runId))) {
      const event = upcast(recorded) as RetentionEvent;
      if (event.type === "StreamsRemoved") yield { position: recorded.position, streams: event.data.streams };
    }
  }
}

/** Newest first. */
async function* decisions(ledger: Pick<Ledger, "readAll">): AsyncGenerator<{ readonly event: RetentionEvent; readonly metadata: RecordedEvent["metadata"] }> {
  for await (const recorded of ledger.readAll({ direction: "backwards", filter: { by: "stream", prefixes: [retentionStream("")] } })) {
    yield { event: upcast(recorded) as RetentionEvent, metadata: recorded.metadata };
  }
}
