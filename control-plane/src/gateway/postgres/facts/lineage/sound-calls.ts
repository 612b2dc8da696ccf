import type { FuncCall, Node } from "@pgsql/types";
import { answersAny } from "../functions.ts";
import { constantText } from "../statements-session.ts";

/**
 * Calls that fail on no value because of the constants that they are given: `substr(name, 1, 3)`, and not `substr(name, 1, -1)`. A call that
 * always fails tells, too: AND and OR evaluate it or not, depending on what stands before it.
 */

/** A constant, with a sign or a type; `-1` is one already. */
export const isConstant = (node: Node): boolean =>
  "A_Const" in node || ("TypeCast" in node && node.TypeCast.arg !== undefined && "A_Const" in node.TypeCast.arg);

type Constant = string | number | undefined;

function constantOf(node: Node | undefined): Constant {
  if (node === undefined || !isConstant(node)) return undefined;
  const bare = "TypeCast" in node ? node.TypeCast.arg : node;
  if (bare === undefined || !("A_Const" in bare)) return undefined;
  const text = constantText(bare);
  return "sval" in bare.A_Const || text === null ? (text ?? undefined) : Number(text);
}

/** Text that is wider may be more than the server takes. */
const MAX_WIDTH = 10_000;
/** Longer patterns are not looked at. */
const MAX_PATTERN_CHARS = 200;

/** Characters, classes and bracket expressions, each with a quantifier: all that people look for, and nothing that a regular expression can get wrong. */
const plainPattern =
  /^\^?(?:(?:[A-Za-z0-9 _@%#/:,;=&!~'"<>-]|\\[dDsSwW]|\\[^A-Za-z0-9]|\.|\[\^?(?:a-z|A-Z|0-9|\\[dsw]|[A-Za-z0-9 _@%#.,;:/+*?()])+-?\])[*+?]?)*\$?$/;
const isPlainPattern = (pattern: Constant): boolean => typeof pattern === "string" && pattern.length <= MAX_PATTERN_CHARS && plainPattern.test(pattern);

/** `%*s` takes a width from its arguments, `%I` fails on NULL. */
const plainFormat = /^(?:[^%]|%(?:\d+\$)?-?\d{0,3}[sL%])*$/;
/** Neither a number nor a time fails with these. */
const plainTemplate = /^(?:FM)?(?:[90,YyQqWw4 /:-]|MM|HH(?:24|12)?)*(?:\.[90]*)?$/;

/** Of timestamps and intervals alike. */
const truncatedTo: ReadonlySet<Constant> = new Set(["second", "minute", "hour", "day", "month", "quarter", "year"]);

const isNumber = (value: Constant): value is number => typeof value === "number" && !Number.isNaN(value);

type Check = (constants: readonly Constant[]) => boolean;

const part: Check = ([, from, count, ...more]) =>
  more.length === 0 && (isNumber(from) ? count === undefined || (isNumber(count) && count >= 0) : count === undefined && isPlainPattern(from));
const padded: Check = ([, width]) => isNumber(width) && width <= MAX_WIDTH;
const rounded: Check = ([, digits]) => digits === undefined || isNumber(digits);
const epoch: Check = ([unit]) => unit === "epoch";

const checks: Readonly<Record<string, Check>> = {
  substr: part,
  substring: part,
  split_part: ([, delimiter, field]) => typeof delimiter === "string" && isNumber(field) && field !== 0,
  overlay: ([, placing, from, count]) => typeof placing === "string" && isNumber(from) && from > 0 && (count === undefined || (isNumber(count) && count >= 0)),
  lpad: padded,
  rpad: padded,
  regexp_replace: ([, pattern, by, flags = "", ...more]) =>
    isPlainPattern(pattern) && typeof by === "string" && typeof flags === "string" && /^[gi]*$/.test(flags) && more.length === 0,
  round: rounded,
  trunc: rounded,
  extract: epoch,
  date_part: epoch,
  date_trunc: ([unit, , ...more]) => truncatedTo.has(unit) && more.length === 0,
  to_char: ([, template]) => typeof template === "string" && plainTemplate.test(template),
  format: ([text]) => typeof text === "string" && plainFormat.test(text),
  // Of bytes in an encoding.
  length: ([, encoding, ...more]) => encoding === undefined && more.length === 0,
  lag: () => true,
  lead: () => true,
  percentile_disc: ([fraction]) => isNumber(fraction) && fraction >= 0 && fraction <= 1,
};

/** They fail on some values though their constants are in order with others. */
const neverExcused: ReadonlySet<string> = new Set(["format", "length", "percentile_disc"]);

/** `wholeOfColumn`: the call is the whole expression, of a mere column: that it fails on any value tells only whether there is one. */
export function isSound(name: readonly string[], { args = [], func_variadic }: FuncCall, wholeOfColumn: boolean): boolean {
  const bare = name.at(-1) ?? "";
  if (args.some((arg) => "NamedArgExpr" in arg) || !answersAny(name, args.map(isConstant))) return false;
  if (wholeOfColumn && !neverExcused.has(bare)) return true;
  return func_variadic !== true && (checks[bare]?.(args.map(constantOf)) ?? false);
}

/** Which arguments are keys of an object: NULL is none, so that they fail on it. */
const keyed: ReadonlyMap<string, (index: number) => boolean> = new Map([
  ...["json_build_object", "jsonb_build_object"].map((name) => [name, (index: number) => index % 2 === 0] as const),
  ...["json_object_agg", "jsonb_object_agg"].map((name) => [name, (index: number) => index === 0] as const),
]);

/** The arguments that a call fails on when they are NULL. */
export function keysOf(name: readonly string[], { args = [], func_variadic }: FuncCall): readonly Node[] {
  const isKey = keyed.get(name.at(-1) ?? "");
  return isKey === undefined ? [] : args.filter((arg, index) => func_variadic === true || (isKey(index) && !isConstant(arg)));
}
