import type { EntityJson, EntityUidJson, PrincipalConstraint, ResourceConstraint } from "@cedar-policy/cedar-wasm/nodejs";
import type { PolicyAction } from "../domain/decision.ts";
import { type CedarModule, requireSuccess } from "./cedar-instance.ts";
import type { Rule } from "./rule.ts";
import { policyActions } from "./schema.ts";

/** Cedar parses a rule in a tenth of a millisecond, once for each such set: with more rules the first decision would be noticed. */
export const MAX_RULES_IN_SMALL_SET = 16;
/** In all small sets of one policy version together, some KB each in Cedar's memory. With more groups than that, the rest share the whole set. */
export const MAX_RULES_IN_SMALL_SETS = 2_000;

interface ScopedRule {
  readonly id: string;
  readonly text: string;
  readonly principal: PrincipalConstraint;
  readonly resource: ResourceConstraint;
}

/**
 * Which slice of the rules Cedar is asked with: it copies the whole set for each question, some microseconds a rule, and most rules of
 * a large set are about other people.
 *
 * Owns the names of the sets that are parsed in one Cedar instance.
 *
 * L1. A rule is left out only where its scope names somebody or something else: it can then neither decide nor err.
 * L2. Where most rules are in reach, or more than `MAX_RULES_IN_SMALL_SET`, all of the action's are asked.
 */
export class PolicySlices {
  readonly #rules: ReadonlyMap<PolicyAction, readonly ScopedRule[]>;
  readonly #sets = new Set<string>();
  #parsed = 0;

  constructor(rules: readonly Rule[]) {
    const scoped = ({ id, source: { text }, form }: Rule): ScopedRule => ({
      id,
      text,
      principal: JSON.parse(form.principal) as PrincipalConstraint,
      resource: JSON.parse(form.resource) as ResourceConstraint,
    });
    this.#rules = new Map(policyActions.map((action) => [action, rules.filter(({ actions }) => actions.includes(action)).map(scoped)]));
  }

  /** In a new instance. */
  prepare(cedar: CedarModule): void {
    this.#sets.clear();
    this.#parsed = 0;
    for (const [action, rules] of this.#rules) parse(cedar, action, rules);
  }

  /** The name of the parsed set that decides on this. */
  setFor(cedar: CedarModule, action: PolicyAction, principal: EntityJson, resource: EntityJson): string {
    const all = this.#rules.get(action) ?? [];
    const reaching = all.filter((rule) => reaches(rule.principal, principal) && reaches(rule.resource, resource));
    if (reaching.length > MAX_RULES_IN_SMALL_SET || reaching.length * 2 > all.length) return action;
    // Never the action's own name, which is that of the whole set, even where nothing is in slices.
    const name = `${action}: ${reaching.map(({ id }) => id).join(" ")}`;
    if (this.#sets.has(name)) return name;
    if (this.#parsed + reaching.length > MAX_RULES_IN_SMALL_SETS) return action;
    parse(cedar, name, reaching);
    this.#sets.add(name);
    this.#parsed += reaching.length;
    return name;
  }
}

function parse(cedar: CedarModule, name: string, rules: readonly ScopedRule[]): void {
  requireSuccess(cedar.preparsePolicySet(name, { staticPolicies: Object.fromEntries(rules.map(({ id, text }) => [id, text])) }));
}

function reaches(scope: PrincipalConstraint | ResourceConstraint, { uid, parents }: EntityJson): boolean {
  const isIn = (named: EntityUidJson): boolean => same(named, uid) || parents.some((parent) => same(named, parent));
  switch (scope.op) {
    case "All":
      return true;
    case "==":
      return !("entity" in scope) || same(scope.entity, uid);
    case "in":
      return !("entity" in scope) || isIn(scope.entity);
    case "is":
      return scope.entity_type === bare(uid).type && (scope.in === undefined || !("entity" in scope.in) || isIn(scope.in.entity));
  }
}

const bare = (uid: EntityUidJson): { readonly type: string; readonly id: string } => ("__entity" in uid ? uid.__entity : uid);

const same = (one: EntityUidJson, other: EntityUidJson): boolean => bare(one).id === bare(other).id && bare(one).type === bare(other).type;
