import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { recordingStream } from "../domain/session/recording.events.ts";
import type { RecordedCommand } from "../domain/session/session.events.ts";
import { eventId } from "../ledger/event-id.ts";
import { wholeCommand } from "./command-text.ts";
import { newEvent } from "./new-event.ts";
import { command } from "./testing/samples.ts";
import { admin, fails, openLedger } from "./testing/stage.ts";

const chunk = (sequence: number, part: "statement" | number, offset: number, text: string) =>
  newEvent(
    eventId("command-text", sequence),
    { type: "InputRecorded", data: { sequence, commandId: 2, part, offset, base64: Buffer.from(text).toString("base64") } },
    admin,
    "2026-11-22T10:00:00.000Z",
  );
const { statement: _inline, ...sample } = command(2, "");
const long: RecordedCommand = {
  ...sample,
  statementBytes: 12,
  parameters: [
    { typeOid: 25, format: "text", bytes: 3 },
    { typeOid: 25, format: "text", value: null, bytes: 0 },
  ],
  recording: { from: 4, to: 7 },
};

describe("a command whose text is in the recording", () => {
  it("is whole again up to the bound, and as it is above it or where something was withheld", async (t) => {
    const ledger = await openLedger(t);
    const sessionId = randomUUID();
    const chunks = [chunk(3, "statement", 0, "another"), chunk(4, "statement", 0, "select"), chunk(5, "statement", 6, " now()"), chunk(6, 0, 0, "abc")];
    await ledger.append(recordingStream(sessionId), chunks, "none");
    const whole = await wholeCommand(ledger, sessionId, long, 15);
    assert.equal(whole.statement, "select now()");
    assert.deepEqual(
      whole.parameters.map(({ value, encoding }) => [value, encoding]),
      [
        ["616263", "hex"],
        [null, undefined],
      ],
    );
    assert.equal(await wholeCommand(ledger, sessionId, long, 14), long);
    const redacted = { ...long, redacted: true };
    assert.equal(await wholeCommand(ledger, sessionId, redacted, 15), redacted);
  });

  it("is nothing where the recording lost a part of it", async (t) => {
    await assert.rejects(wholeCommand(await openLedger(t), randomUUID(), long, 15), fails("session.not_found"));
  });
});
