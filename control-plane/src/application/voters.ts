import type { Voter } from "../domain/approval/agreement.ts";
import { counts, currentStep } from "../domain/approval/quorum.ts";
import type { Decision, Principal } from "../domain/decision.ts";
import type { CommandFacts } from "../domain/facts.ts";
import { activePrincipal } from "../domain/identity/active-principal.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { takeDecision } from "../domain/take-decision.ts";
import type { DecidedBy } from "../domain/vote.ts";
import type { Approvable } from "./approvable.ts";
import type { LiveState } from "./live-state.ts";
import type { Policies } from "./policy-ports.ts";
import type { Clock, CommandContext, Resources } from "./ports.ts";
import { decidedBy } from "./use-case.ts";

/** As whom somebody votes: as themselves, or in the name of somebody who gave them a delegation. */
export interface Voters {
  /** To approve: themselves where policy lets them and they count for the step that waits, else somebody whose place they may take. */
  toApprove(asked: Approvable, facts: CommandFacts | undefined, by: Principal, context: CommandContext): Voter;
  /** To deny: the same, for whom policy lets decide, or whose group may refuse. */
  toDeny(asked: Approvable, facts: CommandFacts | undefined, by: Principal, context: CommandContext): Voter;
  /** In their own name, whatever comes of it. */
  alone(asked: Approvable, facts: CommandFacts | undefined, by: Principal, context: CommandContext): Voter;
  /** In whose name they may decide, their own first; undefined: in nobody's. */
  inWhoseName(asked: Approvable, facts: CommandFacts | undefined, by: Principal): DecidedBy | undefined;
}

/** Whoever gave a delegation, as they are; undefined when they have nothing to give. */
export function giverOf({ identities }: Pick<LiveState, "identities">, id: string): Principal | undefined {
  const now = activePrincipal(identities.get(identityStream(id))?.state);
  return now?.kind === "human" ? now : undefined;
}

/**
 * Somebody's own vote comes first, so that a delegation never takes from anybody what they have themselves. Whoever gave one is asked
 * about as they are now: who was disabled, or left a group, has nothing to give (I5). A delegation is not passed on.
 */
export function createVoters({
  live,
  policies,
  resources,
  clock,
}: {
  readonly live: LiveState;
  readonly policies: Pick<Policies, "current">;
  readonly resources: Pick<Resources, "find">;
  readonly clock: Clock;
}): Voters {
  const judge = (principal: Principal, { resource }: Approvable, facts: CommandFacts | undefined): Decision =>
    takeDecision(policies.current(), { principal, resource: resources.find(resource), action: "approve", facts, circumstances: { time: clock.now() } });

  function* voters(asked: Approvable, facts: CommandFacts | undefined, by: Principal, own: DecidedBy): Generator<Voter> {
    yield { by: own, groups: by.groups, decision: judge(by, asked, facts) };
    if (by.kind !== "human") return;
    const open = live.delegations.openTo(by.id, clock.now());
    // Whoever asked lends nobody a word on that: last, to be told so where there is nobody else.
    for (const { from } of open.toSorted((a, b) => Number(a.from === asked.requestedBy) - Number(b.from === asked.requestedBy))) {
      const giver = giverOf(live, from);
      if (giver === undefined) continue;
      yield { by: { id: by.id, kind: by.kind, onBehalfOf: from }, groups: giver.groups, decision: judge(giver, asked, facts) };
    }
  }

  function first(all: Iterable<Voter>, ...wanted: readonly ((voter: Voter) => boolean)[]): Voter {
    const heard = [...all];
    for (const fits of wanted) {
      const found = heard.find(fits);
      if (found !== undefined) return found;
    }
    // Their own, with why not.
    return heard[0] as Voter;
  }

  const isAllowed = ({ decision }: Voter): boolean => decision.effect === "allow";
  const mayDeny =
    ({ denyBy }: Approvable) =>
    (voter: Voter): boolean =>
      isAllowed(voter) || denyBy.some((group) => voter.groups.includes(group));

  function inWhoseName(asked: Approvable, facts: CommandFacts | undefined, by: Principal): DecidedBy | undefined {
    if (by.kind !== "human") return undefined;
    for (const voter of voters(asked, facts, by, { id: by.id, kind: by.kind })) if (mayDeny(asked)(voter)) return voter.by;
    return undefined;
  }

  return {
    inWhoseName,
    toApprove(asked, facts, by, context) {
      const escalatedTo = asked.escalation !== undefined && (asked.escalated || asked.escalation.at <= clock.now()) ? asked.escalation.to : undefined;
      const standing = { steps: asked.steps, votes: asked.votes, escalatedTo };
      const step = currentStep(asked);
      const hasWord = ({ by: { id, onBehalfOf = id }, groups }: Voter): boolean =>
        counts(standing, (party) => party === asked.requestedBy, { by: id, onBehalfOf, step, groups });
      return first(voters(asked, facts, by, decidedBy(by, context)), (voter) => isAllowed(voter) && hasWord(voter), isAllowed);
    },
    alone: (asked, facts, by, context) => ({ by: decidedBy(by, context), groups: by.groups, decision: judge(by, asked, facts) }),
    toDeny: (asked, facts, by, context) => first(voters(asked, facts, by, decidedBy(by, context)), mayDeny(asked)),
  };
}
