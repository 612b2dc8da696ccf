import type { Node } from "@pgsql/types";

/**
 * Walks a parse tree without recursion: a text of 3 KB can nest 1,500 levels deep.
 *
 * 1. Every node is visited once, parents before children, in the order of the tree.
 * 2. A node is `{Tag: fields}` where the grammar allows several kinds, and bare fields where it allows one
 *    (`DeleteStmt.relation`). Both arrive with their tag; bare ones by the field that holds them.
 * 3. A CTE's name is in scope exactly where PostgreSQL resolves it: in the statement after its WITH, and in the
 *    CTEs after it, or in all of them when the WITH is RECURSIVE.
 */

type Fields = Readonly<Record<string, unknown>>;

export type NodeTag = Node extends infer N ? (N extends unknown ? keyof N : never) : never;
export type NodeOf<Tag extends NodeTag> = Node extends infer N ? (N extends Readonly<Record<Tag, infer Value>> ? Value : never) : never;

export interface Context {
  /** Nothing inside runs: EXPLAIN without ANALYZE. */
  readonly planned: boolean;
  readonly ctes: CteScope | undefined;
}

interface CteScope {
  readonly names: ReadonlySet<string>;
  readonly outer: CteScope | undefined;
}

/** What a visitor may say of the children of a node. */
export interface Descent {
  /** Fields that the visitor has dealt with. */
  readonly skip?: readonly string[];
  /** Values to walk instead of those of the fields. */
  readonly replace?: Readonly<Record<string, unknown>>;
  readonly planned?: boolean;
}

export type Visitor = (tag: string, fields: Fields, context: Context) => Descent | undefined;

/** Bare fields that matter to a visitor, and what they hold. */
const bareFields: Readonly<Record<string, NodeTag>> = {
  constrrel: "RangeVar",
  identitySequence: "RangeVar",
  pktable: "RangeVar",
  rel: "RangeVar",
  relation: "RangeVar",
  sequence: "RangeVar",
  table: "RangeVar",
  typevar: "RangeVar",
  view: "RangeVar",
  larg: "SelectStmt",
  rarg: "SelectStmt",
  into: "IntoClause",
  intoClause: "IntoClause",
  onConflictClause: "OnConflictClause",
  funccall: "FuncCall",
  setstmt: "VariableSetStmt",
  action: "GrantStmt",
  base: "CreateStmt",
};
/** Not looked up in the object: JSON_ARRAYAGG has a field named `constructor`. */
const bareTags: ReadonlyMap<string, NodeTag> = new Map(Object.entries(bareFields));

interface Step {
  readonly value: unknown;
  readonly field: string;
  readonly parent: string;
  readonly context: Context;
}

export const inScope = (scope: CteScope | undefined, name: string): boolean => {
  for (let at = scope; at !== undefined; at = at.outer) if (at.names.has(name)) return true;
  return false;
};

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const wrappedTag = /^[A-Z]/;

export function walk(root: unknown, visit: Visitor): void {
  const stack: Step[] = [{ value: root, field: "", parent: "", context: { planned: false, ctes: undefined } }];
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    const { value, field, parent, context } = step;
    if (Array.isArray(value)) {
      for (let i = value.length - 1; i >= 0; i--) stack.push({ value: value[i], field, parent, context });
      continue;
    }
    if (!isFields(value)) continue;
    const keys = Object.keys(value);
    const only = keys.length === 1 ? keys[0] : undefined;
    const wrapped = only !== undefined && wrappedTag.test(only) ? only : undefined;
    const tag = wrapped ?? (field === "name" && parent === "PartitionCmd" ? "RangeVar" : (bareTags.get(field) ?? ""));
    const inner = wrapped === undefined ? value : value[wrapped];
    if (!isFields(inner)) continue;
    pushChildren(stack, tag, inner, context, visit(tag, inner, context));
  }
}

function pushChildren(stack: Step[], tag: string, fields: Fields, context: Context, descent: Descent | undefined): void {
  if (tag === "A_Const") return; // a value, in which there is no node
  let inside: Context = descent?.planned === undefined ? context : { ...context, planned: descent.planned };
  const children: Step[] = [];
  const withClause = fields["withClause"];
  if (isFields(withClause)) inside = pushCtes(children, withClause, inside);
  for (const [field, value] of Object.entries(fields)) {
    if (typeof value !== "object" || field === "withClause" || descent?.skip?.includes(field) === true) continue;
    children.push({ value: descent?.replace?.[field] ?? value, field, parent: tag, context: inside });
  }
  for (let i = children.length - 1; i >= 0; i--) stack.push(children[i] as Step);
}

function pushCtes(children: Step[], withClause: Fields, context: Context): Context {
  const ctes = Array.isArray(withClause["ctes"]) ? (withClause["ctes"] as readonly Node[]) : [];
  const nameOf = (cte: Node): string => ("CommonTableExpr" in cte ? (cte.CommonTableExpr.ctename ?? "") : "");
  const all: Context = { ...context, ctes: { names: new Set(ctes.map(nameOf)), outer: context.ctes } };
  let before = context;
  for (const cte of ctes) {
    children.push({ value: cte, field: "ctes", parent: "WithClause", context: withClause["recursive"] === true ? all : before });
    before = { planned: context.planned, ctes: { names: new Set([nameOf(cte)]), outer: before.ctes } };
  }
  return all;
}
