import { counts, currentStep } from "../domain/approval/quorum.ts";
import type { Decision, Principal } from "../domain/decision.ts";
import type { CommandFacts } from "../domain/facts.ts";
import { activePrincipal } from "../domain/identity/active-principal.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { takeDecision } from "../domain/take-decision.ts";
import type { DecidedBy } from "../domain/vote.ts";
import type { Decidable } from "./decidable.ts";
import type { LiveState } from "./live-state.ts";
import type { Policies } from "./policy-ports.ts";
import type { Clock, CommandContext, Resources } from "./ports.ts";
import { decidedBy } from "./use-case.ts";

/** In whose name somebody speaks, with what policy says to that. */
export interface Voice {
  readonly by: DecidedBy;
  readonly groups: readonly string[];
  readonly decision: Decision;
}

export interface Voices {
  /** To agree: themselves where policy lets them and they count for the step that waits, else somebody whose place they may take. */
  toAgree(asked: Decidable, facts: CommandFacts | undefined, by: Principal, context: CommandContext): Voice;
  /** To refuse: the same, for whom policy lets decide, or whose group may refuse. */
  toRefuse(asked: Decidable, facts: CommandFacts | undefined, by: Principal, context: CommandContext): Voice;
  /** In their own name, whatever comes of it. */
  alone(asked: Decidable, facts: CommandFacts | undefined, by: Principal, context: CommandContext): Voice;
  /** In whose name they may decide, their own first; undefined: in nobody's. */
  inWhoseName(asked: Decidable, facts: CommandFacts | undefined, by: Principal): DecidedBy | undefined;
  /** Whether they may, in their own name or another's. */
  mayDecide(asked: Decidable, facts: CommandFacts | undefined, by: Principal): boolean;
}

/** Whoever gave a delegation, as they are; undefined when they have nothing to give. */
export function giverOf({ identities }: Pick<LiveState, "identities">, id: string): Principal | undefined {
  const now = activePrincipal(identities.get(identityStream(id))?.state);
  return now?.kind === "human" ? now : undefined;
}

/**
 * Somebody's own voice comes first, so that a delegation never takes from anybody what they have themselves. Whoever gave one is asked
 * about as they are now: who was disabled, or left a group, has nothing to give (I5). A delegation is not passed on.
 */
export function createVoices({
  live,
  policies,
  resources,
  clock,
}: {
  readonly live: LiveState;
  readonly policies: Pick<Policies, "current">;
  readonly resources: Pick<Resources, "find">;
  readonly clock: Clock;
}): Voices {
  const judge = (principal: Principal, { resource }: Decidable, facts: CommandFacts | undefined): Decision =>
    takeDecision(policies.current(), { principal, resource: resources.find(resource), action: "approve", facts, circumstances: { time: clock.now() } });

  function* voices(asked: Decidable, facts: CommandFacts | undefined, by: Principal, own: DecidedBy): Generator<Voice> {
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

  function first(all: Iterable<Voice>, ...wanted: readonly ((voice: Voice) => boolean)[]): Voice {
    const heard = [...all];
    for (const fits of wanted) {
      const found = heard.find(fits);
      if (found !== undefined) return found;
    }
    // Their own, with why not.
    return heard[0] as Voice;
  }

  const isAllowed = ({ decision }: Voice): boolean => decision.effect === "allow";
  const mayRefuse =
    ({ denyBy }: Decidable) =>
    (voice: Voice): boolean =>
      isAllowed(voice) || denyBy.some((group) => voice.groups.includes(group));

  function inWhoseName(asked: Decidable, facts: CommandFacts | undefined, by: Principal): DecidedBy | undefined {
    if (by.kind !== "human") return undefined;
    for (const voice of voices(asked, facts, by, { id: by.id, kind: by.kind })) if (mayRefuse(asked)(voice)) return voice.by;
    return undefined;
  }

  return {
    inWhoseName,
    toAgree(asked, facts, by, context) {
      const escalatedTo = asked.escalation !== undefined && (asked.escalated || asked.escalation.at <= clock.now()) ? asked.escalation.to : undefined;
      const standing = { steps: asked.steps, votes: asked.votes, escalatedTo };
      const step = currentStep(asked);
      const hasWord = ({ by: { id, onBehalfOf = id }, groups }: Voice): boolean =>
        counts(standing, (party) => party === asked.requestedBy, { by: id, onBehalfOf, step, groups });
      return first(voices(asked, facts, by, decidedBy(by, context)), (voice) => isAllowed(voice) && hasWord(voice), isAllowed);
    },
    alone: (asked, facts, by, context) => ({ by: decidedBy(by, context), groups: by.groups, decision: judge(by, asked, facts) }),
    toRefuse: (asked, facts, by, context) => first(voices(asked, facts, by, decidedBy(by, context)), mayRefuse(asked)),
    mayDecide: (asked, facts, by) => inWhoseName(asked, facts, by) !== undefined,
  };
}
