import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { nodeStream } from "../domain/node/node.events.ts";
import { sessionStream } from "../domain/session/session.events.ts";
import { AUTHORIZATION_PATIENCE_MS, MAX_STALL_MS } from "./session-record.ts";
import { authorized, human, opened, requested } from "./testing/samples.ts";
import { admin, collect, fails, setStage, typesIn, until } from "./testing/stage.ts";

describe("failing closed", () => {
  it("begins with the first append that is not taken, refuses and counts, and ends recorded (F1 to F3)", async (t) => {
    const { app, ledger, time } = await setStage(t);
    app.failClosed.guard();
    ledger.line = "refuse";
    await assert.rejects(app.identities.put(human("ana"), admin), fails("ledger.unavailable"));
    for (let i = 0; i < 3; i++) assert.throws(() => app.failClosed.guard(), fails("ledger.unavailable"));
    time.advance(60_000);
    assert.deepEqual(app.failClosed.state(), { kind: "closed", since: new Date("2026-11-22T10:00:00.000Z"), cause: "The line is down.", refusedCommands: 3 });
    ledger.line = "good";
    await until("open again", () => {
      time.advance(5_000);
      return app.failClosed.state().kind === "open";
    });
    app.failClosed.guard();
    const recorded = await collect(ledger.readStream(nodeStream("one")));
    assert.deepEqual(
      recorded.map(({ type, data }) => [type, data]),
      [
        ["FailClosedEntered", { nodeId: "one", cause: "The line is down.", since: "2026-11-22T10:00:00.000Z" }],
        ["FailClosedLeft", { nodeId: "one", refusedCommands: 3 }],
      ],
    );
  });

  it("stays closed while the ledger refuses, and asks ever more rarely", async (t) => {
    const { app, ledger, time } = await setStage(t);
    ledger.line = "refuse";
    await assert.rejects(app.identities.put(human("ana"), admin));
    const probes = () => ledger.appends.filter(({ stream }) => stream === nodeStream("one")).length;
    for (let i = 0; i < 600; i++) {
      time.advance(100);
      await until("answered", () => ledger.inFlight === 0);
    }
    assert.ok(probes() >= 5 && probes() <= 20, `${String(probes())} probes in a minute`);
    assert.equal(app.failClosed.state().kind, "closed");
  });

  it("opens as soon as any other append succeeds", async (t) => {
    const { app, ledger, time } = await setStage(t);
    ledger.line = "refuse";
    await assert.rejects(app.identities.put(human("ana"), admin));
    for (let i = 0; i < 100; i++) {
      time.advance(100);
      await until("answered", () => ledger.inFlight === 0);
    }
    ledger.line = "good";
    await app.identities.put(human("ana"), admin);
    await until("open, with time standing still", () => app.failClosed.state().kind === "open");
  });

  it("is not entered for a conflict or an event that is too large", async (t) => {
    const { app } = await setStage(t);
    const record = app.openRecord(randomUUID());
    await assert.rejects(record.append([authorized(1, "x".repeat(1_200_000))], admin), fails("ledger.too_large"));
    assert.equal(app.failClosed.state().kind, "open");
  });

  it("ends in the record the sessions that gave up, when the ledger is back", async (t) => {
    const { app, ledger, time } = await setStage(t);
    const sessionId = randomUUID();
    const record = app.openRecord(sessionId);
    await record.append([requested(sessionId), opened(sessionId), authorized(1)], admin);
    ledger.line = "refuse";
    const lost = assert.rejects(record.append([authorized(2)], admin, { patience: "fail" }), fails("ledger.unavailable"));
    await until("stalled", () => record.stalled);
    time.advance(AUTHORIZATION_PATIENCE_MS + MAX_STALL_MS);
    await lost;
    assert.ok(record.broken);
    ledger.line = "good";
    await until("ended", async () => {
      time.advance(5_000);
      return (await typesIn(ledger, sessionStream(sessionId))).includes("SessionEnded");
    });
    assert.deepEqual((await typesIn(ledger, sessionStream(sessionId))).slice(-2), ["CommandCompleted", "SessionEnded"]);
    const [, , , , last] = await collect(ledger.readStream(sessionStream(sessionId)));
    assert.equal(last !== undefined && "cause" in last.data ? last.data.cause : "", "ledger_lost");
  });
});
