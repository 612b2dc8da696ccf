import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DecisionRequest, noObligations } from "../domain/decision.ts";
import { plainFacts, type CommandFacts } from "../domain/facts.ts";
import { createCedarCompiler } from "./compiler.ts";
import { MAX_FACT_NAMES } from "./facts-slice.ts";
import { CedarInstance } from "./cedar-instance.ts";
import { CedarEngine } from "./engine.ts";
import type { Rule } from "./rule.ts";
import { wholeSchema } from "./schema-json.ts";
import { ANYTHING } from "./rule-form.ts";

const compiler = createCedarCompiler();
const engineOf = (text: string) => compiler.compile("v1", [{ name: "a.cedar", text }]);

const read: CommandFacts = {
  ...plainFacts,
  verbs: ["SELECT"],
  relationsRead: ["customers"],
  fingerprint: "0123456789abcdef",
};
const request = (over: Partial<DecisionRequest> = {}): DecisionRequest => ({
  principal: { id: "ana", kind: "human", groups: ["engineers"] },
  action: "run",
  resource: { name: "orders", protocol: "postgres", labels: { env: "demo" } },
  facts: read,
  ...over,
});
const permitAll = `@id("all") permit (principal, action == Action::"run", resource);`;

describe("deciding", () => {
  it("denies what no rule permits, and says so", () => {
    const decision = engineOf(`@id("other") permit (principal in Group::"others", action == Action::"run", resource);`).decide(request());
    assert.deepEqual(decision, {
      effect: "deny",
      policyVersion: "v1",
      rules: [],
      reason: `No rule permits this identity to run a command of class read on "orders".`,
      obligations: noObligations,
      quorum: 0,
    });
  });

  it("names the rules that permitted, with the strictest of their obligations and those of no other rule", () => {
    const decision = engineOf(`
      @id("b") @mask("*.ssn:partial") @rowCap("100") permit (principal, action == Action::"run", resource);
      @id("a") @mask("*.ssn:full") @detect("email") @rowCap("1000") permit (principal in Group::"engineers", action == Action::"run", resource);
      @id("c") @rowCap("1") permit (principal in Group::"others", action == Action::"run", resource);
    `).decide(request());
    assert.equal(decision.effect, "allow");
    assert.deepEqual(decision.rules, ["a", "b"]);
    assert.deepEqual(decision.obligations, { maskColumns: [{ table: "", column: "ssn", kind: "full" }], detectors: ["email"], rowCap: 100 });
  });

  it("names the rule that forbids, whatever permits", () => {
    const decision = engineOf(`${permitAll} @id("no") @reason("Ask Bo.") forbid (principal, action == Action::"run", resource);`).decide(request());
    assert.deepEqual([decision.effect, decision.rules, decision.reason], ["deny", ["no"], `Rule "no": denied. Ask Bo.`]);
  });

  it("denies when a forbid errs, though Cedar itself would skip it and allow (I3)", () => {
    const decision = engineOf(`${permitAll}
      @id("errs") forbid (principal, action == Action::"run", resource) when { context.statementCount + 9223372036854775807 > 0 };`).decide(request());
    assert.deepEqual([decision.effect, decision.rules], ["deny", ["errs"]]);
    assert.match(decision.reason, /rule "errs": integer overflow/);
  });

  it("denies when a forbid errs only once there are approvals", () => {
    const decision = engineOf(`
      @id("ask") permit (principal, action == Action::"run", resource) when { context.approvals >= 1 };
      @id("errs") forbid (principal, action == Action::"run", resource) when { context.approvals >= 1 && context.statementCount + 9223372036854775807 > 0 };`).decide(
      request(),
    );
    assert.deepEqual([decision.effect, decision.rules], ["deny", ["errs"]]);
  });

  it("asks for the least number of approvals that allows", () => {
    const engine = engineOf(`
      @id("three") @rowCap("3") permit (principal, action == Action::"run", resource) when { context.approvals >= 3 };
      @id("two") @rowCap("9") @reason("Two of us.") permit (principal, action == Action::"run", resource) when { context.approvals >= 2 };`);
    const decision = engine.decide(request());
    assert.deepEqual(decision, {
      effect: "needs_approval",
      policyVersion: "v1",
      rules: ["two"],
      reason: `Rule "two": needs 2 approvals. Two of us.`,
      obligations: { ...noObligations, rowCap: 9 },
      quorum: 2,
    });
  });

  it("lets a forbid ask for more approvals than the permit does, and names it", () => {
    const decision = engineOf(`
      @id("ask") permit (principal, action == Action::"run", resource) when { context.approvals >= 1 };
      @id("two-eyes") @reason("Production.") forbid (principal, action == Action::"run", resource) unless { context.approvals >= 2 };`).decide(request());
    assert.deepEqual(
      [decision.effect, decision.quorum, decision.rules, decision.reason],
      ["needs_approval", 2, ["ask", "two-eyes"], `Rule "two-eyes": needs 2 approvals. Production.`],
    );
  });

  it("says in which steps people must agree, and how, where a rule does", () => {
    const decision = engineOf(`
      @id("steps") @approvals("1 from support; 2 from security, dba") @denyBy("legal") @approverHours("mon-fri 08-18 UTC") @approvalTimeout("15m") @escalate("10m to managers")
      permit (principal, action == Action::"run", resource) when { context.approvals >= 1 };`).decide(request());
    assert.deepEqual([decision.effect, decision.quorum], ["needs_approval", 3]);
    assert.equal(decision.reason, `Rule "steps": needs 1 of support, then 2 of dba or security.`);
    assert.deepEqual(decision.terms, {
      steps: [
        { people: 1, groups: ["support"] },
        { people: 2, groups: ["dba", "security"] },
      ],
      denyBy: ["legal"],
      approverHours: ["mon-fri 08-18 UTC"],
      timeoutSeconds: 900,
      escalation: { to: "managers", afterSeconds: 600 },
    });
  });

  it("asks for the steps of every permit that decides, and for anybody where a forbid asks for more people", () => {
    const engine = engineOf(`
      @id("a") @approvals("1 from dba") @approvalTimeout("10m") @denyBy("x") @escalate("5m to m") permit (principal, action == Action::"run", resource) when { context.approvals >= 1 };
      @id("b") @approvals("1 from security") @approvalTimeout("5m") @denyBy("y") permit (principal, action == Action::"run", resource) when { context.approvals >= 1 };
      @id("c") @approvals("1 from dba") permit (principal, action == Action::"run", resource) when { context.approvals >= 1 };
      @id("d") permit (principal, action == Action::"run", resource) when { context.approvals >= 1 };
      @id("more") forbid (principal, action == Action::"run", resource) when { context.hazards.contains("drop") } unless { context.approvals >= 3 };`);
    const named = [
      { people: 1, groups: ["dba"] },
      { people: 1, groups: ["security"] },
    ];
    const decision = engine.decide(request());
    assert.equal(decision.quorum, 2);
    assert.deepEqual(decision.terms, { steps: named, denyBy: ["x", "y"], approverHours: [], timeoutSeconds: 300, escalation: undefined });
    const dropping = engine.decide(request({ facts: { ...read, hazards: ["drop"] } }));
    assert.equal(dropping.quorum, 3);
    assert.deepEqual(dropping.terms?.steps, [...named, { people: 1, groups: [] }]);
  });

  it("never lets approvals undo a forbid that does not speak of them", () => {
    const decision = engineOf(`
      @id("ask") permit (principal, action == Action::"run", resource) when { context.approvals >= 1 };
      @id("no") forbid (principal, action == Action::"run", resource) when { context.hazards.contains("copy_program") };`);
    assert.equal(decision.decide(request()).effect, "needs_approval");
    const forbidden = decision.decide(request({ facts: { ...read, hazards: ["copy_program"] } }));
    assert.deepEqual([forbidden.effect, forbidden.rules], ["deny", ["no"]]);
  });

  it("applies a rule to each action that its scope names", () => {
    const engine = engineOf(`@id("all") permit (principal, action in [Action::"open", Action::"run", Action::"approve"], resource);
      @id("no") forbid (principal, action in [Action::"run", Action::"approve"], resource);`);
    const effects = (["open", "run", "approve"] as const).map((action) => engine.decide(request({ action })).effect);
    assert.deepEqual(effects, ["allow", "deny", "deny"]);
  });

  it("denies a run whose facts are missing, even where everything is permitted", () => {
    const engine = engineOf(`@id("all") permit (principal, action, resource);`);
    const { facts: _, ...bare } = request();
    assert.equal(engine.decide({ ...bare, action: "open" }).effect, "allow");
    assert.equal(engine.decide({ ...bare, action: "run", facts: read }).effect, "allow");
    assert.match(engine.decide({ ...bare, action: "run" }).reason, /facts of the command are missing/);
  });

  it("denies facts recorded without a field, so that no forbid is skipped for its absence", () => {
    const { hazards: _, ...old } = read;
    const decision = engineOf(permitAll).decide(request({ facts: old as CommandFacts }));
    assert.deepEqual([decision.effect, decision.rules], ["deny", []]);
  });

  it("denies what it cannot look at: too many names, broken Unicode, ambiguous labels", () => {
    const engine = engineOf(permitAll);
    const names = Array.from({ length: MAX_FACT_NAMES }, (_, index) => `t${index}`);
    assert.match(engine.decide(request({ facts: { ...read, functions: names } })).reason, /more than 4096/);
    assert.match(engine.decide(request({ principal: { id: "a\ud800", kind: "human", groups: [] } })).reason, /Unicode/);
    assert.match(engine.decide(request({ resource: { name: "orders", protocol: "postgres", labels: { "a=b": "c" } } })).reason, /label key/);
    assert.equal(engine.decide(request()).effect, "allow");
  });

  it("never throws, whatever it is given", () => {
    const engine = engineOf(permitAll);
    for (const bad of [
      undefined,
      {},
      { ...request(), principal: null },
      { ...request(), facts: { ...read, statementCount: 1.5 } },
      { ...request(), action: "fly" },
    ]) {
      const decision = engine.decide(bad as unknown as DecisionRequest);
      assert.deepEqual([decision.effect, decision.policyVersion], ["deny", "v1"]);
    }
  });

  it("denies when WebAssembly traps, and decides the next request as ever", () => {
    // Deeper than any check lets through: the trap is real.
    const deep = Array(500).fill("context.statementCount == 1").join(" && ");
    const rule = (id: string, group: string, conditions: string): Rule => ({
      id,
      source: {
        file: "a.cedar",
        line: 1,
        text: `@id("${id}") permit (principal in Group::"${group}", action == Action::"run", resource) when { ${conditions} };`,
      },
      effect: "permit",
      actions: ["run"],
      namedActions: ["run"],
      reason: "",
      obligations: noObligations,
      maxDurationSeconds: undefined,
      reviewWithinSeconds: undefined,
      terms: undefined,
      uses: { context: new Map([["statementCount", "anything"]]), names: [] },
      identities: [],
      resources: [],
      form: { principal: ANYTHING, action: "", resource: ANYTHING, conditions: [], annotations: {} },
      named: { relations: [], columns: [] },
      misnamed: [],
      requires: [],
      notify: [],
      timezone: undefined,
      approvals: [],
      groups: [group],
      labels: [],
    });
    const engine = new CedarEngine("v1", [rule("deep", "divers", deep), rule("flat", "engineers", "true")], wholeSchema(new CedarInstance()));
    for (let round = 0; round < 3; round++) {
      const trapped = engine.decide(request({ principal: { id: "di", kind: "human", groups: ["divers"] } }));
      assert.equal(trapped.effect, "deny");
      assert.match(trapped.reason, /policy engine failed/);
      assert.equal(engine.decide(request({ facts: { ...read, fingerprint: `${round}` } })).effect, "allow");
    }
  });

  it("sees a removal from a group at the next decision, though the one before is remembered", () => {
    const engine = engineOf(`@id("eng") permit (principal in Group::"engineers", action == Action::"run", resource);`);
    assert.equal(engine.decide(request()).effect, "allow");
    assert.equal(engine.decide(request({ principal: { id: "ana", kind: "human", groups: [] } })).effect, "deny");
  });

  it("remembers requests that differ in nothing that a rule looks at, and tells apart those that differ in one fact, name, label, kind or group", () => {
    const engine = engineOf(`
      @id("g") permit (principal in Group::"engineers", action == Action::"run", resource)
      when { principal.kind == "human" && resource.labels.contains("env=demo") && context.statementCount == 1 && context.relationsRead.contains("customers") };`);
    const first = engine.decide(request());
    assert.equal(engine.decide(structuredClone(request())), first);
    assert.equal(engine.decide(request({ principal: { id: "ana", kind: "human", groups: ["engineers", "of no policy"] } })), first);
    assert.equal(engine.decide(request({ principal: { id: "bo", kind: "human", groups: ["engineers"] } })), first, "no rule names either of them");
    assert.equal(engine.decide(request({ facts: { ...read, fingerprint: "another", settings: ["role"], rowLimit: 7 } })), first);
    const more = engine.decide(request({ facts: { ...read, relationsRead: ["customers", "t1"] } }));
    assert.equal(engine.decide(request({ facts: { ...read, relationsRead: ["t2", "customers", "t3"] } })), more, "no rule tells one other relation from two");
    for (const other of [
      request({ facts: { ...read, statementCount: 2 } }),
      request({ facts: { ...read, relationsRead: [], relationsWritten: ["customers"] } }),
      request({ facts: { ...read, riskClass: "write" } }),
      request({ principal: { id: "ana", kind: "machine", groups: ["engineers"] } }),
      request({ resource: { name: "orders", protocol: "postgres", labels: { env: "prod" } } }),
    ]) {
      assert.notEqual(engine.decide(other), first);
    }
  });

  it("judges no facts that are not what they must be, whether or not a rule looks at them", () => {
    const engine = engineOf(permitAll);
    for (const wrong of [
      { statementCount: 1.5 },
      { rowLimit: Number.NaN },
      { fingerprint: undefined },
      { transaction: 1 },
      { columnsRead: undefined },
      { verbs: [1] },
    ])
      assert.equal(engine.decide(request({ facts: { ...read, ...wrong } as unknown as CommandFacts })).effect, "deny", Object.keys(wrong)[0]);
  });
});

it("tells identities apart that a rule names, whatever others are called", () => {
  const engine = engineOf(`
    @id("all") permit (principal, action == Action::"run", resource);
    @id("not-anybody") forbid (principal == Identity::"anybody", action == Action::"run", resource);`);
  const as = (id: string): string => engine.decide(request({ principal: { id, kind: "human", groups: [] } })).effect;
  assert.deepEqual([as("ana"), as("anybody"), as("bo"), as("anybody-")], ["allow", "deny", "allow", "allow"]);
});

describe("deciding on access for a while", () => {
  const { facts: _, ...plain } = request();
  const ask = (text: string, action: DecisionRequest["action"], more: Partial<DecisionRequest> = {}) => engineOf(text).decide({ ...plain, action, ...more });

  it("opens, and runs, in a session with a grant what asks for one, and nothing of it without", () => {
    const onRequest = `@id("all") permit (principal, action in [Action::"open", Action::"run"], resource);
      @id("ask-first") forbid (principal, action in [Action::"open", Action::"run"], resource) unless { context.granted };`;
    const engine = engineOf(onRequest);
    for (const action of ["open", "run"] as const) {
      const asked = { ...plain, action, ...(action === "run" ? { facts: read } : {}) };
      assert.deepEqual([engine.decide(asked).effect, engine.decide(asked).rules], ["deny", ["ask-first"]]);
      assert.equal(engine.decide({ ...asked, granted: true }).effect, "allow");
      assert.equal(engine.decide({ ...asked, granted: false }).effect, "deny", "what was decided with a grant is not remembered for without");
    }
  });

  it("says of a request how many must agree, and for how long at most: the shortest of what permits", () => {
    const one = `@id("a") @maxDuration("8h") permit (principal, action == Action::"request", resource) when { context.approvals >= 1 };`;
    assert.deepEqual(ask(one, "request"), {
      effect: "needs_approval",
      policyVersion: "v1",
      rules: ["a"],
      reason: `Rule "a": needs 1 approval.`,
      obligations: noObligations,
      quorum: 1,
      maxDurationSeconds: 28_800,
    });
    const more = `${one} @id("b") @maxDuration("30m") permit (principal, action == Action::"request", resource);`;
    assert.deepEqual([ask(more, "request").effect, ask(more, "request").maxDurationSeconds], ["allow", 1_800]);
    const unbounded = `@id("b") permit (principal, action == Action::"request", resource);`;
    assert.equal(ask(unbounded, "request").maxDurationSeconds, 3_600);
    assert.equal(ask(permitAll, "request").reason, `No rule permits this identity to request access to "orders".`);
  });

  it("takes a request for access, which has no facts, as the riskiest class where somebody decides on it", () => {
    const text = `@id("all") permit (principal, action == Action::"approve", resource);
      @id("no") forbid (principal, action == Action::"approve", resource) when { context.riskClass == "unclassified" && context.verbs.isEmpty() };`;
    assert.deepEqual([ask(text, "approve").effect, ask(text, "approve", { facts: read }).effect], ["deny", "allow"]);
    assert.equal(ask(permitAll, "run").effect, "deny", "what is to run always has facts");
  });
});

describe("names that may mean the same", () => {
  const effect = (rule: string, facts: Partial<CommandFacts>): string =>
    engineOf(`@id("p") permit (principal, action, resource);\n@id("f") forbid (principal, action == Action::"run", resource) when { ${rule} };`).decide(
      request({ facts: { ...read, ...facts } }),
    ).effect;

  for (const [rule, facts, expected] of [
    [`context.relationsRead.contains("public.customers")`, { relationsRead: ["customers"] }, "deny"],
    [`context.relationsRead.contains("customers")`, { relationsRead: ["public.customers"] }, "deny"],
    [`context.relationsWritten.containsAny(["a.customers", "b.customers"])`, { relationsWritten: ["customers"] }, "deny"],
    [`context.relationsRead.contains("public.customers")`, { relationsRead: ["shop.customers"] }, "allow"],
    [`context.relationsRead.contains("public.customers")`, { relationsRead: ["orders"] }, "allow"],
    [`context.relationsRead.contains("\\"Odd.Name\\"")`, { relationsRead: ['s."Odd.Name"'] }, "deny"],
    [`context.columnsRead.contains("customers.email")`, { columnsRead: ["customers.*"] }, "deny"],
    [`context.columnsRead.contains("customers.email")`, { columnsRead: ["*.*"] }, "deny"],
    [`context.columnsRead.contains("*.email")`, { columnsRead: ["staff.email"] }, "deny"],
    [`context.columnsRead.contains("customers.email")`, { columnsRead: ["customers.id", "orders.*"] }, "allow"],
    [`context.relationsWritten.contains("public.customers")`, { relationsWritten: ["orders", "*.*"] }, "deny"],
    [`context.relationsRead.contains("payroll")`, { relationsWritten: ["orders", "*.*"] }, "allow"],
    // What a rule lets through by the whole set is never more for it.
    [`!["orders", "public.orders"].containsAll(context.relationsWritten)`, { relationsWritten: ["orders", "*.*"] }, "deny"],
    [`!["customers"].containsAll(context.relationsRead)`, { relationsRead: ["customers"] }, "allow"],
    [`!["customers", "public.orders"].containsAll(context.relationsRead)`, { relationsRead: ["customers"] }, "allow"],
    [`!["customers", "public.orders"].containsAll(context.relationsRead)`, { relationsRead: ["shop.orders"] }, "deny"],
  ] as const) {
    it(`answers ${expected} to ${JSON.stringify(facts)} when ${rule} forbids`, () => assert.equal(effect(rule, facts), expected));
  }
});

describe("what a command does with columns that its own permit masks", () => {
  const engine = engineOf(`
    @id("masked") @mask("customers.email:full") permit (principal in Group::"engineers", action == Action::"run", resource);
    @id("bare") permit (principal in Group::"owners", action == Action::"run", resource);
    @id("probes") forbid (principal, action == Action::"run", resource) when { context.probesMasked } unless { context.approvals >= 2 };
    @id("copies") forbid (principal, action == Action::"run", resource) when { context.copiesMasked };`);
  const decided = (facts: Partial<CommandFacts>, ...groups: string[]): readonly [string, number, readonly string[]] => {
    const { effect, quorum, rules } = engine.decide(request({ principal: { id: "ana", kind: "human", groups }, facts: { ...read, ...facts } }));
    return [effect, quorum, rules];
  };
  const probe = { columnsFiltered: ["customers.email"] };

  it("is decided on by rules that ask for it", () => {
    assert.deepEqual(decided(probe, "engineers"), ["needs_approval", 2, ["masked", "probes"]]);
    assert.deepEqual(decided({ columnsCopied: ["customers.*"] }, "engineers"), ["deny", 0, ["copies"]]);
  });
  it("is nothing where it is not masked, not looked at, or only matched", () => {
    assert.deepEqual(decided(probe, "owners"), ["allow", 0, ["bare"]]);
    assert.deepEqual(decided({ columnsFiltered: ["orders.email"] }, "engineers"), ["allow", 0, ["masked"]]);
    assert.deepEqual(decided({ ...probe, columnsMatched: ["customers.email"] }, "engineers"), ["allow", 0, ["masked"]]);
  });
  it("is the same when it is decided from memory", () => assert.deepEqual(decided(probe, "engineers"), decided(probe, "engineers")));
});
