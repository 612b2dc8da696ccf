import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { loadModule, scanSync } from "libpg-query";
import { stringValue, tokens } from "./lexer.ts";

await loadModule();

const pieces = [
  "SELECT ",
  "'a''b'",
  "E'a\\'b'",
  "U&'\\0041'",
  "N'x'",
  "x'1f'",
  "$$a$b$$",
  "$t$ $$ ' $t$",
  '"q""i"',
  'U&"u"',
  "-- c '\n",
  "/* a /* ' */ */",
  "$1",
  "a$b ",
  "1.5e3",
  "::",
  "<=",
  "\n",
  "\u017e\u00e9 ",
  ";",
  "(",
  ")",
];

describe("the lexer", () => {
  it("finds the same string literals as PostgreSQL's scanner", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (parts) => {
        // Neighbouring literals are one to PostgreSQL only across a newline; a blank and a comma keep them apart for both.
        const text = `SELECT ${parts.join(" , ")}`;
        const theirs = scanSync(text)
          .tokens.filter(({ tokenType }) => [261, 262, 264].includes(tokenType))
          .map(({ text: literal }) => literal);
        const ours = [...tokens(text)].filter(({ kind, start }) => kind === "string" && text[start] !== "N").map(({ start, end }) => text.slice(start, end));
        // N'x' is a keyword and a literal there.
        assert.deepEqual(
          ours,
          theirs.filter((literal) => literal !== "'x'"),
        );
      }),
    );
  });

  it("covers every text without gaps in order, and always ends", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("'", '"', "$", "a", "E", "U", "&", "\\", "/", "*", "-", "\n", " ", "1") }), (text) => {
        let at = 0;
        for (const { start, end } of tokens(text)) {
          assert.ok(start >= at && end > start && end <= text.length);
          assert.equal(text.slice(at, start).trim(), "");
          at = end;
        }
        assert.equal(text.slice(at).trim(), "");
      }),
    );
  });

  it("reads the value of a literal as the server does", () => {
    const cases: readonly (readonly [string, string])[] = [
      ["'it''s'", "it's"],
      ["'a\\n'", "a\\n"],
      ["E'\\x41\\101\\u0041\\n\\'\\q'", "AAA\n'q"],
      ["U&'d\\0061t\\+000061\\\\'", "data\\"],
      ["$x$a'b$x$", "a'b"],
      ["'open", "open"],
    ];
    for (const [text, value] of cases) {
      const [token] = tokens(text);
      assert.ok(token !== undefined);
      assert.equal(stringValue(text, token), value);
    }
  });
});
