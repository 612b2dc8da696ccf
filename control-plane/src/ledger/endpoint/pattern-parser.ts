import { SallyportError } from "@sallyport/proto/errors";

/** Longer patterns are lists in disguise, for which there are prefixes. */
export const MAX_PATTERN_LENGTH = 1_000;

/** Steps after `{m,n}` is written out: with a name of 512 characters at most 150,000 small steps, under 1 ms. */
export const MAX_PROGRAM_STEPS = 300;

/** Each group is a call of the parser. */
const MAX_DEPTH = 50;

/** Steps are relative, so that parts can be put together and repeated as they are. Past the last one is a match. */
export type Program = readonly Step[];
type Step =
  | { readonly op: "unit"; readonly test: (unit: number) => boolean }
  | { readonly op: "jump"; readonly by: number }
  /** On to the next step, or to this one. */
  | { readonly op: "split"; readonly or: number }
  | { readonly op: "start" }
  | { readonly op: "end" };

type UnitTest = (unit: number) => boolean;

const isDigit: UnitTest = (unit) => unit >= 48 && unit <= 57;
const isWord: UnitTest = (unit) => isDigit(unit) || (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122) || unit === 95;
const isSpace: UnitTest = (unit) => unit === 32 || (unit >= 9 && unit <= 13) || unit === 0xa0 || unit === 0x2028 || unit === 0x2029;
const not =
  (test: UnitTest): UnitTest =>
  (unit) =>
    !test(unit);

const CLASSES: Readonly<Record<string, UnitTest>> = { d: isDigit, D: not(isDigit), w: isWord, W: not(isWord), s: isSpace, S: not(isSpace) };
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };
const NEWLINE = 10;

/** alternatives := sequence ("|" sequence)*   sequence := (atom quantifier?)*   atom := unit | "." | class | group | anchor */
export function parsePattern(pattern: string): Program {
  if (pattern.length > MAX_PATTERN_LENGTH) throw refused(`it is longer than ${MAX_PATTERN_LENGTH} characters`);
  let at = 0;
  let depth = 0;

  const peek = (): string => pattern.charAt(at);
  const take = (): string => pattern.charAt(at++);
  const eat = (text: string): boolean => {
    if (!pattern.startsWith(text, at)) return false;
    at += text.length;
    return true;
  };

  function alternatives(): Program {
    const first = sequence();
    if (!eat("|")) return first;
    const rest = alternatives();
    return bounded([{ op: "split", or: first.length + 2 }, ...first, { op: "jump", by: rest.length + 1 }, ...rest]);
  }

  function sequence(): Program {
    let program: Program = [];
    while (at < pattern.length && peek() !== "|" && peek() !== ")") program = bounded([...program, ...quantified(atom())]);
    return program;
  }

  function quantified(one: Program): Program {
    const range = quantifier();
    if (range === undefined) return one;
    eat("?"); // lazy or greedy is the same question here: is there a match
    if (quantifier() !== undefined) throw refused("a quantifier follows a quantifier");
    const { least, most } = range;
    const must = Array.from({ length: least }, () => one).flat();
    if (most === undefined) return bounded([...must, { op: "split", or: one.length + 2 }, ...one, { op: "jump", by: -one.length - 1 }]);
    const may = Array.from({ length: most - least }, () => [{ op: "split", or: one.length + 1 } as const, ...one]).flat();
    return bounded([...must, ...may]);
  }

  function quantifier(): { readonly least: number; readonly most: number | undefined } | undefined {
    if (eat("*")) return { least: 0, most: undefined };
    if (eat("+")) return { least: 1, most: undefined };
    if (eat("?")) return { least: 0, most: 1 };
    const [text, least = "", comma, most = ""] = /^\{(\d{1,3})(,)?(\d{1,3})?\}/.exec(pattern.slice(at, at + 10)) ?? [];
    if (text === undefined) return undefined;
    at += text.length;
    const low = Number(least);
    const high = comma === undefined ? low : most === "" ? undefined : Number(most);
    if (high !== undefined && high < low) throw refused("a quantifier counts down");
    return { least: low, most: high };
  }

  function atom(): Program {
    const unit = take();
    switch (unit) {
      case "^":
        return [{ op: "start" }];
      case "$":
        return [{ op: "end" }];
      case ".":
        return [{ op: "unit", test: (other) => other !== NEWLINE }];
      case "(":
        return group();
      case "[":
        return [{ op: "unit", test: unitClass() }];
      case "\\":
        return escape();
      case "*":
      case "+":
      case "?":
        throw refused("a quantifier follows nothing");
      default: {
        const code = unit.charCodeAt(0);
        return [{ op: "unit", test: (other) => other === code }];
      }
    }
  }

  function group(): Program {
    if (++depth > MAX_DEPTH) throw refused(`its groups are nested deeper than ${MAX_DEPTH}`);
    if (eat("?") && !eat(":")) {
      const [name] = /^<[A-Za-z_]\w{0,63}>/.exec(pattern.slice(at, at + 70)) ?? [];
      if (name === undefined) throw refused("looking around, and options inside the pattern, are not supported");
      at += name.length;
    }
    const inside = alternatives();
    if (!eat(")")) throw refused("a group is not closed");
    depth--;
    return inside;
  }

  function escape(): Program {
    if (eat("A")) return [{ op: "start" }];
    if (eat("z") || eat("Z")) return [{ op: "end" }];
    return [{ op: "unit", test: escapedTest() }];
  }

  function escapedTest(): UnitTest {
    const known = CLASSES[peek()];
    if (known !== undefined) {
      at++;
      return known;
    }
    const code = escapedUnit();
    return (unit) => unit === code;
  }

  function escapedUnit(): number {
    const [hex, two, four] = /^(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))/.exec(pattern.slice(at, at + 5)) ?? [];
    if (hex !== undefined) {
      at += hex.length;
      return Number.parseInt(two ?? four ?? "", 16);
    }
    const letter = take();
    const control = CONTROLS[letter];
    if (control !== undefined) return control;
    if (letter === "" || /[0-9A-Za-z]/.test(letter)) throw refused(`\\${letter} is not supported`);
    return letter.charCodeAt(0);
  }

  function unitClass(): UnitTest {
    const negated = eat("^");
    const tests: UnitTest[] = [];
    for (let first = true; first || peek() !== "]"; first = false) {
      if (at >= pattern.length) throw refused("a class is not closed");
      const low = classUnit();
      if (typeof low === "function" || peek() !== "-" || pattern.charAt(at + 1) === "]") {
        tests.push(typeof low === "function" ? low : (unit) => unit === low);
        continue;
      }
      at++;
      const high = classUnit();
      if (typeof high === "function" || high < low) throw refused("a range in a class has no end or counts down");
      tests.push((unit) => unit >= low && unit <= high);
    }
    at++;
    const any: UnitTest = (unit) => tests.some((test) => test(unit));
    return negated ? not(any) : any;
  }

  function classUnit(): UnitTest | number {
    if (!eat("\\")) return take().charCodeAt(0);
    const known = CLASSES[peek()];
    if (known === undefined) return escapedUnit();
    at++;
    return known;
  }

  const program = alternatives();
  if (at < pattern.length) throw refused("a group is closed that was not opened");
  return program;
}

function bounded(program: Program): Program {
  if (program.length > MAX_PROGRAM_STEPS) throw refused(`it takes more than ${MAX_PROGRAM_STEPS} steps`);
  return program;
}

function refused(why: string): SallyportError {
  return new SallyportError("input.invalid", `This regular expression cannot be used: ${why}.`);
}
