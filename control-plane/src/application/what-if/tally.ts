import { type DifferenceKind, differenceKinds } from "../../domain/policy/policy.events.ts";
import type { DifferenceGroup, Example, Ranked, WhatIfReport } from "./report.ts";

/** Groups that are told apart while counting, about 1 KB each; what comes after is counted among the others. */
export const MAX_GROUPS = 5_000;
/** Of a report: more would not be read. */
export const MAX_SHOWN_GROUPS = 100;
/** Names of one dimension that are told apart. */
export const MAX_NAMES = 10_000;
export const MAX_SHOWN_NAMES = 25;
export const MAX_EXAMPLES = 3;
/** A statement in a line. */
export const MAX_EXAMPLE_CHARACTERS = 200;

export interface Difference extends Omit<DifferenceGroup, "count" | "examples"> {
  readonly example: Example;
}

/** Counts differences in bounded memory: nothing is dropped, what is not told apart is counted together. */
export class DifferenceTally {
  readonly #kinds = new Map<DifferenceKind, number>();
  readonly #groups = new Map<string, DifferenceGroup & { count: number; examples: Example[] }>();
  readonly #rules = new NameTally();
  readonly #identities = new NameTally();
  readonly #resources = new NameTally();
  readonly #fingerprints = new NameTally();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add({ example, ...difference }: Difference): void {
    const { kind, action, identity, resource, fingerprint, rulesThen, rulesNow } = difference;
    this.#total += 1;
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
    const rules = rulesNow.length > 0 ? rulesNow : rulesThen;
    for (const rule of rules.length > 0 ? rules : [""]) this.#rules.add(kind, rule);
    this.#identities.add(kind, identity);
    this.#resources.add(kind, resource);
    this.#fingerprints.add(kind, fingerprint);

    const key = JSON.stringify([kind, action, identity, resource, fingerprint, rulesThen, rulesNow]);
    let group = this.#groups.get(key);
    if (group === undefined && this.#groups.size < MAX_GROUPS) this.#groups.set(key, (group = { ...difference, count: 0, examples: [] }));
    if (group === undefined) return;
    group.count += 1;
    if (group.examples.length < MAX_EXAMPLES) group.examples.push(example);
  }

  report(): Pick<WhatIfReport, "differences" | "byRule" | "byIdentity" | "byResource" | "byFingerprint" | "groups" | "others"> {
    const groups = [...this.#groups.values()].toSorted((a, b) => b.count - a.count).slice(0, MAX_SHOWN_GROUPS);
    return {
      differences: differenceKinds.flatMap((kind) => (this.#kinds.has(kind) ? [{ kind, count: this.#kinds.get(kind) ?? 0 }] : [])),
      byRule: this.#rules.ranked(),
      byIdentity: this.#identities.ranked(),
      byResource: this.#resources.ranked(),
      byFingerprint: this.#fingerprints.ranked(),
      groups,
      others: this.#total - groups.reduce((sum, { count }) => sum + count, 0),
    };
  }
}

class NameTally {
  readonly #counts = new Map<string, { readonly kind: DifferenceKind; readonly name: string; count: number }>();
  #total = 0;

  add(kind: DifferenceKind, name: string): void {
    this.#total += 1;
    const key = `${kind} ${name}`;
    const known = this.#counts.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#counts.size < MAX_NAMES) this.#counts.set(key, { kind, name, count: 1 });
  }

  ranked(): Ranked {
    const top = [...this.#counts.values()].toSorted((a, b) => b.count - a.count).slice(0, MAX_SHOWN_NAMES);
    return { top, others: this.#total - top.reduce((sum, { count }) => sum + count, 0) };
  }
}
