import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { previewOfPlan } from "../../../application/plan-preview.ts";
import type { PlannedCommand } from "../../../domain/approval/plan.ts";
import { type CommandFacts, plainFacts } from "../../../domain/facts.ts";
import { commandDigest } from "../command-record.ts";
import { answeredSteps, stepsOfPlan } from "./plan-steps.ts";

const bound = { resource: "orders", requester: "ana" };

function planned(statement: string, verbs: readonly string[], more: Partial<CommandFacts> = {}): PlannedCommand {
  const facts = { ...plainFacts, verbs, ...more };
  const sent = {
    via: "simple" as const,
    sql: Buffer.from(statement),
    parameterTypes: [],
    parameters: [],
    facts,
    recordable: statement,
    redacted: false,
    leavesReadOnly: false,
  };
  return { statement, digest: commandDigest(sent, bound), facts, rules: [] };
}
const begin = planned("begin", ["BEGIN"]);
const select = planned("select 1", ["SELECT"]);
const update = planned("update orders set id = 1", ["UPDATE"], { riskClass: "destructive", relationsWritten: ["orders"] });
const drop = planned("drop table orders", ["DROP TABLE"], { riskClass: "destructive", hazards: ["ddl", "drop"] });
const commit = planned("commit", ["COMMIT"]);

describe("what of a plan is looked at", () => {
  it("is every command that can be explained; of the others it says why not", () => {
    const steps = stepsOfPlan([begin, update, select, drop, commit], "plan", bound);
    assert.deepEqual(
      steps.map(({ number, change }) => [number, change]),
      [
        [1, undefined],
        [2, true],
        [3, false],
        [4, undefined],
        [5, undefined],
      ],
    );
    assert.match(steps[3]?.note ?? "", /SELECT, INSERT, UPDATE, DELETE and MERGE only/);
  });

  it("is in a dry run all of it but BEGIN and COMMIT, or nothing", () => {
    const steps = stepsOfPlan([begin, update, select, commit], "dry_run", bound);
    assert.deepEqual(
      steps.map(({ change }) => change),
      [undefined, true, false, undefined],
    );
    assert.throws(() => stepsOfPlan([update, drop], "dry_run", bound), { code: "feature.unsupported", message: /^Command 2 of the plan: / });
    const calling = planned("update orders set id = f()", ["UPDATE"], { functions: ["f"], relationsWritten: ["orders"] });
    assert.throws(() => stepsOfPlan([update, calling], "dry_run", bound), { code: "preview.unsafe", message: /^Command 2 of the plan: It calls f/ });
    const reading = planned("select f()", ["SELECT"], { functions: ["f"] });
    assert.throws(() => stepsOfPlan([update, reading], "dry_run", bound), { code: "preview.unsafe" });
  });

  it("is not nothing at all", () => {
    for (const kind of ["plan", "dry_run"] as const) assert.throws(() => stepsOfPlan([begin, commit], kind, bound), { code: "feature.unsupported" });
  });

  it("is the very text that the plan is bound to, for its requester on its resource (T1)", () => {
    for (const kind of ["plan", "dry_run"] as const) {
      assert.throws(() => stepsOfPlan([{ ...update, statement: "update orders set id = 2" }], kind, bound), { code: "feature.unsupported" });
      assert.throws(() => stepsOfPlan([update], kind, { ...bound, requester: "eve" }), { code: "feature.unsupported" });
    }
  });
});

describe("what an agent says of a plan", () => {
  const steps = stepsOfPlan([begin, update, select], "dry_run", bound);

  it("is told of each command in its place, in one text that begins with the counts", () => {
    const seen = answeredSteps(
      steps,
      [
        { number: 2, plan: "Update on orders", rows: 3n, failure: "" },
        { number: 3, plan: "Result", failure: "" },
      ],
      "dry_run",
    );
    assert.deepEqual(
      seen?.map(({ statement, plan, rows }) => [statement, plan, rows]),
      [
        ["begin", "", undefined],
        ["update orders set id = 1", "Update on orders", 3],
        ["select 1", "Result", undefined],
      ],
    );
    const { plan, dryRun } = previewOfPlan(seen, "dry_run");
    assert.equal(plan, "1. Not run: a dry run is one transaction.\n2. 3 rows\n3. planned\n\n-- 2\nUpdate on orders\n\n-- 3\nResult");
    assert.equal(dryRun?.rows, 3);
  });

  it("is no answer when it is of other commands, or counts what was not to run", () => {
    const two = { number: 2, plan: "p", rows: 3n, failure: "" };
    const three = { number: 3, plan: "p", failure: "" };
    for (const answers of [[], [two], [three, two], [two, { ...three, number: 1 }], [two, { ...three, rows: 1n }], [{ ...two, rows: undefined }, three]])
      assert.equal(answeredSteps(steps, answers, "dry_run"), undefined);
  });
});
