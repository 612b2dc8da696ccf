import type { A_Expr, FuncCall, Node, SubLink } from "@pgsql/types";
import { strings } from "../names.ts";
import { isSteady, ofKnownType } from "./steady.ts";

/**
 * What a comparison tells beside its answer. Rows are compared column by column, up to the first that differs: what comes after it is not
 * evaluated, or fails because nothing compares its type (JSON), only where the columns before it are alike. `(left(ssn, 1), f(x)) = ('4', 'x')`
 * and `row(left(ssn, 1), '{}'::json) = r` find a value out letter by letter, although their answers are masked. So operands that may be rows,
 * or arrays of them, tell. IN and BETWEEN are several comparisons, which are made in turn like the operands of OR and AND.
 */

/** They answer one of what they are given. */
const picking: ReadonlySet<string> = new Set("array_agg first_value lag last_value lead max min mode percentile_disc".split(" "));
/** They compare what they are given; others that do are not known to answer any value. */
const comparing: ReadonlySet<string> = new Set(["max", "min", "mode"]);

const operators: ReadonlySet<string> = new Set("= <> < <= > >= @> <@ &&".split(" "));

/** A mere column of a table. */
type IsPlain = (node: Node) => boolean;

export function tellsByComparing(expression: A_Expr, isPlain: IsPlain): boolean {
  const { kind, name, lexpr, rexpr } = expression;
  if (kind === "AEXPR_OP" || kind === "AEXPR_OP_ANY" || kind === "AEXPR_OP_ALL") {
    return operators.has(strings(name).at(-1) ?? "") && !areSingle([lexpr, rexpr], isPlain);
  }
  if (kind === "AEXPR_DISTINCT" || kind === "AEXPR_NOT_DISTINCT") return !areSingle([lexpr, rexpr], isPlain);
  const several = kind === "AEXPR_IN" || kind?.includes("BETWEEN") === true;
  if (!several) return false;
  const [, ...later] = itemsOf(rexpr);
  return !areSingle([lexpr, ...itemsOf(rexpr)], isPlain) || !later.every((each) => isSteady(each, isPlain));
}

const itemsOf = (node: Node | undefined): readonly (Node | undefined)[] => (node !== undefined && "List" in node ? (node.List.items ?? []) : [node]);

/** `(a, b) = ANY (SELECT …)`. */
export const testsRow = ({ testexpr }: SubLink, isPlain: IsPlain): boolean => !isSingle(testexpr, isPlain);

/** `max` of rows, or DISTINCT ones. */
export function comparesRows({ funcname, args = [], agg_distinct }: FuncCall, isPlain: IsPlain): boolean {
  return (agg_distinct === true || comparing.has(strings(funcname).at(-1) ?? "")) && !areSingle(args, isPlain);
}

export const areSingle = (nodes: readonly (Node | undefined)[] = [], isPlain: IsPlain): boolean => nodes.every((node) => isSingle(node, isPlain));

/** Of their own kind they answer no row, whatever they hold. */
const single: readonly string[] = [
  "A_Const",
  "ParamRef",
  "SQLValueFunction",
  "BoolExpr",
  "NullTest",
  "BooleanTest",
  "GroupingFunc",
  "A_Expr",
  "CollateClause",
  "JsonArrayConstructor",
  "JsonScalarExpr",
];

/** Known to be no row and no array of rows; a function that is in no list tells anyway. */
export function isSingle(node: Node | undefined, isPlain: IsPlain): boolean {
  if (node === undefined) return true;
  if ("ColumnRef" in node) return isPlain(node);
  if ("TypeCast" in node) return ofKnownType(node.TypeCast);
  if ("FuncCall" in node) return !picking.has(strings(node.FuncCall.funcname).at(-1) ?? "") || areSingle(node.FuncCall.args, isPlain);
  if ("A_ArrayExpr" in node) return areSingle(node.A_ArrayExpr.elements, isPlain);
  if ("List" in node) return areSingle(node.List.items, isPlain);
  if ("CoalesceExpr" in node) return areSingle(node.CoalesceExpr.args, isPlain);
  if ("MinMaxExpr" in node) return areSingle(node.MinMaxExpr.args, isPlain);
  if ("CaseExpr" in node) {
    const { args = [], defresult } = node.CaseExpr;
    return areSingle([defresult, ...args.map((when) => ("CaseWhen" in when ? when.CaseWhen.result : when))], isPlain);
  }
  if ("SubLink" in node)
    return node.SubLink.subLinkType === "EXISTS_SUBLINK" || node.SubLink.subLinkType === "ANY_SUBLINK" || node.SubLink.subLinkType === "ALL_SUBLINK";
  return single.some((tag) => tag in node);
}
