import { CellMasker } from "../../../masking/cell-masker.ts";
import { DETECTORS } from "../../../masking/detector-set.ts";
import type { Parameter } from "./conversation.ts";
import { MAX_PLAN_BYTES } from "./limits.ts";

/** Literals of SQL as EXPLAIN writes them. */
const LITERAL = /'((?:[^']|'')*)'/g;
/** Lines on which EXPLAIN writes expressions; elsewhere numbers are its own. */
const EXPRESSIONS = /^\s*(?:[\w ]*(?:Filter|Cond|Key|Check|Output|Call)): /;
/** Not of a name, a parameter or a SubPlan. */
const NUMBER = /(?<![\w$.]|Plan )\d+(?:\.\d+)?(?!\w)/g;
const HIDDEN = "…";

/**
 * A plan repeats constants: those of the statement, which whoever looks has before them, and those of views, policies of rows and folded
 * functions, which may be anything. Of the latter nothing is left, and the detectors go over all of it.
 */
export function maskText(text: string, statement: string, parameters: readonly Parameter[], room = MAX_PLAN_BYTES): string {
  const known = [statement, ...parameters.flatMap(({ value }) => (value === undefined ? [] : [value.toString("utf8")]))];
  const isKnown = (constant: string): boolean => known.some((place) => place.includes(constant));
  const lines = text.split("\n").map((line) => {
    const literals = line.replaceAll(LITERAL, (literal, inner: string) => (isKnown(inner) ? literal : `'${HIDDEN}'`));
    return EXPRESSIONS.test(line) ? literals.replaceAll(NUMBER, (number) => (isKnown(number) ? number : HIDDEN)) : literals;
  });
  const bytes = Buffer.from(lines.join("\n"));
  new CellMasker({ maskColumns: [], detectors: [...DETECTORS] }, { hash: Buffer.alloc(0), token: Buffer.alloc(0) }).scan(bytes, 0, bytes.length);
  return cut(bytes, room);
}

function cut(bytes: Buffer, room: number): string {
  if (bytes.length <= room) return bytes.toString("utf8");
  const end = bytes.lastIndexOf("\n", room);
  return `${end === -1 ? "" : `${bytes.toString("utf8", 0, end)}\n`}${HIDDEN}`;
}
