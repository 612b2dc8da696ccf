import type { EntityUidJson, PrincipalConstraint, ResourceConstraint } from "@cedar-policy/cedar-wasm/nodejs";
import type { PolicyProblem } from "../application/policy-ports.ts";
import { type Constraint, Constraints } from "./constraints.ts";
import { isNode, itemsOf, type Json, type Node, literalOf, nodesOf, operandsOf } from "./policy-json.ts";
import type { Rule } from "./rule.ts";

/** Each `||` doubles the cases that are looked at. A rule with more is taken to be possible. */
export const MAX_CASES = 256;
/**
 * Of conditions in Cedar's JSON, that are looked at again in further cases, over all rules of a set: some tenths of a second, in which
 * nothing else runs. When it is used up, rules with cases are taken to be possible.
 */
export const MAX_CHARACTERS_LOOKED_AT_AGAIN = 8_388_608;

/** A rule that no request can meet, and what of a request it asks too much of. */
export interface Contradiction {
  readonly rule: Rule;
  readonly problem: PolicyProblem;
}

/**
 * Finds rules that contradict themselves, or what attributes can be at all.
 *
 * K1. What is told never matches: a rule matches when its scope and each `when` hold and no `unless` does, and each of these constraints
 *     narrows what a part of the request can be, or is left open.
 * K2. Not all that never matches is told: arithmetic, patterns, types, and what attributes have to do with each other are left open.
 *     Cedar's own validator looks at types.
 */
export function contradictions(rules: readonly Rule[]): readonly Contradiction[] {
  const budget = { characters: MAX_CHARACTERS_LOOKED_AT_AGAIN };
  return rules.flatMap((rule): Contradiction[] => {
    const asked = constraintsOf(rule);
    const characters = rule.form.conditions.reduce((sum, { length }) => sum + length, 0);
    const looksAtAction = asked.some(({ node }) => [...nodesOf(node ?? null)].some((inner) => inner.node["Var"] === "action"));
    const found = new Set<string>();
    for (const action of looksAtAction ? rule.actions : [undefined]) {
      const search = new Search(characters, budget);
      const conflicts = search.conflicts(action === undefined ? asked : [equal("action", { type: "Action", id: action }), ...asked], []);
      if (conflicts === undefined) return [];
      for (const name of conflicts) found.add(name);
    }
    const { file, line } = rule.source;
    return [{ rule, problem: { severity: "warning", file, line, message: `This can never match: ${why([...found].filter((name) => name !== ""))}` } }];
  });
}

const why = (names: readonly string[]): string =>
  names.length === 0 ? "it asks for something and for its opposite." : `nothing is all that it asks of ${names.toSorted().join(" and ")}.`;

class Search {
  readonly #characters: number;
  /** Shared by the rules of a set. */
  readonly #budget: { characters: number };
  #cases = 0;

  constructor(characters: number, budget: { characters: number }) {
    this.#characters = characters;
    this.#budget = budget;
  }

  /** Undefined: some request may meet all of `asked`, with one of each of the choices. */
  conflicts(asked: readonly Constraint[], choices: readonly (readonly Constraint[])[]): readonly string[] | undefined {
    if (++this.#cases > MAX_CASES || !this.#canAfford()) return undefined;
    const { plain, open } = flatten(asked);
    const constraints = new Constraints();
    for (const constraint of plain) constraints.add(constraint);
    const found = constraints.conflicts();
    if (found !== undefined) return found;
    const [next, ...rest] = [...open, ...choices];
    if (next === undefined) return undefined;
    const all: string[] = [];
    for (const chosen of next) {
      const inCase = this.conflicts([...plain, chosen], rest);
      if (inCase === undefined) return undefined;
      all.push(...inCase);
    }
    return all;
  }

  #canAfford(): boolean {
    if (this.#cases === 1) return true;
    this.#budget.characters -= this.#characters;
    return this.#budget.characters >= 0;
  }
}

/** What must hold in any case, and choices of which one must. Iterative: the depth is the author's. */
function flatten(asked: readonly Constraint[]): { readonly plain: readonly Constraint[]; readonly open: readonly (readonly Constraint[])[] } {
  const plain: Constraint[] = [];
  const open: (readonly Constraint[])[] = [];
  const waiting = asked.toReversed();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const parts = partsOf(next);
    if (parts === undefined) plain.push(next);
    else if (parts.kind === "all") waiting.push(...parts.constraints);
    else open.push(parts.constraints);
  }
  return { plain, open };
}

type Parts = { readonly kind: "all" | "one"; readonly constraints: readonly Constraint[] } | undefined;

function partsOf({ node, holds }: Constraint): Parts {
  if (!isNode(node)) return undefined;
  const of = (operator: string): readonly Constraint[] | undefined => {
    const { left, right } = operandsOf(node, operator);
    return left === undefined ? undefined : [left, right].map((side) => ({ node: side, holds }));
  };
  const not = node["!"];
  if (isNode(not)) return { kind: "all", constraints: [{ node: not["arg"], holds: !holds }] };
  const both = of("&&");
  if (both !== undefined) return { kind: holds ? "all" : "one", constraints: both };
  const either = of("||");
  if (either !== undefined) return { kind: holds ? "one" : "all", constraints: either };
  return branchesOf(node, holds) ?? comparisonOf(node, holds) ?? groupsOf(node, holds);
}

function branchesOf(node: Node, holds: boolean): Parts {
  const branch = node["if-then-else"];
  if (!isNode(branch)) return undefined;
  const { if: condition, then, else: otherwise } = branch;
  const both = (left: Json | undefined, right: Json | undefined): Json => ({ "&&": { left: left ?? null, right: right ?? null } });
  const so = (side: Json | undefined): Json | undefined => (holds ? side : { "!": { arg: side ?? null } });
  const constraints = [both(condition, so(then)), both({ "!": { arg: condition ?? null } }, so(otherwise))].map((each) => ({ node: each, holds: true }));
  return { kind: "one", constraints };
}

/** `a != b`, and what is compared with `true` or `false`. */
function comparisonOf(node: Node, holds: boolean): Parts {
  const unlike = node["!="];
  if (unlike !== undefined) return { kind: "all", constraints: [{ node: { "==": unlike }, holds: !holds }] };
  const { left, right } = operandsOf(node, "==");
  for (const [side, other] of [
    [left, right],
    [right, left],
  ] as const) {
    const literal = literalOf(other);
    if (typeof literal === "boolean") return { kind: "all", constraints: [{ node: side, holds: literal === holds }] };
  }
  return undefined;
}

/** `principal in [Group::"a", Group::"b"]`. */
function groupsOf(node: Node, holds: boolean): Parts {
  const { left, right } = operandsOf(node, "in");
  if (!isNode(right) || right["Set"] === undefined) return undefined;
  return { kind: holds ? "one" : "all", constraints: itemsOf(right).map((group) => ({ node: { in: { left: left ?? null, right: group ?? null } }, holds })) };
}

/** Of its scope but for the action, and of its conditions. */
function constraintsOf({ form }: Rule): readonly Constraint[] {
  const scopes = [
    ...scopeConstraints("principal", JSON.parse(form.principal) as PrincipalConstraint),
    ...scopeConstraints("resource", JSON.parse(form.resource) as ResourceConstraint),
  ];
  return [...scopes, ...form.conditions.map((condition) => ({ node: JSON.parse(condition) as Json, holds: true }))];
}

function scopeConstraints(variable: "principal" | "resource", scope: PrincipalConstraint | ResourceConstraint): readonly Constraint[] {
  switch (scope.op) {
    case "All":
      return [];
    case "==":
      return "entity" in scope ? [equal(variable, bare(scope.entity))] : [];
    case "in":
      return "entity" in scope ? [within(variable, bare(scope.entity))] : [];
    case "is":
      return scope.in !== undefined && "entity" in scope.in ? [within(variable, bare(scope.in.entity))] : [];
  }
}

interface Entity {
  readonly type: string;
  readonly id: string;
}

const bare = (uid: EntityUidJson): Entity => {
  const { type, id } = "__entity" in uid ? uid.__entity : uid;
  return { type, id };
};

const compared = (operator: string, variable: string, { type, id }: Entity): Constraint => ({
  node: { [operator]: { left: { Var: variable }, right: { Value: { __entity: { type, id } } } } },
  holds: true,
});
const equal = (variable: string, entity: Entity): Constraint => compared("==", variable, entity);
const within = (variable: string, entity: Entity): Constraint => compared("in", variable, entity);
