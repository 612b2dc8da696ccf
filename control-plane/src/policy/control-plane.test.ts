import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Area, controlPlane, type DecisionRequest, type OwnAction, type ResourceRef } from "../domain/decision.ts";
import { createCedarCompiler } from "./compiler.ts";

const compiler = createCedarCompiler();
const files = (text: string) => [{ name: "a.cedar", text }];
const problems = (text: string): string[] => compiler.check(files(text)).map(({ severity, message }) => `${severity}: ${message}`);
const resource = (labels: Record<string, string> = {}, name = "orders"): ResourceRef => ({ name, protocol: "postgres", labels });

function ask(text: string, action: OwnAction, area: Area, more: Partial<DecisionRequest> = {}): readonly [effect: string, rules: readonly string[]] {
  const principal = { id: "ana", kind: "human", groups: ["auditors"] } as const;
  const { effect, rules } = compiler.compile("p1", files(text)).decide({ principal, action, area, resource: controlPlane, ...more });
  return [effect, rules];
}

describe("a policy on the control plane itself", () => {
  it("decides by area, by whose session it is, and by resource", () => {
    const text = `
      @id("policy-only") permit (principal, action == Action::"administer", resource) when { context.area == "policy" };
      @id("own") permit (principal, action == Action::"replay", resource) when { context.own };
      @id("staging") permit (principal, action == Action::"replay", resource) when { resource.labels.contains("env=staging") };
      @id("record") permit (principal, action == Action::"replay", resource is Sallyport) when { context.area == "record" };`;
    assert.deepEqual(ask(text, "administer", "policy"), ["allow", ["policy-only"]]);
    assert.deepEqual(ask(text, "administer", "tokens"), ["deny", []]);
    assert.deepEqual(ask(text, "replay", "sessions", { resource: resource() }), ["deny", []]);
    assert.deepEqual(ask(text, "replay", "sessions", { resource: resource(), own: true }), ["allow", ["own"]]);
    assert.deepEqual(ask(text, "replay", "sessions", { resource: resource({ env: "staging" }) }), ["allow", ["staging"]]);
    assert.deepEqual(ask(text, "replay", "record"), ["allow", ["record"]]);
  });

  it("does not take a resource for the control plane, whatever it is called", () => {
    const text = `@id("itself") permit (principal, action == Action::"administer", resource == Sallyport::"control-plane");`;
    assert.equal(ask(text, "administer", "policy")[0], "allow");
    assert.equal(ask(text, "administer", "policy", { resource: { ...controlPlane } })[0], "deny");
  });

  it("sees the hour and the day, and remembers nothing across them", () => {
    const text = `@id("by-day") permit (principal, action == Action::"administer", resource) when { context.hour >= 8 && context.weekday != "sunday" };`;
    const engine = compiler.compile("p1", files(text));
    const at = (hour: number, weekday: "monday" | "sunday"): string =>
      engine.decide({
        principal: { id: "ana", kind: "human", groups: [] },
        action: "administer",
        area: "policy",
        resource: controlPlane,
        circumstances: { time: { hour, weekday } },
      }).effect;
    assert.deepEqual([at(9, "monday"), at(3, "monday"), at(9, "sunday"), at(9, "monday")], ["allow", "deny", "deny", "allow"]);
  });

  it("says which groups are told of what it lets somebody administer", () => {
    const text = `
      @id("board") @notify("board") permit (principal, action == Action::"administer", resource) when { context.area == "policy" };
      @id("rest") permit (principal, action == Action::"administer", resource) when { context.area != "policy" };`;
    const engine = compiler.compile("p1", files(text));
    const notify = (area: Area) =>
      engine.decide({ principal: { id: "ana", kind: "human", groups: [] }, action: "administer", area, resource: controlPlane }).notify;
    assert.deepEqual([notify("policy"), notify("tokens")], [["board"], undefined]);
  });

  it("warns of groups that would be told nothing, and of none that would", () => {
    const rule = (scope: string, condition: string, action = `== Action::"administer"`): string =>
      `@id("a") @notify("board") permit (principal, action ${action}, ${scope}) ${condition};`;
    for (const silent of [
      rule("resource", `when { context.hour > 8 && context.area == "tokens" }`),
      rule(`resource == Resource::"orders"`, ""),
      rule("resource is Resource", `when { context.area == "access" }`),
    ])
      assert.match(problems(silent).join("; "), /^warning: Nobody is told anything: of Action::"administer" proposals/, silent);
    for (const telling of [
      rule("resource", ""),
      rule("resource is Sallyport", `when { context.area == "policy" }`),
      rule("resource", `when { context.area != "tokens" }`),
      rule("resource", `when { context.area == "tokens" || context.area == "policy" }`),
      rule(`resource == Resource::"orders"`, "", `in [Action::"administer", Action::"run"]`),
    ])
      assert.deepEqual(problems(telling), [], telling);
  });

  it("denies what says nothing of its area", () => {
    const all = `@id("all") permit (principal, action == Action::"administer", resource);`;
    const engine = compiler.compile("p1", files(all));
    assert.equal(engine.decide({ principal: { id: "ana", kind: "human", groups: [] }, action: "administer", resource: controlPlane }).effect, "deny");
  });

  it("is named by the rules that speak of it, and by no other", () => {
    const spokenOf = (text: string): readonly string[] => [...compiler.compile("p1", files(text)).speaksOf].toSorted();
    assert.deepEqual(spokenOf(`@id("a") permit (principal, action, resource);`), []);
    assert.deepEqual(spokenOf(`@id("a") forbid (principal, action in [Action::"open", Action::"replay"], resource);`), ["open", "replay"]);
  });

  it("is not what a rule without an action is about", () => {
    const text = `
      @id("all") permit (principal, action, resource);
      @id("policy") permit (principal, action == Action::"administer", resource) when { context.area == "policy" };`;
    assert.equal(ask(text, "administer", "tokens")[0], "deny");
    assert.equal(ask(text, "replay", "sessions")[0], "deny");
    const closed = `
      @id("nobody") forbid (principal, action, resource);
      @id("policy") permit (principal, action == Action::"administer", resource);`;
    assert.equal(ask(closed, "administer", "policy")[0], "allow");
  });

  for (const condition of [
    `resource.labels.contains("env=prod")`,
    `[Resource::"orders", Resource::"stock"].contains(resource)`,
    `resource in [Resource::"orders"]`,
    `context.hour < 8 && resource.protocol == "postgres" && resource.name like "o*"`,
  ])
    it(`leaves a rule without an action as it was: ${condition}`, () => {
      assert.deepEqual(problems(`@id("a") forbid (principal, action, resource) when { ${condition} };`), []);
    });

  for (const [what, text, expected] of [
    [
      "an area that does not exist",
      `@id("a") permit (principal, action == Action::"administer", resource) when { context.area == "polices" };`,
      /context\.area never holds "polices"/,
    ],
    [
      "what is not known of it",
      `@id("a") permit (principal, action == Action::"replay", resource) when { context.riskClass == "read" };`,
      /attribute `riskClass`/,
    ],
    ["groups to notify of who looks", `@id("a") @notify("security") permit (principal, action == Action::"replay", resource);`, /Nobody is notified of/],
    [
      "groups to notify of what is forbidden to administer",
      `@id("a") @notify("security") forbid (principal, action == Action::"administer", resource);`,
      /which a permit lets through/,
    ],
    [
      "more groups to notify of proposals than each event on one can name",
      ["a", "b"]
        .map((id) => {
          const groups = Array.from({ length: 11 }, (_, n) => `${id}${String(n)}`).join(", ");
          return `@id("${id}") @notify("${groups}") permit (principal, action == Action::"administer", resource);`;
        })
        .join("\n"),
      /notify 22 groups together; at most 20/,
    ],
    [
      "a reason asked of whoever administers",
      `@id("a") @reasonRequired permit (principal, action == Action::"administer", resource);`,
      /@reasonRequired belongs on a permit of/,
    ],
    ["approvals of it", `@id("a") permit (principal, action == Action::"administer", resource) when { context.approvals >= 1 };`, /attribute `approvals`/],
  ] as const)
    it(`refuses ${what}`, () => {
      const [problem, ...others] = problems(text);
      assert.match(problem ?? "", expected);
      assert.deepEqual(others, []);
    });
});
