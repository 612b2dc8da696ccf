/** So many distinct people from any of the groups; no groups: anybody whom policy lets decide. */
export interface ApprovalStep {
  readonly people: number;
  readonly groups: readonly string[];
}

/** How people must agree, as a rule asks for it. */
export interface RuleTerms {
  readonly steps: readonly ApprovalStep[];
  /** Groups whose members may refuse even where policy does not let them decide. */
  readonly denyBy: readonly string[];
  /** Outside of any of these an approval does not count; see `approver-hours.ts`. */
  readonly approverHours: readonly string[];
  /** How long it waits; undefined where the rule sets no bound of its own. */
  readonly timeoutSeconds: number | undefined;
  readonly escalation: Escalation | undefined;
}

/** After so long, members of one more group count for every step that names groups. */
export interface Escalation {
  readonly to: string;
  readonly afterSeconds: number;
}

export const plainTerms: RuleTerms = { steps: [], denyBy: [], approverHours: [], timeoutSeconds: undefined, escalation: undefined };

export const peopleIn = (steps: readonly ApprovalStep[]): number => steps.reduce((sum, { people }) => sum + people, 0);

/**
 * What several permits that decide together ask for, at least as strict as each: all their steps one after the other, each list
 * once; whoever may refuse for one of them; all their hours; the shortest time; an escalation only where all agree on it. People
 * that the quorum asks for beyond the steps can be anybody whom policy lets decide.
 */
export function strictestTerms(all: readonly RuleTerms[], quorum: number): RuleTerms {
  const lists = new Map(all.filter(({ steps }) => steps.length > 0).map(({ steps }) => [JSON.stringify(steps), steps]));
  const steps = [...lists.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, list]) => list);
  const missing = quorum - peopleIn(steps);
  const timeouts = all.flatMap(({ timeoutSeconds }) => (timeoutSeconds === undefined ? [] : [timeoutSeconds]));
  const [first] = all;
  const sameEscalation = all.every(
    ({ escalation }) => escalation?.to === first?.escalation?.to && escalation?.afterSeconds === first?.escalation?.afterSeconds,
  );
  return {
    steps: missing > 0 ? [...steps, { people: missing, groups: [] }] : steps,
    denyBy: [...new Set(all.flatMap(({ denyBy }) => denyBy))].toSorted(),
    approverHours: [...new Set(all.flatMap(({ approverHours }) => approverHours))].toSorted(),
    timeoutSeconds: timeouts.length === 0 ? undefined : Math.min(...timeouts),
    escalation: sameEscalation ? first?.escalation : undefined,
  };
}

/** What a decision asks for: of one without terms so many people, whoever policy lets decide. */
export const termsAsked = ({ quorum, terms }: { readonly quorum: number; readonly terms?: RuleTerms }): RuleTerms => terms ?? strictestTerms([], quorum);

/** `1 of support, then 2 of dba or security`. */
export const describeSteps = (steps: readonly ApprovalStep[]): string =>
  steps
    .map(({ people, groups }) => (groups.length === 0 ? `${people} ${people === 1 ? "person" : "people"}` : `${people} of ${groups.join(" or ")}`))
    .join(", then ");
