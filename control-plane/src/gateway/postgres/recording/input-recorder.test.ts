import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { SallyportError } from "@sallyport/proto/errors";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import type { RecordingEvent } from "../../../domain/session/recording.events.ts";
import { InputRecorder } from "./input-recorder.ts";

const LIMIT = 64;
const HEADER = 5;
const COPY_DATA = 0x64;
/** A message that takes so many bytes in all, told apart by its first. */
const message = (size: number, fill = size): Buffer => encodeFrame(COPY_DATA, Buffer.alloc(size - HEADER, fill));

/** A recorder whose appends and sends tell in what order they came, and wait for the test where it says so. */
function setUp(gate: (append: number) => Promise<void> | undefined = () => undefined) {
  const steps: string[] = [];
  const recorded: Buffer[] = [];
  const sent: Buffer[] = [];
  let sequence = 0;
  const recorder = new InputRecorder({
    chunkBytes: LIMIT,
    writer: {
      full: false,
      reserve: (count) => (sequence += count) - count,
      append: async (events: readonly RecordingEvent[]) => {
        await gate(recorded.length);
        for (const event of events) {
          assert.ok(event.type === "CopyDataRecorded");
          assert.equal(event.data.sequence, recorded.length);
          recorded.push(gunzipSync(Buffer.from(event.data.gzipBase64, "base64")));
          assert.equal(recorded.at(-1)?.length, event.data.bytes);
          steps.push(`recorded ${event.data.commandId} ${event.data.bytes}`);
        }
      },
    },
    send: async (bytes, last) => {
      sent.push(Buffer.from(bytes));
      steps.push(`sent ${bytes.length}${last ? " last" : ""}`);
      assert.ok(Buffer.concat(sent).length <= Buffer.concat(recorded).length, "what is sent is recorded (N1)");
    },
  });
  return { recorder, steps, recorded, sent };
}

/** Whether it is settled by the time that everything that is ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol("open");
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => void setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(open)])) !== open;
}

describe("recording COPY data", () => {
  it("records every byte in chunks within the bound, and sends whole messages behind their record (N1)", async () => {
    const sizes = fc.oneof(fc.integer({ min: HEADER, max: 20 }), fc.integer({ min: LIMIT - 2, max: LIMIT + 2 }), fc.integer({ min: 200, max: 300 }));
    await fc.assert(
      fc.asyncProperty(fc.array(sizes, { minLength: 1, maxLength: 12 }), async (list) => {
        const { recorder, steps, recorded, sent } = setUp();
        const messages = list.map((size, index) => message(size, index));
        const ends = new Set(messages.map((_, index) => Buffer.concat(messages.slice(0, index + 1)).length));
        for (const [index, each] of messages.entries()) assert.equal(await recorder.add(1, each, index === messages.length - 1), undefined);
        assert.deepEqual(Buffer.concat(recorded), Buffer.concat(messages));
        assert.deepEqual(Buffer.concat(sent), Buffer.concat(messages));
        assert.ok(recorded.every(({ length }) => length > 0 && length <= LIMIT));
        let at = 0;
        for (const { length } of sent) assert.ok(ends.has((at += length)), "the target stands between two messages");
        assert.match(steps.at(-1) ?? "", /^sent \d+ last$/u);
        assert.equal(steps.filter((step) => step.endsWith("last")).length, 1);
        assert.equal(recorder.idle, true);
      }),
    );
  });

  it("makes whoever sends wait while a chunk is written and another is full (N2)", async () => {
    const durable = Promise.withResolvers<void>();
    const { recorder, steps } = setUp(() => durable.promise);
    for (let size = 0; size < 2 * LIMIT; size += 32) assert.equal(await recorder.add(1, message(32), false), undefined);
    const third = recorder.add(1, message(32), false);
    assert.equal(await isSettled(third), false);
    durable.resolve();
    await third;
    assert.deepEqual(steps, ["recorded 1 64", "sent 64", "recorded 1 64", "sent 64"]);
    await recorder.drop();
  });

  it("makes whoever sends a message beyond the bound wait until it is sent (N2)", async () => {
    const durable = Promise.withResolvers<void>();
    const { recorder, steps } = setUp((append) => (append === 2 ? durable.promise : undefined));
    const large = recorder.add(1, message(3 * LIMIT), false);
    assert.equal(await isSettled(large), false);
    assert.deepEqual(steps, ["recorded 1 64", "recorded 1 64"]);
    durable.resolve();
    await large;
    assert.deepEqual(steps.slice(2), ["recorded 1 64", "sent 192"]);
  });

  it("sends nothing behind a failure, says what it was once, and goes on after that (N3)", async () => {
    const { recorder, sent } = setUp((append) => (append === 1 ? Promise.reject(new SallyportError("ledger.unavailable", "No.")) : undefined));
    await recorder.add(1, message(60), false);
    await recorder.add(1, message(61), false);
    assert.equal((await recorder.add(1, message(62), true))?.code, "ledger.unavailable");
    assert.deepEqual(sent, [message(60)]);
    assert.equal(recorder.idle, true);
    assert.equal(await recorder.settled(), undefined);
  });

  it("forgets what nobody takes any more, what is being written included", async () => {
    const durable = Promise.withResolvers<void>();
    const { recorder, steps, sent } = setUp(() => durable.promise);
    await recorder.add(1, message(LIMIT), false);
    await recorder.add(1, message(LIMIT), false);
    const dropped = recorder.drop();
    durable.resolve();
    await dropped;
    assert.equal(recorder.idle, true);
    assert.equal(sent.length, 0);
    assert.equal(await recorder.add(2, message(10), true), undefined);
    assert.deepEqual(steps.slice(-2), ["recorded 2 10", "sent 10 last"]);
    assert.ok(steps.length <= 3, steps.join("; "));
  });
});
