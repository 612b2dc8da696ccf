import { attributeOf, isList, isNode, itemsOf, type Json, literalOf, type Node, nodesOf, operandsOf } from "./policy-json.ts";

/**
 * What is done with an attribute of the context: it is only compared with these words (whether it is one of them, or has some, all or
 * nothing but them in it, or nothing at all), or anything else.
 */
export type AttributeUse = readonly string[] | "anything";

/** What the conditions of one policy look at. What is not here makes no difference to it. */
export interface AttributeUses {
  readonly context: ReadonlyMap<string, AttributeUse>;
  /** Names that they look up in anything, so that of principals and resources these are all. */
  readonly names: readonly string[];
}

export const CONTEXT = "context.";

/** Between a word and a word, a set and a word, or two sets: each tells no more of a value than which of the words it is, or has in it. */
const comparisons = ["==", "!=", "contains", "containsAll", "containsAny"] as const;

/** Of Cedar's JSON form of one policy. What is not understood counts as anything. */
export function readUses(policy: Json): AttributeUses {
  const uses = new Map<string, AttributeUse>();
  const names = new Set<string>();
  /** Where an attribute stands as the operand of a comparison with words. */
  const compared = new Set<Json | undefined>();
  const compare = (operand: Json | undefined, words: readonly string[] | undefined): void => {
    const name = contextName(operand);
    if (name === "" || words === undefined) return;
    compared.add(operand);
    uses.set(name, bothUses(uses.get(name), words));
  };
  for (const { node } of nodesOf(policy)) {
    for (const operator of comparisons) {
      const { left, right } = operandsOf(node, operator);
      compare(left, wordsIn(right));
      compare(right, wordsIn(left));
    }
    const { isEmpty } = node;
    if (isNode(isEmpty)) compare(isEmpty["arg"], []);
    const name = contextName(node);
    if (name !== "" && !compared.has(node)) uses.set(name, "anything");
    for (const looked of namesLookedUp(node)) names.add(looked);
  }
  return { context: uses, names: [...names] };
}

/** Of two policies, or two places in one. */
export function bothUses(one: AttributeUse | undefined, other: AttributeUse): AttributeUse {
  if (one === undefined) return other;
  return one === "anything" || other === "anything" ? "anything" : [...new Set([...one, ...other])];
}

function contextName(node: Json | undefined): string {
  const attribute = attributeOf(node);
  return attribute.startsWith(CONTEXT) ? attribute.slice(CONTEXT.length) : "";
}

/** The words of a literal or of a set of literals; undefined where there is anything else in it. */
function wordsIn(node: Json | undefined): readonly string[] | undefined {
  const words = itemsOf(node).map(literalOf);
  return words.every((word) => typeof word === "string") ? words : undefined;
}

/** By `.` and by `has`, of which Cedar writes `has a.b` with a list. */
function namesLookedUp(node: Node): readonly string[] {
  return [".", "has"].flatMap((operator) => {
    const looked = node[operator];
    const attr = isNode(looked) ? looked["attr"] : undefined;
    return (isList(attr) ? attr : [attr]).filter((name) => typeof name === "string");
  });
}
