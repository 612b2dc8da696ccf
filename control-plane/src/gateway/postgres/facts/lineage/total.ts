import type { A_Expr, Node } from "@pgsql/types";
import { strings } from "../names.ts";
import { constantText } from "../statements-session.ts";
import type { NodeTag } from "../tree.ts";
import { isConstant } from "./sound-calls.ts";

/**
 * What answers any value, and with one row. Whether anything else fails, or how many rows it makes, may tell what it was given: that finds a
 * value out without showing it. So this list is closed: what is not in it tells.
 */
const totalTags: ReadonlySet<string> = new Set<NodeTag>([
  "A_Star",
  "BitString",
  "Boolean",
  "BooleanTest",
  "CollateClause",
  "Float",
  "IndexElem",
  "Integer",
  "JsonArrayConstructor",
  "JsonScalarExpr",
  "JsonValueExpr",
  "List",
  "MergeSupportFunc",
  "MinMaxExpr",
  "MultiAssignRef",
  "NamedArgExpr",
  "NullTest",
  "ParamRef",
  "ResTarget",
  "RowExpr",
  "SetToDefault",
  "SortBy",
  "SQLValueFunction",
  "String",
  "WindowDef",
]);

/** Of a key in the tree: tags begin with an upper-case letter, fields with a lower-case one, and lists have numbers. */
export function isTellingTag(key: string): boolean {
  const first = key.charCodeAt(0);
  return first >= 0x41 && first <= 0x5a && !totalTags.has(key);
}

const patternOperators: ReadonlySet<string> = new Set(["~~", "!~~", "~~*", "!~~*"]);

/**
 * Whether a pattern may fail on some values: a computed one may be none, and of one that ends in its escape that shows only to a value that
 * matches so far. Of SIMILAR TO only words are known to be in order.
 */
export function tellsByPattern({ kind, name, rexpr }: A_Expr): boolean {
  if (kind === "AEXPR_SIMILAR") return !/^[\w\s%@.,-]*$/.test(patternOf(rexpr)?.text ?? "(");
  const likens = kind === "AEXPR_LIKE" || kind === "AEXPR_ILIKE" || patternOperators.has(strings(name).at(-1) ?? "");
  return likens && !patternsIn(rexpr, kind === "AEXPR_OP_ANY" || kind === "AEXPR_OP_ALL").every(isWhole);
}

interface Pattern {
  readonly text: string;
  readonly escape: string;
}

/** LIKE ANY (ARRAY[…]) has several; in the text of an array a backslash may be anybody's. */
function patternsIn(node: Node | undefined, several: boolean): readonly (Pattern | undefined)[] {
  if (several && node !== undefined && "A_ArrayExpr" in node) return (node.A_ArrayExpr.elements ?? []).map(patternOf);
  const pattern = patternOf(node);
  return [several && pattern?.text.includes("\\") === true ? undefined : pattern];
}

/** Undefined: it is computed. With ESCAPE it is the argument of a function. */
function patternOf(node: Node | undefined): Pattern | undefined {
  const [pattern, escape] =
    node !== undefined && "FuncCall" in node && escaping.has(strings(node.FuncCall.funcname).join(".")) ? (node.FuncCall.args ?? []) : [node];
  const text = wordOf(pattern);
  const mark = escape === undefined ? "\\" : wordOf(escape);
  return text === undefined || mark === undefined ? undefined : { text, escape: mark };
}

const escaping: ReadonlySet<string> = new Set(["pg_catalog.like_escape", "pg_catalog.similar_to_escape"]);

function wordOf(node: Node | undefined): string | undefined {
  if (node === undefined || !isConstant(node)) return undefined;
  return constantText("TypeCast" in node ? node.TypeCast.arg : node) ?? undefined;
}

/** Backslashes of a pattern with another escape are doubled. */
const isWhole = (pattern: Pattern | undefined): boolean => pattern !== undefined && (pattern.escape === "" || !pattern.text.endsWith(pattern.escape));
