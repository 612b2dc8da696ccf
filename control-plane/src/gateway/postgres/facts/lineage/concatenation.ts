import type { A_Expr, Node } from "@pgsql/types";
import { strings } from "../names.ts";

/**
 * Whether `||` joins text, which never fails. JSON and arrays may not fit each other, which would tell what they are.
 */

/** How deep operands are looked into; beyond, they may be anything. */
const MAX_OPERAND_DEPTH = 8;

/** They answer text whatever they are given. */
const answeringText: ReadonlySet<string> = new Set(
  "btrim concat concat_ws format initcap left lower lpad ltrim md5 overlay quote_ident quote_literal quote_nullable regexp_replace repeat replace reverse right rpad rtrim split_part string_agg substr substring to_char translate upper".split(
    " ",
  ),
);
const textTypes: ReadonlySet<string> = new Set(["text", "varchar", "bpchar", "name"]);

/** `isPlain`: a mere column of a table, of which only what is stored shows. */
export function joinsText({ lexpr, rexpr }: A_Expr, isPlain: (node: Node) => boolean): boolean {
  return isText(lexpr) || isText(rexpr) || (isPlainJoin(lexpr, isPlain) && isPlainJoin(rexpr, isPlain));
}

function isPlainJoin(node: Node | undefined, isPlain: (node: Node) => boolean, depth = 0): boolean {
  if (node === undefined || depth > MAX_OPERAND_DEPTH) return false;
  if (!("A_Expr" in node) || !isJoin(node.A_Expr)) return isPlain(node);
  return isPlainJoin(node.A_Expr.lexpr, isPlain, depth + 1) && isPlainJoin(node.A_Expr.rexpr, isPlain, depth + 1);
}

function isText(node: Node | undefined, depth = 0): boolean {
  if (node === undefined || depth > MAX_OPERAND_DEPTH) return false;
  const inner = (each: Node | undefined): boolean => isText(each, depth + 1);
  if ("A_Const" in node) return isWords(node.A_Const.sval?.sval);
  if ("CollateClause" in node) return true;
  if ("TypeCast" in node) {
    const { typeName } = node.TypeCast;
    const [type = "", schema = "pg_catalog"] = strings(typeName?.names).toReversed();
    return textTypes.has(type) && schema === "pg_catalog" && (typeName?.arrayBounds ?? []).length === 0;
  }
  if ("FuncCall" in node) {
    const [name = "", schema = "pg_catalog"] = strings(node.FuncCall.funcname).toReversed();
    return answeringText.has(name) && schema === "pg_catalog";
  }
  if ("CoalesceExpr" in node) return (node.CoalesceExpr.args ?? []).some(inner);
  if ("CaseExpr" in node) {
    const { args = [], defresult } = node.CaseExpr;
    return inner(defresult) || args.some((when) => "CaseWhen" in when && inner(when.CaseWhen.result));
  }
  if (!("A_Expr" in node)) return false;
  if (isJoin(node.A_Expr)) return inner(node.A_Expr.rexpr) || inner(node.A_Expr.lexpr);
  return ["->>", "#>>"].includes(strings(node.A_Expr.name).at(-1) ?? "");
}

const isJoin = ({ kind, name }: A_Expr): boolean => kind === "AEXPR_OP" && strings(name).at(-1) === "||";

/** A word is neither JSON nor an array, so that beside it only text can stand. */
function isWords(word: string | undefined): boolean {
  if (word === undefined || /^\s*[[{]/.test(word)) return false;
  try {
    JSON.parse(word);
    return false;
  } catch {
    return true;
  }
}
