import { globSync, readFileSync } from "node:fs";

/** Constants under one comment, in the order of the source. */
export interface Bound {
  readonly file: string;
  readonly names: readonly string[];
  readonly values: readonly number[];
  readonly reason: string;
}

interface Group {
  readonly reason: string;
  readonly constants: [name: string, expression: string][];
}

/** What makes a constant a bound is its name; there is no list that a new one could be forgotten in. */
const bounding = /^(MAX|MIN)_|_(MS|MILLIS|SECONDS|BYTES|CHARS|MB|LENGTH|EVENTS|POSITIONS|LINES|COMMANDS)$/;
/** Numbers that a format or the platform fixes: nobody chose them. */
const given =
  /^(FRAME_HEADER|HEADER|FIELD|KEY|KEY_ID|MASK_KEY|HASH|ED25519_KEY|ED25519_SIGNATURE|NONCE|GCM_TAG|FINGERPRINT|POSITION)_BYTES$|^MAX_(TIMER_MS|TIMEOUT_MILLIS)$|^NULL_LENGTH$/;

export const isBound = (name: string): boolean => bounding.test(name) && !given.test(name);

/** Files that hold the product's own code: no tests, nothing generated. */
export const sourcesOf = (globs: readonly string[]): readonly string[] =>
  globSync([...globs])
    .filter((file) => !/\.(test|bench|fixture|samples)\.ts$|\/(gen|testing)\//.test(file))
    .toSorted();

/** Every bound of some files. Fails on one without a comment, and on a value that is no plain arithmetic. */
export function boundsIn(files: readonly string[], read = (file: string) => readFileSync(file, "utf8")): readonly Bound[] {
  return files.flatMap((file) => {
    const text = read(file);
    const groups = groupsIn(text);
    const known = new Map(groups.flatMap(({ constants }) => constants));
    const resolve = (name: string): number => {
      const expression = known.get(name) ?? imported(name, text, file, read);
      if (expression === undefined) throw new Error(`${file}: ${name} is not a constant that can be read.`);
      return evaluate(expression, resolve);
    };
    return groups.flatMap(({ reason, constants }) => {
      const names = constants.map(([name]) => name).filter(isBound);
      if (names.length === 0) return [];
      if (reason === "") throw new Error(`${file}: ${names.join(", ")} has no comment that says why.`);
      return [{ file, names, values: names.map(resolve), reason }];
    });
  });
}

/** Constants with what stands above them. A blank line, or anything else, ends a group. */
function groupsIn(text: string): readonly Group[] {
  const groups: Group[] = [];
  let comment: string[] = [];
  let group: Group | undefined;
  let inComment = false;
  for (const line of text.split("\n")) {
    const [, name, expression] = /^(?:export )?const ([A-Z][A-Z0-9_]*)(?:: number)? = (.+?);(?:\s*\/\/.*)?$/.exec(line) ?? [];
    if (inComment || /^\/\*\*|^\/\/ /.test(line)) {
      if (!inComment && !line.startsWith("//")) comment = [];
      comment.push(line.replace(/^\s*(\/\*\*|\*\/|\*|\/\/)|\*\/\s*$/g, "").trim());
      inComment = !line.startsWith("//") && !line.includes("*/");
      group = undefined;
    } else if (name !== undefined && expression !== undefined) {
      if (group === undefined) groups.push((group = { reason: comment.join(" ").trim(), constants: [] }));
      group.constants.push([name, expression]);
      comment = [];
    } else {
      comment = [];
      group = undefined;
    }
  }
  return groups;
}

/** The expression of a constant that another file of ours exports. */
function imported(name: string, text: string, file: string, read: (file: string) => string): string | undefined {
  const [, from] = new RegExp(String.raw`^import \{[^}]*\b${name}\b[^}]*\} from "(\.[^"]+)";`, "m").exec(text) ?? [];
  if (from === undefined) return undefined;
  const path = new URL(from, `file:///${file}`).pathname.slice(1);
  return new Map(groupsIn(read(path)).flatMap(({ constants }) => constants)).get(name);
}

/** JavaScript's own precedence, from loosest to tightest. */
const levels = [/^<<$/, /^[+-]$/, /^[*/]$/, /^\*\*$/] as const;

function evaluate(expression: string, resolve: (name: string) => number): number {
  const tokens = expression.match(/\*\*|<<|[-+*/]|[\w.]+|\S/g) ?? [];
  return valueOf(tokens);

  function valueOf(part: readonly string[], level = 0): number {
    const operators = levels[level];
    if (operators === undefined) {
      const [token = "", ...rest] = part;
      if (rest.length > 0) throw new Error(`"${expression}" is more than plain arithmetic.`);
      if (/^[A-Z]/.test(token)) return resolve(token);
      if (/^\d[\d_]*$|^0x[\da-f_]+$/i.test(token)) return Number(token.replaceAll("_", ""));
      throw new Error(`"${expression}" is more than plain arithmetic.`);
    }
    const at = part.findLastIndex((token) => operators.test(token));
    if (at === -1) return valueOf(part, level + 1);
    return apply(part[at], valueOf(part.slice(0, at), level), valueOf(part.slice(at + 1), level + 1));
  }
}

function apply(operator: string | undefined, left: number, right: number): number {
  switch (operator) {
    case "<<":
      return left * 2 ** right;
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return left / right;
    default:
      return left ** right;
  }
}
