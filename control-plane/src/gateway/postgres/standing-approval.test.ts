import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApprovalView } from "../../application/approval-ports.ts";
import type { RecordedSettings } from "../../domain/approval/approval.events.ts";
import { plainFacts } from "../../domain/facts.ts";
import { recordCommand } from "./command-record.ts";
import type { DecidedCommand } from "./decided-command.ts";
import { standingApproval } from "./standing-approval.ts";

const bound = { sessionId: "s1", resource: "orders", requester: "ana" };

function decided(sql: string): DecidedCommand {
  const facts = { ...plainFacts, verbs: ["DELETE"], riskClass: "write", fingerprint: "0123456789abcdef" } as const;
  const executable = {
    via: "simple",
    sql: Buffer.from(sql),
    parameterTypes: [],
    parameters: [],
    facts,
    recordable: sql,
    redacted: false,
    leavesReadOnly: false,
  } as const;
  const decision = { effect: "needs_approval", policyVersion: "p1", rules: ["r"] } as unknown as DecidedCommand["decision"];
  return { executable, command: recordCommand(1, executable, bound, 0).command, decision };
}

const given = (sql: string, more: Partial<ApprovalView> = {}): ApprovalView =>
  ({ id: "a1", until: new Date(10), policyVersion: "p1", rules: ["r"], command: decided(sql).command, uses: 0, sessionId: "s1", ...more }) as ApprovalView;

const covers = (view: ApprovalView, sql: string, set?: RecordedSettings): boolean =>
  standingApproval([view], decided(sql), bound, { current: () => set, setBy: () => set === undefined }, new Date(1)) !== undefined;

describe("what was approved for a while", () => {
  const text = "delete from t where id = 1";
  const settings: RecordedSettings = { changedBy: ["set app.tenant = 1"], digest: "a".repeat(64) };

  it("covers the same text, where the same is set", () => {
    assert.ok(covers(given(text), text));
    assert.ok(covers(given(text, { settings }), text, settings));
  });

  it("covers it in no session that has set something else", () => {
    assert.equal(covers(given(text), text, settings), false);
    assert.equal(covers(given(text, { settings }), text), false);
    assert.equal(covers(given(text, { settings }), text, { ...settings, digest: "b".repeat(64) }), false);
  });

  it("covers for a session what differs in its constants only", () => {
    const shown = given("delete from t where id between a and 7", { scope: "session" });
    assert.ok(covers(shown, "delete from t where id between a and 8"));
    assert.equal(covers(shown, "delete from t where id between 8 and a"), false);
  });

  it("covers no row that a cursor stands on: it may be another cursor by now", () => {
    for (const cursor of ["delete from t where Current\nOF c", "delete from t where current/**/of c", "execute p\n-- runs: delete from t where current of c"])
      assert.equal(covers(given(cursor), cursor), false, cursor);
    const word = "delete from t where said = 'current of'";
    assert.ok(covers(given(word), word));
  });
});
