import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import * as approval from "../domain/approval/approval.decider.ts";
import { type ApprovalEvent, approvalStream } from "../domain/approval/approval.events.ts";
import { upcast } from "../domain/catalogue.ts";
import { type Decision, recordDecision } from "../domain/decision.ts";
import { type CommandFacts, sameFacts } from "../domain/facts.ts";
import { activePrincipal } from "../domain/identity/active-principal.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { categoryOfStream, idOfStream } from "../domain/record-streams.ts";
import { takeDecision } from "../domain/take-decision.ts";
import { planRequest, termsOf } from "./approval-request.ts";
import { evolveView, isFinal } from "./approval-view.ts";
import { load as loadState } from "./execute-command.ts";
import { grantedBy } from "./grant-view.ts";
import type { Approvals, ApprovalView } from "./approval-ports.ts";
import type { CommandContext, Resources } from "./ports.ts";
import type { Policies } from "./policy-ports.ts";
import { circumstancesIn, readRequestersSession } from "./requesters-session.ts";
import { systemContext, type UseCaseDeps } from "./use-case.ts";
import type { Voters } from "./voters.ts";

export interface ApprovalService extends Approvals {
  /** Records that the time is up, if it is and nothing else came first. */
  expire(approvalId: string): Promise<void>;
  /** Records that one more group may decide, if its time has come. */
  escalate(approvalId: string): Promise<void>;
}

/** Of one identity: a script in a loop must not use up what is there for all. */
export const MAX_PENDING_PLANS = 20;
/** Each is a client that waits. Above this many at once something is wrong, and nobody could look at them all. */
export const MAX_OPEN_APPROVALS = 10_000;

export interface ApprovalDeps extends UseCaseDeps {
  readonly policies: Pick<Policies, "current">;
  readonly resources: Pick<Resources, "find">;
  readonly voters: Voters;
}

export function createApprovals({ ledger, live, execute, policies, resources, voters, clock, log, nodeId }: ApprovalDeps): ApprovalService {
  const waiting = new Map<string, Set<Waiting>>();

  live.onApplied(({ event }) => {
    if (event.type === "PolicyPublished") return void withdrawDrifted(event.data.version);
    if (!("approvalId" in event.data)) return;
    const view = live.approvals.get(event.data.approvalId);
    if (view === undefined) return;
    for (const { settle, changed } of waiting.get(view.id) ?? []) (view.state === "pending" ? changed : settle)(view);
  });

  live.closed.onClosed(({ stream, why }) => {
    if (categoryOfStream(stream) === "approval") for (const { fail } of waiting.get(idOfStream(stream)) ?? []) fail(why);
  });

  async function run(approvalId: string, command: approval.ApprovalCommand, context: CommandContext): Promise<ApprovalView> {
    await execute({ decider: approval, stream: approvalStream(approvalId), command, context });
    return requireView(approvalId);
  }

  /** What was asked for under another policy can never be used: whoever waits for it is told at once, and what was given for a while ends. */
  async function withdrawDrifted(version: string): Promise<void> {
    for (const { id, state, policyVersion, until } of live.approvals.all()) {
      if ((state !== "pending" && until === undefined) || isFinal(state) || policyVersion === version) continue;
      await run(id, { type: "Withdraw", cause: "drift" }, systemContext(nodeId)).catch((error: unknown) => {
        log.warn({ err: error, approvalId: id }, "an approval of an earlier policy could not be withdrawn");
      });
    }
  }

  async function load(approvalId: string): Promise<ApprovalView | undefined> {
    const known = live.approvals.get(approvalId);
    if (known !== undefined) return known;
    let view: ApprovalView | undefined;
    for await (const recorded of ledger.readStream(approvalStream(approvalId)))
      view = evolveView(view, upcast(recorded) as ApprovalEvent, recorded.metadata.at);
    return view;
  }

  async function requireView(approvalId: string): Promise<ApprovalView> {
    const view = await load(approvalId);
    if (view === undefined) throw new SallyportError("approval.not_found", "No such approval.");
    return view;
  }

  /** What was asked for never changes once it is asked for; what policy says to it may. */
  async function requireApprovable(approvalId: string): Promise<ApprovalView> {
    if (policies.current() === undefined) throw new SallyportError("policy.missing", "No policy is in force, so nobody may decide.");
    return requireView(approvalId);
  }

  /** Whoever takes a proposal loses what they had held: one that could not run is refused before it is put to them. */
  async function requireRunnable({ requestedBy, resource, sessionId }: ApprovalView, facts: CommandFacts): Promise<void> {
    if (facts.hazards.includes("unparsed")) throw new SallyportError("input.invalid", `This cannot be proposed: it ${facts.unclassifiedReason}.`);
    const session = await readRequestersSession(ledger, sessionId);
    if (session === undefined) throw new SallyportError("session.not_found", "The session that asked is not in the record.");
    const { effect, lacks, reason, rules } = takeDecision(policies.current(), {
      principal: activePrincipal(live.identities.get(identityStream(requestedBy))?.state),
      resource: resources.find(resource),
      action: "run",
      facts,
      granted: session.granted,
      circumstances: circumstancesIn(session, clock.now()),
    });
    // What they have not said yet of their purpose they are asked for when they take it.
    if (effect === "deny" && lacks === undefined)
      throw new SallyportError("policy.denied", `Policy would refuse this to ${requestedBy}. ${reason}`, { rule: rules.join(", ") });
  }

  return {
    load,

    async request(approvalId, { sessionId, command, resource, requestedBy, decision, expiresAt, counterTo, settings }, context) {
      if (live.approvals.openCount >= MAX_OPEN_APPROVALS) throw new SallyportError("session.limit", "Too many approvals are waiting.");
      const { onBehalfOf } = context.actor;
      const data = {
        approvalId,
        sessionId,
        command,
        resource: resource.name,
        requestedBy: requestedBy.id,
        ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
        decision: recordDecision(decision),
        quorum: decision.quorum,
        ...termsOf(decision, clock.now()),
        expiresAt: expiresAt.toISOString(),
        ...(counterTo === undefined ? {} : { counterTo }),
        ...(settings === undefined ? {} : { settings }),
      };
      // The caller made the id, so nothing can be there; and a retry with the same ids is recognised by the ledger.
      const believed = { state: approval.initialState, revision: "none" } as const;
      await execute({ decider: approval, stream: approvalStream(approvalId), command: { type: "Request", data }, context, commandId: approvalId, believed });
    },

    async settled(approvalId, signal, changed = () => undefined) {
      signal.throwIfAborted();
      const closed = live.closed.whyClosed(approvalStream(approvalId));
      if (closed !== undefined) throw closed;
      const known = live.approvals.get(approvalId);
      if (known !== undefined && known.state !== "pending") return known;
      return new Promise<ApprovalView>((resolve, reject) => {
        const waiters = waiting.get(approvalId) ?? new Set();
        waiting.set(approvalId, waiters);
        const forget = (): void => {
          signal.removeEventListener("abort", abort);
          waiters.delete(waiter);
          if (waiters.size === 0 && waiting.get(approvalId) === waiters) waiting.delete(approvalId);
        };
        const settle = (view: ApprovalView): void => {
          forget();
          resolve(view);
        };
        const fail = (why: Error): void => {
          forget();
          reject(why);
        };
        const abort = (): void => fail(signal.reason instanceof Error ? signal.reason : new Error("Aborted."));
        const waiter = { settle, changed, fail };
        waiters.add(waiter);
        signal.addEventListener("abort", abort, { once: true });
        // It may have settled so long ago that memory has let go of it.
        if (known === undefined) {
          const settledBefore = (view: ApprovalView | undefined): void => {
            if (view !== undefined && view.state !== "pending") settle(view);
          };
          load(approvalId).then(settledBefore, () => {}); // unreadable now: an event of it may still come
        }
      });
    },

    async approve(approvalId, by, comment, digest, context, window) {
      const asked = await requireApprovable(approvalId);
      const voter = voters.toApprove(asked, asked.command.facts, by, context);
      return run(approvalId, { type: "Approve", ...voter, comment, digest, forSeconds: window?.seconds, scope: window?.scope }, context);
    },

    async deny(approvalId, by, comment, context) {
      const asked = await requireApprovable(approvalId);
      return run(approvalId, { type: "Deny", ...voters.toDeny(asked, asked.command.facts, by, context), comment }, context);
    },

    async propose(approvalId, by, proposed, comment, digest, context) {
      const asked = await requireApprovable(approvalId);
      const propose = (): approval.ApprovalCommand => {
        const { decision: onProposed } = voters.alone(asked, proposed.facts, by, context);
        return { type: "Propose", ...voters.alone(asked, asked.command.facts, by, context), comment, digest, proposed, onProposed };
      };
      // Who may not is told so, and nothing of what policy says to whoever asked.
      const { state } = await loadState(ledger, approval, approvalStream(approvalId));
      approval.decide(propose(), state, clock.now().toISOString());
      await requireRunnable(asked, proposed.facts);
      return run(approvalId, propose(), context);
    },

    accept: (approvalId, by, digest, context) => run(approvalId, { type: "Accept", by: by.id, digest }, context),

    async countersign(approvalId, facts) {
      const { counterTo } = await requireView(approvalId);
      const { counter, state } = await requireView(counterTo ?? "");
      if (counter === undefined || state !== "replaced") throw new SallyportError("approval.drift", "Nobody proposed this.");
      // The text alone does not say what it touches.
      if (!sameFacts(counter.facts, facts)) throw new SallyportError("approval.drift", "The proposed text does something else by now.");
      const by = activePrincipal(live.identities.get(identityStream(counter.by))?.state);
      if (by === undefined) throw new SallyportError("auth.forbidden", "Whoever proposed this was disabled.");
      const context = systemContext(nodeId);
      const asked = await requireApprovable(approvalId);
      const voter = voters.alone(asked, asked.command.facts, by, context);
      // To what they proposed and nothing else: the decider refuses any other digest.
      return run(approvalId, { type: "Approve", ...voter, comment: counter.comment, digest: counter.digest }, context);
    },

    consume: (approvalId, bound, context) => run(approvalId, { type: "Consume", ...bound }, context),

    async requestPlan(asked, by, context) {
      const found = resources.find(asked.resource);
      if (found === undefined) throw new SallyportError("resource.not_found", `There is no resource "${asked.resource}".`, { resource: asked.resource });
      if (live.approvals.openCount >= MAX_OPEN_APPROVALS) throw new SallyportError("session.limit", "Too many approvals are waiting.");
      const own = live.approvals.all().filter(({ plan, state, requestedBy }) => plan !== undefined && state === "pending" && requestedBy === by.id);
      if (own.length >= MAX_PENDING_PLANS) throw new SallyportError("session.limit", `${MAX_PENDING_PLANS} plans of yours are waiting; withdraw one first.`);
      const now = clock.now();
      const granted = grantedBy(live.grants.openFor(by.id, found.name, now));
      const circumstances = { time: now, purpose: { reason: asked.reason, ticket: "" } };
      const decide = (facts: CommandFacts): Decision =>
        takeDecision(policies.current(), { principal: by, resource: found, action: "run", facts, granted, circumstances });
      const approvalId = randomUUID();
      const { onBehalfOf } = context.actor;
      const data = planRequest(asked, decide, now);
      const requester = { requestedBy: by.id, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) };
      return run(approvalId, { type: "Request", data: { approvalId, sessionId: "", resource: found.name, ...requester, ...data } }, context);
    },

    standing: (requestedBy, resource) => live.approvals.standing(requestedBy, resource),

    use: (approvalId, use, context) => run(approvalId, { type: "Use", ...use }, context),

    revoke: (approvalId, by, reason, context) => run(approvalId, { type: "Revoke", by, reason }, context),

    inWhoseName: (asked, by) => voters.inWhoseName(asked, asked.command.facts, by),

    mayDecide: (asked, by) => voters.inWhoseName(asked, asked.command.facts, by) !== undefined,

    async withdraw(approvalId, cause, context) {
      await run(approvalId, { type: "Withdraw", cause }, context);
    },

    async expire(approvalId) {
      await run(approvalId, { type: "Expire" }, systemContext(nodeId));
    },

    async escalate(approvalId) {
      await run(approvalId, { type: "Escalate" }, systemContext(nodeId));
    },

    find: (approvalId) => live.approvals.get(approvalId),

    list: () => live.approvals.all(),
  };
}

interface Waiting {
  readonly settle: (view: ApprovalView) => void;
  readonly changed: (view: ApprovalView) => void;
  readonly fail: (why: Error) => void;
}
