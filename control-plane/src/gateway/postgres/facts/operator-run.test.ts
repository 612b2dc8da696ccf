import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasOperatorRun } from "./operator-run.ts";

describe("a run of operator characters", () => {
  it("is found where it is longer than the limit, wherever it stands", () => {
    for (const run of ["/*".repeat(5), "+".repeat(10), "~!@#^&|`?-"])
      for (const text of [run, `select ${run}1`, `-- é\n${run}`, `select '${run}'`])
        assert.deepEqual([hasOperatorRun(text, 9), hasOperatorRun(text, 10)], [true, false], text);
  });

  it("does not count characters that others stand between", () => {
    assert.equal(hasOperatorRun("1 + 1 - 1 * 1 / 1 % 1 < 1 > 1 = 1", 1), false);
    assert.equal(hasOperatorRun("/* a *//* b *//* c */", 4), false);
    assert.equal(hasOperatorRun("", 0), false);
  });
});
