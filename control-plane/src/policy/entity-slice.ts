import type { EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import { controlPlane, type PolicyAction, type Principal, type ResourceRef } from "../domain/decision.ts";
import { type Part, part, remember } from "./request-part.ts";
import type { Rule } from "./rule.ts";
import type { RequestSlice } from "./request-slice.ts";

/**
 * Puts principals and resources in Cedar's terms, as far as the rules of one action see them. Owns nothing but memory of what it has
 * seen, by identity.
 *
 * R1. Of a principal's groups only those that some rule names are passed on, so that a decision costs the same with two
 *     groups and with 50,000. No rule can tell the difference: groups have neither attributes nor groups of their own.
 * R2. Identities that no rule names are all called the same, so that a decision on one is remembered for others of its groups.
 */
export class EntitySlice {
  readonly #action: PolicyAction;
  readonly #slice: RequestSlice;
  readonly #groups: ReadonlySet<string>;
  readonly #identities: ReadonlySet<string>;
  /** An id that no rule names. */
  readonly #anybody: string;
  readonly #principals = new WeakMap<Principal, Part<EntityJson>>();
  readonly #resources = new WeakMap<ResourceRef, Part<EntityJson>>();

  constructor(action: PolicyAction, all: readonly Rule[], slice: RequestSlice) {
    const rules = all.filter(({ actions }) => actions.includes(action));
    this.#action = action;
    this.#slice = slice;
    this.#groups = new Set(rules.flatMap((rule) => rule.groups));
    this.#identities = new Set(rules.flatMap((rule) => rule.identities));
    let anybody = "anybody";
    while (this.#identities.has(anybody)) anybody += "-";
    this.#anybody = anybody;
  }

  principal(principal: Principal): Part<EntityJson> {
    return remember(this.#principals, principal, () => this.#principal(principal));
  }

  resource(resource: ResourceRef): Part<EntityJson> {
    return remember(this.#resources, resource, () => this.#resource(resource));
  }

  #principal({ id, kind, groups }: Principal): Part<EntityJson> {
    const named = [...new Set(groups.filter((group) => this.#groups.has(group)))].toSorted();
    const called = this.#identities.has(id) ? id : this.#anybody;
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
    return Object.fromEntries(Object.entries(attributes).filter(([name]) => this.#slice.seesOfEntities(this.#action, name)));
  }
}
