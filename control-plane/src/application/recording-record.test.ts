import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { type RecordingEvent, recordingStream } from "../domain/session/recording.events.ts";
import { RECORDING_PATIENCE_MS, RecordingRecord } from "./recording-record.ts";
import { ManualTime } from "./testing/manual-time.ts";
import { admin, collect, fails, openLedger, until } from "./testing/stage.ts";

const MAX_BYTES = 100;

async function setUp(t: TestContext) {
  const ledger = await openLedger(t);
  const time = new ManualTime();
  const sessionId = randomUUID();
  const record = new RecordingRecord({ ledger, clock: time, scheduler: time, maxBytes: MAX_BYTES }, sessionId);
  const output = (bytes: number): RecordingEvent => ({
    type: "OutputRecorded",
    data: { sequence: record.reserve(1), commandId: 1, bytes, gzipBase64: "" },
  });
  const sequences = async (): Promise<unknown[]> =>
    (await collect(ledger.readStream(recordingStream(sessionId)))).map(({ data }) => (data as { readonly sequence: number }).sequence);
  return { ledger, time, record, output, sequences };
}

describe("a session's recording", () => {
  it("is written in the order of the calls, also while an append is under way (G1)", async (t) => {
    const { record, output, sequences } = await setUp(t);
    assert.equal(record.reserve(3), 0);
    await Promise.all([record.append([output(1), output(1)], admin), record.append([output(1)], admin), record.append([output(1)], admin)]);
    assert.deepEqual(await sequences(), [3, 4, 5, 6]);
  });

  for (const line of ["refuse", "lose"] as const) {
    it(`goes on after an append whose ${line === "lose" ? "answer" : "request"} was lost (G1)`, async (t) => {
      const { ledger, record, output, sequences } = await setUp(t);
      await record.append([output(1)], admin);
      ledger.line = line;
      await assert.rejects(record.append([output(1)], admin), fails("ledger.unavailable"));
      ledger.line = "good";
      await record.append([output(1)], admin);
      assert.deepEqual(await sequences(), line === "lose" ? [0, 1, 2] : [0, 2]);
    });
  }

  it("fails what is not written in time, and everything else at once until the ledger answers (G2)", async (t) => {
    const { ledger, time, record, output, sequences } = await setUp(t);
    ledger.line = "freeze";
    const slow = assert.rejects(record.append([output(1)], admin), fails("ledger.unavailable"));
    time.advance(RECORDING_PATIENCE_MS - 1);
    assert.equal(time.pending, 1);
    time.advance(1);
    await slow;
    await assert.rejects(record.append([output(1)], admin), fails("ledger.unavailable"));
    assert.equal(ledger.appends.length, 1);
    ledger.thaw();
    await until("the ledger has answered", () => ledger.inFlight === 0);
    await record.append([output(1)], admin);
    assert.deepEqual(await sequences(), [0, 2]);
    assert.equal(time.pending, 0);
  });

  it("takes output up to its bound and not a byte more, and all statements and parameters (G3)", async (t) => {
    const { record, output, sequences } = await setUp(t);
    await record.append([output(MAX_BYTES - 1), output(1)], admin);
    assert.equal(record.full, false);
    await assert.rejects(record.append([output(1)], admin), fails("recording.full"));
    assert.equal(record.full, true);
    await record.append([{ type: "InputRecorded", data: { sequence: record.reserve(1), commandId: 2, part: "statement", offset: 0, base64: "" } }], admin);
    assert.deepEqual(await sequences(), [0, 1, 3]);
  });

  it("has one bound for output and COPY data (G3)", async (t) => {
    const { record, output } = await setUp(t);
    const sent = (bytes: number): RecordingEvent => ({ type: "CopyDataRecorded", data: { sequence: record.reserve(1), commandId: 1, bytes, gzipBase64: "" } });
    await record.append([sent(MAX_BYTES - 1)], admin);
    await assert.rejects(record.append([output(2)], admin), fails("recording.full"));
    await record.append([output(1)], admin);
    await assert.rejects(record.append([sent(1)], admin), fails("recording.full"));
    assert.equal(record.full, true);
  });
});
