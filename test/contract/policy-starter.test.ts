import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { Decision, PolicyAction, Principal } from "../../control-plane/src/domain/decision.ts";
import { plainFacts, type CommandFacts, type Hazard, hazards, type RiskClass, riskClasses } from "../../control-plane/src/domain/facts.ts";
import { createStatementAnalyser } from "../../control-plane/src/gateway/postgres/facts/analyser.ts";
import { createCedarCompiler } from "../../control-plane/src/policy/compiler.ts";
import { rehearse } from "../../control-plane/src/policy/rehearsal.ts";

const folder = new URL("../../deploy/policies/starter/", import.meta.url);
const files = readdirSync(folder).map((name) => ({ name, text: readFileSync(new URL(name, folder), "utf8") }));
const compiler = createCedarCompiler();
const engine = compiler.compile("starter", files);

const who = {
  engineer: { id: "ana", kind: "human", groups: ["engineers"] },
  approver: { id: "bo", kind: "human", groups: ["approvers"] },
  admin: { id: "cy", kind: "human", groups: ["admins"] },
  robot: { id: "ci", kind: "machine", groups: ["engineers", "approvers"] },
  stranger: { id: "di", kind: "human", groups: [] },
} as const satisfies Record<string, Principal>;

const facts = (riskClass: RiskClass, ...found: Hazard[]): CommandFacts => ({
  ...plainFacts,
  verbs: ["SELECT"],
  riskClass,
  relationsRead: ["customers"],
  hazards: found,
  fingerprint: "0123456789abcdef",
});
const resource = { name: "orders", protocol: "postgres", labels: {} };
const decide = (principal: Principal, action: PolicyAction, command?: CommandFacts): Decision =>
  engine.decide({ principal, action, resource, ...(command === undefined ? {} : { facts: command }) });

describe("the starter policy", () => {
  it("comes out as the tests beside it expect, dozens of decisions on what the parser says of real statements", { timeout: 60_000 }, async (t) => {
    const analyser = createStatementAnalyser();
    t.after(() => analyser.close());
    const { problems, passed } = await rehearse(engine, files, async (sql) => (await analyser.analyse(Buffer.from(sql))).facts);
    assert.deepEqual(problems, []);
    assert.ok(passed >= 100, String(passed));
  });

  it("has no problem, not even a warning", () => assert.deepEqual(compiler.check(files), []));

  const select = facts("read");
  const insert = facts("write");
  const drop = facts("destructive", "ddl", "drop");
  const deleteAll = facts("destructive", "delete_without_where");
  const gibberish = facts("unclassified", "unparsed");
  const vacuum = facts("administrative");
  const copyProgram = facts("unclassified", "copy_program");
  for (const [name, action, what, command, effect, rules] of [
    ["engineer", "open", "a session", undefined, "allow", ["open-all"]],
    ["approver", "open", "a session", undefined, "allow", ["open-all"]],
    ["admin", "open", "a session", undefined, "allow", ["open-all"]],
    ["stranger", "open", "a session", undefined, "deny", []],
    ["engineer", "run", "SELECT", select, "allow", ["read-masked"]],
    ["approver", "run", "SELECT", select, "allow", ["read-masked"]],
    ["admin", "run", "SELECT", select, "allow", ["read-masked"]],
    ["robot", "run", "SELECT", select, "allow", ["read-masked"]],
    ["stranger", "run", "SELECT", select, "deny", []],
    ["engineer", "run", "INSERT", insert, "allow", ["write-masked"]],
    ["approver", "run", "INSERT", insert, "deny", []],
    ["admin", "run", "INSERT", insert, "allow", ["write-masked"]],
    ["engineer", "run", "DROP TABLE", drop, "needs_approval", ["risky-with-approval"]],
    ["admin", "run", "DROP TABLE", drop, "needs_approval", ["risky-with-approval"]],
    ["approver", "run", "DROP TABLE", drop, "deny", []],
    ["stranger", "run", "DROP TABLE", drop, "deny", []],
    ["engineer", "run", "DELETE without WHERE", deleteAll, "needs_approval", ["risky-with-approval"]],
    ["engineer", "run", "text that does not parse", gibberish, "needs_approval", ["risky-with-approval"]],
    ["engineer", "run", "VACUUM", vacuum, "needs_approval", ["risky-with-approval"]],
    ["engineer", "run", "COPY … PROGRAM", copyProgram, "deny", ["no-server-access"]],
    ["admin", "run", "COPY … PROGRAM", copyProgram, "deny", ["no-server-access"]],
    ["approver", "approve", "DROP TABLE", drop, "allow", ["approvers-decide"]],
    ["admin", "approve", "DROP TABLE", drop, "allow", ["approvers-decide"]],
    ["engineer", "approve", "DROP TABLE", drop, "deny", []],
    ["robot", "approve", "DROP TABLE", drop, "deny", []],
  ] as const) {
    it(`answers ${effect} when the ${name} wants to ${action} ${what}`, () => {
      const decision = decide(who[name], action, command);
      assert.deepEqual([decision.effect, decision.rules, decision.quorum], [effect, rules, effect === "needs_approval" ? 1 : 0]);
    });
  }

  const onRequest = { ...resource, labels: { access: "on-request" } };
  for (const [name, action, granted, effect, rules] of [
    ["engineer", "open", false, "deny", ["open-on-request"]],
    ["engineer", "open", true, "allow", ["open-all"]],
    ["admin", "open", false, "deny", ["open-on-request"]],
    ["approver", "open", false, "deny", ["open-on-request"]],
    ["stranger", "open", true, "deny", []],
    ["engineer", "run", false, "deny", ["open-on-request"]],
    ["engineer", "run", true, "allow", ["read-masked"]],
    ["engineer", "request", false, "needs_approval", ["engineers-ask"]],
    ["admin", "request", false, "needs_approval", ["engineers-ask"]],
    ["approver", "request", false, "deny", []],
    ["stranger", "request", false, "deny", []],
    ["approver", "approve", false, "allow", ["approvers-decide"]],
    ["engineer", "approve", false, "deny", []],
    ["robot", "approve", false, "deny", []],
  ] as const) {
    it(`answers ${effect} when the ${name} wants to ${action} what is open on request, ${granted ? "with" : "without"} a grant`, () => {
      const command = action === "run" ? { facts: select } : {};
      const decision = engine.decide({ principal: who[name], action, resource: onRequest, granted, ...command });
      assert.deepEqual([decision.effect, decision.rules, decision.quorum], [effect, rules, effect === "needs_approval" ? 1 : 0]);
      if (effect === "needs_approval") assert.equal(decision.maxDurationSeconds, 8 * 3_600);
    });
  }

  it("lets nobody ask for what has no such label: it is open to them as ever", () => {
    for (const principal of Object.values(who)) assert.equal(decide(principal, "request").effect, "deny");
  });

  it("forbids server programs and files, roles, privileges, configuration and replication to everyone, in every class", () => {
    const never = new Set<Hazard>(["copy_program", "server_file", "role_change", "set_role", "privilege_change", "server_configuration", "replication"]);
    for (const hazard of hazards) {
      for (const principal of Object.values(who)) {
        for (const riskClass of riskClasses) {
          const { effect, rules } = decide(principal, "run", facts(riskClass, hazard));
          if (never.has(hazard)) assert.deepEqual([effect, rules.length], ["deny", 1], `${hazard} ${principal.id} ${riskClass}`);
          else
            assert.ok(
              rules.every((rule) => !rule.startsWith("no-")),
              `${hazard} is not forbidden`,
            );
        }
      }
    }
  });

  for (const [name, what, over, effect] of [
    ["engineer", "search among masked values", { columnsFiltered: ["customers.email"] }, "needs_approval"],
    ["approver", "search among masked values", { columnsFiltered: ["customers.email"] }, "needs_approval"],
    ["engineer", "look a row up by a masked value", { columnsFiltered: ["customers.email"], columnsMatched: ["customers.email"] }, "allow"],
    ["engineer", "search among other values", { columnsFiltered: ["customers.name"] }, "allow"],
    ["engineer", "copy masked values", { riskClass: "write", columnsCopied: ["customers.*"] }, "needs_approval"],
    ["engineer", "copy other values", { riskClass: "write", columnsCopied: ["orders.total"] }, "allow"],
    ["stranger", "search among masked values", { columnsFiltered: ["customers.email"] }, "deny"],
  ] as const) {
    it(`answers ${effect} when the ${name} wants to ${what}`, () => {
      const decision = decide(who[name], "run", { ...select, ...over });
      assert.equal(decision.effect, effect);
      if (effect === "needs_approval") assert.ok(decision.rules.includes("masked-with-approval"));
    });
  }

  it("masks every result in the same way, whatever permitted it", () => {
    const { obligations } = decide(who.engineer, "run", select);
    for (const command of [insert, drop, gibberish]) assert.deepEqual(decide(who.engineer, "run", command).obligations, obligations);
    assert.deepEqual(obligations.detectors, ["card", "email", "iban", "phone", "ssn"]);
    assert.equal(obligations.rowCap, 10_000);
  });

  it("masks the personal columns of the demo database", () => {
    const masked = new Map(decide(who.engineer, "run", select).obligations.maskColumns.map(({ table, column, kind }) => [`${table}.${column}`, kind]));
    for (const [column, kind] of [
      ["email", "partial"],
      ["phone", "partial"],
      ["ssn", "full"],
      ["iban", "partial"],
      ["date_of_birth", "null"],
      ["address", "full"],
      ["card_number", "partial"],
      ["card_holder", "full"],
    ]) {
      assert.equal(masked.get(`.${column}`), kind, column);
    }
  });

  it("tells the one whose command is held who can help", () => {
    assert.equal(
      decide(who.engineer, "run", drop).reason,
      `Rule "risky-with-approval": needs 1 approval. It destroys or alters data or structure, or cannot be judged: somebody from approvers or admins must agree first.`,
    );
  });
});
