import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import * as identity from "../domain/identity/identity.decider.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { createExecute, MAX_ATTEMPTS } from "./execute-command.ts";
import { ManualTime } from "./testing/manual-time.ts";
import { admin, collect, fails, openLedger, typesIn } from "./testing/stage.ts";

const stream = identityStream("ana");
const put = (...groups: string[]) => ({ type: "Put", identityId: "ana", kind: "human", groups }) as const;

describe("executing a command", () => {
  it("records who, when, why and in which version", async (t) => {
    const ledger = await openLedger(t);
    const execute = createExecute({ ledger, clock: new ManualTime() });
    const context = { actor: { kind: "machine", id: "ci", onBehalfOf: "ana" }, correlationId: "c1" } as const;
    await execute({ decider: identity, stream, command: put(), context, causationId: "e1" });
    const [stored] = await collect(ledger.readStream(stream));
    assert.deepEqual(stored?.metadata, {
      $correlationId: "c1",
      $causationId: "e1",
      actor: { kind: "machine", id: "ci", onBehalfOf: "ana" },
      schemaVersion: 1,
      at: "2026-11-22T10:00:00.000Z",
    });
  });

  it("decides again on what is there when somebody was faster", async (t) => {
    const ledger = await openLedger(t);
    const execute = createExecute({ ledger, clock: new ManualTime() });
    await execute({ decider: identity, stream, command: put(), context: admin });
    const groups = Array.from({ length: 5 }, (_, i) => `g${String(i)}`);
    await Promise.all(groups.map((group) => execute({ decider: identity, stream, command: put(group), context: admin })));
    assert.equal((await typesIn(ledger, stream)).filter((type) => type === "RolesChanged").length, 5);
  });

  it("gives up with stream.conflict when it loses every time", async (t) => {
    const ledger = await openLedger(t);
    const execute = createExecute({ ledger, clock: new ManualTime() });
    let lost = 0;
    ledger.before = () => {
      lost += 1;
      throw new SallyportError("stream.conflict", "faster");
    };
    await assert.rejects(execute({ decider: identity, stream, command: put(), context: admin }), fails("stream.conflict"));
    assert.equal(lost, MAX_ATTEMPTS);
  });

  it("does not swallow or repeat an append that the ledger did not take", async (t) => {
    const ledger = await openLedger(t);
    const execute = createExecute({ ledger, clock: new ManualTime() });
    ledger.line = "refuse";
    await assert.rejects(execute({ decider: identity, stream, command: put(), context: admin }), fails("ledger.unavailable"));
    assert.equal(ledger.appends.length, 1);
  });

  it("under the same command id and place is one command, even when its answer was lost", async (t) => {
    const ledger = await openLedger(t);
    const execute = createExecute({ ledger, clock: new ManualTime() });
    const commandId = randomUUID();
    const believed = { state: identity.initialState, revision: "none" } as const;
    ledger.line = "lose";
    await assert.rejects(execute({ decider: identity, stream, command: put(), context: admin, commandId, believed }), fails("ledger.unavailable"));
    ledger.line = "good";
    await execute({ decider: identity, stream, command: put(), context: admin, commandId, believed });
    assert.deepEqual(await typesIn(ledger, stream), ["IdentityProvisioned"]);
  });

  it("neither refuses nor does nothing on a belief that is out of date", async (t) => {
    const ledger = await openLedger(t);
    const execute = createExecute({ ledger, clock: new ManualTime() });
    const unborn = { state: identity.initialState, revision: "none" } as const;
    const first = await execute({ decider: identity, stream, command: put(), context: admin });
    // Believed absent, which would refuse; in truth active.
    await execute({ decider: identity, stream, command: { type: "Disable", reason: "left" }, context: admin, believed: unborn });
    // Believed active, which would change nothing; in truth disabled.
    await assert.rejects(execute({ decider: identity, stream, command: put(), context: admin, believed: first }), fails("auth.forbidden"));
  });
});
