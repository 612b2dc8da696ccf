import type { PolicyEngine, Principal } from "../../domain/decision.ts";
import type { PolicyFile } from "../../domain/policy/policy.events.ts";

/** Combinations of kind and groups that people have. */
export const MAX_KNOWN_COMBINATIONS = 10_000;

/**
 * The same decisions, remembered for everybody with the same groups together. Rules can tell two people of one kind and the same groups
 * apart by their names alone, as `Identity::"…"`; where the word is nowhere in the text, not even in a comment, none does.
 */
export function nameless(engine: PolicyEngine, files: readonly PolicyFile[]): PolicyEngine {
  if (files.some(({ text }) => text.includes("Identity"))) return engine;
  const people = new WeakMap<Principal, Principal>();
  const combinations = new Map<string, Principal>();

  function anybody(principal: Principal): Principal {
    const known = people.get(principal);
    if (known !== undefined) return known;
    const { kind, groups } = principal;
    const key = JSON.stringify([kind, groups]);
    const one = combinations.get(key) ?? { id: "anybody", kind, groups };
    if (combinations.size < MAX_KNOWN_COMBINATIONS) combinations.set(key, one);
    people.set(principal, one);
    return one;
  }

  return {
    version: engine.version,
    speaksOf: engine.speaksOf,
    decide: ({ principal, ...request }) => engine.decide({ ...request, principal: anybody(principal) }),
  };
}
