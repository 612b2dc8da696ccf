import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { Decision, Principal } from "../../control-plane/src/domain/decision.ts";
import { plainFacts, type CommandFacts, hazards, riskClasses } from "../../control-plane/src/domain/facts.ts";
import { createCedarCompiler } from "../../control-plane/src/policy/compiler.ts";

const guide = ["how-to/policy.md", "how-to/policy-recipes.md", "reference/policy.md"]
  .map((page) => readFileSync(new URL(`../../docs/${page}`, import.meta.url), "utf8"))
  .join("\n");
const schema = readFileSync(new URL("../../control-plane/src/policy/schema.cedarschema", import.meta.url), "utf8");
const blocksOf = (language: string): string[] => [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map(([, text = ""]) => text);
const blocks = blocksOf("cedar");
const compiler = createCedarCompiler();

const facts: CommandFacts = {
  ...plainFacts,
  verbs: ["SELECT"],
};
const member = (...groups: string[]): Principal => ({ id: "ana", kind: "human", groups });

/** The example that holds the rule `id`, given a command on a resource with labels. */
function example(id: string, principal: Principal, over: Partial<CommandFacts>, labels: Record<string, string> = {}): Decision {
  const text = blocks.find((block) => block.includes(`@id("${id}")`));
  assert.ok(text !== undefined, `the guide has an example with the rule ${id}`);
  const engine = compiler.compile("guide", [{ name: "guide.cedar", text }]);
  return engine.decide({ principal, action: "run", resource: { name: "orders", protocol: "postgres", labels }, facts: { ...facts, ...over } });
}

describe("the policy guide", () => {
  it("has only examples that compile", () => {
    assert.ok(blocks.length >= 5);
    for (const text of blocks) assert.deepEqual(compiler.check([{ name: "guide.cedar", text }]), [], text);
  });

  it("quotes the schema as it is", () => assert.deepEqual(blocksOf("cedarschema"), [schema]));

  it("names every risk class and hazard", () => {
    for (const word of [...riskClasses, ...hazards]) assert.ok(guide.includes(`\`${word}\``), word);
  });

  it("shows a read with masking", () => {
    const decision = example("analysts-read", member("analysts"), {});
    assert.deepEqual([decision.effect, decision.obligations.rowCap, decision.obligations.maskColumns.length], ["allow", 500, 3]);
    assert.equal(example("analysts-read", member("analysts"), { riskClass: "write" }).effect, "deny");
  });

  it("changes a policy by a rule that denies one kind of command, approved or not, and leaves the others to their permits", () => {
    const change = (verb: string, relation: string) =>
      example("payments-are-kept", member("engineers"), { verbs: [verb], riskClass: "write", relationsWritten: [relation] }).rules;
    assert.deepEqual(change("DELETE", "public.payments"), ["payments-are-kept"]);
    assert.deepEqual([change("INSERT", "public.payments"), change("DELETE", "public.orders")], [[], []]);
  });

  it("shows one approval, and two where the label says production", () => {
    const ask = (labels: Record<string, string>) => example("prod-two-people", member("engineers"), { riskClass: "destructive" }, labels);
    assert.deepEqual([ask({}).effect, ask({}).quorum], ["needs_approval", 1]);
    assert.deepEqual([ask({ env: "prod" }).effect, ask({ env: "prod" }).quorum], ["needs_approval", 2]);
  });

  it("shows a table that nobody writes", () => {
    const write = (relationsWritten: readonly string[]) =>
      example("ledger-is-append-only", member("engineers"), { verbs: ["UPDATE"], riskClass: "write", relationsWritten });
    assert.equal(write(["orders"]).effect, "allow");
    assert.equal(write(["public.ledger_entries"]).effect, "deny");
    assert.equal(write(["ledger_entries"]).effect, "deny");
  });

  it("shows functions that write, and those that do something to the server", () => {
    const call = (id: string, over: Partial<CommandFacts>) => example(id, member("engineers"), over).effect;
    assert.equal(call("sequences-and-locks", { riskClass: "write", functions: ["nextval"], functionClasses: ["write"] }), "allow");
    const end = { riskClass: "administrative", functions: ["pg_terminate_backend"], functionClasses: ["administrative"] } as const;
    assert.equal(call("server-functions-with-approval", end), "needs_approval");
    assert.equal(call("server-functions-with-approval", { ...end, riskClass: "unclassified", functionClasses: ["administrative", "unclassified"] }), "deny");
    assert.equal(call("server-functions-with-approval", { riskClass: "administrative", verbs: ["ALTER SYSTEM"] }), "deny");
  });

  it("shows a machine that may run one kind of command on one resource", () => {
    const robot: Principal = { id: "ci-migrations", kind: "machine", groups: [] };
    assert.equal(example("ci-migrations", robot, { verbs: ["CREATE TABLE"], riskClass: "destructive", hazards: ["ddl"] }).effect, "allow");
    assert.equal(example("ci-migrations", robot, { verbs: ["DROP TABLE"], riskClass: "destructive", hazards: ["ddl", "drop"] }).effect, "deny");
    assert.equal(
      example("ci-migrations", { ...robot, id: "ci-other" }, { verbs: ["CREATE TABLE"], riskClass: "destructive", hazards: ["ddl"] }).effect,
      "deny",
    );
  });
});
