import type { Context, EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import type { DecisionRequest, PolicyAction } from "../domain/decision.ts";
import { CircumstanceReader, type Situation } from "./circumstances.ts";
import { EntitySlice } from "./entity-slice.ts";
import { FactsSlice } from "./facts-slice.ts";
import { PossibleNames } from "./possible-names.ts";
import type { Unfit } from "./request-part.ts";
import type { Rule } from "./rule.ts";
import { policyActions } from "./schema.ts";
import type { Attributes, RequestSlice } from "./request-slice.ts";

export interface ReadyRequest {
  readonly kind: "ready";
  /** Equal for requests that cannot be decided differently under one policy version, but for what they do with masked columns. */
  readonly key: string;
  readonly principal: EntityJson;
  readonly resource: EntityJson;
  /** Of the command. */
  readonly facts: Context;
  readonly situation: Extract<Situation, { kind: "ready" }>;
}

/** What else a decision is taken on. */
const requestAttributes: Attributes<DecisionRequest> = {
  area: ({ area = "" }) => area,
  own: ({ own = false }) => own,
  granted: ({ granted = false }) => granted !== false,
  emergency: ({ granted = false }) => granted === "emergency",
};

/**
 * Turns requests into Cedar's terms. Owns nothing but memory of what it has seen, by identity: principals, resources and
 * facts are never changed in place, a change is a new object.
 *
 * Every attribute that a rule looks at is always there.
 */
export class RequestTranslator {
  readonly #slice: RequestSlice;
  readonly #circumstances: CircumstanceReader;
  readonly #facts: FactsSlice;
  readonly #entities: Readonly<Record<PolicyAction, EntitySlice>>;

  constructor(rules: readonly Rule[], slice: RequestSlice) {
    this.#slice = slice;
    const entities = policyActions.map((action) => [action, new EntitySlice(action, rules, slice)] as const);
    this.#entities = Object.fromEntries(entities) as Record<PolicyAction, EntitySlice>;
    this.#circumstances = new CircumstanceReader(rules, slice);
    const possible = new PossibleNames({ relations: rules.flatMap(({ named }) => named.relations), columns: rules.flatMap(({ named }) => named.columns) });
    this.#facts = new FactsSlice(slice, possible);
  }

  translate(request: DecisionRequest): ReadyRequest | Unfit {
    const { principal, action, resource, facts, granted = false, circumstances = {}, area = "", own = false } = request;
    const who = this.#entities[action].principal(principal);
    const where = this.#entities[action].resource(resource);
    const what = this.#facts.read(action, facts);
    if (who.kind === "unfit") return who;
    if (where.kind === "unfit") return where;
    if (what.kind === "unfit") return what;
    const situation = this.#circumstances.read(action, circumstances);
    if (situation.kind === "unfit") return situation;
    if (isOwn(action) && area === "") return { kind: "unfit", why: "what it is about is missing" };
    const subject = isOwn(action) ? `${area}${own ? "=" : ""}` : "";
    const session = this.#slice.sees(action, "granted") || this.#slice.sees(action, "emergency") ? granted : "";
    const key = `${action}:${session}:${subject}:${who.key}${where.key}${what.key}${situation.key}`;
    return { kind: "ready", key, principal: who.value, resource: where.value, facts: what.value, situation };
  }

  /** All that rules of its action see, but for what depends on the decision itself. */
  contextOf(request: DecisionRequest, { facts, situation }: ReadyRequest): Context {
    return { ...facts, ...situation.context, ...this.#slice.context(request.action, requestAttributes, request) };
  }
}

const isOwn = (action: PolicyAction): boolean => action === "replay" || action === "administer";
