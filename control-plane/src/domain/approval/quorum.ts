import type { ApprovalStep } from "./terms.ts";

/** Who agreed, for which step. */
export interface Vote {
  readonly by: string;
  readonly step: number;
  /** For a while, rather than once. */
  readonly forSeconds?: number;
  readonly scope?: "session";
  /** Whose place they took. */
  readonly onBehalfOf?: string;
}

/** Of what events say of a vote, what counts. */
export const voteIn = ({ by, step, forSeconds, scope, onBehalfOf }: Vote): Vote => ({
  by,
  step,
  ...(forSeconds === undefined ? {} : { forSeconds }),
  ...(scope === undefined ? {} : { scope }),
  ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
});

export const renamedVote = ({ onBehalfOf, ...vote }: Vote, renamed: (name: string) => string): Vote =>
  voteIn({ ...vote, by: renamed(vote.by), ...(onBehalfOf === undefined ? {} : { onBehalfOf: renamed(onBehalfOf) }) });

/** Everybody who has spoken, themselves or by somebody in their place: nobody does twice. */
export const heard = (votes: readonly Vote[]): ReadonlySet<string> =>
  new Set(votes.flatMap(({ by, onBehalfOf }) => (onBehalfOf === undefined ? [by] : [by, onBehalfOf])));

export interface Standing {
  readonly steps: readonly ApprovalStep[];
  readonly votes: readonly Vote[];
  /** The group that it was escalated to. */
  readonly escalatedTo: string | undefined;
}

/** The first step that still needs somebody; as many as there are when none does. */
export function currentStep({ steps, votes }: Pick<Standing, "steps" | "votes">): number {
  const open = steps.findIndex(({ people }, step) => votes.filter((vote) => vote.step === step).length < people);
  return open === -1 ? steps.length : open;
}

/** The shortest while that anybody agreed to; undefined when one of them agreed to one execution only. */
export function windowSeconds(votes: readonly Vote[]): number | undefined {
  const all = votes.flatMap(({ forSeconds }) => (forSeconds === undefined ? [] : [forSeconds]));
  return all.length === 0 || all.length < votes.length ? undefined : Math.min(...all);
}

/** Only what all of them agreed to. */
export const sharedScope = (votes: readonly Vote[]): "session" | undefined =>
  votes.length > 0 && votes.every(({ scope }) => scope === "session") ? "session" : undefined;

/** A step without groups is for anybody whom policy lets decide. */
export function groupsOf({ steps, escalatedTo }: Omit<Standing, "votes">, step: number): readonly string[] {
  const groups = steps[step]?.groups ?? [];
  return groups.length === 0 || escalatedTo === undefined ? groups : [...groups, escalatedTo];
}

/** Of the groups that somebody is in, those that count for this step; undefined when they do not count for it. */
export function countsAs(standing: Omit<Standing, "votes">, step: number, groups: readonly string[]): readonly string[] | undefined {
  if (step >= standing.steps.length) return undefined;
  const named = groupsOf(standing, step);
  if (named.length === 0) return [];
  const shared = named.filter((group) => groups.includes(group));
  return shared.length === 0 ? undefined : shared;
}

/** Whether somebody's word counts: for the step that waits, from its groups, neither a party to it nor heard before, nor is whoever's place they take (I5). */
export function counts(
  standing: Standing,
  isParty: (id: string) => boolean,
  { by, onBehalfOf = by, step, groups }: Vote & { readonly groups: readonly string[] },
): boolean {
  const before = heard(standing.votes);
  if ([by, onBehalfOf].some((id) => isParty(id) || before.has(id))) return false;
  return step === currentStep(standing) && countsAs(standing, step, groups) !== undefined;
}
