import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { lineOf, splitPolicies } from "./split.ts";

describe("splitPolicies", () => {
  it("cuts at the semicolon of a policy and not at those in strings and comments", () => {
    const text = `// one; two\n@id("a;\\"b;")\npermit (principal, action, resource); // c;\n\n  forbid // d;\n(principal, action, resource);\n`;
    assert.deepEqual(splitPolicies("f.cedar", text), [
      { file: "f.cedar", line: 2, text: `@id("a;\\"b;")\npermit (principal, action, resource);` },
      { file: "f.cedar", line: 5, text: `forbid // d;\n(principal, action, resource);` },
    ]);
  });

  it("keeps what follows the last semicolon, so that a forgotten one is found", () => {
    assert.deepEqual(
      splitPolicies("f.cedar", `permit;\nforbid "`).map(({ text }) => text),
      ["permit;", `forbid "`],
    );
  });

  it("loses nothing but blanks and comments, whatever the text", () => {
    const pieces = fc.array(fc.constantFrom('"', "\\", "//", ";", "\n", " ", "é", "permit", "/"), { maxLength: 40 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(pieces, (text) => {
        const kept = splitPolicies("f", text)
          .map((piece) => piece.text)
          .join("");
        const bare = (s: string): string => s.replaceAll(/"(?:\\[^]|[^"\\])*"?|\/\/[^\n]*|\s/g, (token) => (token.startsWith('"') ? token : ""));
        assert.equal(bare(kept), bare(text));
      }),
    );
  });

  it("takes time in proportion to the text, also where quotes are never closed", () => {
    const text = `x;${'"\\'.repeat(200_000)}`;
    assert.deepEqual(
      splitPolicies("f", text).map((piece) => piece.text.length),
      [2, text.length - 2],
    );
  });

  it("finds the line of a place that is counted in bytes", () => {
    const [policy] = splitPolicies("f.cedar", `\n\npermit // éé\n(x);`);
    assert.ok(policy);
    assert.equal(lineOf(policy, 0), 3);
    assert.equal(lineOf(policy, Buffer.byteLength("permit // éé\n")), 4);
  });
});
