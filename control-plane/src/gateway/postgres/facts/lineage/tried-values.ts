import type { InsertStmt, Node, OnConflictClause, RangeVar } from "@pgsql/types";
import { strings } from "../names.ts";
import { isValue, spelling } from "./conditions.ts";
import type { Item, Scope } from "./scope.ts";
import type { Tracer } from "./tracer.ts";
import { ANY_COLUMN, column, computed, sourceKey } from "./values.ts";
import { valueOf } from "./values-of.ts";

/**
 * Values that a change tries on the unique indexes of its table. Whether one is there already shows in ON CONFLICT by what is done then, and
 * otherwise by the failure. Which columns have such an index the text does not tell, so that any that is written may.
 */

/** Computed columns of an INSERT into a wider table are not listed one by one, so that its facts stay small: then it is any. */
export const MAX_TRIED_COLUMNS = 100;

/** Of one written column. */
export type Tried =
  /** The command holds them itself: that tells those who know them. */
  | { readonly kind: "listed"; readonly values: readonly string[] }
  /** Any number may be tried. */
  | { readonly kind: "computed" };

const COMPUTED: Tried = { kind: "computed" };
const OWN: Tried = { kind: "listed", values: [] };

/** By column; ANY_COLUMN where the statement does not name them. */
export function triedByInsert(tracer: Tracer, { relation, cols, selectStmt }: InsertStmt, items: readonly Item[]): ReadonlyMap<string, Tried> {
  const names = cols?.map((col) => ("ResTarget" in col ? (col.ResTarget.name ?? "") : ""));
  if (selectStmt === undefined) return new Map();
  const places = placesOf(tracer, selectStmt);
  if (places === undefined) return new Map((names ?? [ANY_COLUMN]).map((name) => [name, COMPUTED]));
  // What a column holds already is no guess.
  const isOwn = (name: string, item: Item | undefined): boolean =>
    item?.kind === "column" && item.value.plain && item.value.sources.size === 1 && item.value.sources.has(sourceKey(relation?.relname ?? "", name));
  if (names !== undefined) return new Map(names.map((name, index) => [name, isOwn(name, items[index]) ? OWN : (places[index] ?? COMPUTED)]));
  const most = places.reduce<readonly string[]>(
    (longest, place) => (place.kind === "listed" && place.values.length > longest.length ? place.values : longest),
    [],
  );
  return new Map([[ANY_COLUMN, places.some(({ kind }) => kind === "computed") ? COMPUTED : { kind: "listed", values: most }]]);
}

/** What ON CONFLICT compares, and with what; without it only what is computed counts: one value tells little, and who writes it down knows it. */
export function noteInserted(tracer: Tracer, relation: RangeVar | undefined, clause: OnConflictClause | undefined, tried: ReadonlyMap<string, Tried>): void {
  const table = relation?.relname ?? "";
  const note = (name: string, how: Tried): void => {
    const value = computed(column(table, name));
    if (how.kind === "computed") tracer.filter(value);
    else if (clause !== undefined) tracer.match(value, how.values);
    if (clause !== undefined) tracer.read.add(value);
  };
  const arbiters = clause?.infer?.indexElems?.flatMap((elem) => ("IndexElem" in elem ? [elem.IndexElem] : [])) ?? [];
  const whole = tried.get(ANY_COLUMN);
  const named = new Set<string>();
  for (const { name, expr } of arbiters) for (const each of name === undefined ? columnsIn(expr) : [name]) named.add(each);
  for (const name of named) {
    // A column that is not written has its default.
    const how = tried.get(name) ?? whole;
    if (how !== undefined) note(name, how);
  }
  // Any other index makes it fail.
  if (tried.size > MAX_TRIED_COLUMNS && [...tried.values()].some(({ kind }) => kind === "computed")) return note(ANY_COLUMN, COMPUTED);
  for (const [name, how] of tried) if (!named.has(name) && (how.kind === "computed" || named.size === 0)) note(name, how);
}

/** By SET, or by the INSERT of MERGE. */
export interface WrittenValue {
  readonly relation: RangeVar | undefined;
  /** Undefined: the statement does not name it. */
  readonly name: string | undefined;
  readonly value: Node | undefined;
  readonly scope: Scope;
  /** What EXCLUDED stands for. */
  readonly inserted?: ReadonlyMap<string, Tried> | undefined;
}

export function noteWritten(tracer: Tracer, { relation, name = ANY_COLUMN, value, scope, inserted }: WrittenValue): void {
  const own = sourceKey(relation?.relname ?? "", name);
  const isKnown = (ref: Node): boolean => {
    const names = "ColumnRef" in ref ? strings(ref.ColumnRef.fields) : [];
    if (inserted !== undefined && names.length === 2 && names[0] === "excluded") {
      return (inserted.get(names[1] ?? "") ?? inserted.get(ANY_COLUMN))?.kind !== "computed";
    }
    // Made of what is there.
    const { sources, opaque } = valueOf(tracer, ref, scope);
    return !opaque && sources.size === 1 && sources.has(own);
  };
  if (!isOneValue(tracer, value, isKnown)) tracer.filter(computed(column(relation?.relname ?? "", name)));
}

/** What stands in each place of the rows; undefined: it cannot be counted. */
function placesOf(tracer: Tracer, query: Node): readonly Tried[] | undefined {
  const select = "SelectStmt" in query ? query.SelectStmt : undefined;
  if (select?.valuesLists !== undefined) {
    const rows = select.valuesLists.map((list) => ("List" in list ? (list.List.items ?? []) : [list]));
    return (rows[0] ?? []).map((_, index) =>
      listed(
        tracer,
        rows.map((row) => row[index]),
      ),
    );
  }
  if (select?.targetList === undefined || (select.op !== undefined && select.op !== "SETOP_NONE")) return undefined;
  // One value for each row that FROM has.
  const isSame = (cell: Node): boolean => select.fromClause === undefined || isValue(cell) || "SQLValueFunction" in cell;
  const cells = select.targetList.map((target) => ("ResTarget" in target ? target.ResTarget.val : undefined));
  return cells.some((cell) => cell === undefined || holdsStar(cell))
    ? undefined
    : cells.map((cell) => (cell !== undefined && isSame(cell) ? listed(tracer, [cell]) : COMPUTED));
}

function listed(tracer: Tracer, cells: readonly (Node | undefined)[]): Tried {
  const values: string[] = [];
  for (const [row, cell] of cells.entries()) {
    if (cell !== undefined && "SetToDefault" in cell) continue;
    if (!isOneValue(tracer, cell)) return COMPUTED;
    values.push(spelling(cell) ?? `#${row}`);
  }
  return { kind: "listed", values };
}

/** Built-in functions that give rows, and some that do not. All others, and what is not built in, is unclassified. */
const givesRows =
  /^(?:generate_|unnest$|regexp_matches$|regexp_split_to_table$|string_to_table$|jsonb?_(?:array_elements|each|object_keys|path_query|populate_recordset|to_recordset)|ts_|_?pg_|aclexplode$)/;

/** Made of nothing but what the command holds, or is known otherwise. */
function isOneValue(tracer: Tracer, root: unknown, isKnown: (ref: Node) => boolean = () => false): boolean {
  const stack: unknown[] = [root];
  while (stack.length > 0) {
    const node = stack.pop();
    tracer.spend(1);
    // Of a constant nothing is asked: whoever looks at its value makes each text with another number a new one (number-template.ts).
    if (typeof node !== "object" || node === null || "A_Const" in node) continue;
    if ("ColumnRef" in node) {
      if (!isKnown(node as Node)) return false;
      continue;
    }
    if ("SubLink" in node) return false;
    if ("FuncCall" in node) {
      const { funcname } = (node as Extract<Node, { FuncCall: unknown }>).FuncCall;
      if (givesRows.test(strings(funcname).at(-1) ?? "")) return false;
    }
    for (const inner of Object.values(node) as unknown[]) if (typeof inner === "object") stack.push(inner);
  }
  return true;
}

function columnsIn(root: unknown): readonly string[] {
  if (typeof root !== "object" || root === null) return [];
  if ("ColumnRef" in root) return strings((root as Extract<Node, { ColumnRef: unknown }>).ColumnRef.fields).slice(-1);
  return Object.values(root).flatMap(columnsIn);
}

const holdsStar = (node: Node): boolean => JSON.stringify(node).includes('"A_Star"');
