import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plainFacts } from "./facts.ts";
import { maskedUse } from "./masked-use.ts";

const masks = [
  { table: "", column: "email", kind: "full" },
  { table: "staff", column: "*", kind: "full" },
] as const;
const probes = (...columnsFiltered: string[]): boolean => maskedUse(masks, { ...plainFacts, columnsFiltered }).probesMasked;

describe("what a command does with masked columns", () => {
  it("is probing, where it picks rows by one, or may", () => {
    for (const name of ["customers.email", "staff.pay", "staff.*", "customers.*", "*.*", '"a.b".email']) assert.equal(probes("orders.id", name), true, name);
    for (const name of ["customers.id", "email.id", "pg_class.*", '"x.email".id']) assert.equal(probes(name), false, name);
  });

  it("is only matching, where it is compared with what the command holds", () => {
    const facts = { ...plainFacts, columnsFiltered: ["c.email", "c.id"], columnsMatched: ["c.email"] };
    assert.deepEqual(maskedUse(masks, facts), { probesMasked: false, matchesMasked: true, copiesMasked: false });
  });

  it("is copying, where its values go elsewhere", () => {
    assert.equal(maskedUse(masks, { ...plainFacts, columnsCopied: ["c.email"] }).copiesMasked, true);
    assert.equal(maskedUse([], { ...plainFacts, columnsCopied: ["c.email"] }).copiesMasked, false);
  });
});
