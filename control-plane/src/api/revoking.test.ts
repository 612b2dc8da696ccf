import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { GrantServiceService, RevokeGrantRequest, type RevokeGrantResponse } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import { createAuthority } from "../application/authority.ts";
import { human } from "../application/testing/samples.ts";
import { admin, setStage, silent } from "../application/testing/stage.ts";
import type { Principal } from "../domain/decision.ts";
import { createCedarCompiler } from "../policy/compiler.ts";
import { grantService } from "./grant-service.ts";
import type { ApiContext } from "./unary.ts";

const ana: Principal = { ...human("ana"), groups: ["engineers"] };
const text = `
  @id("request") permit (principal in Group::"engineers", action == Action::"request", resource);
  @id("keep") permit (principal in Group::"admins", action in [Action::"administer", Action::"replay"], resource);
  @id("wardens") permit (principal in Group::"wardens", action == Action::"administer", resource) when { context.area == "access" };`;

/** Ana has access; the answer to a revocation by whoever asks. */
async function scene(t: TestContext) {
  const { app, time } = await setStage(t, { policies: createCedarCompiler() });
  const people = [ana, { ...human("root"), groups: ["admins"] }, { ...human("wanda"), groups: ["wardens"] }, { ...human("eve"), groups: ["engineers"] }];
  for (const each of people) await app.identities.put(each, admin);
  await app.resources.offer("a1", [{ name: "orders", protocol: "postgres", labels: {} }]);
  await app.policies.publish([{ name: "a.cedar", text }], "", { ...admin, actor: { kind: "human", id: "root" } });
  const grant = await app.grants.request({ resource: "orders", durationSeconds: 60, reason: "a secret matter", ticket: "" }, ana, admin);
  const authority = createAuthority({ policies: app.policies, clock: time });
  const resources = { of: (name: string) => ({ name, protocol: "postgres", labels: {} }), all: () => [] };
  async function revoke(id: string, grantId = grant.id): Promise<RevokeGrantResponse["grant"] | string> {
    const principal = people.find((each) => each.id === id) ?? assert.fail(id);
    const identities = { authenticate: () => Promise.resolve({ principal }) };
    const api = { identities, authority, log: silent, newCorrelationId: () => "c", leftOut: () => ({ streams: 0, events: 0 }) } as unknown as ApiContext;
    const { revokeGrant } = grantService(api, { grants: app.grants, resources });
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer t");
    const request = RevokeGrantRequest.create({ grantId, reason: "over" });
    const call = { request, metadata, getPath: () => GrantServiceService.revokeGrant.path, getPeer: () => "" };
    return new Promise((resolve) => {
      revokeGrant(call as unknown as ServerUnaryCall<RevokeGrantRequest, RevokeGrantResponse>, (error, value) =>
        resolve(error === null ? value?.grant : error.details),
      );
    });
  }
  return { app, grant, revoke };
}

describe("revoking access", () => {
  it("is done by whoever administers it, who is told no more than that where they may not look at it", async (t) => {
    const { app, grant, revoke } = await scene(t);
    const told = await revoke("wanda");
    assert.ok(typeof told === "object");
    assert.deepEqual([told.id, told.resource, told.state, told.requestedBy, told.reason], [grant.id, "orders", "revoked", "", ""]);
    assert.equal(app.grants.find(grant.id)?.state, "revoked");
  });

  it("tells whoever may look at it all of it, and whoever may do neither not whether it is there", async (t) => {
    const { app, grant, revoke } = await scene(t);
    const nowhere = "00000000-0000-4000-8000-000000000000";
    const refused = await revoke("eve");
    assert.equal(refused, `There is no request for access ${grant.id} that you may see or revoke.`);
    assert.equal(await revoke("wanda", nowhere), `There is no request for access ${nowhere} that you may see or revoke.`);
    assert.equal(app.grants.find(grant.id)?.state, "open");
    const told = await revoke("root");
    assert.deepEqual(typeof told === "object" ? [told.requestedBy, told.reason] : told, ["ana", "a secret matter"]);
  });
});
