import type { Node, TypeCast } from "@pgsql/types";
import { strings } from "../names.ts";
import { isConstant, isSound } from "./sound-calls.ts";

/**
 * AND, OR and COALESCE evaluate what stands behind their first operand, or not, depending on what stands before it. If it fails, that tells
 * what was before it, even where it has nothing to do with any value: `secret LIKE 'Q%' AND json_build_object('a') IS NULL`. So this list is
 * closed: what is not in it may fail.
 */

/** Patterns are not here: they fail on columns of which the collation is not deterministic. */
const operators: ReadonlySet<string> = new Set("= <> < <= > >=".split(" "));
const kinds: ReadonlySet<string> = new Set(["AEXPR_OP", "AEXPR_IN", "AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT", "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"]);

/** Of text, and answering any, in whatever collation. */
const functions: ReadonlySet<string> = new Set(
  "btrim char_length character_length concat concat_ws initcap left lower ltrim md5 octet_length quote_literal reverse right rtrim translate upper".split(" "),
);
/** They look at no collation. */
const joining: ReadonlySet<string> = new Set(["concat", "concat_ws"]);
/** Sound calls of these may still fail on columns of which the collation is not deterministic. */
const unsteady: ReadonlySet<string> = new Set(["regexp_replace", "split_part"]);

/** A constant of another type may be of a domain, which is checked when it is evaluated. */
const types: ReadonlySet<string> = new Set(
  "bool bpchar bytea date float4 float8 int2 int4 int8 interval json jsonb name numeric text time timestamp timestamptz uuid varchar".split(" "),
);

/** Of a type that is no row, or an array of such. */
export const ofKnownType = ({ typeName }: TypeCast): boolean => types.has(builtIn(strings(typeName?.names)) ?? "");

const builtIn = (parts: readonly string[]): string | undefined => (parts.slice(0, -1).every((schema) => schema === "pg_catalog") ? parts.at(-1) : undefined);

/** Whether it fails on nothing. `isPlain`: a mere column of a table; any other may stand for an expression that is evaluated in its place. */
export function isSteady(node: Node | undefined, isPlain: (node: Node) => boolean): boolean {
  if (node === undefined) return true;
  const all = (nodes: readonly (Node | undefined)[] = []): boolean => nodes.every((each) => isSteady(each, isPlain));
  if ("ColumnRef" in node) return isPlain(node);
  if ("A_Const" in node || "ParamRef" in node || "SQLValueFunction" in node) return true;
  if ("TypeCast" in node) return isConstant(node) && ofKnownType(node.TypeCast);
  if ("NullTest" in node) return all([node.NullTest.arg]);
  if ("BooleanTest" in node) return all([node.BooleanTest.arg]);
  if ("BoolExpr" in node) return all(node.BoolExpr.args);
  if ("CoalesceExpr" in node) return all(node.CoalesceExpr.args);
  if ("List" in node) return all(node.List.items);
  if ("A_Expr" in node) {
    const { kind = "", name, lexpr, rexpr } = node.A_Expr;
    return kinds.has(kind) && (!isOperation(kind) || operators.has(builtIn(strings(name)) ?? "")) && all([lexpr, rexpr]) && ofOneColumn(node);
  }
  if (!("FuncCall" in node)) return false;
  const call = node.FuncCall;
  const parts = strings(call.funcname);
  const name = builtIn(parts) ?? "";
  return !unsteady.has(name) && (functions.has(name) || isSound(parts, call, false)) && all(call.args) && (joining.has(name) || ofOneColumn(node));
}

/** Columns of different collations cannot be compared, nor folded when they are joined. */
function ofOneColumn(root: Node): boolean {
  const names = new Set<string>();
  const stack: unknown[] = [root];
  while (stack.length > 0) {
    const node = stack.pop();
    if (typeof node !== "object" || node === null) continue;
    if ("ColumnRef" in node) names.add(strings((node as Extract<Node, { ColumnRef: unknown }>).ColumnRef.fields).join("."));
    else stack.push(...(Object.values(node) as unknown[]));
  }
  return names.size <= 1;
}

/** Of the others the operator follows from the kind. */
const isOperation = (kind: string): boolean => kind === "AEXPR_OP" || kind === "AEXPR_DISTINCT" || kind === "AEXPR_NOT_DISTINCT" || kind === "AEXPR_IN";
