import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import * as agent from "../domain/agent/agent.decider.ts";
import type { AgentEvent } from "../domain/agent/agent.events.ts";
import { isNewer, upcast } from "../domain/catalogue.ts";
import { FORGOTTEN_TEXT } from "../domain/classification.ts";
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
import { type CategoryFold, states, views } from "./category-fold.ts";
import { ClosedStreams } from "./closed-streams.ts";
import { DelegationIndex } from "./delegation-index.ts";
import type { AppliedEvent } from "./execute-command.ts";
import { FoldedStreams } from "./folded-streams.ts";
import { GrantIndex } from "./grant-index.ts";
import { PolicyInForce } from "./policy-in-force.ts";
import { PolicyVersionViews } from "./policy-view.ts";
import { backOff, pause, type Scheduler } from "./scheduler.ts";
import { TokenIndex } from "./token-index.ts";

/**
 * What decisions are taken on, in memory: the fold of every stream but those of sessions.
 *
 * Phases: catching up (until `ready`), live, broken (the ledger is damaged).
 * V1. It is a fold: built from zero it equals what it was live, wherever each event came from.
 * V2. An event is applied once and in the order of its stream: told by the subscription, by an own append, or by both.
 * V3. After an own append resolves, the view shows it.
 * V4. A lost subscription is taken up again after the last position seen; nothing is skipped.
 * V5. Broken stays broken: a view that misses a fact must not decide (I3).
 * V6. A stream with an event that a later release wrote, or that cannot be folded, is closed for good: the view lets go of it, so that
 *     nothing of it is listed, found or decided on, and goes on with the others. Without the stream of policy nothing is decided.
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
  readonly closed: ClosedStreams;

  readonly #folds: ReadonlyMap<string, CategoryFold>;
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
    this.closed = new ClosedStreams(deps.log);
    this.#folds = new Map([
      // Whose its tokens are stays known when it is closed, to tell them why they open nothing.
      ["identity", { ...states(this.identities), apply: (applied) => this.#applyToIdentity(applied) }],
      ["agent", states(this.agents)],
      ["resource", states(this.resources)],
      // What is known of it is shown when it is closed; `failure` says that nothing is decided on it.
      ["policy", { ...states(this.policies), apply: (applied) => this.#applyToPolicy(applied), close: () => undefined }],
      ["approval", views(this.approvals)],
      ["grant", views(this.grants)],
      ["delegation", views(this.delegations)],
      ["node", states(this.nodes)],
      ["retention", { apply: (applied) => this.#applyRetention(applied), revisionOf: () => undefined, close: () => undefined }],
    ]);
    this.#caughtUp.promise.catch(() => {}); // told to whoever awaits `ready`
    this.#loop = this.#follow();
  }

  /** Resolves when everything that was in the ledger is in the view. Rejects when it breaks before. */
  ready(): Promise<void> {
    return this.#caughtUp.promise;
  }

  /** Why nothing at all is decided. */
  get failure(): SallyportError | undefined {
    return this.#failure ?? this.closed.whyClosed(policyStream());
  }

  /** Why nothing is decided on this stream. */
  whyUnreadable(stream: string): SallyportError | undefined {
    return this.failure ?? this.closed.whyClosed(stream);
  }

  /** Fails with that. */
  requireReadable(stream: string): void {
    const why = this.whyUnreadable(stream);
    if (why !== undefined) throw new SallyportError(why.code, why.message, why.details, why);
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
    this.identities.rename(identityStream(from), identityStream(to), (state) => identity.renamed(state, to));
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
    const known = this.closed.whyClosed(stream) === undefined ? this.#foldOf(stream)?.revisionOf(stream) : undefined;
    if (known === undefined || known + 1n >= revision) return;
    for await (const recorded of this.#deps.ledger.readStream(stream, { from: known + 1n, limit: Number(revision - known - 1n) }))
      this.#applyRecorded(recorded);
  }

  #applyRecorded(recorded: RecordedEvent): void {
    const { stream, revision, metadata } = recorded;
    if (this.closed.whyClosed(stream) !== undefined) return;
    try {
      this.#apply({ stream, revision, event: upcast(recorded), metadata });
    } catch (error) {
      const place = { stream, revision: String(revision) };
      const senseless = (): SallyportError => new SallyportError("ledger.corrupt", `${recorded.type} makes no sense where it stands.`, place, error);
      this.#close(stream, isNewer(error) ? error : senseless());
    }
  }

  /** V6. */
  #close(stream: string, why: SallyportError): void {
    this.#foldOf(stream)?.close(stream);
    this.closed.add(stream, why);
  }

  #apply(applied: AppliedEvent): void {
    if (this.closed.whyClosed(applied.stream) !== undefined || this.#foldOf(applied.stream)?.apply(applied) !== true) return;
    for (const listener of this.#listeners) {
      try {
        listener(applied);
      } catch (error) {
        this.#deps.log.error({ err: error, type: applied.event.type }, "a listener of the view failed");
      }
    }
  }

  #foldOf(stream: string): CategoryFold | undefined {
    return this.#folds.get(categoryOfStream(stream));
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
