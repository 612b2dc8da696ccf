import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import { RECORDED_CHUNK_BYTES, type MessageChunk, MessageChunker } from "./message-chunker.ts";

const LIMIT = 64;
const HEADER = 5;
/** A message that takes so many bytes in all. */
const message = (size: number): Buffer => encodeFrame(0x44, Buffer.alloc(size - HEADER, size));
const joined = (chunks: readonly MessageChunk[]): Buffer => Buffer.concat(chunks.map(({ bytes }) => bytes));

/** All that comes out, with what is left taken at the end. */
function chunksOf(pushes: readonly (readonly [commandId: number, bytes: Buffer])[], limit = LIMIT): MessageChunk[] {
  const chunker = new MessageChunker(limit);
  const chunks = pushes.flatMap(([commandId, bytes]) => chunker.push(commandId, bytes, bytes.length));
  for (let rest = chunker.take(); rest !== undefined; rest = chunker.take()) chunks.push(rest);
  assert.equal(chunker.empty, true);
  return chunks;
}

describe("cutting output into chunks", () => {
  it("keeps every byte, the bound, the window and the ends of messages, however the bytes come (C1, C2)", () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: HEADER, max: 20 }), fc.integer({ min: LIMIT - 2, max: LIMIT + 2 }), fc.integer({ min: 200, max: 300 })), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 }), (messages, cuts) => {
        const bytes = Buffer.concat(messages.map(message));
        const ends = new Set([0]);
        for (const size of messages) ends.add(Math.max(...ends) + size);
        const pushes: [number, Buffer][] = [];
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const size = cuts[cut % cuts.length] ?? 1;
          pushes.push([1, bytes.subarray(at, at + size)]);
          at += size;
        }
        const chunks = chunksOf(pushes);
        assert.deepEqual(joined(chunks), bytes);
        assert.equal(
          chunks.reduce((sum, { fromTarget }) => sum + fromTarget, 0),
          bytes.length,
        );
        let at = 0;
        for (const chunk of chunks) {
          assert.ok(chunk.bytes.length > 0 && chunk.bytes.length <= LIMIT);
          const before = at;
          at += chunk.bytes.length;
          assert.equal(chunk.whole, ends.has(at));
          if (!chunk.whole) assert.ok(chunk.bytes.length === LIMIT && ![...ends].some((end) => end > before && end < at), "it is full of one message");
        }
      }),
    );
  });

  for (const size of [LIMIT - 1, LIMIT, LIMIT + 1]) {
    it(`puts a message of ${size} of ${LIMIT} bytes in ${size > LIMIT ? "two chunks" : "one"}`, () => {
      const sizes = chunksOf([[1, message(size)]]).map(({ bytes, whole }) => [bytes.length, whole]);
      assert.deepEqual(
        sizes,
        size > LIMIT
          ? [
              [LIMIT, false],
              [size - LIMIT, true],
            ]
          : [[size, true]],
      );
    });
  }

  it("cuts before a message that does not fit", () => {
    const sizes = chunksOf([[1, Buffer.concat([message(40), message(40), message(24), message(5)])]]).map(({ bytes }) => bytes.length);
    assert.deepEqual(sizes, [40, 64, 5]);
  });

  it("starts a chunk with each command", () => {
    const chunks = chunksOf([
      [1, message(10)],
      [2, message(11)],
      [2, message(12)],
      [1, message(13)],
    ]);
    assert.deepEqual(
      chunks.map(({ commandId, bytes }) => [commandId, bytes.length]),
      [
        [1, 10],
        [2, 23],
        [1, 13],
      ],
    );
  });

  it("keeps no bytes of what it was given alive, nor changes with them (C3)", () => {
    const bytes = message(20);
    const chunker = new MessageChunker(LIMIT);
    chunker.push(1, bytes, 20);
    const before = Buffer.from(bytes);
    bytes.fill(0);
    const chunk = chunker.take();
    assert.deepEqual(chunk?.bytes, before);
  });

  it("begins at a message again after what was there is discarded", () => {
    const chunker = new MessageChunker(LIMIT);
    chunker.push(1, message(200).subarray(0, 103), 103);
    assert.equal(chunker.discard(), 103 - LIMIT + LIMIT);
    assert.equal(chunker.empty, true);
    chunker.push(2, message(30), 30);
    assert.deepEqual([chunker.take()?.whole, chunker.take()], [true, undefined]);
  });

  it("holds 256 KiB at most, and takes 64 MiB of rows in chunks that are nearly full", () => {
    const chunker = new MessageChunker();
    const rows = Buffer.concat(Array.from({ length: 64 }, () => message(1_024)));
    let chunks = 0;
    for (let sent = 0; sent < 64 << 20; sent += rows.length) chunks += chunker.push(1, rows, rows.length).length;
    assert.equal(chunks, (64 << 20) / RECORDED_CHUNK_BYTES - 1);
  });
});
