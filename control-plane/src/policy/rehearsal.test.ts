import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plainFacts } from "../domain/facts.ts";
import { MAX_PROBLEMS } from "./check.ts";
import { createCedarCompiler } from "./compiler.ts";
import { MAX_POLICY_TEST_DECISIONS, rehearse } from "./rehearsal.ts";

const compiler = createCedarCompiler();
const rules = `
  @id("read") @mask("*.ssn:full") @rowCap("10") permit (principal in Group::"a", action == Action::"run", resource) when { context.riskClass == "read" };
  @id("ask") permit (principal in Group::"a", action == Action::"run", resource) when { context.riskClass == "write" && context.approvals >= 2 };
  @id("open") @ticketRequired @readOnly permit (principal, action == Action::"open", resource) when { context.hour < 18 };`;
const people = { ana: { groups: ["a"] }, bo: {} };

/** Of a file with these tests, one a line from line 3 on. */
async function run(...tests: readonly (object | string)[]) {
  const written = tests.map((test) => (typeof test === "string" ? test : JSON.stringify(test))).join(",\n");
  const text = `{ "principals": ${JSON.stringify(people)}, "resources": { "db": {} },\n"tests": [\n${written}\n] }`;
  const files = [
    { name: "a.cedar", text: rules },
    { name: "a.test.json", text },
  ];
  const engine = compiler.compile("v", files);
  const { problems, passed } = await rehearse(engine, files, async (sql) => ({ ...plainFacts, riskClass: sql === "write" ? "write" : "read" }));
  return { passed, said: problems.map(({ severity, file, line, message }) => `${severity} ${file}:${line}: ${message}`) };
}
const test = (over: object) => ({ name: "t", as: "ana", action: "run", on: "db", facts: {}, expect: "allow", ...over });

describe("tests beside the rules", () => {
  it("pass when decisions are as expected, in every respect that is expected", async () => {
    const obligations = { masks: ["*.ssn:full"], rowCap: 10, byteCap: 0, timeoutMillis: 0, detectors: [], readOnly: false, record: [] };
    const open = { action: "open", facts: undefined, context: { hour: 9, ticket: "OPS-7" } };
    const { said, passed } = await run(
      test({ expect: { decision: "allow", rules: ["read"], quorum: 0, lacks: [], notify: [], obligations } }),
      test({ as: "bo", expect: { decision: "deny", rules: [] } }),
      test({ facts: { riskClass: "write" }, expect: { decision: "needs_approval", quorum: 2 } }),
      test({ ...open, expect: { decision: "allow", obligations: { readOnly: true } } }),
      test({ ...open, context: { hour: 9 }, expect: { decision: "deny", lacks: ["ticket"] } }),
      test({ ...open, context: { hour: 18, ticket: "OPS-7" }, expect: "deny" }),
      test({ as: ["ana"], facts: undefined, sql: ["read", "write"], expect: "allow", name: "both" }),
    );
    assert.deepEqual(said, [
      `error a.test.json:9: Test "both" (ana, db, "write"): expected decision allow, got needs_approval. It was decided: Rule "ask": needs 2 approvals.`,
    ]);
    assert.equal(passed, 7);
  });

  it("fail at their line, and say what was expected, what came, and why", async () => {
    const { said } = await run(
      test({}),
      test({ expect: { decision: "deny", rules: ["x", "y"], quorum: 1, obligations: { masks: ["*.email:full"], rowCap: 5, record: ["output"] } } }),
    );
    assert.deepEqual(said, [
      `error a.test.json:4: Test "t": expected decision deny, got allow; expected rules x, y, got read; expected quorum 1, got 0; expected rowCap 5, got 10; expected record output, got none; expected masks *.email:full, which are not there. It was decided: Rule "read": allowed.`,
    ]);
  });

  for (const [what, written, expected] of [
    ["somebody who is not among its people", test({ as: "cy" }), /:3: Test "t": "principals" has no "cy"/],
    ["a resource that is not there", test({ on: "other" }), /"resources" has no "other"/],
    ["the name of something that every object has", test({ as: "toString" }), /"principals" has no "toString"/],
    ["a run of nothing", test({ facts: undefined }), /has "sql" or "facts"/],
    ["facts of what is not run", test({ action: "open" }), /"open" has neither/],
    ["text and facts", test({ sql: "read" }), /It has "sql" and "facts"/],
    ["a field that does not exist", test({ expected: "deny" }), /:3: tests\.0: .*expected/],
    ["a hazard that does not exist", test({ facts: { hazards: ["dropp"] } }), /:3: tests\.0\.facts\.hazards\.0/],
    ["no JSON", "oops", /:1: This is not JSON/],
  ] as const) {
    it(`are refused with ${what}`, async () => {
      const { said, passed } = await run(written);
      assert.equal(passed, 0);
      assert.equal(said.length, 1, said.join("\n"));
      assert.match(said[0] ?? "", expected);
    });
  }

  it("are refused when they ask for more decisions than anybody waits for", async () => {
    const as = Array.from({ length: MAX_POLICY_TEST_DECISIONS + 1 }, () => "ana");
    const { said, passed } = await run(test({ as }));
    assert.match(said[0] ?? "", /more than 10000 decisions/);
    assert.equal(passed, 0);
    // Short lists, whose product nobody could hold.
    const many = Array.from({ length: 10_000 }, () => "ana");
    const product = await run(test({ as: many, on: many.map(() => "db") }));
    assert.match(product.said.at(-1) ?? "", /more than 10000 decisions/);
    // About no resource: each is a decision all the same.
    const own = test({ as, on: undefined, action: "replay", facts: undefined, context: { area: "record" }, expect: "deny" });
    assert.match((await run(own)).said[0] ?? "", /more than 10000 decisions/);
  });

  it("say as much as somebody reads, however many fail and however long what they run is", async () => {
    const sql = `select '${"x".repeat(100_000)}'`;
    const { said } = await run(test({ as: Array.from({ length: 2_000 }, () => "ana"), facts: undefined, sql, expect: "deny" }));
    const characters = said.reduce((sum, each) => sum + each.length, 0);
    assert.ok(said.length <= MAX_PROBLEMS + 1 && characters < 200_000, `${said.length} problems in ${characters} characters`);
    assert.match(said.at(-1) ?? "", /more problems are not shown/);
  });
});
