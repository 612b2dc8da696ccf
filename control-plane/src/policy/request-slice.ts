import type { CedarValueJson, Context, SchemaJson } from "@cedar-policy/cedar-wasm/nodejs";
import type { PolicyAction } from "../domain/decision.ts";
import { type AttributeUse, bothUses } from "./attribute-uses.ts";
import type { Rule } from "./rule.ts";
import { policyActions } from "./schema.ts";
import { contextAttributes, schemaOf, type WholeSchema } from "./schema-json.ts";

/** How attributes of the context are made from something. */
export type Attributes<T> = Readonly<Record<string, (from: T) => CedarValueJson>>;

/** A use, with the words at hand. */
type Seen = "anything" | ReadonlySet<string>;

/**
 * The slice of a request that the rules of one policy version can see. The rest is kept from them: Cedar takes some microseconds for each attribute that it is
 * given, and requests that differ in nothing that a rule can see are decided once.
 *
 * S1. An attribute that no rule of the action looks at is not given, nor is it in the schema that the request is checked against.
 *     One that a rule looks at must be given, or all is denied.
 * S2. Of an attribute that rules only compare with words, all other words are one. Which of their words it is, or has in it, and whether
 *     there is another: that is all that such comparisons can tell.
 * S3. What is not understood is seen as it is.
 */
export class RequestSlice {
  readonly #schema: WholeSchema;
  readonly #seen: ReadonlyMap<PolicyAction, ReadonlyMap<string, Seen>>;
  readonly #names: ReadonlyMap<PolicyAction, ReadonlySet<string>>;
  /** A word of no rule, which stands for all others. */
  readonly #otherWord: string;

  constructor(schema: WholeSchema, rules: readonly Rule[]) {
    this.#schema = schema;
    this.#seen = new Map(policyActions.map((action) => [action, seenBy(rules, action, contextAttributes(schema, action))]));
    this.#names = new Map(policyActions.map((action) => [action, new Set(rules.flatMap(({ actions, uses }) => (actions.includes(action) ? uses.names : [])))]));
    const words = new Set(rules.flatMap(({ uses }) => [...uses.context.values()].flatMap((use) => (use === "anything" ? [] : use))));
    let other = "anything else";
    while (words.has(other)) other += "-";
    this.#otherWord = other;
  }

  sees(action: PolicyAction, attribute: string): boolean {
    return this.#seen.get(action)?.has(attribute) ?? false;
  }

  /** Of a principal or resource. */
  seesOfEntities(action: PolicyAction, attribute: string): boolean {
    return this.#names.get(action)?.has(attribute) ?? false;
  }

  /** Of these attributes those that rules of the action look at, as they see them. */
  context<T>(action: PolicyAction, attributes: Attributes<T>, from: T): Context {
    const context: Context = {};
    for (const [name, seen] of this.#seen.get(action) ?? []) {
      const value = attributes[name]?.(from);
      if (value !== undefined) context[name] = seen === "anything" ? value : this.#compared(value, seen);
    }
    return context;
  }

  schema(action: PolicyAction): SchemaJson<string> {
    return schemaOf(this.#schema, action, { inContext: (name) => this.sees(action, name), inEntities: (name) => this.seesOfEntities(action, name) });
  }

  #compared(value: CedarValueJson, words: ReadonlySet<string>): CedarValueJson {
    const known = (word: string): string => (words.has(word) ? word : this.#otherWord);
    if (typeof value === "string") return known(value);
    return areWords(value) ? [...new Set(value.map(known))].toSorted() : value;
  }
}

const areWords = (value: CedarValueJson): value is string[] => Array.isArray(value) && value.every((each) => typeof each === "string");

/** A rule for several actions may speak of what only one of them has. */
function seenBy(rules: readonly Rule[], action: PolicyAction, known: ReadonlySet<string>): ReadonlyMap<string, Seen> {
  const all = new Map<string, AttributeUse>();
  for (const { actions, uses } of rules)
    if (actions.includes(action)) for (const [name, use] of uses.context) if (known.has(name)) all.set(name, bothUses(all.get(name), use));
  return new Map([...all].map(([name, use]) => [name, use === "anything" ? use : new Set(use)]));
}
