import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readPlannedChange } from "./planned-change.ts";

const planOf = (more: Readonly<Record<string, unknown>>): string =>
  JSON.stringify([
    {
      Plan: {
        "Node Type": "ModifyTable",
        "Operation": "Delete",
        "Schema": "public",
        "Relation Name": "people",
        "Plans": [{ "Node Type": "Seq Scan", "Relation Name": "other", ...more }],
      },
    },
  ]);
const functions = (filter: string): readonly string[] => readPlannedChange(planOf({ Filter: filter })).functions;

describe("what a planned change calls", () => {
  it("is found whatever marks stand in the names and literals around it", () => {
    assert.deepEqual(functions(`((nextval('s'::regclass) > 0) AND (id = q."a'"))`), ["nextval"]);
    assert.deepEqual(functions(`(q."a'" = id) AND (nextval('s'::regclass) > 0) AND (q."a'" > 0)`), ["nextval"]);
    assert.deepEqual(functions(`('a"' = name) AND costly(1) AND ('"' = name)`), ["costly"]);
    assert.deepEqual(functions(`"my ""fn"('x')`), ['my "fn']);
    assert.deepEqual(functions(`name = 'costly(1)' AND "costly(" = 1`), []);
    assert.deepEqual(functions(`public.costly("a""'b") AND x = 'it''s'`), ["costly"]);
  });

  it("is found between any names and literals", () => {
    const piece = fc.string({ unit: fc.constantFrom("a", "'", '"', "(", " ", "\\"), maxLength: 6 });
    const name = piece.map((text) => `q."${text.replaceAll('"', '""')}"`);
    const literal = piece.map((text) => `'${text.replaceAll("'", "''")}'`);
    fc.assert(
      fc.property(fc.array(fc.oneof(name, literal)), fc.array(fc.oneof(name, literal)), (before, after) => {
        assert.deepEqual(functions([...before, "hidden(1)", ...after].join(" = ")), ["hidden"]);
      }),
    );
  });

  it("is found in what a node holds beside its own texts", () => {
    assert.deepEqual(readPlannedChange(planOf({ "Grouping Sets": [{ "Group Keys": [["costly(id)"]] }] })).functions, ["costly"]);
  });
});
