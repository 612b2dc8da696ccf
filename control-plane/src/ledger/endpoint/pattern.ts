import { type Program, parsePattern } from "./pattern-parser.ts";

/** Verdicts kept, since the same names come again and again. */
const MAX_KNOWN = 1_000;

/**
 * A regular expression of a client as a test for names. It walks all ways at once, so its time is the length of the name times that of
 * the program, whatever the pattern: a hostile one cannot hold up anybody. Fails with `input.invalid` when it is malformed, too large,
 * or uses what such a walk cannot do: back references and looking around.
 */
export function compilePattern(pattern: string): (name: string) => boolean {
  const program = parsePattern(pattern);
  const known = new Map<string, boolean>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    if (known.size === MAX_KNOWN) known.clear();
    const verdict = walk(program, name);
    known.set(name, verdict);
    return verdict;
  };
}

/** Anywhere in the name, as the server's own filter does. */
function walk(program: Program, name: string): boolean {
  let threads: number[] = [];
  const seen = new Int32Array(program.length + 1).fill(-1);
  for (let at = 0; at <= name.length; at++) {
    const here: number[] = [];
    for (const thread of threads) if (follow(program, thread, at, name.length, here, seen)) return true;
    if (follow(program, 0, at, name.length, here, seen)) return true; // a match may start at each place
    const unit = name.charCodeAt(at);
    threads = [];
    for (const thread of here) {
      const step = program[thread];
      if (step?.op === "unit" && at < name.length && step.test(unit)) threads.push(thread + 1);
    }
  }
  return false;
}

/** Adds every step that reads a unit and can be reached from here without one; says whether the end of the program can. */
function follow(program: Program, from: number, at: number, length: number, into: number[], seen: Int32Array): boolean {
  const open = [from];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen[next] === at) continue;
    seen[next] = at;
    const step = program[next];
    if (step === undefined) return true;
    switch (step.op) {
      case "unit":
        into.push(next);
        break;
      case "jump":
        open.push(next + step.by);
        break;
      case "split":
        open.push(next + step.or, next + 1);
        break;
      case "start":
        if (at === 0) open.push(next + 1);
        break;
      case "end":
        if (at === length) open.push(next + 1);
    }
  }
  return false;
}
