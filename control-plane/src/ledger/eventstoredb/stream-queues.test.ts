import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import type { Appended, ExpectedRevision } from "../ledger.ts";
import { MAX_BATCH_APPENDS, MAX_IN_FLIGHT, MAX_QUEUED_APPENDS, type QueuedAppend, StreamQueues } from "./stream-queues.ts";

interface Sent {
  readonly batch: readonly QueuedAppend[];
  answer(): void;
}

/** Records what is sent and lets the test answer. */
function queues(): { readonly queues: StreamQueues; readonly sent: Sent[] } {
  const sent: Sent[] = [];
  return {
    sent,
    queues: new StreamQueues(
      (batch) =>
        new Promise((resolve) => {
          const outcomes = batch.map(({ expected, events }) => {
            const revision = (expected === "none" ? -1n : expected) + BigInt(events.length);
            return { status: "fulfilled", value: { revision, position: revision } } as const;
          });
          sent.push({ batch, answer: () => resolve(outcomes) });
        }),
    ),
  };
}

const metadata = { $correlationId: "c", actor: { kind: "system", id: "t" }, schemaVersion: 1, at: "2026-11-22T10:00:00.000Z" } as const;
const append = (stream: string, expected: ExpectedRevision, bytes = 100): QueuedAppend => ({
  stream,
  expected,
  bytes,
  deadline: Infinity,
  events: [{ id: crypto.randomUUID(), type: "T", data: {}, metadata }],
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("appends that wait for EventStoreDB", () => {
  it("travel together when they follow on, and are answered one by one, in order (Q1, Q3)", async () => {
    const { queues: waiting, sent } = queues();
    const order: bigint[] = [];
    const answers = (["none", 0n, 1n, 2n] as const).map((expected) =>
      waiting.append(append("a-1", expected)).then(({ revision }: Appended) => {
        order.push(revision);
      }),
    );
    assert.equal(sent.length, 1, "one batch of a stream is in flight");
    sent[0]?.answer();
    await turn();
    assert.deepEqual(
      sent.map(({ batch }) => batch.length),
      [1, 3],
    );
    sent[1]?.answer();
    await Promise.all(answers);
    assert.deepEqual(order, [0n, 1n, 2n, 3n]);
  });

  it("travel apart when they do not follow on, or are too many or too large together", async () => {
    const { queues: waiting, sent } = queues();
    const rivals = ["none", 5n, 5n] as const;
    const large = [6n, 7n].map((expected) => append("a-1", expected, 600_000));
    const many = Array.from({ length: MAX_BATCH_APPENDS + 1 }, (_, i) => append("a-1", 20n + BigInt(i)));
    const answers = [...rivals.map((expected) => append("a-1", expected)), ...large, ...many].map((each) => waiting.append(each));
    for (const each of sent) {
      each.answer();
      await turn();
    }
    await Promise.all(answers);
    assert.deepEqual(
      sent.map(({ batch }) => batch.length),
      [1, 1, 2, 1, MAX_BATCH_APPENDS, 1],
    );
  });

  it("are in flight for no more streams at once than the client bears, and every stream has its turn (Q2)", async () => {
    const { queues: waiting, sent } = queues();
    const streams = Array.from({ length: MAX_IN_FLIGHT + 3 }, (_, i) => `a-${i}`);
    const answers = streams.flatMap((stream) => [waiting.append(append(stream, "none")), waiting.append(append(stream, 7n))]);
    assert.equal(sent.length, MAX_IN_FLIGHT);
    for (let i = 0; i < sent.length; i++) {
      sent[i]?.answer();
      await turn();
      assert.ok(sent.length - i - 1 <= MAX_IN_FLIGHT);
    }
    await Promise.all(answers);
    assert.deepEqual(
      sent.slice(0, streams.length).map(({ batch }) => batch[0]?.stream),
      streams,
      "nobody is served twice before everybody is served once",
    );
  });

  it("are refused past the bound, and drained when all are answered", async () => {
    const { queues: waiting, sent } = queues();
    const answers = Array.from({ length: MAX_QUEUED_APPENDS }, (_, i) => waiting.append(append("a-1", BigInt(i))));
    await assert.rejects(waiting.append(append("b-1", "none")), (error) => error instanceof SallyportError && error.code === "ledger.unavailable");
    let drained = false;
    const draining = waiting.drain().then(() => (drained = true));
    for (const each of sent) {
      assert.ok(!drained);
      each.answer();
      await turn();
    }
    await Promise.all([...answers, draining]);
  });
});
