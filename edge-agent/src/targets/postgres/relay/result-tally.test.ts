import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeBody } from "@sallyport/proto/tunnel/data-codec";
import { ResultTally } from "./result-tally.ts";

describe("the report of a result", () => {
  it("fits into a frame of the tunnel whatever its masked columns are called, and counts all cells", () => {
    const tally = new ResultTally();
    // PostgreSQL's most, with names in bytes that are not of UTF-8.
    for (let i = 0; i < 1_664; i++) tally.mask(`${"\ufffd".repeat(59)}${i}`, 2);
    const report = tally.take();
    assert.doesNotThrow(() => encodeBody({ $case: "report", value: report }));
    assert.equal(
      report.masked.reduce((sum, { cells }) => sum + cells, 0n),
      2n * 1_664n,
    );
    assert.equal(report.masked.at(-1)?.column, "(more columns)");
    assert.ok(report.masked.length > 300);
  });

  it("names each column as long as there is room", () => {
    const tally = new ResultTally();
    tally.mask("email", 2);
    tally.mask("email", 1);
    assert.deepEqual(tally.take().masked, [{ column: "email", cells: 3n }]);
    assert.deepEqual(tally.take().masked, []);
  });
});
