import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { differenceKinds } from "../../domain/policy/policy.events.ts";
import { type Difference, DifferenceTally, MAX_EXAMPLES, MAX_GROUPS, MAX_NAMES, MAX_SHOWN_GROUPS, MAX_SHOWN_NAMES } from "./tally.ts";

const difference = (more: Partial<Difference> = {}): Difference => ({
  kind: "newly_denied",
  action: "run",
  identity: "ana",
  resource: "orders",
  fingerprint: "f",
  riskClass: "read",
  verbs: ["SELECT"],
  rulesThen: ["reads"],
  rulesNow: ["none"],
  reasonNow: "",
  example: { sessionId: "s", commandId: 1, at: "2026-11-22T10:00:00.000Z", statement: "select 1" },
  ...more,
});

describe("a tally of differences", () => {
  it("counts every difference exactly once in each table, shown or not", () => {
    const some = fc.record({
      kind: fc.constantFrom(...differenceKinds),
      identity: fc.constantFrom("ana", "bo", "cy"),
      fingerprint: fc.string({ maxLength: 1 }),
    });
    fc.assert(
      fc.property(fc.array(some, { maxLength: 200 }), (all) => {
        const tally = new DifferenceTally();
        for (const each of all) tally.add(difference(each));
        const report = tally.report();
        const sum = (counts: readonly { readonly count: number }[]): number => counts.reduce((total, { count }) => total + count, 0);
        assert.equal(tally.total, all.length);
        assert.equal(sum(report.differences), all.length);
        assert.equal(sum(report.groups) + report.others, all.length);
        for (const { top, others } of [report.byRule, report.byIdentity, report.byResource, report.byFingerprint]) assert.equal(sum(top) + others, all.length);
      }),
    );
  });

  it("holds no more than its bounds, however many there are, and the most frequent come first", () => {
    const tally = new DifferenceTally();
    for (let n = 0; n < MAX_GROUPS + MAX_NAMES; n++) tally.add(difference({ fingerprint: String(n) }));
    for (let n = 0; n < 10; n++) tally.add(difference({ fingerprint: "7" }));
    const report = tally.report();
    assert.equal(report.groups.length, MAX_SHOWN_GROUPS);
    assert.deepEqual([report.groups[0]?.fingerprint, report.groups[0]?.count, report.groups[0]?.examples.length], ["7", 11, MAX_EXAMPLES]);
    assert.equal(report.byFingerprint.top.length, MAX_SHOWN_NAMES);
    assert.equal(report.others, MAX_GROUPS + MAX_NAMES + 10 - 11 - (MAX_SHOWN_GROUPS - 1));
  });
});
