import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { printable, printableLines } from "./table.ts";

describe("a text of somebody else on the terminal", () => {
  it("neither moves the cursor nor hides a part of itself, whatever sequence it is put in", () => {
    const hidden = "select 1 /* \u001b]0; */ ; delete from orders; /* \u0007 */";
    assert.equal(printable(hidden), "select 1 /* ·]0; */ ; delete from orders; /* · */");
    assert.equal(printable("a\rb\u001b[2Kc\u009bd\u202ee\u2028f\ng"), "a·b·[2Kc·d·e·f⏎g");
  });

  it("has its own lines and tabs when it is a text of many lines, and begins no other", () => {
    assert.deepEqual(printableLines("a\n\tb\r\nc\u0085d"), ["a", "    b·", "c·d"]);
  });
});
