import { areas, weekdays } from "../domain/decision.ts";
import { type AttributeUses, CONTEXT, readUses } from "./attribute-uses.ts";
import { type Misnamed, misnamed, namingAttributes } from "./names-in-facts.ts";
import type { NamedInPolicy } from "./possible-names.ts";
import { attributeOf, itemsOf, type Json, literalOf, nodesOf, type Operands, operandsOf } from "./policy-json.ts";
import { hazards, riskClasses, transactionStates } from "../domain/facts.ts";

/** What the engine must know of a policy's conditions, besides what Cedar checks. */
export interface Expression {
  /** The N of each `context.approvals >= N`. */
  readonly approvals: readonly number[];
  /** Every group that is named anywhere in the policy. */
  readonly groups: readonly string[];
  readonly identities: readonly string[];
  readonly resources: readonly string[];
  /** Every label that `resource.labels` is compared with. */
  readonly labels: readonly string[];
  readonly uses: AttributeUses;
  readonly named: NamedInPolicy;
  /** Of the names that it writes, those that no command has, or that are probably others. */
  readonly misnamed: readonly Misnamed[];
}

/** More people than will ever be asked for one command; each threshold in use costs an evaluation. */
export const MAX_QUORUM = 5;
/** Cedar walks conditions by recursion; its WebAssembly stack holds 300 operators and not 400 (measured). An operator is two levels of JSON. */
export const MAX_DEPTH = 256;

interface Words {
  readonly allows: (word: string) => boolean;
  readonly expected: string;
}

const oneOf = (known: readonly string[]): Words => ({ allows: (word) => known.includes(word), expected: `one of ${known.join(", ")}` });

/** A comparison with a word that the attribute never holds never matches: silent, and fatal in a `forbid`. */
const wordsOf: Readonly<Record<string, Words>> = {
  "context.riskClass": oneOf(riskClasses),
  "context.functionClasses": oneOf(riskClasses),
  "context.hazards": oneOf(hazards),
  "context.verbs": { allows: (word) => word !== "" && word === word.toUpperCase(), expected: "in upper case" },
  "context.weekday": oneOf(weekdays),
  "context.area": oneOf(areas),
  "context.transaction": oneOf(transactionStates),
  "principal.kind": oneOf(["human", "machine"]),
  "resource.labels": { allows: (word) => word.indexOf("=") > 0, expected: `written "key=value"` },
};

/**
 * Reads Cedar's JSON form of one policy. That `context` is used as `context.name` alone, and `approvals` only in `>=`, is
 * what makes both lists complete: between two thresholds a decision cannot change.
 */
export function readExpression(policy: unknown, problem: (message: string) => void): Expression {
  const approvals = new Set<number>();
  const groups = new Set<string>();
  const identities = new Set<string>();
  const resources = new Set<string>();
  const entities: { readonly [type in string]?: Set<string> } = { Group: groups, Identity: identities, Resource: resources };
  const labels = new Set<string>();
  /** Nodes that the operator around them already accounts for. */
  const understood = new Set<Json | undefined>();
  const relations = new Set<string>();
  const columns = new Set<string>();
  const wrong = new Map<string, Misnamed>();
  let deepest = 0;
  for (const { node, depth } of nodesOf(policy as Json)) {
    deepest = Math.max(deepest, depth);
    const { type, id } = node;
    if (typeof type === "string" && typeof id === "string") entities[type]?.add(id);
    if (node["Var"] === "context" && !understood.has(node)) problem("Use context only as `context.name`.");
    const attribute = attributeOf(node);
    if (attribute !== "") understood.add(operandsOf(node, ".").left);
    if (attribute === "context.approvals" && !understood.has(node))
      problem(`Use context.approvals only as \`context.approvals >= N\`, N from 1 to ${MAX_QUORUM}.`);

    const { left, right } = operandsOf(node, ">=");
    const threshold = attributeOf(left) === "context.approvals" ? literalOf(right) : undefined;
    if (typeof threshold === "number" && threshold >= 1 && threshold <= MAX_QUORUM) {
      approvals.add(threshold);
      understood.add(left);
    }
    for (const operator of Object.keys(node)) {
      const operands = operandsOf(node, operator);
      checkWords(operator, operands, problem);
      for (const label of labelsIn(operands)) labels.add(label);
      for (const name of literalsBeside(relationAttributes, operands)) relations.add(name);
      for (const name of literalsBeside(columnAttributes, operands)) columns.add(name);
      for (const found of misnamedIn(operands)) wrong.set(found.message, found);
    }
  }
  if (deepest > MAX_DEPTH) problem(`The conditions are nested too deeply (${deepest} of ${MAX_DEPTH}). Split the policy, or use a set and contains.`);
  const named = { relations: [...relations], columns: [...columns] };
  return {
    approvals: [...approvals],
    groups: [...groups],
    identities: [...identities],
    resources: [...resources],
    labels: [...labels],
    uses: readUses(policy as Json),
    named,
    misnamed: [...wrong.values()],
  };
}

function checkWords(operator: string, { left, right }: Operands, problem: (message: string) => void): void {
  for (const [side, other] of [
    [left, right],
    [right, left],
  ] as const) {
    for (const attribute of itemsOf(side).map(attributeOf)) {
      const words = wordsOf[attribute];
      if (words === undefined) continue;
      if (operator === "like") problem(`Compare ${attribute} with == or contains, not with like.`);
      for (const word of itemsOf(other).map(literalOf)) {
        if (typeof word === "string" && !words.allows(word)) problem(`${attribute} never holds ${JSON.stringify(word)}: it is ${words.expected}.`);
      }
    }
  }
}

const labelsIn = (operands: Operands): readonly string[] => literalsBeside(new Set(["resource.labels"]), operands);

const relationAttributes: ReadonlySet<string> = new Set(["context.relationsRead", "context.relationsWritten"]);
const columnAttributes: ReadonlySet<string> = new Set(
  ["columnsRead", "columnsFiltered", "columnsMatched", "columnsWritten", "columnsCopied"].map((name) => `${CONTEXT}${name}`),
);

const misnamedIn = (operands: Operands): readonly Misnamed[] =>
  namingAttributes.flatMap((attribute) => literalsBeside(new Set([CONTEXT + attribute]), operands).flatMap((name) => misnamed(attribute, name) ?? []));

/** Words that are compared with one of these. */
function literalsBeside(compared: ReadonlySet<string>, { left, right }: Operands): readonly string[] {
  const sides = [left, right];
  if (!sides.some((side) => compared.has(attributeOf(side)))) return [];
  return sides.flatMap((side) => itemsOf(side).map(literalOf)).filter((label) => typeof label === "string");
}
