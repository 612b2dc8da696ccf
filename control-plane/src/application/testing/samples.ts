import { plainFacts } from "../../domain/facts.ts";
import { type Decision, noObligations, type Principal, type ResourceRef } from "../../domain/decision.ts";
import type { RecordedCommand, SessionEvent } from "../../domain/session/session.events.ts";
import type { ApprovalRequest } from "../approval-ports.ts";

export const human = (id: string): Principal => ({ id, kind: "human", groups: [] });
export const machine = (id: string): Principal => ({ id, kind: "machine", groups: [] });
export const orders: ResourceRef = { name: "orders", protocol: "postgres", labels: { tier: "gold" } };

export const command = (commandId: number, statement = "select 1"): RecordedCommand => ({
  commandId,
  via: "simple",
  statement,
  statementBytes: statement.length,
  redacted: false,
  parameters: [],
  digest: "ab".repeat(32),
  facts: {
    ...plainFacts,
    verbs: ["SELECT"],
  },
});

const decision = { policyVersion: "p1", rules: ["r1"], reason: "because" };

export const requested = (sessionId: string, identity = human("ana"), tokenId = "0123456789abcdef", nodeId = "one", resource = "orders"): SessionEvent => ({
  type: "SessionRequested",
  data: {
    sessionId,
    nodeId,
    identity,
    tokenId,
    resource,
    protocol: "postgres",
    clientAddress: "192.0.2.1:1",
    application: "psql",
    transport: "TLSv1.3",
    parameters: {},
  },
});
export const opened = (sessionId: string): SessionEvent => ({ type: "SessionOpened", data: { sessionId, agentId: "a1", decision } });
export const authorized = (commandId: number, statement?: string): SessionEvent => ({
  type: "CommandAuthorized",
  data: { ...command(commandId, statement), decision, obligations: noObligations },
});
export const held = (commandId: number, approvalId: string): SessionEvent => ({
  type: "CommandHeld",
  data: { ...command(commandId), decision, approvalId, expiresAt: "2026-11-22T10:10:00.000Z" },
});
export const denied = (commandId: number, code: string): SessionEvent => ({ type: "CommandDenied", data: { ...command(commandId), decision, code } });
export const completed = (commandId: number): SessionEvent => ({
  type: "CommandCompleted",
  data: {
    commandId,
    outcome: "succeeded",
    tag: "SELECT 1",
    rows: 1,
    withheldRows: 0,
    bytes: 10,
    maskedCells: { email: 2 },
    resultDigest: "",
    durationMicros: 5,
  },
});
export const ended = (sessionId: string): SessionEvent => ({
  type: "SessionEnded",
  data: { sessionId, cause: "client_closed", message: "", commands: 1, bytesToTarget: 1, bytesToClient: 1 },
});

export function approvalRequest(sessionId: string, policyVersion: string, quorum: number, expiresAt = "2026-11-22T10:10:00.000Z"): ApprovalRequest {
  const needed: Decision = { effect: "needs_approval", policyVersion, rules: ["r1"], reason: "because", obligations: noObligations, quorum };
  return { sessionId, command: command(2, "drop table orders"), resource: orders, requestedBy: human("ana"), decision: needed, expiresAt: new Date(expiresAt) };
}
