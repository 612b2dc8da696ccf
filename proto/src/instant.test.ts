import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readInstant } from "./instant.ts";

describe("an instant", () => {
  it("is read with and without a time, a zone and fractions", () => {
    const read = (text: string): string | undefined => readInstant(text)?.toISOString();
    assert.equal(read("2026-11-22"), "2026-11-22T00:00:00.000Z");
    assert.equal(read("2026-11-22T09:00Z"), "2026-11-22T09:00:00.000Z");
    assert.equal(read("2026-11-22 09:00:00.125+01:00"), "2026-11-22T08:00:00.125Z");
    assert.equal(read("2024-02-29T23:59:59Z"), "2024-02-29T23:59:59.000Z");
    assert.equal(read("2026-11-22T09:00"), new Date("2026-11-22T09:00").toISOString());
  });

  it("is nothing that Date alone would make one of", () => {
    for (const text of ["", "foo 5", "-5", "5", "2026", "2026-02-30", "2026-02-29T10:00Z", "2026-04-31 10:00", "2026-13-01", "2026-11-22T25:00Z", "22.11.2026"])
      assert.equal(readInstant(text), undefined, text);
  });
});
