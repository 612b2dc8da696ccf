import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requireSaid, requireStatement, requireText } from "./names.ts";

describe("what people write for people", () => {
  it("may have lines and tabs, in any script", () => {
    for (const text of ["", "one\n\ttwo", "日本語 😀", "שלום\u200f!"]) requireText("comment", text, 100);
  });

  it("has no character that shows a reader another text than the one that is there", () => {
    for (const text of ["a\rb", "a\u001b[2K", "a\u0000", "a\u0085", "a\u009b1A", "a\u202eb", "a\u2066b"])
      assert.throws(() => requireText("comment", text, 100), { code: "input.invalid" }, JSON.stringify(text));
  });

  it("says something where it is asked for, and is a text like any other", () => {
    requireSaid("reason", "they left", 100, "Say why.");
    for (const text of ["", " \n\t"]) assert.throws(() => requireSaid("reason", text, 100, "Say why."), { code: "input.invalid", message: "Say why." });
    assert.throws(() => requireSaid("reason", "a\u202eb", 100, "Say why."), { code: "input.invalid" });
  });

  it("is bounded and well formed, as a statement is, which may hold whatever its database takes", () => {
    requireStatement("statement", "select 1;\r\n-- \u001b", 100);
    for (const check of [requireText, requireStatement]) {
      assert.throws(() => check("text", "x".repeat(101), 100), { code: "input.invalid" });
      assert.throws(() => check("text", "\ud800", 100), { code: "input.invalid" });
    }
  });
});
