import type { Node } from "@pgsql/types";
import { strings } from "../names.ts";
import { isConstant, isSound } from "./sound-calls.ts";

/**
 * AND, OR and COALESCE evaluate what stands behind their first operand, or not, depending on what stands before it. If it fails, that tells
 * what was before it, even where it has nothing to do with any value: `secret LIKE 'Q%' AND json_build_object('a') IS NULL`. So this list is
 * closed: what is not in it may fail.
 */

const operators: ReadonlySet<string> = new Set("= <> < <= > >= ~~ !~~ ~~* !~~*".split(" "));
const kinds: ReadonlySet<string> = new Set([
  "AEXPR_OP",
  "AEXPR_IN",
  "AEXPR_LIKE",
  "AEXPR_ILIKE",
  "AEXPR_DISTINCT",
  "AEXPR_NOT_DISTINCT",
  "AEXPR_BETWEEN",
  "AEXPR_NOT_BETWEEN",
]);

/** Of text, and answering any. */
const functions: ReadonlySet<string> = new Set(
  "btrim char_length character_length concat concat_ws initcap left lower ltrim md5 octet_length quote_literal replace reverse right rtrim strpos translate upper".split(
    " ",
  ),
);
/** Sound calls of these may still ask for more memory than there is. */
const costly = "repeat";

/** A constant of another type may be of a domain, which is checked when it is evaluated. */
const types: ReadonlySet<string> = new Set(
  "bool bpchar bytea date float4 float8 int2 int4 int8 interval json jsonb name numeric text time timestamp timestamptz uuid varchar".split(" "),
);

const builtIn = (parts: readonly string[]): string | undefined => (parts.slice(0, -1).every((schema) => schema === "pg_catalog") ? parts.at(-1) : undefined);

/** Whether it fails on nothing. `isPlain`: a mere column of a table; any other may stand for an expression that is evaluated in its place. */
export function isSteady(node: Node | undefined, isPlain: (node: Node) => boolean): boolean {
  if (node === undefined) return true;
  const all = (nodes: readonly (Node | undefined)[] = []): boolean => nodes.every((each) => isSteady(each, isPlain));
  if ("ColumnRef" in node) return isPlain(node);
  if ("A_Const" in node || "ParamRef" in node || "SQLValueFunction" in node) return true;
  if ("TypeCast" in node) return isConstant(node) && types.has(builtIn(strings(node.TypeCast.typeName?.names)) ?? "");
  if ("NullTest" in node) return all([node.NullTest.arg]);
  if ("BooleanTest" in node) return all([node.BooleanTest.arg]);
  if ("BoolExpr" in node) return all(node.BoolExpr.args);
  if ("CoalesceExpr" in node) return all(node.CoalesceExpr.args);
  if ("List" in node) return all(node.List.items);
  if ("A_Expr" in node) {
    const { kind = "", name, lexpr, rexpr } = node.A_Expr;
    return kinds.has(kind) && (!isOperation(kind) || operators.has(builtIn(strings(name)) ?? "")) && all([lexpr, rexpr]);
  }
  if (!("FuncCall" in node)) return false;
  const call = node.FuncCall;
  const parts = strings(call.funcname);
  const name = builtIn(parts) ?? "";
  return name !== costly && (functions.has(name) || isSound(parts, call, false)) && all(call.args);
}

/** Of the others the operator follows from the kind. */
const isOperation = (kind: string): boolean => kind === "AEXPR_OP" || kind === "AEXPR_DISTINCT" || kind === "AEXPR_NOT_DISTINCT" || kind === "AEXPR_IN";
