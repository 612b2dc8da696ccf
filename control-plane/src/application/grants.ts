import { randomUUID } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import { upcast } from "../domain/catalogue.ts";
import type { Decision, PolicyAction, PolicyEngine, Principal, Purpose } from "../domain/decision.ts";
import * as grant from "../domain/grant/grant.decider.ts";
import { type GrantEvent, grantStream } from "../domain/grant/grant.events.ts";
import { activePrincipal } from "../domain/identity/active-principal.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { categoryOfStream, idOfStream } from "../domain/record-streams.ts";
import { takeDecision } from "../domain/take-decision.ts";
import { termsOf } from "./approval-request.ts";
import { evolveGrant, isOpenAt, isOverdue } from "./grant-view.ts";
import type { CommandContext, Resources } from "./ports.ts";
import type { AccessRequest, Grants, GrantView } from "./grant-ports.ts";
import type { Policies } from "./policy-ports.ts";
import type { Scheduler } from "./scheduler.ts";
import { decidedBy, systemContext, type UseCaseDeps } from "./use-case.ts";
import type { Voters } from "./voters.ts";

export interface GrantService extends Grants {
  /** Records that its time is up, if it is and nothing else came first. */
  expire(grantId: string): Promise<void>;
  /** Records that one more group may decide, if its time has come. */
  escalate(grantId: string): Promise<void>;
}

/** Whoever decides may be asleep when it is asked for; after a day nobody remembers why. */
export const REQUEST_TTL_MS = 86_400_000;
/** Pending and open ones, of everybody. Above this something is wrong, and nobody could look at them all. */
export const MAX_OPEN_GRANTS = 10_000;
/** Pending ones of one identity: a script in a loop must not use up what is there for all. */
export const MAX_PENDING_REQUESTS = 20;

/** Of one person, while nobody has reviewed them: so many emergencies at once are none. */
export const MAX_UNREVIEWED_BREAK_GLASS = 20;

export interface GrantDeps extends UseCaseDeps {
  readonly policies: Pick<Policies, "current">;
  readonly resources: Pick<Resources, "find">;
  readonly scheduler: Scheduler;
  readonly voters: Voters;
  /** Whether somebody may break the glass again while a review of theirs is overdue. */
  readonly breakGlassWhileOverdue?: boolean;
}

export function createGrants({
  ledger,
  live,
  execute,
  policies,
  resources,
  clock,
  scheduler,
  voters,
  nodeId,
  breakGlassWhileOverdue = false,
}: GrantDeps): GrantService {
  const watchers = new Map<string, Set<(why: SallyportError) => void>>();
  /** Sessions that open at once on one grant write one after the other, so that they never exhaust each other's attempts. */
  const turns = new Map<string, Promise<unknown>>();

  live.onApplied(({ event }) => {
    if (event.type === "GrantRevoked") tellEnd(event.data.grantId, grant.grantRevoked);
    if (event.type === "GrantExpired") tellEnd(event.data.grantId, grant.grantExpired);
  });

  // It may have been revoked.
  live.closed.onClosed(({ stream, why }) => {
    if (categoryOfStream(stream) === "grant") for (const ended of watchers.get(idOfStream(stream)) ?? []) ended(why);
  });

  function tellEnd(grantId: string, why: (resource: string) => SallyportError): void {
    const resource = live.grants.get(grantId)?.resource ?? "";
    for (const ended of watchers.get(grantId) ?? []) ended(why(resource));
  }

  async function run(grantId: string, command: grant.GrantCommand, context: CommandContext): Promise<GrantView> {
    await execute({ decider: grant, stream: grantStream(grantId), command, context });
    return requireView(grantId);
  }

  async function load(grantId: string): Promise<GrantView | undefined> {
    const known = live.grants.get(grantId);
    if (known !== undefined) return known;
    let view: GrantView | undefined;
    for await (const recorded of ledger.readStream(grantStream(grantId))) view = evolveGrant(view, upcast(recorded) as GrantEvent, recorded.metadata.at);
    return view;
  }

  async function requireView(grantId: string): Promise<GrantView> {
    const view = await load(grantId);
    if (view === undefined) throw new SallyportError("approval.not_found", "There is no such request for access.");
    return view;
  }

  function requirePolicy(): PolicyEngine {
    const engine = policies.current();
    if (engine === undefined) throw new SallyportError("policy.missing", "No policy is in force, so nobody may ask for anything, or decide.");
    return engine;
  }

  const ask = (principal: Principal, action: PolicyAction, resource: string, purpose?: Purpose): Decision => {
    const circumstances = { time: clock.now(), ...(purpose === undefined ? {} : { purpose }) };
    return takeDecision(policies.current(), { principal, action, resource: resources.find(resource), circumstances });
  };

  function requireServed(resource: string): void {
    const found = resources.find(resource);
    if (found === undefined) throw new SallyportError("resource.not_found", `There is no resource "${resource}".`, { resource });
    if (live.grants.openCount >= MAX_OPEN_GRANTS) throw new SallyportError("session.limit", "Too many requests for access are waiting, or open.");
  }

  function newRequest(
    { resource, durationSeconds, reason, ticket }: AccessRequest,
    decision: Decision,
    by: Principal,
    { actor: { onBehalfOf } }: CommandContext,
  ) {
    const now = clock.now();
    const waits = Math.min(REQUEST_TTL_MS, (decision.terms?.timeoutSeconds ?? Infinity) * 1_000);
    const expiresAt = new Date(now.getTime() + waits).toISOString();
    const who = { requestedBy: by.id, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) };
    return { grantId: randomUUID(), ...who, resource, durationSeconds, reason, ticket, ...termsOf(decision, now), expiresAt };
  }

  /** As they are now: whoever was disabled, or left a group, may not ask any more. */
  function askedNow({ requestedBy, resource, reason, ticket }: GrantView): Decision {
    const principal = activePrincipal(live.identities.get(identityStream(requestedBy))?.state);
    const circumstances = { time: clock.now(), purpose: { reason, ticket } };
    return takeDecision(policies.current(), { principal, action: "request", resource: resources.find(resource), circumstances });
  }

  function requireOpen(grantId: string): void {
    live.requireReadable(grantStream(grantId));
    const view = live.grants.get(grantId);
    if (view !== undefined && isOpenAt(view, clock.now())) return;
    throw view?.state === "revoked" ? grant.grantRevoked(view.resource) : grant.grantExpired(view?.resource ?? "");
  }

  return {
    load,
    requireOpen,

    async request(asked, by, context) {
      requirePolicy();
      requireServed(asked.resource);
      if (live.grants.all().filter(({ state, requestedBy }) => state === "pending" && requestedBy === by.id).length >= MAX_PENDING_REQUESTS)
        throw new SallyportError("session.limit", `${MAX_PENDING_REQUESTS} requests of yours are waiting; withdraw one first.`);
      const decision = ask(by, "request", asked.resource, asked);
      // Policy opens on request what it opens to some only; to others it may be open as it is.
      if (decision.effect === "deny" && decision.lacks === undefined && ask(by, "open", asked.resource, asked).effect === "allow") {
        throw new SallyportError("policy.denied", `"${asked.resource}" is open to you as it is: connect to it.`, { resource: asked.resource });
      }
      const data = newRequest(asked, decision, by, context);
      return run(data.grantId, { type: "Request", data, decision }, context);
    },

    async breakGlass(asked, by, context) {
      requirePolicy();
      requireServed(asked.resource);
      requirePerson(by);
      const overdue = live.grants.all().find((each) => each.requestedBy === by.id && isOverdue(each, clock.now()));
      if (overdue !== undefined && !breakGlassWhileOverdue)
        throw new SallyportError("auth.forbidden", `Your break-glass ${overdue.id} is overdue for review: somebody else must review it first.`, {
          grant: overdue.id,
        });
      const unreviewed = live.grants.all().filter(({ emergency, verdict, requestedBy }) => emergency && verdict === "" && requestedBy === by.id);
      if (unreviewed.length >= MAX_UNREVIEWED_BREAK_GLASS)
        throw new SallyportError("session.limit", `${MAX_UNREVIEWED_BREAK_GLASS} break-glass of yours wait for a review; somebody else must review one first.`);
      const decision = ask(by, "break_glass", asked.resource, asked);
      const data = { ...newRequest(asked, decision, by, context), emergency: true } as const;
      return run(data.grantId, { type: "Request", data, decision }, context);
    },

    async review(grantId, by, verdict, comment, context) {
      requirePolicy();
      const decision = ask(by, "approve", (await requireView(grantId)).resource);
      return run(grantId, { type: "Review", by: decidedBy(by, context), verdict, comment, decision }, context);
    },

    async approve(grantId, by, comment, context) {
      requirePolicy();
      const asked = await requireView(grantId);
      return run(grantId, { type: "Approve", ...voters.toApprove(asked, undefined, by, context), comment, askedNow: askedNow(asked) }, context);
    },

    async deny(grantId, by, comment, context) {
      requirePolicy();
      const asked = await requireView(grantId);
      return run(grantId, { type: "Deny", ...voters.toDeny(asked, undefined, by, context), comment }, context);
    },

    withdraw: (grantId, by, context) => run(grantId, { type: "Withdraw", by: by.id }, context),

    revoke: (grantId, by, reason, context) => run(grantId, { type: "Revoke", by, reason }, context),

    async escalate(grantId) {
      await run(grantId, { type: "Escalate" }, systemContext(nodeId));
    },

    async expire(grantId) {
      await run(grantId, { type: "Expire" }, systemContext(nodeId));
    },

    inWhoseName: (asked, by) => voters.inWhoseName(asked, undefined, by),

    mayDecide: (asked, by) => voters.inWhoseName(asked, undefined, by) !== undefined,

    requestable: ({ name }, by) => ask(by, "request", name),

    find: (grantId) => live.grants.get(grantId),

    list: () => live.grants.all(),

    current: (identityId, resource, kind) => live.grants.openFor(identityId, resource, clock.now(), kind),

    async use(grantId, sessionId, by, resource, context) {
      const before = turns.get(grantId) ?? Promise.resolve();
      const turn = before.then(() => run(grantId, { type: "Use", sessionId, by: by.id, resource }, context));
      const settled = turn.then(
        () => undefined,
        () => undefined,
      );
      turns.set(grantId, settled);
      try {
        await turn;
      } finally {
        if (turns.get(grantId) === settled) turns.delete(grantId);
      }
    },

    onEnd(grantId, ended) {
      const waiting = watchers.get(grantId) ?? new Set();
      watchers.set(grantId, waiting);
      let cancel = (): void => undefined;
      const forget = (): void => {
        cancel();
        waiting.delete(told);
        if (waiting.size === 0 && watchers.get(grantId) === waiting) watchers.delete(grantId);
      };
      const told = (why: SallyportError): void => {
        forget();
        ended(why);
      };
      /** Early timers are set again; one that is late finds that the event came first. */
      const wait = (): void => {
        const view = live.grants.get(grantId);
        const left = view?.state === "open" && view.endsAt !== undefined ? view.endsAt.getTime() - clock.now().getTime() : 0;
        if (left > 0) cancel = scheduler.after(left, wait);
        else told(view?.state === "revoked" ? grant.grantRevoked(view.resource) : grant.grantExpired(view?.resource ?? ""));
      };
      waiting.add(told);
      wait();
      return forget;
    },
  };
}

/** Their word stands in the place of somebody else's approval, and they answer for it in the review (I5). */
function requirePerson({ kind }: Principal): void {
  if (kind === "machine") throw new SallyportError("approval.machine", "Break-glass stands on a person's word: a machine identity cannot give it.");
}
