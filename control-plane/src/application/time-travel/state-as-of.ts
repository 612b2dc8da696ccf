import * as agent from "../../domain/agent/agent.decider.ts";
import type { AgentEvent } from "../../domain/agent/agent.events.ts";
import type { ApprovalEvent } from "../../domain/approval/approval.events.ts";
import { upcast } from "../../domain/catalogue.ts";
import type { DelegationEvent } from "../../domain/delegation/delegation.events.ts";
import type { GrantEvent } from "../../domain/grant/grant.events.ts";
import * as identity from "../../domain/identity/identity.decider.ts";
import type { IdentityEvent } from "../../domain/identity/identity.events.ts";
import { policyStream, type PolicyEvent } from "../../domain/policy/policy.events.ts";
import { categoryOfStream } from "../../domain/record-streams.ts";
import * as resource from "../../domain/resource/resource.decider.ts";
import type { ResourceEvent } from "../../domain/resource/resource.events.ts";
import type { RetainedCategory } from "../../domain/retention/retention-rules.ts";
import type { SessionEvent } from "../../domain/session/session.events.ts";
import type { Ledger, RecordedEvent } from "../../ledger/ledger.ts";
import { removedUpTo } from "../retention/removed.ts";
import { ApprovalIndex } from "../approval-index.ts";
import { DelegationIndex } from "../delegation-index.ts";
import { type DelegationView, isFinal, viewAt } from "../delegation-view.ts";
import { FoldedStreams } from "../folded-streams.ts";
import { GrantIndex } from "../grant-index.ts";
import { deadlineOf } from "../grant-view.ts";
import { PolicyInForce } from "../policy-in-force.ts";
import type { ApprovalView } from "../approval-ports.ts";
import type { GrantView } from "../grant-ports.ts";
import { evolveDetail, type SessionDetail, type SessionSummary } from "../session-summary.ts";
import { type Cut, readUntil } from "./moment.ts";

/** The last event that counted. */
export interface AsOf {
  readonly position: bigint;
  readonly recordedAt: Date;
}

const FOLDED = ["agent-", "delegation-", "grant-", "identity-", "policy-", "resource-"] as const;
const WITH_APPROVALS = [...FOLDED, "approval-"] as const;

/** What was true after the events up to a cut: the folds that decisions are taken on, over a part of the log. */
export class StateAsOf {
  readonly agents = new FoldedStreams<agent.AgentState, AgentEvent>(agent);
  readonly identities = new FoldedStreams<identity.IdentityState, IdentityEvent>(identity);
  readonly resources = new FoldedStreams<resource.ResourceState, ResourceEvent>(resource);
  readonly policy = new PolicyInForce();
  /** Those that are open. */
  readonly approvals = new ApprovalIndex(0);
  /** Those that were not settled by then; the clock may have ended some of them without a record yet. */
  readonly grants = new GrantIndex(0);
  /** The same. */
  readonly delegations = new DelegationIndex(0);
  /** Those that are requested or open. */
  readonly sessions = new Map<string, SessionDetail>();
  asOf: AsOf | undefined;
  /** Categories of which something that was there at the moment may be missing, since it was removed later. */
  removed: readonly { readonly category: RetainedCategory; readonly cutOff: string; readonly runId: string }[] = [];
  /** The instant that was asked for. */
  readonly #at: Date | undefined;
  /** By the clock of whoever decided on the last event. */
  #decidedAt = new Date(0);

  private constructor(at: Date | undefined) {
    this.#at = at;
  }

  /** Fails with `ledger.corrupt` on an event that this release cannot read: a state that misses a fact is not what was true. */
  static async of(ledger: Ledger, cut: Cut, depth: "access" | "everything"): Promise<StateAsOf> {
    const state = new StateAsOf(cut.at);
    const prefixes = depth === "access" ? FOLDED : WITH_APPROVALS;
    for await (const recorded of readUntil(ledger, cut, { by: "stream", prefixes })) state.#fold(recorded);
    // By type, so that the commands in between, which are nearly everything, are not read.
    if (depth === "everything") for await (const recorded of readUntil(ledger, cut, { by: "type", prefixes: ["Session"] })) state.#foldSession(recorded);
    const moment = (cut.at ?? state.asOf?.recordedAt)?.toISOString() ?? "";
    for (const [category, removal] of depth === "everything" ? await removedUpTo(ledger) : []) {
      if (removal.cutOff > moment && (category === "session" || category === "approval")) state.removed = [...state.removed, { category, ...removal }];
    }
    return state;
  }

  /**
   * By the clock: at the instant that was asked for, or when the last event was recorded. The ledger's clock may be behind that of the node
   * which decided: what an event says began with it has begun.
   */
  get moment(): Date {
    if (this.#at !== undefined) return this.#at;
    const recordedAt = this.asOf?.recordedAt ?? new Date(0);
    return this.#decidedAt > recordedAt ? this.#decidedAt : recordedAt;
  }

  openGrants(): readonly GrantView[] {
    return this.grants.all().filter((grant) => (deadlineOf(grant) ?? new Date(0)) > this.moment);
  }

  /** With those that had not begun. */
  openDelegations(): readonly DelegationView[] {
    return this.delegations
      .all()
      .map((delegation) => viewAt(delegation, this.moment))
      .filter((delegation) => !isFinal(delegation));
  }

  openApprovals(): readonly ApprovalView[] {
    return this.approvals.all();
  }

  openSessions(): readonly SessionSummary[] {
    return [...this.sessions.values()];
  }

  #fold(recorded: RecordedEvent): void {
    const { stream, revision, metadata } = recorded;
    const event = upcast(recorded);
    this.#see(recorded);
    switch (categoryOfStream(stream)) {
      case "agent":
        this.agents.apply(stream, revision, event as AgentEvent);
        return;
      case "identity":
        this.identities.apply(stream, revision, event as IdentityEvent);
        return;
      case "resource":
        this.resources.apply(stream, revision, event as ResourceEvent);
        return;
      case "policy":
        if (stream === policyStream()) this.policy.apply(revision, event as PolicyEvent, metadata);
        return;
      case "grant":
        this.grants.apply(revision, event as GrantEvent, metadata.at);
        return;
      case "delegation":
        this.delegations.apply(revision, event as DelegationEvent, metadata.at);
        return;
      case "approval":
        this.approvals.apply(revision, event as ApprovalEvent, metadata.at);
    }
  }

  #foldSession(recorded: RecordedEvent): void {
    const { stream, metadata } = recorded;
    this.#see(recorded);
    const detail = evolveDetail(this.sessions.get(stream), upcast(recorded) as SessionEvent, metadata.at);
    if (detail === undefined || detail.state === "ended" || detail.state === "refused") this.sessions.delete(stream);
    else this.sessions.set(stream, detail);
  }

  #see({ position, recordedAt, metadata }: RecordedEvent): void {
    if (this.asOf !== undefined && position <= this.asOf.position) return;
    this.asOf = { position, recordedAt };
    this.#decidedAt = new Date(metadata.at);
  }
}
