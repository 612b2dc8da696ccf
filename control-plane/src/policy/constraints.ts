import { areas, weekdays } from "../domain/decision.ts";
import { riskClasses, transactionStates } from "../domain/facts.ts";
import { MAX_QUORUM } from "./expression.ts";
import { attributeOf, isNode, itemsOf, type Json, literalOf, type Node, operandsOf } from "./policy-json.ts";
import { type Comparison, PossibleScalar, PossibleSet, PossibleTruth, type Scalar } from "./possible-values.ts";

/** A condition, which must come out so. */
export interface Constraint {
  readonly node: Json | undefined;
  readonly holds: boolean;
}

/** What attributes hold at all, where that is a closed list. */
const words: Readonly<Record<string, readonly string[]>> = {
  "context.riskClass": riskClasses,
  "context.weekday": weekdays,
  "context.area": areas,
  "context.transaction": transactionStates,
  "principal.kind": ["human", "machine"],
};

const numbers: Readonly<Record<string, readonly [least: number, most: number]>> = {
  "context.hour": [0, 23],
  "context.approvals": [0, MAX_QUORUM],
  "context.statementCount": [0, Infinity],
  "context.rowLimit": [0, Infinity],
};

const comparisons: Readonly<Record<string, Comparison>> = { "==": "==", "<": "<", "<=": "<=", ">": ">", ">=": ">=" };
/** The same with the sides exchanged. */
const exchanged: Readonly<Record<Comparison, Comparison>> = { "==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

/**
 * What the parts of a request can still be when all of some constraints are met. Each is about one part, or, where it is not understood, a
 * condition of its own: then all that is known of it is that it does not hold and fail to hold at once.
 */
export class Constraints {
  readonly #scalars = new Map<string, PossibleScalar>();
  readonly #sets = new Map<string, PossibleSet>();
  readonly #truths = new Map<string, PossibleTruth>();

  /** Of something that is no `&&`, `||`, `!` or `if`. */
  add({ node, holds }: Constraint): void {
    if (!isNode(node) || !(this.#addEquality(node, holds) || this.#addOrder(node, holds) || this.#addSet(node, holds) || this.#addMembership(node, holds)))
      this.#truth(attributeOf(node) || JSON.stringify(node)).ask(holds);
    const literal = literalOf(node);
    if (typeof literal === "boolean") this.#truth(JSON.stringify(node)).ask(literal);
  }

  /** Whose constraints contradict each other; empty for a condition that is not understood. Undefined: none that are seen. */
  conflicts(): readonly string[] | undefined {
    const found = [...this.#scalars, ...this.#sets, ...this.#truths].flatMap(([name, { isNothing }]) => (isNothing ? [name] : []));
    return found.length === 0 ? undefined : found.map((name) => (name.startsWith("{") ? "" : name));
  }

  #addEquality(node: Node, holds: boolean): boolean {
    const { left, right } = operandsOf(node, "==");
    for (const [side, other] of [
      [left, right],
      [right, left],
    ] as const) {
      const name = nameOf(side);
      const value = scalarOf(other);
      const isSet = isNode(other) && other["Set"] !== undefined;
      if (name === "" || (value === undefined && !isSet)) continue;
      if (value !== undefined) {
        this.#scalar(name).oneOf([value], holds);
        // Resources are called by their names.
        if (name === "resource" && holds && isNode(other)) this.#scalar("resource.name").oneOf([entityOf(other)?.id ?? ""], true);
        return true;
      }
      const items = scalarsOf(other);
      if (items === undefined || !holds) continue;
      this.#set(name).all(items, true);
      this.#set(name).nothingBut(items, true);
      return true;
    }
    return false;
  }

  #addOrder(node: Node, holds: boolean): boolean {
    for (const [operator, how] of Object.entries(comparisons)) {
      const { left, right } = operandsOf(node, operator);
      const [before, behind] = [scalarOf(left), scalarOf(right)];
      const isBefore = typeof before === "number";
      const [name, value] = isBefore ? [nameOf(right), before] : [nameOf(left), behind];
      if (name === "" || typeof value !== "number") continue;
      this.#scalar(name).compare(isBefore ? exchanged[how] : how, value, holds);
      return true;
    }
    return false;
  }

  #addSet(node: Node, holds: boolean): boolean {
    const { isEmpty } = node;
    if (isNode(isEmpty) && nameOf(isEmpty["arg"]) !== "") {
      this.#set(nameOf(isEmpty["arg"])).nothingBut([], holds);
      return true;
    }
    for (const operator of ["contains", "containsAny", "containsAll"] as const) {
      const { left, right } = operandsOf(node, operator);
      const [of, within] = [nameOf(left), nameOf(right)];
      const items = scalarsOf(of === "" ? left : right);
      if ((of === "") === (within === "") || items === undefined) continue;
      if (operator === "containsAny") this.#set(of || within).some(items, holds);
      else if (operator === "containsAll") {
        if (of === "") this.#set(within).nothingBut(items, holds);
        else this.#set(of).all(items, holds);
      } else if (of === "") this.#scalar(within).oneOf(items, holds);
      else this.#set(of).some(items, holds);
      return true;
    }
    return false;
  }

  /** Nothing but groups has members: in anything else is that alone. */
  #addMembership(node: Node, holds: boolean): boolean {
    const { left, right } = operandsOf(node, "in");
    const entity = entityOf(right);
    if (nameOf(left) === "" || entity === undefined || entity.type === "Group") return false;
    return this.#addEquality({ "==": { left: left ?? null, right: right ?? null } }, holds);
  }

  #scalar(name: string): PossibleScalar {
    return known(this.#scalars, name, () => {
      const made = new PossibleScalar();
      const [least, most] = numbers[name] ?? [];
      if (least !== undefined) made.compare(">=", least, true);
      if (most !== undefined) made.compare("<=", most, true);
      if (words[name] !== undefined) made.oneOf(words[name], true);
      return made;
    });
  }

  #set(name: string): PossibleSet {
    return known(this.#sets, name, () => new PossibleSet());
  }

  #truth(name: string): PossibleTruth {
    return known(this.#truths, name, () => new PossibleTruth());
  }
}

/** `context.name` and the like; `principal`, `action` and `resource` themselves. */
function nameOf(node: Json | undefined): string {
  const variable = isNode(node) ? node["Var"] : undefined;
  return attributeOf(node) || (typeof variable === "string" ? variable : "");
}

/** A literal that says exactly what the policy says: Cedar has longer whole numbers than JSON has here. */
function scalarOf(node: Json | undefined): Scalar | undefined {
  const value = literalOf(node);
  if (typeof value === "string" || (typeof value === "number" && Number.isSafeInteger(value))) return value;
  const entity = entityOf(node);
  return entity === undefined ? undefined : JSON.stringify([entity.type, entity.id]);
}

function scalarsOf(node: Json | undefined): readonly Scalar[] | undefined {
  const values = itemsOf(node).map(scalarOf);
  return values.every((value) => value !== undefined) ? values : undefined;
}

function entityOf(node: Json | undefined): { readonly type: string; readonly id: string } | undefined {
  const value = literalOf(node);
  const entity = isNode(value) ? value["__entity"] : undefined;
  const { type, id } = isNode(entity) ? entity : {};
  return typeof type === "string" && typeof id === "string" ? { type, id } : undefined;
}

function known<V>(all: Map<string, V>, name: string, make: () => V): V {
  let value = all.get(name);
  if (value === undefined) all.set(name, (value = make()));
  return value;
}
