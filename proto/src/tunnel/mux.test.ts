import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { SallyportError } from "../errors.ts";
import { decodeFrames } from "./data-codec.ts";
import { DEFAULT_WINDOW_BYTES, MAX_MESSAGE_BYTES, MAX_UNFLUSHED_BYTES, SEND_HIGH_WATER_BYTES } from "./limits.ts";
import { kindsIn, opened, pair, Recorder, report } from "./mux.fixture.ts";

describe("the multiplexer", () => {
  it("opens a session, carries bytes both ways and ends it on both ends", async () => {
    const { gateway, agent, established, settle } = pair();
    const { near, far } = await established("s1");
    assert.deepEqual(near.log, ["opened"]);
    near.channel?.send(Buffer.from("ping"));
    far.channel?.send(Buffer.from("pong"));
    await settle();
    assert.equal(String(Buffer.concat(far.bytes)), "ping");
    assert.equal(String(Buffer.concat(near.bytes)), "pong");
    near.channel?.close({ code: "", message: "" });
    await settle();
    assert.deepEqual(far.reason, { code: "", message: "" });
    assert.equal(near.reason, undefined, "never after the owner's own close");
    assert.equal(gateway.sessions + agent.sessions, 0);
  });

  it("sends everything queued in one turn as one message", async () => {
    const { established, settle, up } = pair();
    const one = await established("s1");
    const two = await established("s2");
    up.crossed.length = 0;
    for (let i = 0; i < 10; i++) {
      one.far.channel?.send(Buffer.from("a"));
      two.far.channel?.send(Buffer.from("b"));
    }
    two.far.channel?.post(report(1));
    await settle();
    assert.equal(up.crossed.length, 1);
    assert.deepEqual(kindsIn(up.crossed), ["data", "data", "report"]);
  });

  it("keeps order over data and control, for random interleavings and stalls of either side (C1)", async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("send" as const), to: fc.nat(2), size: fc.oneof(fc.nat(20), fc.nat(200_000)) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("post" as const), to: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("turn" as const, "deliver" as const, "back" as const, "wire" as const) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("reader" as const), to: fc.nat(2) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { established, settle, up, down, gateway, agent, defects } = pair({ window: 100_000 });
        const sessions = [await established("a"), await established("b"), await established("c")];
        const sent = sessions.map(() => ({ bytes: [] as Buffer[], log: ["opened"], total: 0, reports: 0 }));
        let fill = 0;
        for (const action of steps) {
          const session = "to" in action ? sessions[action.to] : undefined;
          const book = "to" in action ? sent[action.to] : undefined;
          if (action.kind === "send" && session !== undefined && book !== undefined) {
            const bytes = Buffer.alloc(action.size, fill++);
            session.far.channel?.send(bytes);
            book.bytes.push(bytes);
            book.total += bytes.length;
          } else if (action.kind === "post" && session !== undefined && book !== undefined) {
            session.far.channel?.post(report(++book.reports));
            book.log.push(`report ${book.reports} at ${book.total}`);
          } else if (action.kind === "reader" && session !== undefined) {
            if (session.near.reading) session.near.reading = false;
            else session.near.read();
          } else if (action.kind === "wire") {
            up.stalled = !up.stalled;
            if (!up.stalled) agent.resume();
          } else if (action.kind === "deliver") {
            assert.equal(up.deliver(gateway), undefined);
          } else if (action.kind === "back") {
            assert.equal(down.deliver(agent), undefined);
          } else {
            await turn();
          }
        }
        up.stalled = false;
        agent.resume();
        for (const { near } of sessions) near.read();
        await settle();
        for (const [index, { near }] of sessions.entries()) {
          assert.ok(Buffer.concat(near.bytes).equals(Buffer.concat(sent[index]?.bytes ?? [])));
          assert.deepEqual(near.log, sent[index]?.log);
        }
        assert.deepEqual(defects, []);
      }),
      { numRuns: 60 },
    );
  });

  it("holds one window at most for a reader that stops, and goes on where it stood (C3)", async () => {
    const { established, settle } = pair();
    const { near, far } = await established("s1");
    near.reading = false;
    for (let i = 0; i < 48; i++) far.channel?.send(Buffer.alloc(65_536, i));
    await settle();
    assert.equal(near.received, DEFAULT_WINDOW_BYTES);
    near.read();
    await settle();
    assert.equal(near.received, 48 * 65_536);
  });

  it("lets a session pass its stalled neighbour", async () => {
    const { established, settle } = pair();
    const stalled = await established("stalled");
    const lively = await established("lively");
    stalled.near.reading = false;
    for (let i = 0; i < 40; i++) stalled.far.channel?.send(Buffer.alloc(65_536));
    await settle();
    lively.far.channel?.send(Buffer.from("through"));
    await settle();
    assert.equal(String(Buffer.concat(lively.near.bytes)), "through");
  });

  it("gives a small session its turn before a huge one has finished (X2)", async () => {
    const { established, settle, up } = pair({ window: 8 << 20 });
    const huge = await established("huge");
    const small = await established("small");
    up.crossed.length = 0;
    huge.far.channel?.send(Buffer.alloc(4 << 20));
    small.far.channel?.send(Buffer.from("small"));
    await settle();
    const first = decodeFrames(up.crossed[0] ?? Buffer.alloc(0));
    assert.ok(first.some((f) => f.session === small.far.channel?.session));
    for (const batch of up.crossed) assert.ok(batch.length <= MAX_MESSAGE_BYTES);
  });

  it("keeps no more than two batches between itself and the socket", async () => {
    const { established, up } = pair({ window: 8 << 20 });
    const { far } = await established("s1");
    far.channel?.send(Buffer.alloc(4 << 20));
    await turn();
    await turn();
    const waiting = up.batches.reduce((sum, batch) => sum + batch.length, 0);
    assert.ok(waiting >= MAX_UNFLUSHED_BYTES - MAX_MESSAGE_BYTES && waiting <= MAX_UNFLUSHED_BYTES + MAX_MESSAGE_BYTES, String(waiting));
  });

  it("answers false at the high-water mark, loses nothing, and says once when there is room again (C2)", async () => {
    const { established, settle } = pair();
    const { near, far } = await established("s1");
    const send = (bytes: number): boolean | undefined => far.channel?.send(Buffer.alloc(bytes));
    assert.equal(send(SEND_HIGH_WATER_BYTES - 1), true);
    assert.equal(send(1), false);
    assert.equal(send(1), false);
    await settle();
    assert.equal(far.drains, 1);
    assert.equal(near.received, SEND_HIGH_WATER_BYTES + 1);
    assert.equal(send(1), true);
  });

  it("does not spend a credit frame on every small read", async () => {
    const { established, settle, down } = pair();
    const { far } = await established("s1");
    down.crossed.length = 0;
    for (let i = 0; i < 1_000; i++) {
      far.channel?.send(Buffer.alloc(100));
      if (i % 50 === 0) await settle();
    }
    await settle();
    assert.deepEqual(kindsIn(down.crossed), []);
  });

  it("sends what was queued before a close, and then the close", async () => {
    const { established, settle } = pair();
    const { near, far } = await established("s1");
    far.channel?.send(Buffer.alloc(300_000, 7));
    far.channel?.post(report(3));
    far.channel?.close({ code: "target.unreachable", message: "gone" });
    await settle();
    assert.equal(near.received, 300_000);
    assert.deepEqual(near.log, ["opened", "report 3 at 300000"]);
    assert.deepEqual(near.reason, { code: "target.unreachable", message: "gone" });
  });

  it("drops data that nobody takes after a close with a code, within half a second of stall (M5)", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { established, settle, gateway, agent } = pair();
    const { near, far } = await established("s1");
    near.reading = false;
    far.channel?.send(Buffer.alloc(2 * DEFAULT_WINDOW_BYTES));
    await settle();
    far.channel?.close({ code: "session.ended", message: "revoked" });
    await settle();
    assert.equal(near.reason, undefined);
    t.mock.timers.tick(500);
    await settle();
    assert.deepEqual(near.reason, { code: "session.ended", message: "revoked" });
    assert.equal(gateway.sessions + agent.sessions, 0);
  });

  it("ignores what crossed its own close on the way", async () => {
    const { established, settle, gateway, agent } = pair();
    const { near, far } = await established("s1");
    far.channel?.send(Buffer.from("crossing"));
    far.channel?.post(report(1));
    near.channel?.close({ code: "", message: "" });
    await settle();
    assert.equal(near.received, 0);
    assert.equal(gateway.sessions + agent.sessions, 0);
  });

  it("survives both ends closing in the same turn", async () => {
    const { established, settle, gateway, agent } = pair();
    const { near, far } = await established("s1");
    near.channel?.close({ code: "", message: "" });
    far.channel?.close({ code: "", message: "" });
    await settle();
    assert.equal(near.reason ?? far.reason, undefined);
    assert.equal(gateway.sessions + agent.sessions, 0);
  });

  it("tells every session that is still owned when the link ends, once", async () => {
    const { established, gateway } = pair();
    const one = await established("s1");
    const two = await established("s2");
    two.near.channel?.close({ code: "", message: "" });
    gateway.end({ code: "agent.offline", message: "The agent is gone." });
    gateway.end({ code: "agent.offline", message: "again" });
    assert.deepEqual(one.near.reason, { code: "agent.offline", message: "The agent is gone." });
    assert.equal(two.near.reason, undefined);
    assert.equal(one.near.channel?.send(Buffer.from("late")), true);
  });

  it("ends only the session whose handler throws", async () => {
    const { established, settle, accepted, open, defects, gateway } = pair();
    const other = await established("other");
    class Broken extends Recorder {
      override data(): void {
        throw new Error("a defect");
      }
    }
    const near = open("broken", new Broken());
    await settle();
    const far = accepted.get("broken");
    far?.channel?.post(opened);
    far?.channel?.send(Buffer.from("x"));
    other.far.channel?.send(Buffer.from("y"));
    await settle();
    assert.equal(defects.length, 1);
    assert.equal(near.reason?.code, "internal");
    assert.equal(far?.reason?.code, "internal");
    assert.equal(String(Buffer.concat(other.near.bytes)), "y");
    assert.equal(gateway.sessions, 1);
  });

  it("refuses sessions past its limit without harming the others", async () => {
    const { gateway, open, settle } = pair({ maxSessions: 2 });
    open("s1");
    open("s2");
    assert.throws(
      () => open("s3"),
      (error) => error instanceof SallyportError && error.code === "session.limit",
    );
    await settle();
    assert.equal(gateway.sessions, 2);
  });

  it("stops an owner that goes on after false, as a defect", async () => {
    const { established } = pair();
    const { far } = await established("s1");
    far.channel?.send(Buffer.alloc(200 << 20));
    far.channel?.send(Buffer.alloc(60 << 20));
    assert.throws(() => far.channel?.send(Buffer.alloc(1)), /goes on sending/u);
  });
});
