import type { Channel, ChannelHandlers } from "@sallyport/proto/tunnel/channel";
import type { Open } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Proposed } from "../domain/approval/approval.decider.ts";
import type { Plan } from "../domain/approval/plan.ts";
import type { CommandFacts } from "../domain/facts.ts";
import type { Vote } from "../domain/approval/quorum.ts";
import type { PreviewKind } from "../domain/approval/approval.events.ts";
import type { ApprovalStep } from "../domain/approval/terms.ts";
import type { Decision, Principal, ResourceRef } from "../domain/decision.ts";
import type { ForwardingEvent } from "../domain/forwarding/forwarding.events.ts";
import type { RecordedCommand } from "../domain/session/session.events.ts";
import type { DecidedBy } from "../domain/vote.ts";
import type { Actor } from "../ledger/ledger.ts";

export interface Clock {
  now(): Date;
}

/** Who asks, for the metadata of the events that follow. */
export interface CommandContext {
  readonly actor: Actor;
  readonly correlationId: string;
}

export interface SignedIn {
  readonly principal: Principal;
  readonly tokenId: string;
  readonly expiresAt: Date;
}

export interface IssuedToken {
  readonly tokenId: string;
  /** Shown once, stored nowhere. */
  readonly token: string;
  readonly expiresAt: Date;
}

export interface TokenView {
  readonly id: string;
  readonly note: string;
  readonly expiresAt: Date;
}

export interface IdentityView extends Principal {
  readonly disabled: boolean;
}

export interface Identities {
  /** Fails with `auth.failed` or `auth.expired`; a failure for a known identity is an event, at most one a second each. */
  authenticate(token: string, address: string, expectedIdentity?: string): Promise<SignedIn>;
  put(identity: Principal, context: CommandContext): Promise<Principal>;
  find(id: string): IdentityView | undefined;
  list(): readonly IdentityView[];
  issueToken(identityId: string, ttlSeconds: number, note: string, context: CommandContext): Promise<IssuedToken>;
  /** Those that have not expired, the next to expire first. Fails with `identity.not_found`. */
  tokensOf(identityId: string): readonly TokenView[];
  /** Undefined where there is no such token, or no more. */
  ownerOfToken(tokenId: string): string | undefined;
  revokeToken(tokenId: string, context: CommandContext): Promise<void>;
  /** Lets it in no more, and ends its live sessions. */
  disable(identityId: string, reason: string, context: CommandContext): Promise<void>;
}

export interface AgentView {
  readonly id: string;
  readonly name: string;
  readonly enrolled: boolean;
  readonly revoked: boolean;
  readonly connected: boolean;
  readonly version: string;
  readonly certificateExpiresAt: Date | undefined;
}

export interface IssuedCertificate {
  readonly serial: string;
  readonly fingerprint: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export type DisconnectCause = "closed" | "lost" | "drained" | "revoked" | "replaced" | "protocol_violation" | "shutdown";

export interface Agents {
  /** The secret half of a join token: the caller adds address and CA fingerprint. Fails with `agent.name_taken`. */
  issueJoinSecret(
    name: string,
    ttlSeconds: number,
    context: CommandContext,
  ): Promise<{ readonly agentId: string; readonly secret: string; readonly expiresAt: Date }>;
  /** Checks the secret and uses it up, durably. Fails with `join.invalid`. Answers the new agent's id. */
  enrol(name: string, secret: string): Promise<string>;
  certificateIssued(agentId: string, certificate: IssuedCertificate): Promise<void>;
  /** Fails with `agent.revoked` or `agent.not_found`. */
  requireEnrolled(agentId: string): AgentView;
  connected(
    agentId: string,
    link: { readonly version: string; readonly address: string; readonly certificateFingerprint: string; readonly resources: readonly string[] },
  ): Promise<void>;
  disconnected(agentId: string, cause: DisconnectCause): Promise<void>;
  revoke(agentId: string, reason: string, context: CommandContext): Promise<void>;
  list(): readonly AgentView[];
}

/** Who is behind the ids that the ledger holds in place of names. */
export interface Subjects {
  /** `isSealed` is false when events of an earlier release hold the name in the clear. */
  find(identityId: string): { readonly subject: string; readonly isSealed: boolean } | undefined;
  /** Whose name nobody can read any more; undefined for a name that is one. */
  forgotten(name: string): string | undefined;
  /** Destroys the key, durably; nobody can read after it what was sealed with it. Answers what the name reads as from now on. */
  forget(subject: string): string;
}

export interface ErasureView {
  readonly id: string;
  readonly state: "pending" | "expired" | "granted" | "denied" | "destroyed";
  readonly subject: string;
  readonly identityId: string;
  readonly requestedBy: string;
  readonly reason: string;
  readonly quorum: number;
  readonly approvers: readonly string[];
  /** Empty unless denied. */
  readonly deniedBy: string;
  readonly requestedAt: Date;
  readonly expiresAt: Date;
}

/** Forgetting somebody: two people besides whoever asks agree, then the key is destroyed that their personal data is sealed under. */
export interface Erasures {
  /** Fails with `identity.not_found`, or with `input.invalid` for somebody who cannot be forgotten or about whom this is asked already. */
  request(identityId: string, reason: string, by: Principal, context: CommandContext): Promise<ErasureView>;
  /** Carried out before it answers when it was the last one needed. Fails with approval.self, approval.machine, approval.not_found, approval.already_decided, approval.expired. */
  approve(erasureId: string, by: Principal, comment: string, context: CommandContext): Promise<ErasureView>;
  deny(erasureId: string, by: Principal, comment: string, context: CommandContext): Promise<ErasureView>;
  /** Newest first. Read from the ledger. */
  list(): Promise<readonly ErasureView[]>;
}

/** What agents state about what they forwarded. */
export interface Forwarding {
  /** Durable when it resolves; the same statement again changes nothing. Fails with `tunnel.violation` when it contradicts an earlier one. */
  attest(statement: ForwardingEvent["data"]): Promise<void>;
}

export interface ResourceView extends ResourceRef {
  readonly agentId: string;
}

export interface RefusedResource {
  readonly name: string;
  readonly code: "resource.conflict" | "input.invalid" | "ledger.newer";
  readonly message: string;
}

export interface Resources {
  /** Registers, changes and retires until the ledger says what the agent says. */
  offer(agentId: string, offered: readonly ResourceRef[]): Promise<readonly RefusedResource[]>;
  find(name: string): ResourceView | undefined;
  /** Fails where nothing may be decided on it, and so it is not found. */
  requireReadable(name: string): void;
  list(): readonly ResourceView[];
}

export interface ApprovalRequest {
  readonly sessionId: string;
  readonly command: RecordedCommand;
  readonly resource: ResourceRef;
  readonly requestedBy: Principal;
  readonly decision: Decision;
  readonly expiresAt: Date;
  /** The approval whose counter-proposal this is. */
  readonly counterTo?: string;
}

export type ApprovalState = "pending" | "granted" | "denied" | "expired" | "withdrawn" | "consumed" | "revoked" | "replaced";

export interface CounterProposal {
  readonly by: string;
  readonly comment: string;
  readonly statement: string;
  readonly digest: string;
  /** Of the text, when it was proposed. */
  readonly facts: CommandFacts;
}

/** Agreed to for longer than one execution. */
export interface ApprovedWindow {
  readonly seconds: number;
  /** Also what does no more than the command, in its session. */
  readonly scope?: "session";
}

/** One look at what a held command would do; what it showed is in the record only. */
export interface PreviewView {
  readonly id: string;
  readonly kind: PreviewKind;
  readonly by: string;
  readonly at: Date;
  readonly state: "asked" | "shown" | "failed";
  /** That the command changed, of a dry run that was shown. */
  readonly rows: number | undefined;
  /** Of one that failed. */
  readonly code: string;
}

export interface ApprovalView {
  readonly id: string;
  readonly state: ApprovalState;
  readonly sessionId: string;
  readonly command: RecordedCommand;
  readonly resource: string;
  readonly requestedBy: string;
  readonly policyVersion: string;
  readonly rules: readonly string[];
  readonly quorum: number;
  /** One after the other; the groups say who counts for each. */
  readonly steps: readonly ApprovalStep[];
  readonly denyBy: readonly string[];
  readonly approverHours: readonly string[];
  readonly escalation: { readonly to: string; readonly at: Date } | undefined;
  /** Its time has come. */
  readonly escalated: boolean;
  readonly approvers: readonly string[];
  readonly votes: readonly Vote[];
  /** The last one. */
  readonly counter: CounterProposal | undefined;
  /** Oldest first. */
  readonly previews: readonly PreviewView[];
  /** The approval whose counter-proposal this is for. */
  readonly counterTo: string | undefined;
  /** Commands that were asked for in advance, to run in their order; `uses` of them have. */
  readonly plan: Plan | undefined;
  /** Granted for a while, rather than for one execution. */
  readonly until: Date | undefined;
  /** And for whatever does no more than its command, in the session that asked. */
  readonly scope: "session" | undefined;
  readonly uses: number;
  readonly requestedAt: Date;
  readonly expiresAt: Date;
  readonly decidedBy: string;
  readonly comment: string;
}

export interface PlanRequest {
  readonly resource: string;
  readonly commands: readonly Proposed[];
  /** Over those of its commands. */
  readonly digest: string;
  readonly forSeconds: number;
  readonly reason: string;
}

export interface StandingUse {
  readonly requestedBy: string;
  readonly sessionId: string;
  readonly commandId: number;
  /** Of the command, or as it stands in the plan. */
  readonly digest: string;
  readonly facts: CommandFacts;
  /** The policy version, and the rules, that decided on it. */
  readonly policyVersion: string;
  readonly rules: readonly string[];
}

export interface Approvals {
  /** Durable when it resolves. The id is the caller's, so that CommandHeld can name it first. */
  request(approvalId: string, request: ApprovalRequest, context: CommandContext): Promise<void>;
  /** Resolves when it is no longer pending; `changed` is told of what happens before. Rejects only when `signal` aborts. */
  settled(approvalId: string, signal: AbortSignal, changed?: (view: ApprovalView) => void): Promise<ApprovalView>;
  /** One approver's yes. Fails with approval.self, approval.machine, approval.not_found, approval.already_decided, approval.drift, approval.expired, approval.step, approval.hours, auth.forbidden. */
  approve(
    approvalId: string,
    by: Principal,
    comment: string,
    digest: string | undefined,
    context: CommandContext,
    /** The same command for so long, rather than once. All who agree must say so; the shortest holds. */
    window?: ApprovedWindow,
  ): Promise<ApprovalView>;
  deny(approvalId: string, by: Principal, comment: string, context: CommandContext): Promise<ApprovalView>;
  /** An approver answers with another text, that they agree to. Fails as `approve` does, and with `feature.unsupported`. */
  propose(approvalId: string, by: Principal, proposed: Proposed, comment: string, digest: string | undefined, context: CommandContext): Promise<ApprovalView>;
  /** Whoever asked takes the text with this digest; what is held never runs. */
  accept(approvalId: string, by: Principal, digest: string, context: CommandContext): Promise<ApprovalView>;
  /** Counts whoever proposed what this approval is for as having agreed to it: to exactly this text with these facts, for this requester. */
  countersign(approvalId: string, facts: CommandFacts): Promise<ApprovalView>;
  /** Takes the one execution, durably. Fails with `approval.drift` when anything bound differs, `approval.expired`, `approval.already_decided`. */
  consume(
    approvalId: string,
    bound: { readonly sessionId: string; readonly commandId: number; readonly digest: string; readonly policyVersion: string },
    context: CommandContext,
  ): Promise<ApprovalView>;
  /** Asks for commands in advance. Fails with `policy.denied`, `policy.missing`, `resource.not_found`, `input.invalid`, `session.limit`. */
  requestPlan(asked: PlanRequest, by: Principal, context: CommandContext): Promise<ApprovalView>;
  /** Open ones of this person on this resource that were given for a while: of one command, and plans. */
  standing(requestedBy: string, resource: string): readonly ApprovalView[];
  /** One more execution of it, durably. Fails with `approval.drift` when anything bound differs, `approval.expired`. */
  use(approvalId: string, use: StandingUse, context: CommandContext): Promise<ApprovalView>;
  /** Takes back what was granted. The caller sees to it that they may, and in whose place. */
  revoke(approvalId: string, by: DecidedBy, reason: string, context: CommandContext): Promise<ApprovalView>;
  /** In whose name policy lets this person decide on it, now: their own first; undefined: in nobody's. */
  inWhoseName(approval: ApprovalView, by: Principal): DecidedBy | undefined;
  /** Whether policy lets this person decide on it, now. */
  mayDecide(approval: ApprovalView, by: Principal): boolean;
  withdraw(approvalId: string, cause: "client_gone" | "cancelled" | "drift" | "control_plane_lost", context: CommandContext): Promise<void>;
  /** What memory holds: every open one and the last settled ones. */
  find(approvalId: string): ApprovalView | undefined;
  /** Like `find`, but also those that memory has let go of. */
  load(approvalId: string): Promise<ApprovalView | undefined>;
  list(): readonly ApprovalView[];
}

/** What agents of this release can do and earlier ones of the same tunnel version cannot. */
export type AgentFeature = "preview" | "preview_plan" | "preview_assigned" | "limits" | "lineage";

/** The tunnel as the gateway sees it. */
export interface AgentLinks {
  isConnected(agentId: string): boolean;
  /** Whether it is connected and said that it can do this. */
  supports(agentId: string, feature: AgentFeature): boolean;
  /** Sends Open on the agent's data stream. Throws `agent.offline`, and `agent.version` where the agent cannot do what sessions need. `opened` and refusals come to the handlers. */
  open(agentId: string, open: Open, handlers: ChannelHandlers): Channel;
  /** Ends the link, with every session on it. */
  dismiss(agentId: string, cause: DisconnectCause, code: "agent.revoked" | "session.ended", message: string): void;
}
