import type { FuncCall, Node } from "@pgsql/types";
import { strings } from "../names.ts";
import { constantText } from "../statements-session.ts";
import { isConstant } from "./sound-calls.ts";

/**
 * What may make values wider than the server takes (1 GiB), and so fails on some: `string_agg(replace(ssn, '4', 'xxx'), '')` over enough rows
 * fails where there is a 4.
 *
 * G1. Aggregates that gather values are given stored ones, or what only wraps them.
 * G2. What makes values wider is not given what a subquery has made; it could be given that any number of times.
 * G3. What multiplies the width of a value is not given what is wider already, and by no more than its own text says.
 *
 * What is left is as wide as the stored values, times the length of the text of the command.
 */

const gathering: ReadonlySet<string> = new Set(["array_agg", "json_agg", "json_object_agg", "jsonb_agg", "jsonb_object_agg", "string_agg"]);
const wrapping: ReadonlySet<string> = new Set([
  "json_build_array",
  "json_build_object",
  "jsonb_build_array",
  "jsonb_build_object",
  "row_to_json",
  "to_json",
  "to_jsonb",
]);
/** By escaping, or by what they put in the place of something. */
const multiplying: ReadonlySet<string> = new Set("quote_ident quote_literal quote_nullable regexp_replace replace row_to_json to_json to_jsonb".split(" "));
const joining: ReadonlySet<string> = new Set(
  "concat concat_ws format json_build_array json_build_object jsonb_build_array jsonb_build_object overlay".split(" "),
);
const joiningTags: readonly string[] = ["A_ArrayExpr", "JsonArrayConstructor", "RowExpr", "XmlExpr"];

/** A reference to what a subquery, or a CTE, has made of columns. */
type IsMade = (node: Node) => boolean;

/** G1 and G3, of one call in an expression. G2 is for whoever sees all of it. */
export function growsTooFar(call: FuncCall, isMade: IsMade): boolean {
  const { args = [] } = call;
  if (gathering.has(nameOf(call))) return !args.every((arg) => isKept(arg, isMade));
  return multiplying.has(nameOf(call)) && grows({ FuncCall: call }) && (!isSpeltOut(call) || someIn(args, (inner) => grows(inner) || "SubLink" in inner));
}

const nameOf = ({ funcname }: FuncCall): string => strings(funcname).at(-1) ?? "";

/** It may be wider than what it is given. */
export function grows(node: Node): boolean {
  if ("A_Expr" in node) return strings(node.A_Expr.name).at(-1) === "||";
  if (!("FuncCall" in node)) return joiningTags.some((tag) => tag in node);
  const name = nameOf(node.FuncCall);
  return joining.has(name) || (multiplying.has(name) && !shortens(name, node.FuncCall));
}

/** `replace(phone, '-', '')`. */
function shortens(name: string, { args = [] }: FuncCall): boolean {
  const [, from, to] = args.map(constantText);
  if (name === "regexp_replace") return to === "";
  return name === "replace" && typeof from === "string" && typeof to === "string" && to.length <= from.length;
}

/** What replaces a part stands in the text, and is no longer than that. */
function isSpeltOut(call: FuncCall): boolean {
  const by = call.args?.[2];
  return (nameOf(call) !== "replace" && nameOf(call) !== "regexp_replace") || (by !== undefined && isConstant(by));
}

function isKept(node: Node, isMade: IsMade): boolean {
  if ("ColumnRef" in node) return !isMade(node);
  if (isConstant(node) || "ParamRef" in node) return true;
  if ("TypeCast" in node) return node.TypeCast.arg === undefined || isKept(node.TypeCast.arg, isMade);
  if ("RowExpr" in node) return (node.RowExpr.args ?? []).every((arg) => isKept(arg, isMade));
  return "FuncCall" in node && wrapping.has(nameOf(node.FuncCall)) && (node.FuncCall.args ?? []).every((arg) => isKept(arg, isMade));
}

function someIn(roots: readonly Node[], found: (node: Node) => boolean): boolean {
  const stack: unknown[] = [...roots];
  while (stack.length > 0) {
    const value = stack.pop();
    if (typeof value !== "object" || value === null) continue;
    if (!Array.isArray(value) && found(value as Node)) return true;
    stack.push(...(Object.values(value) as unknown[]));
  }
  return false;
}
