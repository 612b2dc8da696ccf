import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "../../errors.ts";
import { decodeStartup, encodeCancelRequest, encodeSslRequest, encodeStartupMessage, MAX_STARTUP_BYTES } from "./startup.ts";

describe("startup packets", () => {
  it("decodes the bytes that psql sends first", () => {
    // Captured from psql 15: SSLRequest, then StartupMessage.
    assert.deepEqual(decodeStartup(Buffer.from("0000000804d2162f", "hex")), { packet: { kind: "ssl" }, size: 8 });
    assert.deepEqual(decodeStartup(Buffer.from("0000000804d21630", "hex")), { packet: { kind: "gssenc" }, size: 8 });
    const startup = decodeStartup(Buffer.from("00000020000300007573657200616e610064617461626173650073686f700000", "hex"));
    assert.ok(startup?.packet.kind === "startup");
    assert.deepEqual(Object.fromEntries(startup.packet.parameters), { user: "ana", database: "shop" });
  });

  it("reads back what it writes", () => {
    const word = fc.string({ minLength: 1 }).filter((text) => !text.includes("\0") && text.isWellFormed());
    fc.assert(
      fc.property(fc.dictionary(word, word, { maxKeys: 6 }), (fields) => {
        const parameters = new Map(Object.entries(fields));
        const decoded = decodeStartup(encodeStartupMessage(parameters));
        assert.ok(decoded?.packet.kind === "startup");
        assert.deepEqual([...decoded.packet.parameters], [...parameters]);
        assert.deepEqual([decoded.packet.major, decoded.packet.minor], [3, 0]);
      }),
    );
    const cancel = decodeStartup(encodeCancelRequest(4_294_967_295, Buffer.from("0102030405", "hex")));
    assert.deepEqual(cancel?.packet, { kind: "cancel", processId: 4_294_967_295, key: Buffer.from("0102030405", "hex") });
    assert.deepEqual(decodeStartup(encodeSslRequest())?.packet, { kind: "ssl" });
  });

  it("waits for every cut-off prefix and never reads past the packet", () => {
    const whole = encodeStartupMessage(new Map([["user", "ana"]]));
    for (let cut = 0; cut < whole.length; cut++) assert.equal(decodeStartup(whole.subarray(0, cut)), undefined);
    assert.equal(decodeStartup(Buffer.concat([whole, Buffer.from("rest")]))?.size, whole.length);
  });

  it("refuses impossible lengths before it waits for them", () => {
    for (const length of [0, 7, MAX_STARTUP_BYTES + 1, 0xffffffff]) {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(length, 0);
      assert.throws(() => decodeStartup(head), SallyportError);
    }
  });

  it("throws nothing but wire.malformed on random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const packet = Buffer.concat([Buffer.alloc(4), bytes]);
        packet.writeUInt32BE(packet.length, 0);
        try {
          decodeStartup(packet);
        } catch (error) {
          assert.ok(error instanceof SallyportError && error.code === "wire.malformed");
        }
      }),
    );
  });
});
