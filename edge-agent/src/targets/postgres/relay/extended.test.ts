import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "@sallyport/proto/errors";
import { catalogueOf, knowsAll, OF_NOTHING } from "./lineage.fixture.ts";
import * as wire from "./messages.fixture.ts";
import { PostgresRelay } from "./relay.ts";

const strict = { maskColumns: [{ column: "email", table: "", kind: "full" }], detectors: ["email"], rowCap: 0n };

function start(obligations = strict) {
  const sent: Buffer[] = [];
  const received: Buffer[] = [];
  let reports = 0;
  const relay = new PostgresRelay({
    obligations,
    catalogue: catalogueOf({}),
    ...knowsAll,
    maskKeys: { hash: randomBytes(32), token: randomBytes(32) },
    executes: () => {},
    toTarget: (bytes) => void sent.push(Buffer.from(bytes)),
    toClient: (bytes) => void received.push(Buffer.from(bytes)),
    report: () => reports++,
  });
  relay.expectResults(OF_NOTHING);
  return {
    relay,
    client: (...parts: readonly Buffer[]) => relay.fromClient(Buffer.concat(parts)),
    target: (...parts: readonly Buffer[]) => relay.fromTarget(Buffer.concat(parts)),
    sent: () => Buffer.concat(sent),
    received: () => Buffer.concat(received),
    reports: () => reports,
  };
}

const described = wire.rowDescription({ name: "email" });
const row = wire.dataRow("ana@example.com");
const failed = wire.errorResponse({ S: "ERROR", C: "42601", M: "syntax" });
const copyIn = wire.message("G", 0, wire.int16(1), wire.int16(0));
const lost = (error: unknown): boolean => error instanceof SallyportError && error.code === "wire.malformed";

describe("an Execute whose columns nobody asked for", () => {
  it("gets a Describe before it, whose answer the client never sees", () => {
    const session = start();
    session.client(wire.parse(), wire.bind("p"), wire.execute("p"), wire.sync);
    assert.deepEqual(session.sent(), Buffer.concat([wire.parse(), wire.bind("p"), wire.describePortal("p"), wire.execute("p"), wire.sync]));
    session.target(wire.parseComplete, wire.bindComplete, described, row, wire.complete("SELECT 1"), wire.ready);
    assert.deepEqual(session.received(), Buffer.concat([wire.parseComplete, wire.bindComplete, wire.dataRow("****"), wire.complete("SELECT 1"), wire.ready]));
    assert.equal(session.relay.busy(), false);
  });

  it("gets one however the bytes are cut", () => {
    const bytes = Buffer.concat([wire.bind("portal"), wire.execute("portal"), wire.bind(), wire.describePortal(), wire.execute(), wire.sync]);
    const whole = start();
    whole.client(bytes);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), (by) => {
        const session = start();
        for (let at = 0; at < bytes.length; at += by) session.relay.fromClient(Buffer.from(bytes.subarray(at, at + by)));
        assert.deepEqual(session.sent(), whole.sent());
      }),
    );
    assert.equal(wire.types(whole.sent()), "BDEBDES");
  });

  it("has a NoData swallowed when it returns no rows", () => {
    const session = start();
    session.client(wire.bind(), wire.execute(), wire.sync);
    session.target(wire.bindComplete, wire.noData, wire.complete("INSERT 0 1"), wire.ready);
    assert.equal(wire.types(session.received()), "2CZ");
  });

  it("is described again after it was suspended", () => {
    const session = start();
    session.client(wire.bind("c"), wire.execute("c", 1), wire.flush);
    session.target(wire.bindComplete, described, row, wire.suspended);
    assert.equal(session.reports(), 1);
    session.client(wire.execute("c", 1), wire.sync);
    session.target(described, row, wire.complete("SELECT 1"), wire.ready);
    assert.equal(wire.types(session.sent()), "BDEHDES");
    assert.equal(wire.types(session.received()), "2DsDCZ");
    assert.deepEqual(wire.texts(session.received()), [["****"], ["****"]]);
  });

  it("shows its failure as the failure of the Execute", () => {
    const session = start();
    session.client(wire.execute("missing"), wire.sync);
    session.target(failed, wire.ready);
    assert.equal(wire.types(session.received()), "EZ");
    session.client(wire.bind(), wire.execute(), wire.sync);
    session.target(wire.bindComplete, described, row, wire.complete("SELECT 1"), wire.ready);
    assert.deepEqual(wire.texts(session.received()), [["****"]]);
  });

  it("gets none where the client's own Describe of that portal comes right before it", () => {
    const session = start();
    const own = Buffer.concat([wire.bind("a"), wire.describePortal("a"), wire.execute("a"), wire.sync]);
    session.relay.fromClient(Buffer.from(own));
    assert.deepEqual(session.sent(), own);
    session.target(wire.bindComplete, described, row, wire.complete("SELECT 1"), wire.ready);
    assert.equal(wire.types(session.received()), "2TDCZ");
    session.client(wire.describePortal("a"), wire.execute("b"), wire.describeStatement("b"), wire.execute("b"), wire.sync);
    assert.equal(wire.types(session.sent().subarray(own.length)), "DDEDDES");
  });

  it("gets none without anything to mask", () => {
    const session = start({ maskColumns: [], detectors: [], rowCap: 1n });
    const group = Buffer.concat([wire.bind(), wire.execute(), wire.sync]);
    session.relay.fromClient(Buffer.from(group));
    assert.deepEqual(session.sent(), group);
    session.target(wire.bindComplete, row, row, wire.complete("SELECT 2"), wire.ready);
    assert.equal(wire.types(session.received()), "2DNCZ");
  });
});

describe("keeping track of what is owed", () => {
  it("expects nothing of a group after its error, up to the Sync", () => {
    const session = start();
    session.client(wire.parse(), wire.bind(), wire.execute(), wire.parse(), wire.bind(), wire.execute(), wire.sync);
    session.target(failed, wire.ready);
    assert.equal(session.relay.busy(), false);
    session.client(wire.parse(), wire.flush);
    session.target(failed);
    session.client(wire.bind(), wire.execute(), wire.sync);
    session.target(wire.ready);
    session.client(wire.bind(), wire.execute(), wire.sync);
    session.target(wire.bindComplete, described, row, wire.complete("SELECT 1"), wire.ready);
    assert.deepEqual(wire.texts(session.received()), [["****"]]);
  });

  it("survives an error that is raised by the Sync itself", () => {
    const session = start();
    session.client(wire.bind(), wire.execute(), wire.sync);
    session.target(wire.bindComplete, wire.noData, wire.complete("INSERT 0 1"), failed, wire.ready);
    assert.equal(session.relay.busy(), false);
    assert.equal(session.reports(), 2);
  });

  it("knows that COPY IN swallows the Sync that was sent with its Execute", () => {
    const session = start();
    session.client(wire.parse(), wire.bind(), wire.execute(), wire.sync);
    session.target(wire.parseComplete, wire.bindComplete, wire.noData, copyIn);
    session.client(wire.copyData("1\n"), wire.copyDone, wire.sync);
    session.target(wire.complete("COPY 1"), wire.ready);
    assert.equal(session.relay.busy(), false);
    session.client(wire.query("select"));
    session.target(described, row, wire.complete("SELECT 1"), wire.ready);
    assert.deepEqual(wire.texts(session.received()), [["****"]]);
  });

  it("knows that a COPY IN which was sent in one go has kept its Sync", () => {
    const session = start();
    session.client(wire.bind(), wire.execute(), wire.copyData("1\n"), wire.copyDone, wire.sync);
    session.target(wire.bindComplete, wire.noData, copyIn, wire.complete("COPY 1"), wire.ready);
    assert.equal(session.relay.busy(), false);
  });

  it("follows a COPY IN of a simple query, done or failed, and one that the target breaks off", () => {
    for (const end of [wire.copyDone, wire.message("f", "no\0")]) {
      const session = start();
      session.client(wire.query("copy t from stdin"));
      session.target(copyIn);
      assert.equal(session.relay.busy(), true);
      session.client(wire.copyData("1\n"), end);
      session.target(wire.complete("COPY 1"), wire.ready);
      session.client(wire.query("copy t from stdin"));
      session.target(copyIn, failed, wire.ready);
      session.client(wire.copyData("1\n"), end, wire.query("select"));
      session.target(described, row, wire.complete("SELECT 1"), wire.ready);
      assert.deepEqual(wire.texts(session.received()), [["****"]]);
    }
  });

  it("gives each of several statements in one query its own columns", () => {
    const session = start();
    session.client(wire.query("select 1; select email"));
    session.target(wire.rowDescription({ name: "n" }), wire.dataRow("1"), wire.complete("SELECT 1"), described, row, wire.complete("SELECT 1"), wire.ready);
    assert.deepEqual(wire.texts(session.received()), [["1"], ["****"]]);
    assert.throws(() => {
      session.client(wire.query("select"));
      session.target(wire.rowDescription({ name: "n" }), wire.dataRow("1"), wire.complete("SELECT 1"), row);
    }, lost);
  });

  it("fails closed on rows of another request than the one that is owed", () => {
    const session = start();
    session.client(wire.parse(), wire.bind(), wire.describePortal(), wire.execute(), wire.sync);
    assert.throws(() => session.target(wire.parseComplete, described, row), lost);
    assert.throws(() => start().target(row), lost);
  });

  it("lets what comes unasked pass at any time", () => {
    const session = start();
    const unasked = Buffer.concat([wire.notice({ S: "NOTICE", M: "hi" }), wire.message("S", "a\0b\0"), wire.message("A", wire.int32(1), "c\0p\0")]);
    session.relay.fromTarget(Buffer.from(unasked));
    session.client(wire.bind(), wire.execute(), wire.sync);
    session.target(wire.bindComplete, unasked, described, unasked, row, wire.complete("SELECT 1"), unasked, wire.ready);
    assert.equal(wire.types(session.received()), "NSA2NSANSADCNSAZ");
  });

  it("takes obligations between two flushed parts of a group, and describes anew", () => {
    const session = start();
    session.client(wire.bind(), wire.describePortal(), wire.flush);
    session.target(wire.bindComplete, described);
    session.relay.setObligations({ ...strict, maskColumns: [] });
    session.client(wire.execute(), wire.sync);
    session.target(described, row, wire.complete("SELECT 1"), wire.ready);
    assert.deepEqual(wire.texts(session.received()), [["***@*******.***"]]);
  });
});

describe("what makes the target plan", () => {
  it("is told of, and that it was answered, but for what the target skips after an error", () => {
    const told: string[] = [];
    const relay = new PostgresRelay({
      obligations: { maskColumns: [], detectors: [], rowCap: 0n },
      catalogue: catalogueOf({}),
      ...knowsAll,
      maskKeys: { hash: randomBytes(32), token: randomBytes(32) },
      executes: () => void told.push("executes"),
      prepares: () => void told.push("prepares"),
      answered: () => void told.push(relay.busy() ? "answered, busy" : "answered"),
      toTarget: () => {},
      toClient: () => {},
      report: () => {},
    });
    const heard = (): string[] => told.splice(0);
    relay.fromClient(Buffer.concat([wire.parse(), wire.flush]));
    relay.fromTarget(wire.parseComplete);
    assert.deepEqual(heard(), ["prepares", "answered"]);
    relay.fromClient(Buffer.concat([wire.bind(), wire.execute(), wire.flush]));
    relay.fromTarget(wire.bindComplete);
    assert.deepEqual(heard(), ["prepares", "executes", "answered, busy"]);
    relay.fromTarget(wire.errorResponse({ S: "ERROR", C: "22012", M: "division by zero" }));
    assert.deepEqual(heard(), ["answered"]);
    relay.fromClient(Buffer.concat([wire.parse(), wire.bind(), wire.flush]));
    assert.deepEqual(heard(), []);
  });

  it("is told of the last answer also where that is to a Describe or Close", () => {
    for (const columns of [undefined, { maskColumns: [{ table: "people", column: "email", kind: "full" }] }]) {
      const idle: boolean[] = [];
      const relay = new PostgresRelay({
        obligations: { maskColumns: [], detectors: [], rowCap: 0n, ...columns },
        catalogue: catalogueOf({}),
        ...knowsAll,
        maskKeys: { hash: randomBytes(32), token: randomBytes(32) },
        executes: () => {},
        answered: () => void idle.push(!relay.busy()),
        toTarget: () => {},
        toClient: () => {},
        report: () => {},
      });
      const noParameters = wire.message("t", wire.int16(0));
      for (const { asked, answers } of [
        { asked: wire.describeStatement(), answers: [noParameters, wire.rowDescription({ name: "a" })] },
        { asked: wire.describeStatement(), answers: [noParameters, wire.noData] },
        { asked: wire.message("C", "S\0"), answers: [wire.message("3")] },
      ]) {
        idle.length = 0;
        relay.fromClient(Buffer.concat([wire.parse(), asked, wire.flush]));
        for (const answer of [wire.parseComplete, ...answers]) {
          assert.ok(!idle.includes(true));
          relay.fromTarget(answer);
        }
        assert.equal(idle.at(-1), true);
      }
    }
  });
});
