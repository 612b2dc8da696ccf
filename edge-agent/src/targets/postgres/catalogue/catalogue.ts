import { SallyportError } from "@sallyport/proto/errors";
import { type Lineage, joined, OF_ANYTHING } from "../../../masking/lineage.ts";
import type { Finding, Wanted } from "./lookup.ts";
import { Relation } from "./relation.ts";
import { FIRST_UNPINNED_OID, FIRST_USER_OID, Relations } from "./relations.ts";

/** Others may change tables and views without our knowledge; what was looked up counts for so long. */
export const CATALOGUE_FRESH_MS = 1_000;
/** From this age on it is looked up again while it still counts, so that nobody waits for what is in constant use. */
export const CATALOGUE_REFRESH_MS = 500;
/** Relations that are remembered for a resource, about 20 MB with 20 columns each. Beyond, all is forgotten, and looked up when it is needed. */
export const MAX_CATALOGUE_RELATIONS = 20_000;
/** Views over views over views; one that goes deeper is refused. */
export const MAX_VIEW_LEVELS = 64;

export type AskCatalogue = (wanted: Wanted, tables: readonly string[]) => Promise<readonly Finding[]>;

/** What has to be learnt before a result can be told. */
export interface Unlearnt {
  readonly relations: Set<number>;
  readonly names: Set<string>;
}

export const nothingUnlearnt = (): Unlearnt => ({ relations: new Set(), names: new Set() });

interface Named {
  readonly oids: readonly number[];
  readonly at: number;
}

interface Batch {
  readonly unlearnt: Unlearnt;
  readonly callers: { readonly unlearnt: Unlearnt; readonly resolve: () => void; readonly reject: (error: unknown) => void }[];
}

/**
 * Where the columns of one resource's relations come from, as the server's own catalogue says; shared by its sessions.
 *
 * C1. What is answered was true at most `CATALOGUE_FRESH_MS` ago, and after the last `invalidate`. What is older or was never asked
 *     for is reported in `unlearnt`: nothing may be shown before `learn` has resolved.
 * C2. Once learnt and still not there: may be of anything. (It is of a transaction that is not committed, or gone.)
 * C3. A former name of a table or column keeps counting beside the present one, so that renaming lifts no mask.
 * C4. One lookup is under way at a time; what is asked for meanwhile is one more, together.
 */
export class Catalogue {
  readonly #ask: AskCatalogue;
  readonly #now: () => number;
  readonly #relations = new Map<number, Relation>();
  readonly #learntAt = new Map<number, number>();
  readonly #named = new Map<string, Named>();
  readonly #pure = new Set<number>();
  /** Tables that policy names, in lower case: what shows rows of these is theirs, too. */
  readonly #masked = new Set<string>();
  #derived = new Relations(this.#relations, this.#pure);
  #generation = 0;
  #waiting: Batch | undefined;
  #busy = false;

  constructor(ask: AskCatalogue, now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#now = now;
  }

  /** Policy names these tables. */
  heed(tables: Iterable<string>): void {
    for (const table of tables) {
      const name = table.toLowerCase();
      if (name === "" || this.#masked.has(name)) continue;
      this.#masked.add(name);
      this.invalidate();
    }
  }

  /** Something may have been made or changed. */
  invalidate(): void {
    this.#generation++;
    this.#learntAt.clear();
    this.#named.clear();
  }

  /** Of a table's column, by the numbers that a result gives; adds to `unlearnt` what has to be learnt first. */
  column(oid: number, attribute: number, unlearnt: Unlearnt): Lineage {
    if (oid >= FIRST_UNPINNED_OID && !this.#fresh(this.#learntAt.get(oid), () => this.#refresh({ relations: new Set([oid]), names: new Set() }))) {
      unlearnt.relations.add(oid);
    }
    return this.#derived.lineage(oid, attribute);
  }

  /** Of a column by the names that a statement uses, in whatever schema the table is; `*` is any column. */
  named(table: string, column: string, unlearnt: Unlearnt): Lineage {
    const known = this.#named.get(table);
    if (!this.#fresh(known?.at, () => this.#refresh({ relations: new Set(), names: new Set([table]) }))) unlearnt.names.add(table);
    if (known === undefined || known.oids.length === 0) return OF_ANYTHING;
    return joined(known.oids.map((oid) => this.#derived.named(oid, column)));
  }

  /** Whether its columns may change their meaning while the relation stays what it is. */
  isRuled(oid: number): boolean {
    return this.#relations.get(oid)?.ruled ?? true;
  }

  isRuledName(table: string): boolean {
    return this.#named.get(table)?.oids.some((oid) => this.isRuled(oid)) ?? true;
  }

  learn(unlearnt: Unlearnt): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting ??= { unlearnt: nothingUnlearnt(), callers: [] };
      for (const oid of unlearnt.relations) this.#waiting.unlearnt.relations.add(oid);
      for (const name of unlearnt.names) this.#waiting.unlearnt.names.add(name);
      this.#waiting.callers.push({ unlearnt, resolve, reject });
      if (!this.#busy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let batch = this.#waiting; batch !== undefined; batch = this.#waiting) {
      this.#waiting = undefined;
      try {
        await this.#learnNow(batch.unlearnt);
        for (const { resolve } of batch.callers) resolve();
      } catch (error) {
        // What one of them asked for must not fail the others.
        if (batch.callers.length === 1) batch.callers[0]?.reject(error);
        else for (const { unlearnt, resolve, reject } of batch.callers) await this.#learnNow(unlearnt).then(resolve, reject);
      }
    }
    this.#busy = false;
  }

  /** Level by level: what was asked for, then what that is made of. */
  async #learnNow({ relations, names }: Unlearnt): Promise<void> {
    const generation = this.#generation;
    const at = this.#now();
    if (this.#relations.size > MAX_CATALOGUE_RELATIONS) this.#forget();
    const found = new Map<number, Relation>();
    const functions = new Set<number>();
    const asked = new Set<number>(relations);
    const pure = new Set<number>();
    const oidsByName = new Map<string, number[]>([...names].map((name) => [name, []]));
    let next: Wanted = { relations: new Set(relations), names: new Set(names), functions: new Set() };
    for (let level = 0; next.relations.size + next.names.size + next.functions.size > 0; level++) {
      if (level > MAX_VIEW_LEVELS) throw new SallyportError("target.refused", `A view is made of views in more than ${MAX_VIEW_LEVELS} levels.`);
      const fresh = readFindings(await this.#ask(next, [...this.#masked]), pure);
      const above = new Set<number>();
      const called = new Set<number>();
      for (const relation of fresh) {
        found.set(relation.oid, relation);
        asked.add(relation.oid);
        if (next.names.has(relation.name)) oidsByName.get(relation.name)?.push(relation.oid);
        for (const oid of relation.parents) above.add(oid);
        for (const columns of relation.oid < FIRST_USER_OID ? [] : (relation.rules?.values() ?? [])) {
          for (const { shows, madeOf, functions: calls } of columns) {
            if (shows !== undefined) above.add(shows.relation);
            for (const reference of madeOf) above.add(reference.relation);
            for (const oid of calls) if (!functions.has(oid)) called.add(oid);
          }
        }
      }
      for (const oid of called) functions.add(oid);
      for (const oid of above) if (asked.has(oid) || oid < FIRST_UNPINNED_OID) above.delete(oid);
      for (const oid of above) asked.add(oid);
      next = { relations: above, names: new Set(), functions: called };
    }
    if (generation !== this.#generation) return this.#learnNow({ relations, names });
    this.#keep(found, asked, functions, pure);
    for (const [name, oids] of oidsByName) this.#named.set(name, { oids, at });
    for (const oid of asked) this.#learntAt.set(oid, at);
  }

  #keep(found: ReadonlyMap<number, Relation>, asked: ReadonlySet<number>, functions: ReadonlySet<number>, pure: ReadonlySet<number>): void {
    for (const oid of asked) {
      const relation = found.get(oid);
      relation?.remember(this.#relations.get(oid));
      if (relation === undefined) this.#relations.delete(oid);
      else this.#relations.set(oid, relation);
    }
    for (const oid of functions) this.#pure.delete(oid);
    for (const oid of pure) this.#pure.add(oid);
    this.#derived = new Relations(this.#relations, this.#pure);
  }

  #forget(): void {
    this.#relations.clear();
    this.#learntAt.clear();
    this.#named.clear();
    this.#pure.clear();
  }

  #fresh(at: number | undefined, refresh: () => void): boolean {
    if (at === undefined) return false;
    const age = this.#now() - at;
    if (age > CATALOGUE_FRESH_MS) return false;
    if (age > CATALOGUE_REFRESH_MS && !this.#busy) refresh();
    return true;
  }

  /** Nobody waits for it: when it fails, whoever needs it next learns why. */
  #refresh(unlearnt: Unlearnt): void {
    this.learn(unlearnt).catch(() => undefined);
  }
}

function readFindings(findings: readonly Finding[], pure: Set<number>): Iterable<Relation> {
  const relations = new Map<number, Relation>();
  for (const finding of findings) {
    if (finding.kind === "relation") relations.set(finding.relation, new Relation(finding.relation, finding.name, finding.relationKind));
    if (finding.kind === "pure_function") pure.add(finding.relation);
  }
  // Columns before what is said of them.
  const later = findings.filter(({ kind }) => kind !== "column");
  for (const finding of [...findings.filter(({ kind }) => kind === "column"), ...later]) relations.get(finding.relation)?.add(finding);
  return relations.values();
}
