import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import * as agent from "../domain/agent/agent.decider.ts";
import type { AgentEvent } from "../domain/agent/agent.events.ts";
import { upcast } from "../domain/catalogue.ts";
import { FORGOTTEN_TEXT } from "../domain/classification.ts";
import type { DomainEvent } from "../domain/events.ts";
import * as identity from "../domain/identity/identity.decider.ts";
import { type IdentityEvent, identityStream } from "../domain/identity/identity.events.ts";
import * as node from "../domain/node/node.decider.ts";
import type { NodeEvent } from "../domain/node/node.events.ts";
import * as policy from "../domain/policy/policy.decider.ts";
import { policyStream, type PolicyEvent } from "../domain/policy/policy.events.ts";
import { categoryOfStream, idOfStream } from "../domain/record-streams.ts";
import * as resource from "../domain/resource/resource.decider.ts";
import type { ResourceEvent } from "../domain/resource/resource.events.ts";
import type { Ledger, RecordedEvent } from "../ledger/ledger.ts";
import { ApprovalIndex } from "./approval-index.ts";
import { DelegationIndex } from "./delegation-index.ts";
import type { AppliedEvent } from "./execute-command.ts";
import { FoldedStreams } from "./folded-streams.ts";
import { GrantIndex } from "./grant-index.ts";
import { PolicyInForce } from "./policy-in-force.ts";
import { PolicyVersionViews } from "./policy-view.ts";
import { backOff, pause, type Scheduler } from "./scheduler.ts";
import { TokenIndex } from "./token-index.ts";
import type { ViewIndex } from "./view-index.ts";

/**
 * What decisions are taken on, in memory: the fold of every stream but those of sessions.
 *
 * Phases: catching up (until `ready`), live, broken (it met an event that this release cannot read).
 * V1. It is a fold: built from zero it equals what it was live, wherever each event came from.
 * V2. An event is applied once and in the order of its stream: told by the subscription, by an own append, or by both.
 * V3. After an own append resolves, the view shows it.
 * V4. A lost subscription is taken up again after the last position seen; nothing is skipped.
 * V5. Broken stays broken: a view that misses a fact must not decide (I3). So does one that an event of ours could not be folded into.
 */
export class LiveState {
  readonly identities = new FoldedStreams<identity.IdentityState, IdentityEvent>(identity);
  readonly tokens = new TokenIndex();
  readonly agents = new FoldedStreams<agent.AgentState, AgentEvent>(agent);
  readonly resources = new FoldedStreams<resource.ResourceState, ResourceEvent>(resource);
  readonly policies = new FoldedStreams<policy.PolicyState, PolicyEvent>(policy);
  readonly policy = new PolicyInForce();
  readonly policyVersions = new PolicyVersionViews();
  readonly approvals: ApprovalIndex;
  readonly grants = new GrantIndex();
  readonly delegations = new DelegationIndex();
  readonly nodes = new FoldedStreams<node.NodeState, NodeEvent>(node);

  readonly #folds: ReadonlyMap<string, Fold>;
  readonly #deps: LiveStateDeps;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(applied: AppliedEvent) => void>();
  readonly #caughtUp = Promise.withResolvers<void>();
  readonly #loop: Promise<void>;
  #failure: SallyportError | undefined;
  /** Streams that have another name since the last event came: the next one may have been opened before. */
  readonly #renamed = new Map<string, string>();

  constructor(deps: LiveStateDeps) {
    this.#deps = deps;
    this.approvals = new ApprovalIndex(deps.maxSettledApprovals);
    this.#folds = new Map([
      ["identity", { ...states(this.identities), apply: (applied) => this.#applyToIdentity(applied) }],
      ["agent", states(this.agents)],
      ["resource", states(this.resources)],
      ["policy", { ...states(this.policies), apply: (applied) => this.#applyToPolicy(applied) }],
      ["approval", views(this.approvals)],
      ["grant", views(this.grants)],
      ["delegation", views(this.delegations)],
      ["node", states(this.nodes)],
      ["retention", { apply: (applied) => this.#applyRetention(applied), revisionOf: () => undefined }],
    ]);
    this.#caughtUp.promise.catch(() => {}); // told to whoever awaits `ready`
    this.#loop = this.#follow();
  }

  /** Resolves when everything that was in the ledger is in the view. Rejects when it breaks before. */
  ready(): Promise<void> {
    return this.#caughtUp.promise;
  }

  get failure(): SallyportError | undefined {
    return this.#failure;
  }

  /** Called for each event, after it was applied. The answer unsubscribes. */
  onApplied(listener: (applied: AppliedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * An own append. What others wrote into the stream before it is read first, so that nothing is skipped. Never rejects: the
   * append is durable, whatever becomes of the view, and the subscription tells of it again.
   */
  async applyOwn(events: readonly AppliedEvent[]): Promise<void> {
    const [first] = events;
    if (first === undefined) return;
    try {
      await this.#catchUpTo(first);
      for (const applied of events) this.#apply(applied);
    } catch (error) {
      this.#deps.log.warn({ err: error }, "the view could not be brought up to date with an own write");
    }
  }

  /** Somebody was forgotten: what is in memory reads from now on as what a fold of the ledger would read. */
  rename(from: string, to: string): void {
    this.#renamed.set(identityStream(from), identityStream(to));
    this.identities.rename(identityStream(from), identityStream(to), (state) => ({ ...state, identityId: to }));
    for (const tokenId of this.identities.get(identityStream(to))?.state.tokens.keys() ?? []) this.tokens.rename(tokenId, to);
    this.approvals.rename(from, to);
    this.grants.rename(from, to);
    this.delegations.rename(from, to);
    this.policy.rename(from, to);
    this.policyVersions.rename(from, to, FORGOTTEN_TEXT);
    this.policies.change((state) => policy.renamed(state, from, to));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #follow(): Promise<void> {
    const { ledger, log, scheduler } = this.#deps;
    const { signal } = this.#stop;
    let after: bigint | undefined;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const from = after === undefined ? {} : { after };
        for await (const message of ledger.subscribeToAll({
          ...from,
          filter: { by: "stream", prefixes: Array.from(this.#folds.keys(), (category) => `${category}-`) },
          signal,
        })) {
          if (message.kind === "event") {
            const { event } = message;
            this.#applyRecorded({ ...event, stream: this.#renamed.get(event.stream) ?? event.stream });
            this.#renamed.clear();
            after = message.event.position;
          } else if (message.kind === "checkpoint") {
            after = message.position;
          } else {
            failures = 0;
            this.#caughtUp.resolve();
          }
        }
      } catch (error) {
        if (error instanceof SallyportError && error.code === "ledger.corrupt") {
          this.#failure = error;
          log.fatal({ err: error }, "the view cannot read the ledger; nothing is decided any more");
          this.#caughtUp.reject(error);
          return;
        }
        log.warn({ err: error }, "the view lost its subscription");
      }
      await pause(scheduler, backOff(failures++, RESUBSCRIBE_FIRST_MS, RESUBSCRIBE_LAST_MS), signal);
    }
    this.#caughtUp.reject(new SallyportError("ledger.unavailable", "Stopped before the ledger was read."));
  }

  async #catchUpTo({ stream, revision }: AppliedEvent): Promise<void> {
    const known = this.#folds.get(categoryOfStream(stream))?.revisionOf(stream);
    if (known === undefined || known + 1n >= revision) return;
    for await (const recorded of this.#deps.ledger.readStream(stream, { from: known + 1n, limit: Number(revision - known - 1n) }))
      this.#applyRecorded(recorded);
  }

  #applyRecorded(recorded: RecordedEvent): void {
    const { stream, revision, metadata } = recorded;
    const event = upcast(recorded);
    try {
      this.#apply({ stream, revision, event, metadata });
    } catch (error) {
      // Meeting it again would be no better.
      const place = { stream, revision: String(revision) };
      throw new SallyportError("ledger.corrupt", `${event.type} makes no sense where it stands.`, place, error);
    }
  }

  #apply(applied: AppliedEvent): void {
    if (this.#folds.get(categoryOfStream(applied.stream))?.apply(applied) !== true) return;
    for (const listener of this.#listeners) {
      try {
        listener(applied);
      } catch (error) {
        this.#deps.log.error({ err: error, type: applied.event.type }, "a listener of the view failed");
      }
    }
  }

  #applyToIdentity({ stream, revision, event }: AppliedEvent): boolean {
    const before = this.identities.get(stream)?.state;
    if (!this.identities.apply(stream, revision, event as IdentityEvent)) return false;
    this.tokens.apply(before, event as IdentityEvent, this.identities.get(stream)?.state);
    return true;
  }

  #applyToPolicy({ stream, revision, event, metadata }: AppliedEvent): boolean {
    if (stream === policyStream()) {
      this.policy.apply(revision, event as PolicyEvent, metadata);
      this.policyVersions.apply(revision, event as PolicyEvent, metadata);
    }
    return this.policies.apply(stream, revision, event as PolicyEvent);
  }

  #applyRetention({ event }: AppliedEvent): boolean {
    if (event.type === "StreamsRemoved" && event.data.category === "approval")
      for (const { stream } of event.data.streams) this.approvals.drop(idOfStream(stream));
    return false;
  }
}

export interface LiveStateDeps {
  readonly ledger: Ledger;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  readonly maxSettledApprovals?: number;
}

/** A dropped connection is taken up at once; a dead ledger is not hammered. */
export const RESUBSCRIBE_FIRST_MS = 50;
export const RESUBSCRIBE_LAST_MS = 5_000;

/** How the events of one category of streams are followed; the category says which events may be in it. */
interface Fold {
  /** Whether anything is new in the view. */
  readonly apply: (applied: AppliedEvent) => boolean;
  /** Undefined where nobody asks how far the view of a stream is. */
  readonly revisionOf: (stream: string) => bigint | undefined;
}

const states = <State, Event extends DomainEvent>(folded: FoldedStreams<State, Event>): Fold => ({
  apply: ({ stream, revision, event }) => folded.apply(stream, revision, event as Event),
  revisionOf: (stream) => folded.revisionOf(stream),
});

const views = <View, Event extends DomainEvent>(index: ViewIndex<View, Event>): Fold => ({
  apply: ({ revision, event, metadata }) => index.apply(revision, event as Event, metadata.at),
  revisionOf: (stream) => index.revisionOf(idOfStream(stream)),
});
