import { SallyportError } from "@sallyport/proto/errors";
import type { RemovedStreamName, RetentionEvent, RetentionTrigger } from "./retention.events.ts";
import { cutOffOf, type RetainedCategory, type RetentionRule } from "./retention-rules.ts";

export type RetentionCommand =
  | { readonly type: "StartRetention"; readonly runId: string; readonly trigger: RetentionTrigger; readonly rules: readonly RetentionRule[] }
  | { readonly type: "RemoveStreams"; readonly category: RetainedCategory; readonly streams: readonly RemovedStreamName[] }
  | { readonly type: "FinishRetention"; readonly failure?: string };

export interface RetentionState {
  readonly runId: string;
  readonly phase: "none" | "running" | "finished";
  readonly cutOffs: Readonly<Partial<Record<RetainedCategory, string>>>;
  readonly streams: number;
  readonly events: number;
}

/** About 130 bytes each: the event stays under 64 KiB. */
export const MAX_REMOVED_STREAMS = 400;

export const initialState: RetentionState = { runId: "", phase: "none", cutOffs: {}, streams: 0, events: 0 };

export function decide(command: RetentionCommand, state: RetentionState, at: string): RetentionEvent[] {
  const { runId, phase, cutOffs, streams, events } = state;
  switch (command.type) {
    case "StartRetention": {
      if (phase !== "none") return [];
      const rules = command.rules.map((rule) => ({ ...rule, cutOff: cutOffOf(rule, new Date(at)) }));
      return [{ type: "RetentionStarted", data: { runId: command.runId, trigger: command.trigger, rules } }];
    }
    case "RemoveStreams": {
      if (phase !== "running") throw new Error("Streams are removed by a run that is under way.");
      if (command.streams.length === 0) return [];
      if (command.streams.length > MAX_REMOVED_STREAMS)
        throw new SallyportError("ledger.too_large", `At most ${MAX_REMOVED_STREAMS} streams are named at once.`);
      const { category } = command;
      const cutOff = cutOffs[category];
      if (cutOff === undefined) throw new Error(`This run has no rule for ${category}.`);
      if (!command.streams.every(({ stream }) => stream.startsWith(`${category}-`))) throw new Error(`A stream is not one of ${category}.`);
      return [{ type: "StreamsRemoved", data: { runId, category, cutOff, streams: command.streams } }];
    }
    case "FinishRetention": {
      if (phase !== "running") return [];
      const { failure } = command;
      const outcome = failure === undefined ? ({ outcome: "completed" } as const) : ({ outcome: "failed", failure } as const);
      return [{ type: "RetentionFinished", data: { runId, ...outcome, streams, events } }];
    }
  }
}

export function evolve(state: RetentionState, event: RetentionEvent): RetentionState {
  switch (event.type) {
    case "RetentionStarted": {
      const { runId, rules } = event.data;
      return { ...state, runId, phase: "running", cutOffs: Object.fromEntries(rules.map(({ category, cutOff }) => [category, cutOff])) };
    }
    case "StreamsRemoved": {
      const { streams } = event.data;
      return { ...state, streams: state.streams + streams.length, events: streams.reduce((sum, { events }) => sum + events, state.events) };
    }
    case "RetentionFinished":
      return { ...state, phase: "finished" };
  }
}
