import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type DecisionRequest, weekdays } from "../domain/decision.ts";
import { plainFacts, riskClasses } from "../domain/facts.ts";
import { createCedarCompiler } from "./compiler.ts";
import { MAX_CASES } from "./contradictions.ts";
import { anyPolicy } from "./testing/any-policy.ts";
import { anyRequests } from "./testing/any-request.ts";

const compiler = createCedarCompiler();
const rule = (conditions: string, scope = `principal, action == Action::"run", resource`): string => `@id("r") permit (${scope}) ${conditions};`;
const told = (text: string): readonly string[] => compiler.check([{ name: "a.cedar", text }]).map(({ severity, message }) => `${severity}: ${message}`);
const isTold = (text: string): boolean => told(text).some((each) => each.startsWith("warning: This can never match: "));

describe("a rule that contradicts itself", () => {
  for (const [condition, name] of [
    [`context.riskClass == "read" && context.riskClass == "write"`, "context.riskClass"],
    [`context.rowLimit > 5 && context.rowLimit < 3`, "context.rowLimit"],
    [`context.rowLimit > 5 && 6 > context.rowLimit`, "context.rowLimit"],
    [`context.rowLimit >= 5 && context.rowLimit <= 6 && context.rowLimit != 5 && !(context.rowLimit == 6)`, "context.rowLimit"],
    [`context.hour >= 25`, "context.hour"],
    [`context.hour < 0`, "context.hour"],
    [`context.statementCount < 0`, "context.statementCount"],
    [`context.approvals >= 2 && !(context.approvals >= 1)`, "context.approvals"],
    [`["read", "write"].contains(context.riskClass) && ["destructive"].contains(context.riskClass)`, "context.riskClass"],
    [`context.weekday == "monday" && !["monday", "friday"].contains(context.weekday)`, "context.weekday"],
    [weekdays.map((day) => `context.weekday != "${day}"`).join(" && "), "context.weekday"],
    [`principal.kind != "human" && principal.kind != "machine"`, "principal.kind"],
    [`context.granted && !context.granted`, "context.granted"],
    [`context.granted == false && true == context.granted`, "context.granted"],
    [`context.verbs.contains("SELECT") && !context.verbs.contains("SELECT")`, "context.verbs"],
    [`context.verbs.containsAll(["SELECT", "DELETE"]) && !context.verbs.containsAny(["DELETE", "INSERT"])`, "context.verbs"],
    [`context.verbs.containsAny(["SELECT", "DELETE"]) && ["INSERT"].containsAll(context.verbs)`, "context.verbs"],
    [`context.verbs.isEmpty() && context.verbs.contains("SELECT")`, "context.verbs"],
    [`context.verbs == ["SELECT"] && context.verbs == ["DELETE"]`, "context.verbs"],
    [`["SELECT"].containsAll(context.verbs) && !context.verbs.isEmpty() && !context.verbs.contains("SELECT")`, "context.verbs"],
    [`context.verbs.contains("SELECT") && !context.verbs.containsAll(["SELECT"])`, "context.verbs"],
    [`principal == Identity::"ana" && principal == Identity::"bo"`, "principal"],
    [`resource == Resource::"orders" && resource.name == "stock"`, "resource.name"],
    [`(context.riskClass == "read" || context.hour < 3) && context.riskClass == "write" && context.hour > 5`, "context.hour and context.riskClass"],
    [`!(context.riskClass == "read" && context.hour < 3) && context.riskClass == "read" && context.hour == 2`, "context.hour and context.riskClass"],
    [`(if context.granted then context.hour < 3 else context.hour > 30) && context.hour == 12`, "context.hour"],
  ] as const) {
    it(`is told, with what it asks too much of: ${condition}`, () => {
      const expected = [`warning: This can never match: nothing is all that it asks of ${name}.`];
      assert.deepEqual(told(rule(`when { ${condition} }`)), expected);
      assert.deepEqual(told(rule(`unless { !(${condition}) }`)), expected);
    });
  }

  for (const [what, text] of [
    ["an unless that takes all of it back", rule(`when { context.riskClass == "read" } unless { context.riskClass != "write" }`)],
    ["an unless that always holds", rule("unless { context.hour < 24 }")],
    ["two whens", rule(`when { context.hour < 3 } when { context.hour > 3 }`)],
    ["a scope of somebody else", rule(`when { principal == Identity::"bo" }`, `principal == Identity::"ana", action == Action::"run", resource`)],
    [
      "a scope of somebody else, who is in nobody",
      rule(`when { principal in Identity::"bo" }`, `principal == Identity::"ana", action == Action::"run", resource`),
    ],
    ["a scope of another resource", rule(`when { resource.name == "b" }`, `principal, action == Action::"run", resource == Resource::"a"`)],
    ["a group that is also left out", rule(`unless { principal in Group::"a" }`, `principal in Group::"a", action == Action::"run", resource`)],
    ["groups that are all left out", rule(`when { principal in [Group::"a", Group::"b"] } unless { principal in Group::"a" || principal in Group::"b" }`)],
    ["any of its actions", rule(`when { action == Action::"open" && context.hour == 24 }`, `principal, action in [Action::"open", Action::"run"], resource`)],
    ["what is not understood and its opposite", rule(`when { context.hour + 1 == 3 && !(context.hour + 1 == 3) }`)],
    ["a pattern and its opposite", rule(`when { context.purpose like "a*" } unless { context.purpose like "a*" }`)],
  ] as const) {
    it(`is told: ${what}`, () => assert.ok(isTold(text), told(text).join("\n")));
  }

  it("is told once, where Cedar tells it, and not compared with others", () => {
    const never = rule(`when { context.hour == 24 && false }`);
    assert.deepEqual(told(never), ["warning: policy is impossible: the policy expression evaluates to false for all valid requests"]);
    const wider = `@id("w") permit (principal, action == Action::"run", resource);`;
    assert.equal(told(`${rule("when { context.hour == 24 }")} ${wider}`).length, 1);
  });

  for (const [what, condition] of [
    ["a value", `context.riskClass == "read"`],
    ["a list and a part of it", `["read", "write"].contains(context.riskClass) && context.riskClass != "read"`],
    ["the ends of a day", `context.hour >= 23 || context.hour <= 0`],
    ["a number between others", `context.rowLimit > 4 && context.rowLimit < 6`],
    ["all weekdays but one", `!["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"].contains(context.weekday)`],
    ["one of two that the other rules out", `(context.hour < 3 || context.hour > 20) && context.hour > 5`],
    ["words of a set, with others", `context.verbs.contains("SELECT") && !context.verbs.contains("DELETE") && !(["SELECT"].containsAll(context.verbs))`],
    ["a set that is not the other", `context.verbs != ["SELECT"] && context.verbs.contains("SELECT")`],
    ["one of two groups", `principal in [Group::"a", Group::"b"] && !(principal in Group::"a")`],
    ["two groups", `principal in Group::"a" && principal in Group::"b"`],
    ["somebody in a group", `principal == Identity::"ana" && principal in Group::"a"`],
    ["numbers that JSON rounds", `context.rowLimit > 9007199254740992 && context.rowLimit < 9007199254740994`],
    ["patterns, which are not looked into", `context.purpose like "a*" && context.purpose like "b*"`],
  ] as const) {
    it(`is not found in ${what}`, () => assert.deepEqual(told(rule(`when { ${condition} }`)), []));
  }

  it("is not searched for in more cases than are looked at", () => {
    const hours = (count: number): string => Array.from({ length: count }, (_, n) => `context.hour == ${String(n + 24)}`).join(" || ");
    assert.ok(isTold(rule(`when { ${hours(MAX_CASES / 4)} }`)));
    const never = (count: number): string => {
      const either = Array.from({ length: count }, (_, n) => `(context.verbs.contains("A${String(n)}") || context.verbs.contains("B${String(n)}"))`);
      const nobody = `(principal in Identity::"bo" || principal in Identity::"cy")`;
      return rule(`when { ${either.join(" && ")} && ${nobody} }`, `principal == Identity::"ana", action == Action::"run", resource`);
    };
    assert.ok(isTold(never(4)));
    assert.deepEqual(told(never(20)), []);
  });

  it("is not searched for longer than a bound, however many rules of a set have many long cases", () => {
    const long = "A".repeat(2_000);
    const either = Array.from({ length: 6 }, (_, n) => `(context.verbs.contains("${long}${String(n)}") || context.verbs.contains("B${long}${String(n)}"))`);
    const withCases = `when { ${either.join(" && ")} && (principal in Identity::"bo" || principal in Identity::"cy") }`;
    const text = [withCases, withCases, withCases, `when { context.hour < 0 }`]
      .map((conditions, n) => `@id("r${String(n)}") permit (principal == Identity::"ana", action == Action::"run", resource) ${conditions};`)
      .join("\n");
    const found = compiler.check([{ name: "a.cedar", text }]).filter(({ message }) => message.startsWith("This can never match: "));
    const lines = new Set(found.map(({ line }) => line));
    assert.deepEqual([lines.has(1), lines.has(3), lines.has(4)], [true, false, true]);
  });
});

describe("what is called a contradiction", () => {
  const oneOf = (...texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
  const small = fc.oneof(
    fc.tuple(oneOf("<", "<=", ">", ">=", "==", "!="), fc.integer({ min: -1, max: 24 })).map(([how, hour]) => `context.hour ${how} ${String(hour)}`),
    fc.tuple(oneOf("==", "!="), oneOf(...riskClasses)).map(([how, word]) => `context.riskClass ${how} "${word}"`),
    fc.subarray([...riskClasses], { minLength: 1 }).map((words) => `${JSON.stringify(words)}.contains(context.riskClass)`),
    oneOf("context.granted", "context.granted == false"),
    fc
      .tuple(oneOf("containsAny", "containsAll"), fc.subarray(["SELECT", "DELETE"], { minLength: 1 }), fc.boolean())
      .map(([how, words, turned]) => (turned ? `${JSON.stringify(words)}.${how}(context.verbs)` : `context.verbs.${how}(${JSON.stringify(words)})`)),
    oneOf("context.verbs.isEmpty()"),
  );
  const { tree } = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, depthSize: "medium" },
      { weight: 2, arbitrary: small },
      { weight: 5, arbitrary: fc.tuple(tie("tree"), tie("tree")).map(([a, b]) => `(${a} && ${b})`) },
      { weight: 1, arbitrary: fc.tuple(tie("tree"), tie("tree")).map(([a, b]) => `(${a} || ${b})`) },
      { weight: 1, arbitrary: tie("tree").map((a) => `!(${a})`) },
      { weight: 1, arbitrary: fc.tuple(tie("tree"), tie("tree"), tie("tree")).map(([a, b, c]) => `(if ${a} then ${b} else ${c})`) },
    ),
  }));

  /** Each hour, class, set of verbs and so on that the conditions above can tell apart. */
  const everything: readonly DecisionRequest[] = riskClasses.flatMap((riskClass) =>
    [[], ["SELECT"], ["DELETE"], ["SELECT", "DELETE"], ["INSERT"], ["INSERT", "SELECT"], ["INSERT", "DELETE"], ["INSERT", "SELECT", "DELETE"]].flatMap(
      (verbs) => {
        const facts = { ...plainFacts, riskClass, verbs };
        return Array.from({ length: 24 }, (_, hour) => hour).flatMap((hour) =>
          [true, false].map((granted): DecisionRequest => ({
            principal: { id: "ana", kind: "human", groups: [] },
            action: "run",
            resource: { name: "orders", protocol: "postgres", labels: {} },
            facts,
            granted,
            circumstances: { time: { hour, weekday: "monday" } },
          })),
        );
      },
    ),
  );

  it("is what no request of all meets, and that alone", () => {
    let found = 0;
    fc.assert(
      fc.property(tree, (condition) => {
        const text = rule(`when { ${condition} }`);
        const engine = compiler.compile("v", [{ name: "a.cedar", text }]);
        const isMet = everything.some((request) => engine.decide(request).effect === "allow");
        const never = told(text).length > 0;
        if (never) found += 1;
        assert.equal(never, !isMet, text);
      }),
      { numRuns: Number(process.env["RUNS"] ?? 40), endOnFailure: true },
    );
    assert.ok(found > 0, "no contradiction was tried");
  });

  it("decides nothing, whatever is asked, in rules of all kinds", () => {
    fc.assert(
      fc.property(anyPolicy, anyRequests, (text, requests) => {
        const files = [{ name: "a.cedar", text }];
        const problems = compiler.check(files);
        fc.pre(problems.every(({ severity }) => severity === "warning"));
        const lines = text.split("\n");
        const impossible = problems.filter(({ message }) => message.startsWith("This can never match"));
        const never = new Set(impossible.map(({ line }) => /@id\("(\w+)"\)/.exec(lines[line - 1] ?? "")?.[1]));
        const engine = compiler.compile("v", files);
        for (const request of requests) for (const id of engine.decide(request).rules) assert.ok(!never.has(id), `${id} of\n${text}`);
      }),
      { numRuns: Number(process.env["RUNS"] ?? 30), endOnFailure: true },
    );
  });
});
