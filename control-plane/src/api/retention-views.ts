import type { RetentionRuleView, RetentionRunView, RunRetentionResponse } from "@sallyport/proto/gen/sallyport/api/v1/audit";
import type { RetentionRun } from "../application/retention/past-runs.ts";
import type { RetentionReport } from "../application/retention/retention.ts";
import type { RetentionRule } from "../domain/retention/retention-rules.ts";

export const ruleView = ({ category, keepSeconds }: RetentionRule): RetentionRuleView => ({ category, keepSeconds: BigInt(keepSeconds) });

export const runView = ({ runId, trigger, by, startedAt, outcome, failure, streams, events }: RetentionRun): RetentionRunView => ({
  runId,
  trigger,
  by: by.id,
  startedAt,
  outcome,
  failure,
  streams: BigInt(streams),
  events: BigInt(events),
});

export const reportView = ({ runId, counts }: RetentionReport): RunRetentionResponse => ({
  runId,
  counts: counts.map(({ category, cutOff, streams, events, oldest, newest }) => ({
    category,
    cutOff: new Date(cutOff),
    streams: BigInt(streams),
    events: BigInt(events),
    oldest,
    newest,
  })),
});
