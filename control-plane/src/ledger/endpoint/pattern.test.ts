import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "@sallyport/proto/errors";
import { compilePattern } from "./pattern.ts";

describe("a client's regular expression", () => {
  it("finds what JavaScript's own finds, for patterns of every supported kind", () => {
    const piece = fc.constantFrom("a", "b", "-", ".", "[ab]", "[^a]", "[a-c-]", "\\d", "\\w", "\\W", "\\$", "\\x61", "^", "$", "(?:a|b)", "(a|)", "(?:ab)");
    const quantifier = fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,2}", "{2,}", "*?", "+?");
    const sequence = fc.array(fc.tuple(piece, quantifier), { maxLength: 5 }).map((parts) => parts.map(([part, many]) => part + many).join(""));
    const pattern = fc.array(sequence, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("|"));
    fc.assert(
      fc.property(pattern, fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c", "1", "-", "$", "_"), maxLength: 6 }), { maxLength: 8 }), (text, names) => {
        fc.pre(!/[$^][*+?{]/.test(text)); // JavaScript refuses to repeat an anchor in some forms
        const ours = compilePattern(text);
        const theirs = new RegExp(text);
        for (const name of names) assert.equal(ours(name), theirs.test(name), `${text} on ${name}`);
      }),
      { numRuns: 500 },
    );
  });

  it("excludes system events with the pattern that clients ship", () => {
    const pattern = compilePattern("^[^$].*");
    assert.deepEqual(["$metadata", "Opened", "$", ""].map(pattern), [false, true, false, false]);
  });

  it("takes no longer for a pattern that makes others go back for ever", () => {
    // Going back over 500 characters would never end.
    for (const hostile of ["(a+)+$", "^(a|a)*$", "(.*)*b", "(a*)*(a*)*$x"]) assert.equal(compilePattern(hostile)(`${"a".repeat(500)}!`), false);
  });

  it("is refused when it is malformed, too large, or needs to go back", () => {
    const bad = [
      "(",
      ")",
      "[",
      "a**",
      "*",
      "+a",
      "\\",
      "\\1",
      "(?=a)",
      "(?!a)",
      "(?<=a)",
      "(?i)a",
      "\\ba",
      "a{3,2}",
      "[z-a]",
      "(a{100}){100}",
      "a".repeat(1_001),
    ];
    for (const pattern of [...bad, "(".repeat(60) + ")".repeat(60)])
      assert.throws(
        () => compilePattern(pattern),
        (error) => error instanceof SallyportError && error.code === "input.invalid",
        pattern,
      );
  });
});
