import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plainFacts } from "../../domain/facts.ts";
import { type StatementAnalysis, unclassified } from "./facts/analysis.ts";
import { FieldCalls } from "./field-calls.ts";
import { NamesFromTarget } from "./names-from-target.ts";

const reading = (...fields: readonly string[]): StatementAnalysis => ({ ...unclassified("", "", false), facts: { ...plainFacts, verbs: ["SELECT"] }, fields });

const seen = async (analysis: StatementAnalysis, known: readonly string[] | undefined, answers = true): Promise<StatementAnalysis> => {
  const calls = new FieldCalls({ analyser: { analyse: () => analysis }, functions: new NamesFromTarget(), ask: () => Promise.resolve(known), answers });
  return calls.analyse(Buffer.from("…"));
};
const told = async (...how: Parameters<typeof seen>): Promise<string> => {
  const { riskClass, unclassifiedReason } = (await seen(...how)).facts;
  return `${riskClass}: ${unclassifiedReason}`;
};

describe("fields that may be functions", () => {
  it("are calls of nothing known where the target has such a function", async () => {
    assert.equal(await told(reading("id", "wipe"), ["mark", "wipe"]), "unclassified: calls wipe, of which nothing is known");
    const { hazards, functions, functionClasses } = (await seen(reading("wipe"), ["wipe"])).facts;
    assert.deepEqual({ hazards, functions, functionClasses }, { hazards: ["opaque_function"], functions: ["wipe"], functionClasses: ["unclassified"] });
  });

  it("leave the very same analysis where it has none of them, or none at all", async () => {
    for (const known of [[], ["wipe"]]) {
      const analysis = reading("id");
      assert.equal(await seen(analysis, known), analysis);
    }
  });

  it("may be any where the target cannot be asked, or there are too many to list", async () => {
    const reason = "unclassified: names fields that may be functions, of which nothing is known";
    assert.equal(await told(reading("id"), undefined), reason);
    assert.equal(await told(reading("*"), ["wipe"]), reason);
    assert.equal(await told(reading("*"), []), "read: ");
    assert.equal(await told(reading(), undefined), "read: ");
  });

  it("are left to the text where the agent answers no such question", async () => {
    assert.equal(await told(reading("wipe"), ["wipe"], false), "read: ");
  });

  it("answer the same object for the same analysis, which is decided from memory", async () => {
    const analysis = reading("wipe");
    assert.equal(await seen(analysis, ["wipe"]), await seen(analysis, ["wipe"]));
  });
});
