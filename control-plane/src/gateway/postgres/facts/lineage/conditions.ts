import type { A_Expr, Node } from "@pgsql/types";
import { strings } from "../names.ts";
import type { Scope } from "./scope.ts";
import type { Tracer } from "./tracer.ts";
import { valueOf } from "./values-of.ts";

/**
 * Notes what a condition looks at. `email = 'ann@example.com'` tells only those who know the address; `email LIKE 'a%'` finds it out letter by letter.
 */
export function noteCondition(tracer: Tracer, root: Node | undefined, scope: Scope): void {
  const stack = [root];
  while (stack.length > 0) {
    const node = stack.pop();
    if (node === undefined) continue;
    tracer.spend(1);
    if ("BoolExpr" in node) for (const arg of node.BoolExpr.args ?? []) stack.push(arg);
    else if ("NullTest" in node && isColumn(node.NullTest.arg)) tracer.match(valueOf(tracer, node.NullTest.arg, scope, "conditions"));
    else if ("A_Expr" in node && matchesExactly(node.A_Expr)) tracer.match(valueOf(tracer, node, scope, "conditions"), exactValues(node.A_Expr));
    else tracer.filter(valueOf(tracer, node, scope, "conditions"));
  }
}

function matchesExactly({ kind, name, lexpr, rexpr }: A_Expr): boolean {
  if (strings(name).at(-1) !== "=") return false;
  if (kind === "AEXPR_OP" || kind === "AEXPR_NOT_DISTINCT") return (isColumn(lexpr) && isValue(rexpr)) || (isValue(lexpr) && isColumn(rexpr));
  if (kind !== "AEXPR_IN" || rexpr === undefined || !("List" in rexpr)) return false;
  const { items = [] } = rexpr.List;
  return isColumn(lexpr) && items.every(isValue);
}

/**
 * The values that a column is compared with, spelt so that the same text or parameter counts once. Numbers count each time: a look at
 * one would make every text with another number a new text to parse.
 */
const exactValues = ({ lexpr, rexpr }: A_Expr): readonly string[] =>
  [lexpr, rexpr].flatMap((side) => (side !== undefined && "List" in side ? (side.List.items ?? []) : [side])).flatMap((node) => spelling(node) ?? []);

/** Of a value; undefined for a column. */
export function spelling(node: Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  if ("A_Const" in node) return "sval" in node.A_Const ? `'${node.A_Const.sval.sval ?? ""}` : `@${node.A_Const.location ?? 0}`;
  if ("ParamRef" in node) return `$${node.ParamRef.number ?? 0}`;
  if ("TypeCast" in node) return spelling(node.TypeCast.arg);
  return "FuncCall" in node ? spelling(node.FuncCall.args?.[0]) : undefined;
}

/** Cases that people look names up by. */
const folding: ReadonlySet<string> = new Set(["lower", "upper"]);

const isColumn = (node: Node | undefined): boolean => {
  if (node === undefined) return false;
  if ("ColumnRef" in node) return true;
  return folds(node) && isColumn(node.FuncCall.args?.[0]);
};

/** Held by the command itself. */
export const isValue = (node: Node | undefined): boolean => {
  if (node === undefined) return false;
  if ("A_Const" in node || "ParamRef" in node) return true;
  if ("TypeCast" in node) return isValue(node.TypeCast.arg);
  return folds(node) && isValue(node.FuncCall.args?.[0]);
};

function folds(node: Node): node is Extract<Node, { FuncCall: unknown }> {
  if (!("FuncCall" in node) || node.FuncCall.args?.length !== 1) return false;
  const name = strings(node.FuncCall.funcname);
  return name.length === 1 && folding.has(name[0] ?? "");
}
