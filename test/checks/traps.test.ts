import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

/**
 * How other gateways were talked round where they decide, and the tests here that would fail if this one could be: each trap by
 * the file and the name of a test.
 */
const traps: Readonly<Record<string, readonly (readonly [file: string, name: string])[]>> = {
  "what was approved is not what runs": [
    ["control-plane/src/domain/approval/approval.decider.test.ts", "is refused to any other command, session, text or policy"],
    ["test/e2e/postgres.approvals.e2e.test.ts", "is not approved for another argument than the one that was shown, nor runs with one"],
  ],
  "an approval for once is used by somebody else, or twice": [
    ["test/e2e/postgres.approvals.e2e.test.ts", "cannot be approved twice, nor run twice"],
    ["control-plane/src/application/approvals.test.ts", "consumed by many at once is consumed once"],
    ["test/e2e/postgres.approval-windows.e2e.test.ts", "is of no use to anybody else, nor for another text"],
  ],
  "the time of access counts from each connection, and revoking leaves live sessions": [
    ["test/e2e/postgres.grants.e2e.test.ts", "ends a live session on time, and outlives a restart"],
    ["test/e2e/postgres.grants.e2e.test.ts", "ends a query in the middle when it is revoked: an error that says so, and nothing after it"],
  ],
  "one person in two groups counts twice, or votes at once are lost": [
    ["control-plane/src/domain/approval/approval.steps.test.ts", "counts nobody for two steps, whatever groups they are in"],
    [
      "control-plane/src/domain/approval/approval.decider.test.ts",
      "counts distinct people other than the requester, under any interleaving of stale decisions (I5)",
    ],
    ["control-plane/src/application/approvals.test.ts", "by two at once, with a quorum of two, is granted once and loses nobody"],
  ],
  "the time of access counts from the request": [
    ["control-plane/src/application/grants.test.ts", "ends on time, and a request that nobody decides on does too"],
  ],
  "a rule that errs is skipped": [
    ["control-plane/src/policy/check.test.ts", "compiles nothing with an error in it, and names every one"],
    ["control-plane/src/policy/engine.test.ts", "denies when a forbid errs, though Cedar itself would skip it and allow (I3)"],
  ],
  "rules match the text": [
    ["test/e2e/corpus.statements.e2e.test.ts", "whoever may only read gets nothing else through"],
    ["test/e2e/corpus.statements.e2e.test.ts", "whoever may also write gets nothing worse through without somebody else"],
    ["test/contract/postgres-reads.test.ts", "however it is put together, and whatever it pretends to be"],
  ],
  "harmless text is blocked": [["test/e2e/corpus.statements.e2e.test.ts", "what only reads is answered as without a gateway, at once"]],
  "open by default, and the first rule that matches wins": [
    ["control-plane/src/policy/engine.test.ts", "denies what no rule permits, and says so"],
    ["control-plane/src/policy/engine-laws.test.ts", "do not depend on the order of policies, to the last word"],
  ],
  "masking fails open": [
    ["edge-agent/src/targets/postgres/relay/extended.test.ts", "fails closed on rows of another request than the one that is owed"],
    ["edge-agent/src/masking/cell-masker.test.ts", "masks whole what may be computed from anything, and only where something is masked"],
    ["test/contract/postgres-catalogue.test.ts", "answers what is not there, or not committed, with anything"],
    ["edge-agent/src/targets/postgres/relay/relay.test.ts", "is refused when it names a mask or a detector that the agent does not know"],
  ],
  "the policy is newer than what it names": [
    [
      "test/e2e/policy.lifecycle.e2e.test.ts",
      "that names a group before anybody is in it refuses nobody meanwhile, and meets whoever joins it at their next command",
    ],
  ],
  "groups outlive their removal": [
    ["control-plane/src/policy/engine.test.ts", "sees a removal from a group at the next decision, though the one before is remembered"],
  ],
  "an approval is replayed, or its argument, its policy or its time has drifted": [
    ["test/e2e/postgres.approvals.e2e.test.ts", "cannot be approved twice, nor run twice"],
    ["test/e2e/postgres.approvals.e2e.test.ts", "is not approved for another argument than the one that was shown, nor runs with one"],
    ["test/e2e/postgres.approvals.e2e.test.ts", "is not run under another policy than the one that held it"],
    ["test/e2e/postgres.approvals.e2e.test.ts", "expires, never runs, and leaves the connection alive"],
  ],
};

/** One that runs: its line begins with it, and nothing stands between its name and its body but a time-out. */
function hasTest(text: string, name: string): boolean {
  const literal = name.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`);
  return new RegExp(`^ *(?:it|describe)\\("${literal}", (?:\\{ timeout: [\\w *]+ \\}, )?(?:async )?\\(`, "mu").test(text);
}

describe("each trap that others fell into has a test", () => {
  for (const [trap, tests] of Object.entries(traps)) {
    it(trap, () => {
      for (const [file, name] of tests) {
        const text = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
        assert.ok(hasTest(text, name), `${file} has no test "${name}" that runs`);
      }
    });
  }

  it("and is not taken for one when it is skipped, left for later or a comment", () => {
    for (const text of [`it("x", () => {`, `  it("x", async (t) => {`, `  describe("x", { timeout: 4 * HANG_MS }, () => {`])
      assert.ok(hasTest(text, "x"), text);
    for (const text of [`it("x", { skip: true }, () => {`, `it.skip("x", () => {`, `it("x");`, `// it("x", () => {`, `xit("x", () => {`, `it("xy", () => {`])
      assert.ok(!hasTest(text, "x"), text);
  });
});
