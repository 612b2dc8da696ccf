import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SallyportError } from "@sallyport/proto/errors";
import { cutOffOf, parseRetention } from "./retention-rules.ts";

const refused =
  (...words: readonly string[]) =>
  (error: unknown): boolean =>
    error instanceof SallyportError && error.code === "config.invalid" && words.every((word) => error.message.includes(word));

describe("the rules of retention", () => {
  it("name categories and how long they are kept; none keep everything", () => {
    assert.deepEqual(parseRetention(""), []);
    assert.deepEqual(parseRetention(" session=400d, recording=30d "), [
      { category: "recording", keepSeconds: 30 * 86_400 },
      { category: "session", keepSeconds: 400 * 86_400 },
    ]);
    assert.deepEqual(
      parseRetention("approval=24h,forwarding=2y").map(({ keepSeconds }) => keepSeconds),
      [86_400, 730 * 86_400],
    );
  });

  it("never name what state is folded from, nor the log, and say why", () => {
    for (const category of ["identity", "policy", "agent", "resource", "node"]) {
      assert.throws(() => parseRetention(`${category}=400d`), refused(`"${category}"`, "folded"));
    }
    assert.throws(() => parseRetention("log=400d"), refused('"log"', "proven"));
    assert.throws(() => parseRetention("retention=400d"), refused("what was removed"));
  });

  it("are refused with every problem at once", () => {
    assert.throws(() => parseRetention("session=1h,recording=30,approval=2d,approval=3d"), refused("session=1h", "recording=30", "two rules"));
    assert.throws(() => parseRetention("session=101y"), refused("100 years"));
    assert.throws(() => parseRetention("session=0d"), refused("1 day"));
  });

  it("have a cut-off that lies as far back as is kept", () => {
    assert.equal(cutOffOf({ category: "session", keepSeconds: 86_400 }, new Date("2026-11-22T10:00:00.000Z")), "2026-11-21T10:00:00.000Z");
  });
});
