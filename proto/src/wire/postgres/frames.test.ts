import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "../../errors.ts";
import { encodeFrame, FrameDecoder } from "./frames.ts";
import { decodeQuery, encodeQuery } from "./query.ts";

const isCode = (code: string) => (error: unknown) => error instanceof SallyportError && error.code === code;

describe("FrameDecoder", () => {
  it("yields the same frames for every way of cutting the stream", () => {
    const sql = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0") && text.isWellFormed());
    fc.assert(
      fc.property(fc.array(sql, { maxLength: 8 }), fc.integer({ min: 1, max: 9 }), (texts, cut) => {
        const bytes = Buffer.concat(texts.map((text) => encodeQuery(text)));
        const decoder = new FrameDecoder(1 << 20);
        const seen: string[] = [];
        for (let i = 0; i < bytes.length; i += cut) {
          for (const frame of decoder.push(bytes.subarray(i, i + cut))) seen.push(decodeQuery(frame.payload).toString("utf8"));
        }
        assert.deepEqual(seen, texts);
        assert.equal(decoder.pending, 0);
      }),
    );
  });

  it("refuses an oversized frame from its header alone, a length of 1 GiB included", () => {
    const header = Buffer.from([0x51, 0x40, 0x00, 0x00, 0x00]);
    assert.throws(() => new FrameDecoder(1024).push(header), isCode("wire.too_large"));
  });

  it("takes a frame of exactly the bound and refuses one byte more", () => {
    assert.equal(new FrameDecoder(10).push(encodeFrame(0x51, Buffer.alloc(5))).length, 1);
    assert.throws(() => new FrameDecoder(10).push(encodeFrame(0x51, Buffer.alloc(6))), isCode("wire.too_large"));
  });

  it("refuses a length that does not even cover itself", () => {
    assert.throws(() => new FrameDecoder(1024).push(Buffer.from([0x51, 0, 0, 0, 3])), isCode("wire.malformed"));
  });

  it("holds every cut-off prefix back and says how much", () => {
    const whole = encodeQuery("select 1");
    for (let cut = 0; cut < whole.length; cut++) {
      const decoder = new FrameDecoder(1024);
      assert.deepEqual(decoder.push(whole.subarray(0, cut)), []);
      assert.equal(decoder.pending, cut);
    }
  });

  it("joins a 4 MiB frame that arrives in 1 KiB pieces once, not at each piece (F2)", () => {
    const frame = encodeQuery("x".repeat(4 << 20));
    const decoder = new FrameDecoder(8 << 20);
    const concat = Buffer.concat;
    let joins = 0;
    Buffer.concat = (...args: Parameters<typeof concat>) => {
      joins++;
      return concat(...args);
    };
    try {
      let frames = 0;
      for (let i = 0; i < frame.length; i += 1024) frames += decoder.push(frame.subarray(i, i + 1024)).length;
      assert.equal(frames, 1);
      assert.ok(joins <= 2, `joined ${joins} times`);
    } finally {
      Buffer.concat = concat;
    }
  });
});
