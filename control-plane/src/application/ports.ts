import type { Channel, ChannelHandlers } from "@sallyport/proto/tunnel/channel";
import type { Open } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Principal, ResourceRef } from "../domain/decision.ts";
import type { ForwardingEvent } from "../domain/forwarding/forwarding.events.ts";
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
  /** Those that let somebody in now, the next to expire first. Fails with `identity.not_found`. */
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
