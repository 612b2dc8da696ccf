import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createCedarCompiler } from "./compiler.ts";

const compiler = createCedarCompiler();
const warnings = (...rules: readonly string[]): string[] =>
  compiler.check([{ name: "a.cedar", text: rules.join("\n") }]).map(({ severity, line, message }) => `${severity} ${line}: ${message}`);
const rule = (id: string, effect: string, who: string, conditions: string, annotations = ""): string =>
  `@id("${id}") ${annotations} ${effect} (${who === "" ? "principal" : `principal in Group::"${who}"`}, action == Action::"run", resource) ${conditions};`;
const held = `when { context.riskClass == "write" && context.approvals >= 1 }`;
const reads = `when { context.riskClass == "read" }`;

describe("rules beside each other", () => {
  for (const [what, rules, expected] of [
    [
      "a permit that an unconditional forbid shadows",
      [rule("p", "permit", "a", reads), rule("f", "forbid", "", "")],
      [/^warning 1: This can never permit anything: rule "f" \(a\.cedar:2\) forbids all of it\.$/],
    ],
    [
      "a permit and a forbid of the same",
      [rule("p", "permit", "a", reads), rule("f", "forbid", "a", `when { context.riskClass == "read" }`)],
      [/^warning 1: This can never permit/],
    ],
    [
      "a forbid of less conditions, in another order",
      [rule("p", "permit", "a", `when { context.unparsed && context.granted }`), rule("f", "forbid", "a", "when { context.granted }")],
      [/^warning 1: This can never permit/],
    ],
    [
      "the same rule twice",
      [rule("p", "permit", "a", reads), rule("q", "permit", "a", reads, `@reason("Again.")`)],
      [/^warning 2: This says the same as rule "p"/],
    ],
    [
      "a permit that another one makes needless",
      [rule("p", "permit", "a", reads), rule("q", "permit", "", reads)],
      [/^warning 1: This permits nothing that rule "q"/],
    ],
    [
      "an escalation that a wider permit takes away",
      [rule("p", "permit", "a", held, `@approvals("1 from b") @escalate("10m to c")`), rule("q", "permit", "", held)],
      [/^warning 1: @escalate has no effect here: rule "q" \(a\.cedar:2\) decides whenever this one does, and does not escalate\.$/],
    ],
    [
      "escalations of the same that differ",
      [
        rule("p", "permit", "a", held, `@approvals("1 from b") @escalate("10m to c")`),
        rule("q", "permit", "a", held, `@approvals("1 from b") @escalate("20m to c")`),
      ],
      [/^warning 1: @escalate has no effect here: .* and escalates otherwise\.$/, /^warning 2: @escalate has no effect here/],
    ],
    [
      "a forbid within another",
      [rule("f", "forbid", "a", reads), rule("g", "forbid", "", ""), rule("p", "permit", "", "")],
      [/^warning 3: This can never permit/, /^warning 1: This forbids nothing that rule "g"/],
    ],
  ] as const) {
    it(`shows ${what}`, () => {
      const found = warnings(...rules);
      assert.equal(found.length, expected.length, found.join("\n"));
      for (const [index, pattern] of expected.entries()) assert.match(found[index] ?? "", pattern);
    });
  }

  for (const [what, rules] of [
    ["a forbid that can be lifted", [rule("p", "permit", "a", reads), rule("f", "forbid", "", "unless { context.granted }")]],
    ["a forbid that approvals lift", [rule("p", "permit", "a", reads), rule("f", "forbid", "", "unless { context.approvals >= 1 }")]],
    [
      "escalations that are alike, and one of others",
      [
        rule("p", "permit", "a", held, `@approvals("1 from b") @escalate("10m to c")`),
        rule("q", "permit", "", held, `@approvals("1 from d") @escalate("10m to c")`),
        rule("r", "permit", "b", `when { context.riskClass == "read" && context.approvals >= 1 }`),
      ],
    ],
    ["a forbid for others", [rule("p", "permit", "a", reads), rule("f", "forbid", "b", "")]],
    ["a narrower forbid", [rule("p", "permit", "a", ""), rule("f", "forbid", "a", reads)]],
    ["a narrower permit that masks", [rule("p", "permit", "", reads), rule("q", "permit", "a", reads, `@mask("*.ssn:full")`)]],
    ["a permit of another action", [`@id("o") permit (principal, action == Action::"open", resource);`, rule("f", "forbid", "", "")]],
    [
      "a permit of more actions than the forbid",
      [`@id("o") permit (principal, action in [Action::"open", Action::"run"], resource);`, rule("f", "forbid", "", "")],
    ],
  ] as const) {
    it(`says nothing of ${what}`, () => assert.deepEqual(warnings(...rules), []));
  }
});

describe("the difference of two sets", () => {
  const set = (text: string) => [{ name: "a.cedar", text }];
  const before = `@id("same") permit (principal, action == Action::"open", resource);
    @id("gone") forbid (principal, action == Action::"open", resource) when { context.granted };
    @id("p") @reason("Ask (Bo).") @rowCap("10") permit (principal in Group::"a", action == Action::"run", resource) when { context.riskClass == "read" };`;

  it("is none when only the writing, the order or the file differs", () => {
    const [one = "", two = "", three = ""] = before.split(";\n");
    const after = [
      { name: "b.cedar", text: `${three.replace("permit", "\n  permit\n  // (\n")}\n// a remark; with "quotes"\n${two};` },
      { name: "c.cedar", text: `${one};` },
    ];
    assert.deepEqual(compiler.diff(set(before), after), []);
  });

  it("tells each rule that came, went or changed, and what of it", () => {
    const after = `@id("same") permit (principal, action == Action::"open", resource);
      @id("new") @readOnly permit (principal, action == Action::"open", resource) unless { context.granted };
      @id("p") @reason("Ask (Bo).") @rowCap("20") @timeout("5s") permit (principal, action == Action::"run", resource) when { context.riskClass != "read" };`;
    assert.deepEqual(
      compiler
        .diff(set(before), set(after))
        .map(({ kind, rule: id, line, parts }) => [kind, id, line, ...parts.map(({ part, before: then, after: now }) => `${part}: ${then} -> ${now}`)]),
      [
        ["removed", "gone", 2, "effect: forbid -> ", `scope: principal, action == Action::"open", resource -> `, "conditions: when { context.granted } -> "],
        [
          "added",
          "new",
          2,
          "effect:  -> permit",
          `scope:  -> principal, action == Action::"open", resource`,
          "conditions:  -> unless { context.granted }",
          "@readOnly:  -> yes",
        ],
        [
          "changed",
          "p",
          3,
          `scope: principal in Group::"a", action == Action::"run", resource -> principal, action == Action::"run", resource`,
          `conditions: when { context.riskClass == "read" } -> when { context.riskClass != "read" }`,
          "@rowCap: 10 -> 20",
          "@timeout:  -> 5s",
        ],
      ],
    );
  });
});
