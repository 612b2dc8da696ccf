import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { plainFacts } from "../domain/facts.ts";
import { createCedarCompiler } from "../policy/compiler.ts";
import { approvalRequest, human, orders, requested } from "./testing/samples.ts";
import { admin, fails, setStage } from "./testing/stage.ts";

/** As the session of `requested` is: from 192.0.2.1. */
const policy = `
  @id("office") permit (principal, action == Action::"run", resource) when { context.clientAddress.isInRange(ip("192.0.2.0/24")) };
  @id("incident") forbid (principal, action == Action::"run", resource) when { context.hazards.contains("drop") } unless { context.ticket like "INC-*" };
  @id("never") forbid (principal, action == Action::"run", resource) when { context.verbs.contains("VACUUM") };
  @id("approve") permit (principal == Identity::"bo", action == Action::"approve", resource);`;

const text = (statement: string, facts: object) => ({ statement, digest: "cd".repeat(32), facts: { ...plainFacts, ...facts } });
const dropping = text("drop table old_orders", { verbs: ["DROP TABLE"], hazards: ["drop"] });
const vacuum = text("vacuum", { verbs: ["VACUUM"] });

async function heldOf(t: TestContext, ticket: string) {
  const { app } = await setStage(t, { policies: createCedarCompiler() });
  for (const id of ["ana", "bo", "cy"]) await app.identities.put(human(id), admin);
  await app.resources.offer("a1", [orders]);
  const version = await app.policies.publish([{ name: "a.cedar", text: policy }], "first", admin);
  const record = app.openRecord("s1");
  await record.append([requested("s1")], admin);
  if (ticket !== "") await record.append([{ type: "PurposeStated", data: { sessionId: "s1", reason: "", ticket, by: "ana" } }], admin);
  await app.approvals.request("ap1", approvalRequest("s1", version, 1), admin);
  return (by: string, proposed: typeof dropping) => app.approvals.propose("ap1", human(by), proposed, "", undefined, admin);
}

describe("a counter-proposal", () => {
  it("is looked at as a command of the session that asked: from its address, with what was said in it", async (t) => {
    const propose = await heldOf(t, "INC-7");
    assert.equal((await propose("bo", dropping)).counter?.statement, dropping.statement);
    const without = await heldOf(t, "");
    await assert.rejects(without("bo", dropping), fails("policy.denied"));
  });

  it("that would be refused is told so to whoever may propose, and to nobody else", async (t) => {
    const propose = await heldOf(t, "INC-7");
    await assert.rejects(propose("bo", vacuum), fails("policy.denied"));
    await assert.rejects(propose("cy", vacuum), fails("auth.forbidden"));
    await assert.rejects(propose("ana", vacuum), fails("approval.self"));
  });
});
