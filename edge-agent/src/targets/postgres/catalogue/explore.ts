import { SallyportError } from "@sallyport/proto/errors";
import type { Finding, NameList, Wanted } from "./lookup.ts";
import { Relation } from "./relation.ts";
import { FIRST_UNPINNED_OID, FIRST_USER_OID } from "./relations.ts";

/** Views over views over views; one that goes deeper is refused. */
export const MAX_VIEW_LEVELS = 64;

export type AskCatalogue = (wanted: Wanted, tables: readonly string[]) => Promise<readonly Finding[]>;

/** What has to be learnt before a result can be told. */
export interface Unlearnt {
  readonly relations: Set<number>;
  readonly names: Set<string>;
  readonly lists: Set<NameList>;
}

export interface Explored {
  /** Everything that was asked for, also what is not there. */
  readonly asked: ReadonlySet<number>;
  readonly relations: ReadonlyMap<number, Relation>;
  readonly named: ReadonlyMap<string, readonly number[]>;
  readonly functions: ReadonlySet<number>;
  /** Those of them whose answer depends on nothing but their arguments. */
  readonly pure: ReadonlySet<number>;
  /** Those that were asked for. */
  readonly lists: ReadonlyMap<NameList, readonly string[]>;
}

/** Level by level: what is asked for, then what its columns are made of. `tables`: those whose descendants count by name. */
export async function explore(ask: AskCatalogue, unlearnt: Unlearnt, tables: readonly string[]): Promise<Explored> {
  const asked = new Set(unlearnt.relations);
  const functions = new Set<number>();
  const relations = new Map<number, Relation>();
  const pure = new Set<number>();
  const lists = new Map<NameList, string[]>([...unlearnt.lists].map((list) => [list, []]));
  const named = new Map<string, number[]>([...unlearnt.names].map((name) => [name, []]));
  let next: Wanted = { relations: new Set(asked), names: new Set(unlearnt.names), functions, lists: unlearnt.lists };
  for (let level = 0; next.relations.size + next.names.size + next.functions.size + next.lists.size > 0; level++) {
    if (level > MAX_VIEW_LEVELS) throw new SallyportError("target.refused", `A view is made of views in more than ${MAX_VIEW_LEVELS} levels.`);
    const findings = await ask(next, tables);
    for (const finding of findings) if (finding.kind === "listed") lists.get(finding.list)?.push(finding.name);
    const found = relationsIn(findings, pure);
    for (const relation of found) {
      relations.set(relation.oid, relation);
      asked.add(relation.oid);
      if (next.names.size > 0) named.get(relation.name)?.push(relation.oid);
    }
    const around = found.map(madeOf);
    next = {
      relations: unseen(
        asked,
        around.flatMap((one) => one.relations).filter((oid) => oid >= FIRST_UNPINNED_OID),
      ),
      names: new Set(),
      functions: unseen(
        functions,
        around.flatMap((one) => one.functions),
      ),
      lists: new Set(),
    };
  }
  return { asked, relations, named, functions, pure, lists };
}

/** Those that are not in `seen`, which then has them. */
function unseen(seen: Set<number>, oids: readonly number[]): ReadonlySet<number> {
  const found = new Set(oids.filter((oid) => !seen.has(oid)));
  for (const oid of found) seen.add(oid);
  return found;
}

function madeOf({ oid, parents, rules }: Relation): { readonly relations: readonly number[]; readonly functions: readonly number[] } {
  // What the system's own views are made of is known.
  const columns = oid < FIRST_USER_OID ? [] : [...(rules?.values() ?? [])].flat();
  return {
    relations: [
      ...parents,
      ...columns.flatMap((column) => [...(column.shows === undefined ? [] : [column.shows]), ...column.madeOf]).map(({ relation }) => relation),
    ],
    functions: columns.flatMap((column) => column.functions),
  };
}

function relationsIn(findings: readonly Finding[], pure: Set<number>): readonly Relation[] {
  const relations = new Map<number, Relation>();
  for (const finding of findings) {
    if (finding.kind === "relation") relations.set(finding.relation, new Relation(finding.relation, finding.name, finding.relationKind));
    if (finding.kind === "pure_function") pure.add(finding.relation);
  }
  // Columns before what is said of them.
  const columnsFirst = findings.toSorted((a, b) => Number(b.kind === "column") - Number(a.kind === "column"));
  for (const finding of columnsFirst) relations.get(finding.relation)?.add(finding);
  return [...relations.values()];
}
