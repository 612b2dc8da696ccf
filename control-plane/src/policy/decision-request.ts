import type { Context, EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import { controlPlane, type DecisionRequest, type PolicyAction, type Principal, type ResourceRef } from "../domain/decision.ts";
import { CircumstanceReader, type Situation } from "./circumstances.ts";
import { FactsInSight } from "./facts-in-sight.ts";
import { PossibleNames } from "./possible-names.ts";
import { type Part, part, remember, type Unfit } from "./request-part.ts";
import type { Rule } from "./rule.ts";
import type { Attributes, Sight } from "./sight.ts";

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
 * R1. Of a principal's groups only those that some policy names are passed on, so that a decision costs the same with two
 *     groups and with 50,000. No policy can tell the difference: groups have neither attributes nor groups of their own.
 * R2. Identities that no policy names are all called the same, so that a decision on one is remembered for others of its kind and groups.
 * R3. Every attribute that a rule looks at is always there.
 */
export class RequestTranslator {
  readonly #namedGroups: ReadonlySet<string>;
  readonly #namedIdentities: ReadonlySet<string>;
  /** An id that no policy names. */
  readonly #anybody: string;
  readonly #sight: Sight;
  readonly #circumstances: CircumstanceReader;
  readonly #facts: FactsInSight;
  readonly #principals = new WeakMap<Principal, Part<EntityJson>>();
  readonly #resources = new WeakMap<ResourceRef, Part<EntityJson>>();

  constructor(rules: readonly Rule[], sight: Sight) {
    this.#namedGroups = new Set(rules.flatMap((rule) => rule.groups));
    this.#namedIdentities = new Set(rules.flatMap((rule) => rule.identities));
    let anybody = "anybody";
    while (this.#namedIdentities.has(anybody)) anybody += "-";
    this.#anybody = anybody;
    this.#sight = sight;
    this.#circumstances = new CircumstanceReader(rules, sight);
    const possible = new PossibleNames({ relations: rules.flatMap(({ named }) => named.relations), columns: rules.flatMap(({ named }) => named.columns) });
    this.#facts = new FactsInSight(sight, possible);
  }

  translate(request: DecisionRequest): ReadyRequest | Unfit {
    const { principal, action, resource, facts, granted = false, circumstances = {}, area = "", own = false } = request;
    const who = remember(this.#principals, principal, () => this.#principal(principal));
    const where = remember(this.#resources, resource, () => this.#resource(resource));
    const what = this.#facts.read(action, facts);
    if (who.kind === "unfit") return who;
    if (where.kind === "unfit") return where;
    if (what.kind === "unfit") return what;
    const situation = this.#circumstances.read(action, circumstances);
    if (situation.kind === "unfit") return situation;
    if (isOwn(action) && area === "") return { kind: "unfit", why: "what it is about is missing" };
    const subject = isOwn(action) ? `${area}${own ? "=" : ""}` : "";
    const session = this.#sight.sees(action, "granted") || this.#sight.sees(action, "emergency") ? granted : "";
    const key = `${action}:${session}:${subject}:${who.key}${where.key}${what.key}${situation.key}`;
    return { kind: "ready", key, principal: who.value, resource: where.value, facts: what.value, situation };
  }

  /** All that rules of its action see, but for what depends on the decision itself. */
  contextOf(request: DecisionRequest, { facts, situation }: ReadyRequest): Context {
    return { ...facts, ...situation.context, ...this.#sight.context(request.action, requestAttributes, request) };
  }

  #principal({ id, kind, groups }: Principal): Part<EntityJson> {
    const named = [...new Set(groups.filter((group) => this.#namedGroups.has(group)))].toSorted();
    const called = this.#namedIdentities.has(id) ? id : this.#anybody;
    return part([id], {
      uid: { type: "Identity", id: called },
      attrs: this.#seen({ kind }),
      parents: named.map((group) => ({ type: "Group", id: group })),
    });
  }

  #resource(resource: ResourceRef): Part<EntityJson> {
    const { name, protocol, labels } = resource;
    const type = resource === controlPlane ? "Sallyport" : "Resource";
    const pairs = Object.entries(labels);
    const ambiguous = pairs.find(([key]) => key.includes("="));
    if (ambiguous !== undefined) return { kind: "unfit", why: `the label key ${JSON.stringify(ambiguous[0])} of the resource contains "="` };
    const written = pairs.map(([key, value]) => `${key}=${value}`).toSorted();
    return part([name, protocol, ...written], { uid: { type, id: name }, attrs: this.#seen({ name, protocol, labels: written }), parents: [] });
  }

  #seen(attributes: EntityJson["attrs"]): EntityJson["attrs"] {
    return Object.fromEntries(Object.entries(attributes).filter(([name]) => this.#sight.seesOfEntities(name)));
  }
}

const isOwn = (action: PolicyAction): boolean => action === "replay" || action === "administer";
