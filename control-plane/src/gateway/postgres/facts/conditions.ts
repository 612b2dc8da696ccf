import type { A_Expr, BoolExpr, Node } from "@pgsql/types";
import { strings } from "./names.ts";

/**
 * Whether a WHERE picks rows at all. `true`, `1 = 1`, `$1 = $1`, `id = id`, `x = 1 OR true` do not: the statement is as good as one without WHERE.
 * Sound in one direction only: what is said to hold for every row may not (a NULL in `id = id`); whoever writes that wants all rows.
 * `id > -1` depends on the data, and counts as a condition.
 */

/** Deeper than a person writes; then it counts as no condition. */
export const MAX_CONDITION_DEPTH = 100;

export const picksRows = (where: Node | undefined): boolean => where !== undefined && !holdsAlways(where, 0);

function holdsAlways(node: Node, depth: number): boolean {
  if (depth > MAX_CONDITION_DEPTH) return true;
  if (!dependsOnRow(node)) return true;
  if ("BoolExpr" in node) return boolHolds(node.BoolExpr, depth);
  if ("A_Expr" in node) return comparisonHolds(node.A_Expr);
  if ("BooleanTest" in node && node.BooleanTest.arg !== undefined) {
    const { booltesttype, arg } = node.BooleanTest;
    return (booltesttype === "IS_TRUE" || booltesttype === "IS_NOT_FALSE") && holdsAlways(arg, depth + 1);
  }
  if ("TypeCast" in node && node.TypeCast.arg !== undefined) return holdsAlways(node.TypeCast.arg, depth + 1);
  return false;
}

function boolHolds({ boolop, args = [] }: BoolExpr, depth: number): boolean {
  if (boolop === "AND_EXPR") return args.every((arg) => holdsAlways(arg, depth + 1));
  if (boolop === "NOT_EXPR") return args[0] !== undefined && neverHolds(args[0], depth + 1);
  if (args.some((arg) => holdsAlways(arg, depth + 1))) return true;
  const [first, second] = args;
  return args.length === 2 && first !== undefined && second !== undefined && complements(first, second);
}

function neverHolds(node: Node, depth: number): boolean {
  if (depth > MAX_CONDITION_DEPTH) return true;
  if (!("A_Expr" in node)) return "BoolExpr" in node && node.BoolExpr.boolop === "NOT_EXPR" && holdsAlways(node.BoolExpr.args?.[0] ?? node, depth + 1);
  return ["<>", "<", ">"].includes(operator(node.A_Expr)) && same(node.A_Expr.lexpr, node.A_Expr.rexpr);
}

const operator = ({ name }: A_Expr): string => strings(name).at(-1) ?? "";

function comparisonHolds(expression: A_Expr): boolean {
  const { kind, lexpr, rexpr } = expression;
  const right = rexpr !== undefined && "List" in rexpr ? (rexpr.List.items ?? []) : [rexpr];
  switch (kind) {
    case "AEXPR_OP":
    case "AEXPR_LIKE":
    case "AEXPR_ILIKE":
      if (kind !== "AEXPR_OP" && operator(expression).startsWith("~~") && isText(rexpr, /^%+$/)) return true;
      return ["=", "<=", ">=", "~~", "~~*"].includes(operator(expression)) && same(lexpr, rexpr);
    case "AEXPR_NOT_DISTINCT":
      return same(lexpr, rexpr);
    case "AEXPR_IN":
      return operator(expression) === "=" && right.some((item) => same(lexpr, item));
    case "AEXPR_BETWEEN":
    case "AEXPR_BETWEEN_SYM":
      return right.every((item) => same(lexpr, item));
    default:
      return false;
  }
}

/** `x IS NULL OR x IS NOT NULL`, `x = 1 OR x <> 1`. */
function complements(a: Node, b: Node): boolean {
  if ("NullTest" in a && "NullTest" in b) return a.NullTest.nulltesttype !== b.NullTest.nulltesttype && same(a.NullTest.arg, b.NullTest.arg);
  if (!("A_Expr" in a && "A_Expr" in b)) return false;
  const opposite: Readonly<Record<string, string>> = { "=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">" };
  return opposite[operator(a.A_Expr)] === operator(b.A_Expr) && same(a.A_Expr.lexpr, b.A_Expr.lexpr) && same(a.A_Expr.rexpr, b.A_Expr.rexpr);
}

const isText = (node: Node | undefined, pattern: RegExp): boolean => node !== undefined && "A_Const" in node && pattern.test(node.A_Const.sval?.sval ?? "");

/** A column, or a cursor's row, somewhere inside. Without one the condition is the same for every row. */
export function dependsOnRow(root: Node): boolean {
  const stack: unknown[] = [root];
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (typeof value !== "object" || value === null || "A_Const" in value) continue;
    if ("ColumnRef" in value || "CurrentOfExpr" in value) return true;
    stack.push(...(Object.values(value) as unknown[]).slice(0, MAX_SPREAD));
  }
  return false;
}

/** Of a longer list the first items tell; a spread of more would overflow the stack. */
const MAX_SPREAD = 10_000;

/** Equal but for where in the text they stand. */
function same(a: unknown, b: unknown): boolean {
  const stack: [unknown, unknown][] = [[a, b]];
  for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
    const [left, right] = pair;
    if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) {
      if (left !== right || left === undefined) return false;
      continue;
    }
    const entries = (value: object): [string, unknown][] => Object.entries(value).filter(([key]) => key !== "location");
    const lefts = entries(left);
    const rights = new Map(entries(right));
    if (lefts.length !== rights.size) return false;
    for (const [key, value] of lefts) stack.push([value, rights.get(key)]);
  }
  return true;
}
