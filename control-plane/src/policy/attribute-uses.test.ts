import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AttributeUse, type AttributeUses, readUses } from "./attribute-uses.ts";
import { CedarInstance } from "./cedar-instance.ts";
import type { Json } from "./policy-json.ts";

const cedar = new CedarInstance();

function usesOf(condition: string): AttributeUses {
  const parsed = cedar.use((module) => module.policyToJson(`permit (principal, action, resource) when { ${condition} };`));
  if (parsed.type === "failure") throw new Error(condition);
  return readUses(parsed.json as unknown as Json);
}

const cases: readonly (readonly [condition: string, uses: Readonly<Record<string, AttributeUse>>])[] = [
  [`context.verbs.contains("A")`, { verbs: ["A"] }],
  [`context["verbs"].contains("A")`, { verbs: ["A"] }],
  [`context.verbs.containsAny(["A", "B"]) && ["B", "C"].containsAll(context.verbs)`, { verbs: ["B", "C", "A"] }],
  [`context.verbs == ["A"] || ["B"] != context.verbs`, { verbs: ["B", "A"] }],
  [`context.verbs.isEmpty()`, { verbs: [] }],
  [`context.riskClass == "a" || "b" == context.riskClass || ["c"].contains(context.riskClass)`, { riskClass: ["c", "b", "a"] }],
  [`context.fingerprint like "a*"`, { fingerprint: "anything" }],
  [`context.fingerprint == "a" && context.fingerprint like "b*"`, { fingerprint: "anything" }],
  [`context.fingerprint like "b*" && context.fingerprint == "a"`, { fingerprint: "anything" }],
  [`context.verbs.contains("A") && context.verbs.containsAny(context.functions)`, { verbs: "anything", functions: "anything" }],
  [`context.verbs.contains(context.riskClass)`, { verbs: "anything", riskClass: "anything" }],
  [`["a", context.ticket].contains(context.purpose)`, { purpose: "anything", ticket: "anything" }],
  [`[context.verbs].contains(["A"])`, { verbs: "anything" }],
  [`[["A"]].contains(context.verbs)`, { verbs: "anything" }],
  [`context.ticket == (if context.unparsed then "a" else "b")`, { ticket: "anything", unparsed: "anything" }],
  [`context.rowLimit == 0`, { rowLimit: "anything" }],
  [`context.clientAddress.isLoopback()`, { clientAddress: "anything" }],
  [`principal.kind == "human"`, {}],
];

describe("what conditions do with attributes of the context", () => {
  for (const [condition, expected] of cases) {
    it(`is read of ${condition}`, () => {
      const sorted = (uses: Iterable<readonly [string, AttributeUse]>) =>
        new Map([...uses].map(([name, use]) => [name, use === "anything" ? use : use.toSorted()]));
      assert.deepEqual(sorted(usesOf(condition).context), sorted(Object.entries(expected)));
    });
  }
});

describe("what conditions look up in principals and resources", () => {
  for (const [condition, expected] of [
    [`principal.kind == "human"`, ["kind"]],
    [`principal has kind`, ["kind"]],
    [`principal has kind.more`, ["kind", "more"]],
    [`(if true then principal else resource).name == "a"`, ["name"]],
    [`principal == resource`, []],
  ] as const) {
    it(`is read of ${condition}, whatever it is looked up in`, () => assert.deepEqual(usesOf(condition).names.toSorted(), expected));
  }
});
