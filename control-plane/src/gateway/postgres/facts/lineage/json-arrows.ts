import type { A_Expr, Node } from "@pgsql/types";
import { strings } from "../names.ts";
import { constantText } from "../statements-session.ts";
import { isConstant } from "./sound-calls.ts";

/**
 * `->` and its like answer any key. JSON, which is kept as it was written, fails on every key when there is an escape in it that stands for no
 * character (`\u0000`), but on none that is NULL: whoever writes such JSON sees which keys are NULL. JSONB has none.
 */

const arrows: ReadonlySet<string> = new Set(["->", "->>", "#>", "#>>"]);

const makingJsonb: ReadonlySet<string> = new Set(["to_jsonb", "jsonb_agg", "jsonb_build_array", "jsonb_build_object", "jsonb_object_agg"]);

/** `isPlain`: a mere column of a table, of which only what is stored shows. */
export function tellsByArrow({ kind, name, lexpr }: A_Expr, isPlain: (node: Node) => boolean): boolean {
  return kind === "AEXPR_OP" && arrows.has(strings(name).at(-1) ?? "") && !isHarmless(lexpr, isPlain);
}

/** Stored, or JSONB, or without an escape. */
function isHarmless(node: Node | undefined, isPlain: (node: Node) => boolean): boolean {
  let json = node;
  // The left of `a -> 'b' -> 'c'` may be of any depth.
  while (json !== undefined && "A_Expr" in json && arrows.has(strings(json.A_Expr.name).at(-1) ?? "")) json = json.A_Expr.lexpr;
  if (json === undefined) return false;
  if ("FuncCall" in json) return makingJsonb.has(strings(json.FuncCall.funcname).at(-1) ?? "");
  if (!isConstant(json)) return isPlain(json);
  const isJsonb = "TypeCast" in json && strings(json.TypeCast.typeName?.names).at(-1) === "jsonb";
  return isJsonb || constantText("TypeCast" in json ? json.TypeCast.arg : json)?.includes("\\") === false;
}
