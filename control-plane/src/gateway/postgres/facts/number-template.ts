import type { ParseResult } from "@pgsql/types";

/**
 * Texts that differ in whole numbers only, as programs without parameters send them: `… WHERE id = 17`.
 *
 * The parser sees the same tokens in all texts of one template, but for the values of some ICONST tokens and for where tokens stand:
 * - There are only words, whole numbers, space, and symbols that begin neither a literal, a quoted name, a parameter nor a comment.
 * - A number of the template is a whole token: an operator and space before it, no letter, digit, `_` or `.` behind it. It has at most
 *   nine digits and no leading zero, so it is an ICONST and never a float.
 * - It stands behind an operator, so it is an operand. Where the grammar looks at the value of an ICONST (`float(24)` is another type
 *   than `float(25)`), that stands in parentheses.
 * So the tree is the same, but for these values. Whether anything was concluded from a value is for `watchNumbers` to say.
 */
const TAME = /^[\w \t\n\r,.;()=<>+*%-]*$/;
const COMMENT = "--";
const NUMBER = /([=<>+*%-][ \t\n\r]*)[1-9][0-9]{0,8}(?![\w.])/g;
/** Not a tame character: no text is its own template's name. */
const PLACE = "$1#";

/** What the texts have in common; undefined for a text without such numbers, or one of which that cannot be said for certain. */
export function templateOf(text: string): string | undefined {
  if (!TAME.test(text) || text.includes(COMMENT)) return undefined;
  const template = text.replaceAll(NUMBER, PLACE);
  return template === text ? undefined : template;
}

/** A text of the same template with other numbers, all the same. */
export const withOtherNumbers = (text: string): string => text.replaceAll(NUMBER, "$17");

/** Tells, from now on, whether anybody has looked at the value of one of the template's numbers in the tree of the text. */
export function watchNumbers(tree: ParseResult, text: string): { readonly looked: boolean } {
  const watch = { looked: false };
  // A tame text is ASCII: the parser's bytes are characters.
  const places = new Set(Array.from(text.matchAll(NUMBER), (found) => found.index + (found[1]?.length ?? 0)));
  const stack: unknown[] = [tree];
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (typeof value !== "object" || value === null) continue;
    if ("A_Const" in value) guard(value.A_Const as { readonly location?: number }, places, watch);
    else for (const member of Object.values(value)) stack.push(member);
  }
  return watch;
}

function guard(constant: { readonly location?: number }, places: ReadonlySet<number>, watch: { looked: boolean }): void {
  // One without a place is none that the text says, or the first thing in it.
  if (!("ival" in constant) || (constant.location !== undefined && !places.has(constant.location))) return;
  const { ival } = constant;
  Object.defineProperty(constant, "ival", {
    enumerable: true,
    get() {
      watch.looked = true;
      return ival;
    },
  });
}
