import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as retention from "./retention.decider.ts";
import { MAX_REMOVED_STREAMS } from "./retention.decider.ts";
import type { RemovedStreamName, RetentionEvent } from "./retention.events.ts";

const given = scenario(retention, "2026-11-22T10:00:00.000Z");
const runId = "4f7d3f1e-9f57-4a0b-8a39-0d7a5f9c1e01";
const keep = { category: "session", keepSeconds: 30 * 86_400 } as const;
const cutOff = "2026-10-23T10:00:00.000Z";
const started: RetentionEvent = { type: "RetentionStarted", data: { runId, trigger: "schedule", rules: [{ ...keep, cutOff }] } };
const one: RemovedStreamName = { stream: "session-1", events: 3, leaves: "" };
const two: RemovedStreamName = { stream: "session-2", events: 4, leaves: "" };
const removed = (...streams: RemovedStreamName[]): RetentionEvent => ({ type: "StreamsRemoved", data: { runId, category: "session", cutOff, streams } });
const finished: RetentionEvent = { type: "RetentionFinished", data: { runId, outcome: "completed", streams: 2, events: 7 } };

describe("a run of retention", () => {
  it("begins with its rules, and the instants that follow from them", () => {
    given()
      .when({ type: "StartRetention", runId, trigger: "schedule", rules: [keep] })
      .gives(started);
    given(started)
      .when({ type: "StartRetention", runId, trigger: "schedule", rules: [keep] })
      .gives();
  });

  it("names the streams of a category that has a rule, with the cut-off of that rule", () => {
    given(started)
      .when({ type: "RemoveStreams", category: "session", streams: [one, two] })
      .gives(removed(one, two));
    given(started).when({ type: "RemoveStreams", category: "session", streams: [] }).gives();
    given(started)
      .when({ type: "RemoveStreams", category: "recording", streams: [{ ...one, stream: "recording-1" }] })
      .isDefect();
    given(started)
      .when({ type: "RemoveStreams", category: "session", streams: [{ ...one, stream: "agent-1" }] })
      .isDefect();
  });

  it("removes nothing before it began, after it ended, or in an event that is too large", () => {
    given()
      .when({ type: "RemoveStreams", category: "session", streams: [one] })
      .isDefect();
    given(started, finished)
      .when({ type: "RemoveStreams", category: "session", streams: [one] })
      .isDefect();
    const many = Array.from({ length: MAX_REMOVED_STREAMS + 1 }, (_, n) => ({ ...one, stream: `session-${String(n)}` }));
    given(started).when({ type: "RemoveStreams", category: "session", streams: many }).fails("ledger.too_large");
  });

  it("ends once, with its totals, and says when it failed", () => {
    given(started, removed(one), removed(two)).when({ type: "FinishRetention" }).gives(finished);
    given(started, removed(one))
      .when({ type: "FinishRetention", failure: "ledger.corrupt" })
      .gives({ type: "RetentionFinished", data: { runId, outcome: "failed", failure: "ledger.corrupt", streams: 1, events: 3 } });
    given(started, finished).when({ type: "FinishRetention" }).gives();
  });
});
