import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { ApprovalServiceService, GetApprovalRequest, type GetApprovalResponse } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { createAuthority } from "../application/authority.ts";
import { approvalRequest, human, requested } from "../application/testing/samples.ts";
import { admin, setStage, silent } from "../application/testing/stage.ts";
import type { Principal } from "../domain/decision.ts";
import { createCedarCompiler } from "../policy/compiler.ts";
import { approvalService } from "./approval-service.ts";
import type { ApiContext } from "./unary.ts";

const text = `
  @id("run") permit (principal, action == Action::"run", resource);
  @id("approve") permit (principal == Identity::"bo", action == Action::"approve", resource);`;

/** An approval that was denied, and that memory has let go of as of one behind ten thousand others; the answer to whoever asks for it. */
async function scene(t: TestContext) {
  const { app, time } = await setStage(t, { policies: createCedarCompiler() });
  for (const id of ["ana", "bo", "eve"]) await app.identities.put(human(id), admin);
  await app.resources.offer("a1", [{ name: "orders", protocol: "postgres", labels: {} }]);
  const version = await app.policies.publish([{ name: "a.cedar", text }], "", admin);
  await app.openRecord("s1").append([requested("s1")], admin);
  await app.approvals.request("ap1", approvalRequest("s1", version, 1), admin);
  await app.approvals.deny("ap1", human("bo"), "no", admin);
  const approvals = { ...app.approvals, find: () => undefined, list: () => [] };
  const authority = createAuthority({ policies: app.policies, clock: time });
  const resources = { of: (name: string) => ({ name, protocol: "postgres", labels: {} }), all: () => [] };
  return (principal: Principal, approvalId = "ap1"): Promise<string> => {
    const identities = { authenticate: () => Promise.resolve({ principal }) };
    const api = { identities, authority, log: silent, newCorrelationId: () => "c", leftOut: () => ({ streams: 0, events: 0 }) } as unknown as ApiContext;
    const { getApproval } = approvalService(api, { approvals, resources } as unknown as Parameters<typeof approvalService>[1]);
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer t");
    const call = { request: GetApprovalRequest.create({ approvalId }), metadata, getPath: () => ApprovalServiceService.getApproval.path, getPeer: () => "" };
    return new Promise((resolve) => {
      getApproval(call as unknown as ServerUnaryCall<GetApprovalRequest, GetApprovalResponse>, (error, value) =>
        resolve(error === null ? (value?.approval?.state ?? "") : (error.details ?? "")),
      );
    });
  };
}

describe("an approval that was settled long ago", () => {
  it("is shown by its whole id to whoever may see it, and is there for nobody else", async (t) => {
    const ask = await scene(t);
    assert.equal(await ask(human("ana")), "denied");
    assert.equal(await ask(human("bo")), "denied");
    assert.equal(await ask(human("eve")), "There is no approval ap1.");
    assert.equal(await ask(human("ana"), "ap2"), "There is no approval ap2.");
  });
});
