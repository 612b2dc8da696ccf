import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Decision, DecisionRequest, PolicyEngine } from "../domain/decision.ts";
import { plainFacts, type Hazard, type RiskClass, riskClasses } from "../domain/facts.ts";
import { createCedarCompiler } from "./compiler.ts";
import { MAX_QUORUM } from "./expression.ts";

const compiler = createCedarCompiler();

/** A policy in few words, from which both Cedar text and the expected answer are made. */
interface Plan {
  readonly effect: "permit" | "forbid";
  readonly group: string;
  readonly classes: readonly RiskClass[];
  readonly hazard: Hazard | undefined;
  readonly approvals: number | undefined;
  readonly approvalsIn: "when" | "unless";
  /** Overflows when everything before it holds. */
  readonly errs: boolean;
  readonly rowCap: number;
}

const anyPlan: fc.Arbitrary<Plan> = fc.record({
  effect: fc.constantFrom("permit", "permit", "forbid"),
  group: fc.constantFrom("a", "b"),
  classes: fc.subarray([...riskClasses], { minLength: 1 }),
  hazard: fc.constantFrom(undefined, undefined, "drop", "ddl"),
  approvals: fc.constantFrom(undefined, undefined, 1, 2, 4),
  approvalsIn: fc.constantFrom("when", "when", "unless"),
  errs: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
  rowCap: fc.integer({ min: 1, max: 4 }),
});
const anyPlans = fc.array(anyPlan, { minLength: 1, maxLength: 6 });

const anyRequest: fc.Arbitrary<DecisionRequest> = fc
  .tuple(fc.subarray(["a", "b"]), fc.constantFrom(...riskClasses), fc.subarray<Hazard>(["drop", "ddl"]))
  .map(([groups, riskClass, hazards]) => ({
    principal: { id: "ana", kind: "human", groups },
    action: "run",
    resource: { name: "orders", protocol: "postgres", labels: {} },
    facts: {
      ...plainFacts,
      verbs: ["SELECT"],
      riskClass,
      hazards,
    },
  }));
const anyRequests = fc.array(anyRequest, { minLength: 1, maxLength: 8 });

const nameOf = (index: number): string => `p${index}`;

function textOf(plan: Plan, id: string): string {
  const when = [`${JSON.stringify(plan.classes)}.contains(context.riskClass)`];
  if (plan.hazard !== undefined) when.push(`context.hazards.contains("${plan.hazard}")`);
  if (plan.approvals !== undefined) when.push(`${plan.approvalsIn === "unless" ? "!" : ""}(context.approvals >= ${plan.approvals})`);
  if (plan.errs) when.push("context.statementCount + 9223372036854775807 > 0");
  const cap = plan.effect === "permit" ? `@rowCap("${plan.rowCap}") ` : "";
  return `@id("${id}") ${cap}${plan.effect} (principal in Group::"${plan.group}", action == Action::"run", resource) when { ${when.join(" && ")} };`;
}

const engineOf = (plans: readonly (readonly [Plan, string])[]): PolicyEngine =>
  compiler.compile(
    "v1",
    plans.map(([plan, id], index) => ({ name: `${index}.cedar`, text: textOf(plan, id) })),
  );
const numbered = (plans: readonly Plan[]) => plans.map((plan, index) => [plan, nameOf(index)] as const);

const holds = (plan: Plan, { principal, facts }: DecisionRequest, approvals: number): boolean =>
  principal.groups.includes(plan.group) &&
  facts !== undefined &&
  plan.classes.includes(facts.riskClass) &&
  (plan.hazard === undefined || facts.hazards.includes(plan.hazard)) &&
  (plan.approvals === undefined || approvals >= plan.approvals === (plan.approvalsIn === "when"));

/** The definition, word for word, with no Cedar in it. */
function expected(plans: readonly Plan[], request: DecisionRequest): Pick<Decision, "effect" | "quorum" | "obligations"> {
  const deny = { effect: "deny", quorum: 0, obligations: { maskColumns: [], detectors: [], rowCap: 0 } } as const;
  for (let approvals = 0; approvals <= MAX_QUORUM; approvals++) {
    const held = plans.filter((plan) => holds(plan, request, approvals));
    if (held.some((plan) => plan.errs)) return deny;
    if (held.length === 0 || held.some((plan) => plan.effect === "forbid")) continue;
    const rowCap = Math.min(...held.map((plan) => plan.rowCap));
    return { effect: approvals === 0 ? "allow" : "needs_approval", quorum: approvals, obligations: { ...deny.obligations, rowCap } };
  }
  return deny;
}

const strictness = (decision: Decision): number => ({ allow: 0, needs_approval: decision.quorum, deny: MAX_QUORUM + 1 })[decision.effect];

/** Each run compiles policies in Cedar, some 20 ms a set. */
const runs = { numRuns: 25 };

describe("decisions over random policies", () => {
  it("are those of the definition, computed without Cedar", () => {
    fc.assert(
      fc.property(anyPlans, anyRequests, (plans, requests) => {
        const engine = engineOf(numbered(plans));
        for (const request of requests) {
          const { effect, quorum, obligations } = engine.decide(request);
          assert.deepEqual({ effect, quorum, obligations }, expected(plans, request));
        }
      }),
      runs,
    );
  });

  it("do not depend on the order of policies, to the last word", () => {
    const shuffled = anyPlans.chain((plans) => fc.tuple(fc.constant(numbered(plans)), fc.shuffledSubarray(numbered(plans), { minLength: plans.length })));
    fc.assert(
      fc.property(shuffled, anyRequests, ([inOrder, outOfOrder], requests) => {
        const [one, other] = [engineOf(inOrder), engineOf(outOfOrder)];
        for (const request of requests) assert.deepEqual(other.decide(request), one.decide(request));
      }),
      runs,
    );
  });

  it("never become milder by one more forbid", () => {
    fc.assert(
      fc.property(anyPlans, anyPlan, anyRequests, (plans, added, requests) => {
        const [before, after] = [engineOf(numbered(plans)), engineOf(numbered([...plans, { ...added, effect: "forbid" }]))];
        for (const request of requests) assert.ok(strictness(after.decide(request)) >= strictness(before.decide(request)));
      }),
      runs,
    );
  });

  it("never let approvals undo a forbid that does not speak of them", () => {
    fc.assert(
      fc.property(anyPlans, anyPlan, anyRequests, (plans, added, requests) => {
        const forbid: Plan = { ...added, effect: "forbid", approvals: undefined };
        const engine = engineOf(numbered([...plans, forbid]));
        for (const request of requests) if (holds(forbid, request, 0)) assert.equal(engine.decide(request).effect, "deny");
      }),
      runs,
    );
  });
});
