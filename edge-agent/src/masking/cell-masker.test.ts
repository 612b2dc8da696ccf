import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CellMasker } from "./cell-masker.ts";
import { computedFrom, joined, type Lineage, OF_ANYTHING, OF_NO_COLUMN } from "./lineage.ts";
import type { MaskKind } from "./mask-value.ts";

const keys = { hash: Buffer.alloc(32, 7), token: Buffer.alloc(32, 8) };
const masker = (...rules: readonly [column: string, table: string, kind: string][]): CellMasker =>
  new CellMasker({ maskColumns: rules.map(([column, table, kind]) => ({ column, table, kind })), detectors: [] }, keys);
const render = (kind: MaskKind, value: string, by = masker()): string | undefined => by.render(kind, Buffer.from(value))?.toString();

const of = (table: string, column: string): Lineage => ({ origins: [{ tables: new Set([table]), columns: new Set([column]) }], madeOf: [], opaque: false });

describe("which mask a column falls under", () => {
  it("goes by the name that is shown, in any case, and by the column it comes from", () => {
    const rules = masker(["Email", "", "full"]);
    assert.equal(rules.kindOf({ label: "eMAIL" }), "full");
    assert.equal(rules.kindOf({ label: "e", lineage: of("customers", "email") }), "full");
    assert.equal(rules.kindOf({ label: "e" }), undefined);
  });

  it("spares a column that is known to be of another table, and no column that may be of this one", () => {
    const rules = masker(["email", "customers", "hash"]);
    assert.equal(rules.kindOf({ label: "email", lineage: of("suppliers", "email") }), undefined);
    assert.equal(rules.kindOf({ label: "x", lineage: of("customers", "email") }), "hash");
    assert.equal(rules.kindOf({ label: "email" }), "hash");
  });

  it("masks whole what is computed from a masked column, and leaves nothing of it where the rule leaves nothing", () => {
    const rules = masker(["email", "", "partial"], ["dob", "people", "null"], ["ssn", "people", "hash"]);
    const computed = (...lineages: readonly Lineage[]) => rules.kindOf({ label: "x", lineage: computedFrom(joined(lineages)) });
    assert.equal(computed(of("people", "email")), "full");
    assert.equal(computed(of("people", "name"), of("people", "ssn")), "full");
    assert.equal(computed(of("people", "ssn"), of("people", "dob")), "null");
    assert.equal(computed(of("people", "name")), undefined);
    assert.equal(computed(of("staff", "ssn")), undefined);
    assert.equal(computed(), undefined);
  });

  it("masks whole what may be computed from anything, and only where something is masked", () => {
    assert.equal(masker(["email", "", "partial"]).kindOf({ label: "x", lineage: OF_ANYTHING }), "full");
    assert.equal(masker().kindOf({ label: "x", lineage: OF_ANYTHING }), undefined);
    assert.equal(masker(["email", "", "partial"]).kindOf({ label: "x", lineage: OF_NO_COLUMN }), undefined);
  });

  it("takes the strictest of what a column shows and what it is computed from", () => {
    const rules = masker(["email", "", "partial"], ["dob", "", "null"]);
    assert.equal(rules.kindOf({ label: "x", lineage: joined([of("t", "email"), computedFrom(of("t", "dob"))]) }), "null");
    assert.equal(rules.kindOf({ label: "x", lineage: joined([of("t", "email"), computedFrom(of("t", "id"))]) }), "partial");
  });

  it("takes a star for every column", () => {
    assert.equal(masker(["*", "", "null"]).kindOf({ label: "anything" }), "null");
    assert.equal(masker(["*", "t", "null"]).kindOf({ label: "a", lineage: of("u", "a") }), undefined);
  });

  it("takes the strictest of several rules, whatever their order", () => {
    const rules: [string, string, string][] = [
      ["a", "", "partial"],
      ["a", "", "null"],
      ["*", "", "full"],
      ["a", "", "hash"],
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(rules, { minLength: rules.length }), (shuffled) => {
        assert.equal(masker(...shuffled).kindOf({ label: "a" }), "null");
        assert.equal(masker(...shuffled).kindOf({ label: "b" }), "full");
      }),
    );
  });
});

describe("the text that stands for a value", () => {
  it("hides even the length when full, and is nothing when null", () => {
    assert.equal(render("full", "a"), render("full", "a long value"));
    assert.equal(masker().render("null", Buffer.from("a")), null);
  });

  it("keeps the length when partial, and reveals at most four characters and at most a quarter", () => {
    assert.equal(render("partial", "4111-1111-1111-1234"), "***************1234");
    assert.equal(render("partial", "12345678"), "******78");
    assert.equal(render("partial", "abc"), "***");
    assert.equal(render("partial", ""), "");
    assert.equal(render("partial", "日本語日本語日本"), "******日本");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (value) => {
        const shown = [...(render("partial", value) ?? "")];
        assert.equal(shown.length, [...value].length);
        const revealed = shown.filter((character) => !"*@.".includes(character)).length;
        assert.ok(revealed <= 4 && revealed <= shown.length / 4);
      }),
    );
  });

  it("keeps the first letter and a short top-level domain of an e-mail address, within the same bounds", () => {
    assert.equal(render("partial", "ana.lopez@example.com"), "a********@*******.com");
    assert.equal(render("partial", "ana@example.online"), "a**@**************");
    assert.equal(render("partial", "a@b.co"), "a@****");
    assert.equal(render("partial", "a@b"), "*@*");
  });

  it("is the same hash for the same value and session, and another in any other", () => {
    const other = new CellMasker({ maskColumns: [], detectors: [] }, { hash: Buffer.alloc(32, 8), token: Buffer.alloc(32, 8) });
    assert.match(render("hash", "ana") ?? "", /^[0-9a-f]{16}$/);
    assert.equal(render("hash", "ana"), render("hash", "ana"));
    assert.notEqual(render("hash", "ana"), render("hash", "bo"));
    assert.notEqual(render("hash", "ana"), render("hash", "ana", other));
  });
});
