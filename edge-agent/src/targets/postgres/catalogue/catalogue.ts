import { type Lineage, joined, OF_ANYTHING } from "../../../masking/lineage.ts";
import { type AskCatalogue, explore, type Unlearnt } from "./explore.ts";
import type { NameList } from "./lookup.ts";
import type { Relation } from "./relation.ts";
import { FIRST_UNPINNED_OID, Relations } from "./relations.ts";

/** Others may change tables and views without our knowledge; what was looked up counts for so long. */
export const CATALOGUE_FRESH_MS = 1_000;
/** From this age on it is looked up again while it still counts, so that nobody waits for what is in constant use. */
export const CATALOGUE_REFRESH_MS = 500;
/**
 * Relations that are remembered for a resource, about 20 MB where they are tables with 20 columns each; views take what their columns are
 * made of. Beyond, all is forgotten, what they once were included, and looked up when it is needed.
 */
export const MAX_CATALOGUE_RELATIONS = 20_000;
/** Names that are remembered for a resource, also of what is not there, about 5 MB. Beyond, they are forgotten: a statement can name what it likes. */
export const MAX_CATALOGUE_NAMES = 20_000;
export const nothingUnlearnt = (): Unlearnt => ({ relations: new Set(), names: new Set(), lists: new Set() });

interface Listed {
  readonly names: readonly string[];
  readonly at: number;
}

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
 * C3. What a table or column was (its names, parents, what it was generated from) keeps counting beside what it is, so that no change of it
 *     lifts a mask.
 * C4. One lookup is under way at a time; what is asked for meanwhile is one more, together.
 */
export class Catalogue {
  readonly #ask: AskCatalogue;
  readonly #now: () => number;
  readonly #relations = new Map<number, Relation>();
  readonly #learntAt = new Map<number, number>();
  readonly #named = new Map<string, Named>();
  readonly #pure = new Set<number>();
  readonly #lists = new Map<NameList, Listed>();
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
    this.#lists.clear();
  }

  /** Of a table's column, by the numbers that a result gives; adds to `unlearnt` what has to be learnt first. */
  column(oid: number, attribute: number, unlearnt: Unlearnt): Lineage {
    if (oid >= FIRST_UNPINNED_OID && !this.#fresh(this.#learntAt.get(oid), () => this.#refresh({ ...nothingUnlearnt(), relations: new Set([oid]) }))) {
      unlearnt.relations.add(oid);
    }
    return this.#derived.lineage(oid, attribute);
  }

  /** Of a column by the names that a statement uses, in whatever schema the table is; `*` is any column. */
  named(table: string, column: string, unlearnt: Unlearnt): Lineage {
    const known = this.#named.get(table);
    if (!this.#fresh(known?.at, () => this.#refresh({ ...nothingUnlearnt(), names: new Set([table]) }))) unlearnt.names.add(table);
    if (known === undefined || known.oids.length === 0) return OF_ANYTHING;
    return joined(known.oids.map((oid) => this.#derived.named(oid, column)));
  }

  /** When it was last looked up, the column was generated. */
  isGenerated(oid: number, attribute: number): boolean {
    return this.#relations.get(oid)?.columns.get(attribute)?.isGenerated === true;
  }

  listed(list: NameList, unlearnt: Unlearnt): readonly string[] {
    const known = this.#lists.get(list);
    if (!this.#fresh(known?.at, () => this.#refresh({ ...nothingUnlearnt(), lists: new Set([list]) }))) unlearnt.lists.add(list);
    return known?.names ?? [];
  }

  /** When it was last looked up, there was no relation of this name. */
  isAbsent(table: string): boolean {
    return this.#named.get(table)?.oids.length === 0;
  }

  learn(unlearnt: Unlearnt): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting ??= { unlearnt: nothingUnlearnt(), callers: [] };
      for (const oid of unlearnt.relations) this.#waiting.unlearnt.relations.add(oid);
      for (const name of unlearnt.names) this.#waiting.unlearnt.names.add(name);
      for (const list of unlearnt.lists) this.#waiting.unlearnt.lists.add(list);
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

  async #learnNow(unlearnt: Unlearnt): Promise<void> {
    const generation = this.#generation;
    const at = this.#now();
    const explored = await explore(this.#ask, unlearnt, [...this.#masked]);
    // What changed meanwhile may be half in it: whoever waits for it finds it missing, and asks again a bounded number of times.
    if (generation !== this.#generation) return;
    if (this.#relations.size + explored.relations.size > MAX_CATALOGUE_RELATIONS) this.#forget();
    for (const [oid, relation] of explored.relations) {
      const former = this.#relations.get(oid);
      if (former !== undefined) relation.remember(former, () => this.#derived.tableNames(oid));
    }
    // Without the relations, which remember what they were.
    if (this.#named.size + explored.named.size > MAX_CATALOGUE_NAMES) this.#named.clear();
    for (const oid of explored.asked) this.#keep(oid, explored.relations.get(oid), at);
    for (const oid of explored.functions) this.#pure.delete(oid);
    for (const oid of explored.pure) this.#pure.add(oid);
    for (const [name, oids] of explored.named) this.#named.set(name, { oids, at });
    for (const [list, names] of explored.lists) this.#lists.set(list, { names, at });
    this.#derived = new Relations(this.#relations, this.#pure);
  }

  #keep(oid: number, relation: Relation | undefined, at: number): void {
    if (relation === undefined) this.#drop(oid);
    else this.#relations.set(oid, relation);
    this.#learntAt.set(oid, at);
  }

  /** A table that is gone has no children any more, whether they were looked up since or not. */
  #drop(oid: number): void {
    if (!this.#relations.has(oid)) return;
    const names = this.#derived.tableNames(oid);
    for (const relation of this.#relations.values()) if (relation.parents.includes(oid)) relation.rememberNames(names);
    this.#relations.delete(oid);
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
