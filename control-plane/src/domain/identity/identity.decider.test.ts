import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as identity from "./identity.decider.ts";
import type { IdentityEvent } from "./identity.events.ts";

const given = scenario(identity, "2026-11-22T10:00:00.000Z");
const identityId = "ana";
const provisioned: IdentityEvent = { type: "IdentityProvisioned", data: { identityId, kind: "human", groups: ["engineers"] } };
const disabled: IdentityEvent = { type: "IdentityDisabled", data: { identityId, reason: "left" } };
const put = { type: "Put", identityId, kind: "human", groups: ["engineers"] } as const;
const token = (tokenId: string, expiresAt = "2026-11-22T22:00:00.000Z") => ({ tokenId, tokenHash: "ab".repeat(32), expiresAt, note: "" });
const issued = (tokenId: string, expiresAt?: string): IdentityEvent => ({ type: "TokenIssued", data: { identityId, ...token(tokenId, expiresAt) } });

describe("putting an identity", () => {
  it("provisions it, once", () => {
    given().when(put).gives(provisioned);
    given(provisioned).when(put).gives();
  });

  it("records changed groups, sorted and without repeats", () => {
    given(provisioned)
      .when({ ...put, groups: ["engineers", "dba", "dba"] })
      .gives({ type: "RolesChanged", data: { identityId, groups: ["dba", "engineers"] } });
  });

  it("never makes a machine human, nor brings back who was disabled", () => {
    given(provisioned)
      .when({ ...put, kind: "machine" })
      .fails("input.invalid");
    given(provisioned, disabled).when(put).fails("auth.forbidden");
  });

  it("refuses a group without a name", () => {
    for (const group of ["", " "])
      given()
        .when({ ...put, groups: ["engineers", group] })
        .fails("input.invalid");
  });

  it("refuses an id that cannot name a stream, or stands for somebody who was forgotten", () => {
    for (const id of ["a/b", "forgotten-3f0c6c0e-6a0e-4a54-9c5b-1d8e1c5f0a01"])
      given()
        .when({ ...put, identityId: id })
        .fails("input.invalid");
  });
});

describe("tokens", () => {
  it("are issued to active identities only, and never expired at birth", () => {
    given(provisioned)
      .when({ type: "IssueToken", ...token("t1") })
      .gives(issued("t1"));
    given(provisioned, disabled)
      .when({ type: "IssueToken", ...token("t1") })
      .fails("auth.forbidden");
    given()
      .when({ type: "IssueToken", ...token("t1") })
      .fails("identity.not_found");
    given(provisioned)
      .when({ type: "IssueToken", ...token("t1", "2026-11-22T10:00:00.000Z") })
      .fails("input.invalid");
  });

  it("are revoked once, also of a disabled identity", () => {
    const revoked: IdentityEvent = { type: "TokenRevoked", data: { identityId, tokenId: "t1" } };
    given(provisioned, issued("t1"), disabled).when({ type: "RevokeToken", tokenId: "t1" }).gives(revoked);
    given(provisioned, issued("t1"), revoked).when({ type: "RevokeToken", tokenId: "t1" }).gives();
  });

  it("are bounded: expired ones are forgotten, live ones are refused above the bound", () => {
    const full = Array.from({ length: identity.MAX_TOKENS - 1 }, (_, i) => issued(`t${String(i)}`));
    const live = given(provisioned, issued("live"), ...full);
    live.when({ type: "IssueToken", ...token("more") }).fails("session.limit");
    const state = given(provisioned, issued("dead", "2026-11-22T09:00:00.000Z"), ...full)
      .when({ type: "IssueToken", ...token("more") })
      .gives(issued("more"));
    assert.equal(state.tokens.size, identity.MAX_TOKENS);
    assert.equal(state.tokens.has("dead"), false);
  });
});

describe("disabling an identity", () => {
  it("happens once", () => {
    given(provisioned).when({ type: "Disable", reason: "left" }).gives(disabled);
    given(provisioned, disabled).when({ type: "Disable", reason: "left" }).gives();
    given().when({ type: "Disable", reason: "left" }).fails("identity.not_found");
    given(provisioned).when({ type: "Disable", reason: " " }).fails("input.invalid");
  });

  it("leaves failed sign-ins on record", () => {
    const failed: IdentityEvent = { type: "SignInFailed", data: { identityId, address: "192.0.2.1:1", code: "auth.failed" } };
    given(provisioned, disabled).when({ type: "RecordSignInFailure", address: "192.0.2.1:1", code: "auth.failed" }).gives(failed);
    given().when({ type: "RecordSignInFailure", address: "192.0.2.1:1", code: "auth.failed" }).gives();
  });
});
