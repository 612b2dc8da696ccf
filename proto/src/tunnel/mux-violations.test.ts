import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeBody } from "./data-codec.ts";
import type { Mux } from "./mux.ts";
import { dataOf, frame, opened, openOf, pair, report } from "./mux.fixture.ts";

describe("a peer that breaks the tunnel's rules", () => {
  const violates = (mux: Mux, message: Buffer): void => assert.equal(mux.receive(message)?.code, "tunnel.violation");

  it("is cut off when it touches a session that was never opened on this link", async () => {
    const { gateway, established } = pair();
    const { near } = await established("s1");
    const foreign = (near.channel?.session ?? 0) + 1;
    violates(gateway, frame(foreign, dataOf(Buffer.from("x"))));
    violates(gateway, frame(foreign, { $case: "credit", value: 1 }));
    violates(gateway, frame(foreign, encodeBody({ $case: "close", value: { code: "", message: "" } })));
    violates(gateway, frame(0, dataOf(Buffer.from("x"))));
  });

  it("is cut off when it sends more data than its credit", async () => {
    const { gateway, established } = pair({ window: 100_000 });
    const { near } = await established("s1");
    near.reading = false;
    const session = near.channel?.session ?? 0;
    assert.equal(gateway.receive(frame(session, dataOf(Buffer.alloc(65_000)))), undefined);
    violates(gateway, frame(session, dataOf(Buffer.alloc(35_001))));
    assert.equal(near.received, 65_000);
  });

  it("is cut off when it sends data before the window is open", async () => {
    const { agent, open, settle } = pair();
    const near = open("s1");
    await settle();
    violates(agent, frame(near.channel?.session ?? 0, dataOf(Buffer.from("x"))));
  });

  it("is cut off when its credit overflows", async () => {
    const { gateway, established } = pair();
    const { near } = await established("s1");
    violates(gateway, frame(near.channel?.session ?? 0, { $case: "credit", value: 0xffff_ffff }));
  });

  it("is cut off when it opens sessions from the agent's side, or speaks the other side's part", async () => {
    const { gateway, agent, established } = pair();
    const { near } = await established("s1");
    const session = near.channel?.session ?? 0;
    violates(gateway, frame(99, encodeBody({ $case: "open", value: openOf("evil", 1) })));
    violates(gateway, frame(session, encodeBody({ $case: "open", value: openOf("evil", 1) })));
    violates(gateway, frame(session, encodeBody(opened)));
    violates(gateway, frame(session, encodeBody({ $case: "cancel", value: {} })));
    violates(agent, frame(session, encodeBody(report(1))));
  });

  it("is cut off when it goes on after its own close, and when the bytes do not parse", async () => {
    const { gateway, established } = pair();
    const { near } = await established("s1");
    const session = near.channel?.session ?? 0;
    const close = encodeBody({ $case: "close", value: { code: "no.such.code", message: "m" } });
    violates(gateway, Buffer.concat([frame(session, close), frame(session, dataOf(Buffer.from("x")))]));
    assert.deepEqual(near.reason, { code: "internal", message: "m" });
    violates(gateway, Buffer.from([0xff]));
  });
});
