import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { pino } from "pino";
import { Backoff } from "./backoff.ts";
import { SIGNAL_ECHO_MS, shutdownSignals } from "./drain.ts";
import type { LinkOutcome } from "./outcome.ts";
import { supervise } from "./supervisor.ts";

const log = pino({ level: "silent" });
const retryable = (heldMs: number): LinkOutcome => ({ kind: "retryable", reason: "lost", heldMs });

function scripted(outcomes: readonly LinkOutcome[]) {
  const left = [...outcomes];
  return () => Promise.resolve(left.shift() ?? { kind: "drained" as const });
}

describe("the supervisor", () => {
  it("tries again after each retryable end, and waits longer each time until a link has held", async () => {
    const waits: number[] = [];
    const wait = (ms: number): Promise<void> => Promise.resolve(void waits.push(ms));
    const attempt = scripted([retryable(0), retryable(10), retryable(29_999), retryable(30_000)]);
    const outcome = await supervise({ attempt, drain: new AbortController().signal, log, backoff: new Backoff(() => 0.5), wait });
    assert.deepEqual(outcome, { kind: "drained" });
    assert.deepEqual(waits, [250, 500, 1_000, 250]);
  });

  it("ends at once on a fatal outcome", async () => {
    const error = new SallyportError("agent.revoked", "revoked");
    const attempt = scripted([retryable(0), { kind: "fatal", error }]);
    assert.deepEqual(await supervise({ attempt, drain: new AbortController().signal, log, wait: () => Promise.resolve() }), { kind: "fatal", error });
  });

  it("leaves its wait when it is told to drain", async () => {
    const drain = new AbortController();
    const backoff = new Backoff(() => 0.999_999);
    for (let i = 0; i < 9; i++) backoff.next(0);
    const attempt = (): Promise<LinkOutcome> => {
      setImmediate(() => drain.abort());
      return Promise.resolve(retryable(0));
    };
    assert.deepEqual(await supervise({ attempt, drain: drain.signal, log, backoff }), { kind: "drained" });
  });
});

describe("shutdown signals", () => {
  it("drain on the first and cut on the second, whichever they are, unless it is an echo of the first", () => {
    const source = new EventEmitter();
    let now = 1_000;
    const signals = shutdownSignals(source, undefined, () => now);
    const { drain, cut } = signals;
    source.emit("SIGTERM");
    assert.deepEqual([drain.aborted, cut.aborted], [true, false]);
    for (const at of [1_000, 1_000 + SIGNAL_ECHO_MS]) {
      now = at;
      source.emit("SIGTERM");
      source.emit("SIGINT");
    }
    assert.deepEqual([drain.aborted, cut.aborted], [true, false]);
    now++;
    source.emit("SIGINT");
    assert.deepEqual([drain.aborted, cut.aborted], [true, true]);
    signals.dispose();
    assert.equal(source.listenerCount("SIGTERM") + source.listenerCount("SIGINT"), 0);
  });
});
