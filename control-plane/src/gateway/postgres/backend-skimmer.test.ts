import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import fc from "fast-check";
import { BackendSkimmer } from "./backend-skimmer.ts";

const letters = ["C", "D", "E", "I", "S", "T", "Z", "d", "1", "2", "G", "N"];
const message = fc
  .tuple(fc.constantFrom(...letters), fc.uint8Array({ maxLength: 40 }))
  .map(([letter, payload]) => encodeFrame(letter.charCodeAt(0), Buffer.from(payload)));

function skim(bytes: Buffer, cut: number): { readonly out: Buffer; readonly seen: string[] } {
  const skimmer = new BackendSkimmer();
  const out: Buffer[] = [];
  const seen: string[] = [];
  for (let at = 0; at < bytes.length; at += cut) {
    out.push(
      skimmer.push(bytes.subarray(at, at + cut), ({ type, buffer, start, end }) =>
        seen.push(`${String.fromCharCode(type)}${type === 0x54 ? "" : buffer.toString("hex", start + 5, end)}`),
      ),
    );
  }
  assert.equal(skimmer.aligned, true);
  return { out: Buffer.concat(out), seen };
}

describe("BackendSkimmer", () => {
  it("passes every byte on once, in order, and sees the same messages, for every way of cutting the stream (B1)", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), fc.integer({ min: 1, max: 17 }), (messages, cut) => {
        const bytes = Buffer.concat(messages);
        const whole = skim(bytes, Math.max(bytes.length, 1));
        const pieces = skim(bytes, cut);
        assert.deepEqual(pieces.out, bytes);
        assert.deepEqual(pieces.seen, whole.seen);
      }),
    );
  });

  it("holds a message that it reads back until it is whole (B2)", () => {
    const skimmer = new BackendSkimmer();
    const ready = encodeFrame(0x5a, Buffer.from("I"));
    assert.equal(skimmer.push(ready.subarray(0, 5), () => assert.fail("not whole yet")).length, 0);
    let seen = 0;
    assert.deepEqual(
      skimmer.push(ready.subarray(5), () => seen++),
      ready,
    );
    assert.equal(seen, 1);
  });

  it("holds a short row back until it is whole, and tells where a long one is not (B2)", () => {
    const skimmer = new BackendSkimmer();
    const [short, long] = [encodeFrame(0x64, Buffer.alloc(100)), encodeFrame(0x44, Buffer.alloc(10_000))];
    assert.deepEqual(
      skimmer.push(Buffer.concat([short, short.subarray(0, 99)]), () => undefined),
      short,
    );
    assert.equal(skimmer.whole, true);
    assert.equal(skimmer.push(Buffer.concat([short.subarray(99), long.subarray(0, 99)]), () => undefined).length, short.length + 99);
    assert.equal(skimmer.whole, false);
    assert.equal(skimmer.push(long.subarray(99), () => undefined).length, long.length - 99);
    assert.equal(skimmer.whole, true);
  });

  it("holds nothing of a huge row (B3)", () => {
    const skimmer = new BackendSkimmer();
    const header = Buffer.from([0x44, 0x3f, 0xff, 0xff, 0xff]);
    assert.equal(skimmer.push(header, () => undefined).length, 5);
    assert.equal(skimmer.push(Buffer.alloc(65_536), () => undefined).length, 65_536);
    assert.equal(skimmer.aligned, false);
  });
});
