import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeFrame, FrameDecoder } from "@sallyport/proto/wire/postgres/frames";
import { SallyportError } from "@sallyport/proto/errors";
import { GROUP_BYTES, GROUP_COMMANDS } from "./limits.ts";
import { UnitQueue } from "./units.ts";

const frames = (letters: string, size = 1): ReturnType<FrameDecoder["push"]> =>
  new FrameDecoder(1 << 26).push(Buffer.concat([...letters].map((letter) => encodeFrame(letter.charCodeAt(0), Buffer.alloc(size)))));

function kinds(queue: UnitQueue): string[] {
  const list: string[] = [];
  for (let unit = queue.shift(); unit !== undefined; unit = queue.shift())
    list.push(unit.kind === "extended" ? `${unit.frames.map(({ type }) => String.fromCharCode(type)).join("")}:${unit.end}` : unit.kind);
  return list;
}

describe("UnitQueue", () => {
  it("ends a group at Sync and at Flush, and keeps commands of both protocols in order", () => {
    const queue = new UnitQueue();
    queue.push(frames("PBDESQPDHBES"));
    assert.deepEqual(kinds(queue), ["PBDES:sync", "query", "PDH:flush", "BES:sync"]);
    assert.equal(queue.waitingBytes, 0);
  });

  it("hands out a group that never ends once it reaches its bound (U1)", () => {
    const queue = new UnitQueue();
    queue.push(frames("BE", GROUP_BYTES));
    assert.deepEqual(kinds(queue), ["B:bound", "E:bound"]);
  });

  it("hands out a pipeline in parts of a bounded number of commands", () => {
    const queue = new UnitQueue();
    queue.push(frames(`${"BE".repeat(GROUP_COMMANDS * 2)}S`, 0));
    assert.deepEqual(
      kinds(queue).map((kind) => kind.length),
      [GROUP_COMMANDS * 2 + ":bound".length, GROUP_COMMANDS * 2 + ":bound".length, "S:sync".length],
    );
  });

  it("counts what waits, collected or complete (U2)", () => {
    const queue = new UnitQueue();
    queue.push(frames("P", 10));
    assert.ok(queue.waitingBytes > 15, "the bytes, and what it costs to keep them");
    assert.equal(queue.shift(), undefined);
    queue.push(frames("S", 0));
    queue.shift();
    assert.equal(queue.waitingBytes, 0);
  });

  it("wakes the one who waits when a unit is complete, not before", async () => {
    const queue = new UnitQueue();
    let woken = false;
    const waiting = queue.available().then(() => (woken = true));
    queue.push(frames("P"));
    await Promise.resolve();
    assert.equal(woken, false);
    queue.push(frames("S", 0));
    await waiting;
    assert.equal(woken, true);
  });

  it("refuses a message type that no client sends", () => {
    assert.throws(
      () => new UnitQueue().push(frames("z")),
      (error) => error instanceof SallyportError && error.code === "wire.malformed",
    );
  });
});
