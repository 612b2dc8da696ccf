import {
  type Area,
  controlPlane,
  type Decision,
  type DecisionRequest,
  noObligations,
  type OwnAction,
  type PolicyEngine,
  type Principal,
  type ResourceRef,
  weekdays,
} from "./decision.ts";
import { ADMINS, AUDITORS } from "./roles.ts";
import { NO_POLICY } from "./take-decision.ts";

/**
 * Who may look at the record, and change the control plane: a decision of the policy in force, like any other.
 *
 * A1. A set that names `replay`, or `administer`, decides on that action alone: what it does not permit is denied.
 * A2. Where it does not, a built-in rule decides: auditors and admins replay, everybody their own sessions, admins administer. It never
 *     adds to what a set says of the action.
 * A3. Where the set in force does not load, and names the action, nobody may.
 * A4. The operator's recovery, where the installation has one, may look at and change the policy, whatever it says, and nothing else.
 */
export type PolicyStanding =
  /** Nothing is published yet. */
  | { readonly kind: "none" }
  | { readonly kind: "loaded"; readonly engine: PolicyEngine }
  /** Published, and not loaded here; `namesOwn` is what its text may name. */
  | { readonly kind: "unloadable"; readonly version: string; readonly namesOwn: ReadonlySet<OwnAction> };

export interface AuthorityQuestion {
  readonly principal: Principal;
  readonly action: OwnAction;
  readonly area: Area;
  /** The control plane itself when absent. */
  readonly resource?: ResourceRef;
  readonly own?: boolean;
}

/** Rules that no file holds: a colon is in no id of a policy's rule. */
export const builtInRule = (action: OwnAction): string => `built-in:${action}`;

export function decideAuthority(standing: PolicyStanding, question: AuthorityQuestion, time?: Required<DecisionRequest>["circumstances"]["time"]): Decision {
  const { principal, action, area, resource = controlPlane, own = false } = question;
  if (standing.kind === "loaded" && standing.engine.speaksOf.has(action)) {
    return standing.engine.decide({ principal, action, area, resource, own, ...(time === undefined ? {} : { circumstances: { time } }) });
  }
  if (standing.kind === "unloadable" && standing.namesOwn.has(action))
    return settled(standing.version, "deny", [], "The policy in force does not load here, and decides on this.");
  const version = standing.kind === "none" ? NO_POLICY : standing.kind === "loaded" ? standing.engine.version : standing.version;
  const groups = action === "replay" ? [AUDITORS, ADMINS] : [ADMINS];
  const isTheirs = action === "replay" && own && area === "sessions";
  const may = isTheirs || groups.some((group) => principal.groups.includes(group));
  if (!may) return settled(version, "deny", [builtInRule(action)], `This needs membership of ${groups.join(" or ")}.`);
  const allowed = settled(version, "allow", [builtInRule(action)], "By the built-in rule.");
  return action === "administer" ? { ...allowed, notify: groups } : allowed;
}

const settled = (policyVersion: string, effect: "allow" | "deny", rules: readonly string[], reason: string): Decision => ({
  effect,
  policyVersion,
  rules,
  reason,
  obligations: noObligations,
  quorum: 0,
});

/**
 * Whether it would be allowed at some hour of some day: who counts must not depend on when it is counted. `answers` are those to others: whom
 * policy cannot tell apart gets the very same decision, and the hours of the week are asked about once for all of them.
 */
export function couldEver(standing: PolicyStanding, question: AuthorityQuestion, answers = new Map<Decision, boolean>()): boolean {
  const [first] = decisionsOfTheWeek(standing, question);
  if (first === undefined) return false;
  const answer = answers.get(first) ?? isAllowedOnce(decisionsOfTheWeek(standing, question));
  answers.set(first, answer);
  return answer;
}

function isAllowedOnce(decisions: Iterable<Decision>): boolean {
  for (const { effect } of decisions) if (effect === "allow") return true;
  return false;
}

/** Groups that the rules want told by which it would be allowed, at whatever hour; sorted, without repeats. */
export function toldWhereAllowed(standing: PolicyStanding, questions: Iterable<AuthorityQuestion>): readonly string[] {
  const told = new Set<string>();
  const asked = new Set<Decision>();
  for (const question of questions) {
    const [first] = decisionsOfTheWeek(standing, question);
    // Whom policy cannot tell apart, as above.
    if (first === undefined || asked.has(first)) continue;
    asked.add(first);
    for (const { effect, notify = [] } of decisionsOfTheWeek(standing, question)) if (effect === "allow") for (const group of notify) told.add(group);
  }
  return [...told].toSorted();
}

/** One of each hour, where it depends on the hour. */
function* decisionsOfTheWeek(standing: PolicyStanding, question: AuthorityQuestion): Generator<Decision> {
  const first = decideAuthority(standing, question, { hour: 0, weekday: "monday" });
  yield first;
  if (first.seen === undefined) return;
  for (const weekday of weekdays) for (let hour = 0; hour < 24; hour++) yield decideAuthority(standing, question, { hour, weekday });
}
