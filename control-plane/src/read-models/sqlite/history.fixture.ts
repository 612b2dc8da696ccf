import { randomUUID } from "node:crypto";
import { newEvent } from "../../application/new-event.ts";
import { approvalRequest, authorized, command, completed, denied, ended, held, human, opened, requested } from "../../application/testing/samples.ts";
import * as agent from "../../domain/agent/agent.decider.ts";
import { agentStream } from "../../domain/agent/agent.events.ts";
import * as approval from "../../domain/approval/approval.decider.ts";
import { approvalStream } from "../../domain/approval/approval.events.ts";
import type { Decider } from "../../domain/decider.ts";
import { type Decision, noObligations } from "../../domain/decision.ts";
import type { DomainEvent } from "../../domain/events.ts";
import * as grant from "../../domain/grant/grant.decider.ts";
import { grantStream } from "../../domain/grant/grant.events.ts";
import * as identity from "../../domain/identity/identity.decider.ts";
import { identityStream } from "../../domain/identity/identity.events.ts";
import * as policy from "../../domain/policy/policy.decider.ts";
import { policyStream } from "../../domain/policy/policy.events.ts";
import * as resource from "../../domain/resource/resource.decider.ts";
import { resourceStream } from "../../domain/resource/resource.events.ts";
import * as session from "../../domain/session/session.decider.ts";
import { retentionStream } from "../../domain/retention/retention.events.ts";
import { type SessionEvent, sessionStream } from "../../domain/session/session.events.ts";
import { hashOf } from "../../ledger/integrity/leaf-batch.ts";
import type { NewEvent, RemovableLedger, Tombstone } from "../../ledger/ledger.ts";

/** What happens next, and to whom: numbers that a test draws. */
export type Move = readonly [what: number, whom: number, how: number];

const start = Date.parse("2026-11-22T10:00:00.000Z");
const later = "2036-01-01T00:00:00.000Z";
const allow: Decision = { effect: "allow", policyVersion: "p1", rules: ["r1"], reason: "because", obligations: noObligations, quorum: 0 };

const electorate = { administrators: ["ana", "bo", "cy"], configured: "auto" } as const;

/** Of sessions and approvals. */
const over: ReadonlySet<string> = new Set(["ended", "refused", "denied", "expired", "withdrawn", "consumed", "revoked"]);

/**
 * Writes random histories that could have been: each event is what a decider says to a random command, so nothing stands in a stream
 * that the product would not write; then some that it would not, by somebody else.
 */
export class HistoryWriter {
  readonly #ledger: RemovableLedger;
  readonly #states = new Map<string, { state: unknown; revision: bigint | "none" }>();
  #moves = 0;
  readonly #gone = new Set<string>();

  constructor(ledger: RemovableLedger) {
    this.#ledger = ledger;
  }

  /** Streams. */
  get removed(): number {
    return this.#gone.size;
  }

  async play([what, whom, how]: Move): Promise<void> {
    this.#moves += 1;
    const pick = <T>(...choices: readonly T[]): T => choices[how % choices.length] as T;
    const name = ["ana", "bo", "cy"][whom % 3] ?? "ana";
    switch (what % 9) {
      case 0:
        return this.#decide(identity, identityStream(name), [
          { type: "Put", identityId: name, kind: "human", groups: pick([], ["engineers"], ["auditors", "engineers"]) },
          pick<identity.IdentityCommand>(
            { type: "IssueToken", tokenId: String(how % 7), tokenHash: "00", expiresAt: later, note: "" },
            { type: "RevokeToken", tokenId: String(how % 7) },
            { type: "RecordSignInFailure", address: "192.0.2.1:1", code: "auth.failed" },
            ...(how > 900 ? ([{ type: "Disable", reason: "left" }] as const) : []),
          ),
        ]);
      case 1:
        return this.#decide(agent, agentStream(`a${whom % 3}`), [
          { type: "IssueJoinToken", agentId: `a${whom % 3}`, name, tokenHash: "00", expiresAt: later },
          pick<agent.AgentCommand>(
            { type: "Enrol", name, tokenHash: "00" },
            { type: "Connect", link: { nodeId: "one", version: "1", address: "192.0.2.2:1", certificateFingerprint: "ff", resources: [] } },
            { type: "Disconnect", cause: "lost" },
            { type: "RecordCertificate", certificate: { serial: "1", fingerprint: "ff", notBefore: later, notAfter: later } },
            ...(how > 900 ? ([{ type: "Revoke", reason: "stolen" }] as const) : []),
          ),
        ]);
      case 2:
        return this.#decide(resource, resourceStream(name), [
          pick<resource.ResourceCommand>(
            { type: "Offer", resource: { name, protocol: "postgres", labels: { tier: String(how % 3) } }, agentId: "a1", ownerGone: how % 5 === 0 },
            { type: "Retire", agentId: "a1" },
          ),
        ]);
      case 3:
        return this.#decide(policy, policyStream(), [
          {
            type: "Propose",
            version: `p${how % 4}`,
            digest: "ab".repeat(32),
            files: [{ name: "a.cedar", text: String(how % 4) }],
            names: { groups: [], labels: [] },
            reason: "",
            by: { id: name, kind: "human" },
            notify: [],
            ...electorate,
          },
          pick<policy.PolicyCommand>(
            { type: "Publish", version: `p${how % 4}`, digest: "ab".repeat(32), ...electorate },
            { type: "Approve", version: `p${how % 4}`, digest: undefined, by: { id: "bo", kind: "human" }, comment: "", ...electorate },
            { type: "Reject", version: `p${how % 4}`, by: { id: "cy", kind: "human" }, comment: "", ...electorate },
            { type: "Withdraw", version: `p${how % 4}`, by: { id: name, kind: "human" } },
          ),
        ]);
      case 4:
        return how % 4 === 0 ? this.#retain() : this.#stranger(how);
      case 5:
        return this.#grant(`g${whom % 3}-${Math.trunc(this.#moves / 40)}`, how);
      default:
        return this.#session(`s${whom % 5}-${Math.trunc(this.#moves / 60)}`, how);
    }
  }

  async #session(id: string, how: number): Promise<void> {
    const stream = sessionStream(id);
    const known = (this.#states.get(stream)?.state ?? session.initialState) as session.SessionState;
    if (known.phase === "absent") return this.#decide(session, stream, [act("Request", requested(id, human(how % 2 === 0 ? "ana" : "bo")))]);
    if (known.phase === "requested") {
      if (how % 9 === 0) return this.#decide(session, stream, [{ type: "Refuse", data: { sessionId: id, code: "policy.denied", message: "no" } }]);
      return this.#decide(session, stream, [act("Open", opened(id))]);
    }
    const next = known.lastCommandId + 1;
    const first = known.inFlight[0];
    if (first?.status === "held") return this.#settle(id, first, how);
    if (first !== undefined && how % 3 !== 0) return this.#decide(session, stream, [act("Complete", completed(first.commandId))]);
    if (how % 11 === 0) return this.#decide(session, stream, [act("End", ended(id))]);
    if (how % 5 === 0) return this.#hold(id, next);
    if (how % 7 === 0) return this.#decide(session, stream, [act("Deny", denied(next, "policy.denied"))]);
    return this.#decide(session, stream, [act("Authorize", authorized(next, `select ${String(how)} from orders where name = 'Zoë ${String(how % 10)}'`))]);
  }

  async #hold(id: string, commandId: number): Promise<void> {
    const approvalId = `${id}.${String(commandId)}`;
    await this.#decide(session, sessionStream(id), [{ type: "Hold", data: held(commandId, approvalId).data as never }]);
    const { requestedBy, decision, ...asked } = approvalRequest(id, "p1", 1, later);
    const plain = { steps: [{ people: 1, groups: [] }], denyBy: [], approverHours: [] };
    const data = {
      ...asked,
      approvalId,
      command: command(commandId),
      resource: "orders",
      requestedBy: requestedBy.id,
      decision,
      quorum: 1,
      ...plain,
      expiresAt: later,
    };
    const { policyVersion, rules, reason } = decision;
    await this.#decide(approval, approvalStream(approvalId), [{ type: "Request", data: { ...data, decision: { policyVersion, rules, reason } } }]);
  }

  async #settle(id: string, { commandId, digest, approvalId }: session.SessionState["inFlight"][number], how: number): Promise<void> {
    const stream = approvalStream(approvalId);
    const by = { id: "cy", kind: "human" } as const;
    if (how % 4 === 0) return this.#decide(approval, stream, [{ type: "Withdraw", cause: "cancelled" }]);
    if (how % 4 === 1) {
      await this.#decide(approval, stream, [{ type: "Deny", by, groups: [], comment: "no", decision: allow }]);
      return this.#decide(session, sessionStream(id), [
        { type: "Deny", data: { ...(denied(commandId, "approval.denied").data as never as object), approvalId } as never },
      ]);
    }
    await this.#decide(approval, stream, [
      { type: "Approve", by, groups: [], comment: "yes", digest: undefined, decision: allow },
      { type: "Consume", sessionId: id, commandId, digest, policyVersion: "p1" },
    ]);
    return this.#decide(session, sessionStream(id), [
      { type: "Release", data: { commandId, approvalId, digest, approvers: ["cy"], obligations: noObligations } },
    ]);
  }

  /** Whatever is over goes: named first, then removed. */
  async #retain(): Promise<void> {
    for (const [stream, { state }] of this.#states) {
      const isApproval = stream.startsWith(approvalStream(""));
      if (!isApproval && !stream.startsWith(sessionStream(""))) continue;
      const how = isApproval ? (state as approval.ApprovalState).value : (state as session.SessionState | undefined)?.phase;
      if (how === undefined || !over.has(how) || this.#gone.has(stream)) continue;
      this.#gone.add(stream);
      const tombstones: Tombstone[] = [];
      for await (const event of this.#ledger.readStream(stream)) tombstones.push({ ...event, leaf: hashOf(event) });
      const named = { stream, events: tombstones.length, leaves: "" };
      const category = isApproval ? "approval" : "session";
      const runId = randomUUID();
      const event: DomainEvent = { type: "StreamsRemoved", data: { runId, category, cutOff: later, streams: [named] } };
      await this.#append(retentionStream(runId), [newEvent(randomUUID(), event, this.#context, this.#at)]);
      await this.#ledger.remove(tombstones);
    }
  }

  async #grant(grantId: string, how: number): Promise<void> {
    const asked = { grantId, requestedBy: "ana", resource: "orders", durationSeconds: 60, reason: `why ${String(how)}`, ticket: "" };
    const onBehalfOf = how % 2 === 0 ? { onBehalfOf: "eve" } : {};
    const needs: Decision = { ...allow, effect: "needs_approval", quorum: 1 + (Math.trunc(how / 10) % 2) };
    const vote = { by: { id: how % 3 === 0 ? "bo" : "cy", kind: "human" }, groups: [], comment: `said ${String(how)}`, decision: allow } as const;
    const commands: readonly grant.GrantCommand[] = [
      { type: "Approve", askedNow: needs, ...vote },
      { type: "Approve", askedNow: { ...needs, quorum: 1 }, ...vote },
      { type: "Use", sessionId: `s${String(how)}`, by: "ana", resource: "orders" },
      { type: "Deny", ...vote },
      { type: "Revoke", by: { id: "bo" }, reason: "over" },
      { type: "Withdraw", by: "ana" },
      { type: "Expire" },
    ];
    const next = commands[how % commands.length];
    const terms = { steps: [{ people: needs.quorum, groups: [] }], denyBy: [], approverHours: [] };
    const data = { ...asked, ...onBehalfOf, ...terms, expiresAt: new Date(start + this.#moves + 100).toISOString() };
    await this.#decide(grant, grantStream(grantId), [{ type: "Request", data, decision: needs }]);
    const at = next?.type === "Expire" && how % 2 === 0 ? new Date(start + this.#moves + 60_000).toISOString() : this.#at;
    return this.#decide(grant, grantStream(grantId), next === undefined ? [] : [next], at);
  }

  /** What a later release, another program, or another part of the product may put there. */
  async #stranger(how: number): Promise<void> {
    const odd = [
      ["session-odd", "SomethingElse", { a: 1 }],
      ["session-odd", "CommandCompleted", {}],
      ["session-odd", "CommandAuthorized", { ...command(1), decision: null }],
      ["agent-odd", "SessionEnded", { sessionId: "odd" }],
      ["log-checkpoints", "CheckpointSigned", { size: how }],
      ["recording-odd", "OutputRecorded", { sequence: how, commandId: 1, bytes: 1, gzipBase64: "" }],
    ] as const;
    const [stream, type, data] = odd[how % odd.length] ?? odd[0];
    await this.#append(stream, [
      {
        ...newEvent(randomUUID(), { type, data } as never, this.#context, this.#at),
        metadata: { $correlationId: "c", actor: { kind: "system", id: "x" }, schemaVersion: 1, at: this.#at },
      },
    ]);
  }

  /** The commands in order; one that is refused does nothing. */
  async #decide<Command, State, Event extends DomainEvent>(
    decider: Decider<Command, State, Event>,
    stream: string,
    commands: readonly Command[],
    at = this.#at,
  ): Promise<void> {
    for (const each of commands) {
      const state = (this.#states.get(stream)?.state ?? decider.initialState) as State;
      let events: Event[];
      try {
        events = decider.decide(each, state, at);
      } catch {
        continue;
      }
      if (events.length === 0) continue;
      await this.#append(
        stream,
        events.map((event) => newEvent(randomUUID(), event, this.#context, at)),
        events.reduce(decider.evolve, state),
      );
    }
  }

  async #append(stream: string, events: readonly NewEvent[], state?: unknown): Promise<void> {
    const { revision } = await this.#ledger.append(stream, events, this.#states.get(stream)?.revision ?? "none");
    this.#states.set(stream, { state, revision });
  }

  get #at(): string {
    return new Date(start + this.#moves).toISOString();
  }

  readonly #context = { actor: { kind: "human", id: "root" }, correlationId: "c" } as const;
}

/** Samples are events; commands take their data. */
const act = (type: session.SessionCommand["type"], { data }: SessionEvent): session.SessionCommand => ({ type, data }) as session.SessionCommand;
