import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { scenario } from "../given.ts";
import * as agent from "./agent.decider.ts";
import type { AgentEvent } from "./agent.events.ts";

const given = scenario(agent, "2026-11-22T10:00:00.000Z");
const later = "2026-11-22T10:30:00.000Z";
const [agentId, name, tokenHash] = ["a1", "warehouse", "ab".repeat(32)];

const invited: AgentEvent = { type: "JoinTokenIssued", data: { agentId, name, tokenHash, expiresAt: "2026-11-22T10:15:00.000Z" } };
const enrolled: AgentEvent = { type: "AgentEnrolled", data: { agentId, name } };
const link = { nodeId: "one", version: "0.1.0", address: "192.0.2.7:4000", certificateFingerprint: "ff", resources: ["orders"] };
const connected: AgentEvent = { type: "AgentConnected", data: { agentId, ...link } };
const disconnected = (cause: "lost" | "replaced"): AgentEvent => ({ type: "AgentDisconnected", data: { agentId, cause } });
const revoked: AgentEvent = { type: "AgentRevoked", data: { agentId, reason: "gone" } };

describe("inviting an agent", () => {
  const issue = { type: "IssueJoinToken", ...invited.data } as const;

  it("issues a token", () => {
    given().when(issue).gives(invited);
  });

  it("replaces a token that nobody used", () => {
    const again = { ...invited.data, tokenHash: "cd".repeat(32) };
    const state = given(invited)
      .when({ type: "IssueJoinToken", ...again })
      .gives({ type: "JoinTokenIssued", data: again });
    assert.equal(state.tokenHash, again.tokenHash);
  });

  it("is refused once it has enrolled", () => given(invited, enrolled).when(issue).fails("agent.name_taken"));
  it("is refused when the token would be expired at birth", () => given().when(issue, later).fails("input.invalid"));
  it("is refused under a name that cannot stand in a certificate", () =>
    given()
      .when({ ...issue, name: "a b" })
      .fails("input.invalid"));
});

describe("enrolling", () => {
  const enrol = { type: "Enrol", name, tokenHash } as const;

  it("uses the token up", () => {
    const state = given(invited).when(enrol).gives(enrolled);
    assert.equal(state.tokenHash, "");
    given(invited, enrolled).when(enrol).fails("join.invalid");
  });

  it("is refused with another token, under another name, too late, or uninvited", () => {
    given(invited)
      .when({ ...enrol, tokenHash: "cd".repeat(32) })
      .fails("join.invalid");
    given(invited)
      .when({ ...enrol, name: "other" })
      .fails("join.invalid");
    given(invited).when(enrol, "2026-11-22T10:15:00.000Z").fails("join.invalid");
    given().when(enrol).fails("join.invalid");
    given(invited, enrolled, revoked)
      .when({ ...enrol, tokenHash: "" })
      .fails("join.invalid");
  });
});

describe("an agent's link", () => {
  it("connects an enrolled agent only", () => {
    given(invited, enrolled).when({ type: "Connect", link }).gives(connected);
    given(invited).when({ type: "Connect", link }).fails("agent.not_found");
    given(invited, enrolled, revoked).when({ type: "Connect", link }).fails("agent.revoked");
  });

  it("replaces the link before, whose late end does not touch the new one", () => {
    given(invited, enrolled, connected).when({ type: "Connect", link }).gives(disconnected("replaced"), connected);
    given(invited, enrolled, connected).when({ type: "Disconnect", cause: "replaced" }).gives();
  });

  it("ends once", () => {
    given(invited, enrolled, connected).when({ type: "Disconnect", cause: "lost" }).gives(disconnected("lost"));
    given(invited, enrolled, connected, disconnected("lost")).when({ type: "Disconnect", cause: "lost" }).gives();
  });
});

describe("revoking an agent", () => {
  it("happens once, and to agents that exist", () => {
    given(invited, enrolled).when({ type: "Revoke", reason: "gone" }).gives(revoked);
    given(invited, enrolled, revoked).when({ type: "Revoke", reason: "gone" }).gives();
    given().when({ type: "Revoke", reason: "gone" }).fails("agent.not_found");
  });

  it("lets it have no new certificate", () => {
    const certificate = { serial: "1", fingerprint: "ff", notBefore: "2026-11-22T10:00:00.000Z", notAfter: "2026-11-23T10:00:00.000Z" };
    given(invited, enrolled)
      .when({ type: "RecordCertificate", certificate })
      .gives({ type: "AgentCertificateIssued", data: { agentId, ...certificate } });
    given(invited, enrolled, revoked).when({ type: "RecordCertificate", certificate }).fails("agent.revoked");
  });
});
