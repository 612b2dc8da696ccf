import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { describe, it } from "node:test";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import { SallyportError } from "@sallyport/proto/errors";
import fc from "fast-check";
import { ConnectionLost } from "./failure.ts";
import { MessageReader } from "./message-reader.ts";

/** As much of a socket as the reader uses. */
function arriving(chunks: readonly Buffer[]): Socket {
  const left = [...chunks];
  const duplex = new Duplex({ read: () => setImmediate(() => duplex.push(left.shift() ?? null)), write: (_chunk, _encoding, done) => done() });
  return duplex as Socket;
}

describe("MessageReader", () => {
  it("reads the same messages for every way of cutting the stream, and takes nothing of what follows", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), fc.integer({ min: 1, max: 9 }), async (payloads, cut) => {
        const bytes = Buffer.concat([...payloads.map((payload) => encodeFrame(0x44, Buffer.from(payload))), Buffer.from("rest")]);
        const socket = arriving(Array.from({ length: Math.ceil(bytes.length / cut) }, (_, i) => bytes.subarray(i * cut, (i + 1) * cut)));
        const reader = new MessageReader(socket);
        for (const payload of payloads) assert.deepEqual((await reader.message(100)).payload, Buffer.from(payload));
        reader[Symbol.dispose]();
        assert.equal(Buffer.concat(await socket.toArray()).toString(), "rest");
      }),
      { numRuns: 50 },
    );
  });

  it("waits for the rest of a message larger than the socket's buffer without spinning", async () => {
    const frame = encodeFrame(0x44, Buffer.alloc(200_000, 1));
    const halves = [frame.subarray(0, 100_000), frame.subarray(100_000)];
    assert.equal((await new MessageReader(arriving(halves)).message(1 << 20)).raw.length, frame.length);
  });

  it("fails on the header of an oversized message, and on a stream that ends within one", async () => {
    const failure = (bytes: Buffer) =>
      new MessageReader(arriving([bytes])).message(100).then(
        () => assert.fail(),
        (error: unknown) => error,
      );
    const large = await failure(Buffer.from("D\x7f\xff\xff\xff", "latin1"));
    assert.ok(large instanceof SallyportError && large.code === "wire.too_large");
    const short = await failure(Buffer.from("D\x00\x00\x00\x03", "latin1"));
    assert.ok(short instanceof SallyportError && short.code === "wire.malformed");
    for (const cut of [0, 3, 5, 8]) assert.ok((await failure(encodeFrame(0x44, Buffer.alloc(9)).subarray(0, cut))) instanceof ConnectionLost);
  });
});
