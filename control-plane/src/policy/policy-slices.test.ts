import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import { CedarInstance } from "./cedar-instance.ts";
import { checkPolicies } from "./check.ts";
import { MAX_RULES_IN_SMALL_SETS, PolicySlices } from "./policy-slices.ts";

const GROUPS = 40;
const text = Array.from({ length: GROUPS }, (_, n) => `@id("r${n}") permit (principal in Group::"g${n}", action == Action::"run", resource);`)
  .concat(`@id("orders") permit (principal is Identity, action == Action::"run", resource == Resource::"orders");`)
  .concat(`@id("ana") permit (principal == Identity::"ana", action == Action::"run", resource is Resource);`)
  .join("\n");
const { rules } = checkPolicies(new CedarInstance(), [{ name: "a.cedar", text }]);

const person = (id: string, ...groups: readonly number[]): EntityJson => ({
  uid: { type: "Identity", id },
  attrs: {},
  parents: groups.map((n) => ({ type: "Group", id: `g${n}` })),
});
const resource = (id: string): EntityJson => ({ uid: { type: "Resource", id }, attrs: {}, parents: [] });

function prepared() {
  const slices = new PolicySlices(rules);
  const instance = new CedarInstance((cedar) => slices.prepare(cedar));
  return (who: EntityJson, where: EntityJson): string => instance.use((cedar) => slices.setFor(cedar, "run", who, where));
}

describe("PolicySlices", () => {
  it("asks those rules alone whose scope can hold", () => {
    const setFor = prepared();
    assert.equal(setFor(person("bo", 3, 7), resource("other")), "run: r3 r7");
    assert.equal(setFor(person("ana", 3), resource("orders")), "run: r3 orders ana");
    assert.equal(setFor(person("bo"), resource("other")), "run: ");
  });

  it("asks all rules where many are in reach", () => {
    assert.equal(prepared()(person("bo", ...Array.from({ length: 17 }, (_, n) => n)), resource("other")), "run");
  });

  it("keeps to its bound whatever groups people have, and then asks all rules of those it has no set for", () => {
    const setFor = prepared();
    const sets = new Map<string, number>();
    for (let a = 0; a < GROUPS; a++)
      for (let b = 0; b < a; b++) {
        const groups = [a, b, (a * b) % GROUPS, (a + b) % GROUPS];
        sets.set(setFor(person("bo", ...groups), resource("other")), new Set(groups).size);
      }
    assert.ok(sets.delete("run"));
    const parsed = [...sets.values()].reduce((sum, count) => sum + count, 0);
    assert.ok(parsed <= MAX_RULES_IN_SMALL_SETS && parsed > MAX_RULES_IN_SMALL_SETS - 4, String(parsed));
    assert.ok([...sets.keys()].every((name) => name.startsWith("run: ")));
  });
});
