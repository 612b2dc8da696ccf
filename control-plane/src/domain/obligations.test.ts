import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Detector, type MaskColumn, noObligations, type Obligations } from "./decision.ts";
import { canonicalObligations, maskKinds, sameObligations, strictestObligations } from "./obligations.ts";

const detectors: readonly Detector[] = ["email", "card", "ssn", "phone", "iban"];

const anyMask = fc
  .tuple(fc.constantFrom("", "a", "b"), fc.constantFrom("*", "x", "y"), fc.constantFrom(...maskKinds))
  .map(([table, column, kind]): MaskColumn => ({ table, column, kind }));
const anyLimits = fc.record(
  {
    computed: fc.constant("show" as const),
    byteCap: fc.constantFrom(1, 10, 100),
    timeoutMillis: fc.constantFrom(1, 10, 100),
    readOnly: fc.constant<true>(true),
    record: fc.array(fc.constantFrom("input" as const, "output" as const), { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: [] },
);
const written = fc
  .tuple(fc.array(anyMask, { maxLength: 6 }), fc.array(fc.constantFrom(...detectors), { maxLength: 4 }), fc.constantFrom(0, 1, 10, 100), anyLimits)
  .map(([maskColumns, found, rowCap, limits]): Obligations => ({ maskColumns, detectors: found, rowCap, ...limits }));
const anyObligations = written.map(canonicalObligations);

const merge = (...all: Obligations[]): Obligations => strictestObligations(all);

describe("the strictest of several obligations", () => {
  it("takes the strictest of each", () => {
    const a: Obligations = { maskColumns: [{ table: "", column: "ssn", kind: "partial" }], detectors: ["email"], rowCap: 0 };
    const b: Obligations = {
      maskColumns: [
        { table: "", column: "ssn", kind: "full" },
        { table: "t", column: "ssn", kind: "hash" },
      ],
      detectors: ["card"],
      rowCap: 50,
    };
    const c: Obligations = { ...noObligations, rowCap: 9 };
    assert.deepEqual(merge(a, b, c), {
      maskColumns: [
        { table: "", column: "ssn", kind: "full" },
        { table: "t", column: "ssn", kind: "hash" },
      ],
      detectors: ["card", "email"],
      rowCap: 9,
    });
  });

  it("shows what is computed only where every permit that masks says so", () => {
    const masks: Obligations = { ...noObligations, maskColumns: [{ table: "", column: "x", kind: "full" }] };
    const shows: Obligations = { ...masks, computed: "show" };
    assert.equal(merge(shows, shows).computed, "show");
    assert.equal(merge(shows, noObligations).computed, "show");
    assert.equal(merge(shows, masks).computed, undefined);
    assert.equal(merge(masks, noObligations).computed, undefined);
  });

  it("orders the kinds of mask round < partial < token < hash < full < null", () => {
    const kindOf = (a: (typeof maskKinds)[number], b: (typeof maskKinds)[number]) =>
      merge(...[a, b].map((kind) => ({ ...noObligations, maskColumns: [{ table: "", column: "x", kind }] }))).maskColumns[0]?.kind;
    assert.deepEqual(
      [kindOf("round", "partial"), kindOf("partial", "token"), kindOf("token", "hash"), kindOf("full", "hash"), kindOf("full", "null")],
      ["partial", "token", "hash", "full", "null"],
    );
  });

  it("is commutative, associative and idempotent", () => {
    fc.assert(
      fc.property(anyObligations, anyObligations, anyObligations, (a, b, c) => {
        assert.deepEqual(merge(a, b), merge(b, a));
        assert.deepEqual(merge(merge(a, b), c), merge(a, merge(b, c)));
        assert.deepEqual(merge(a, a), merge(a));
        assert.deepEqual(merge(merge(a)), merge(a));
      }),
    );
  });

  it("is the very same object when all are one, so that a cached decision costs nothing", () => {
    const one: Obligations = { ...noObligations, rowCap: 5 };
    assert.equal(merge(one), one);
    assert.equal(merge(one, one, one), one);
    assert.equal(merge(), noObligations);
    assert.equal(merge(one, { ...one, rowCap: 4 }, one).rowCap, 4);
  });

  it("keeps two columns apart whose names only look alike when joined", () => {
    const masks = [
      { table: "a.b", column: "c", kind: "null" },
      { table: "a", column: "b.c", kind: "partial" },
    ] as const;
    assert.deepEqual(merge(...masks.map((mask) => ({ ...noObligations, maskColumns: [mask] }))).maskColumns.length, 2);
  });

  it("never loosens: whatever one asks for, the merged ones ask for at least as much", () => {
    fc.assert(
      fc.property(anyObligations, anyObligations, (a, b) => {
        const merged = merge(a, b);
        for (const mask of a.maskColumns) {
          const kept = merged.maskColumns.find((other) => other.table === mask.table && other.column === mask.column);
          assert.ok(kept && maskKinds.indexOf(kept.kind) >= maskKinds.indexOf(mask.kind));
        }
        for (const detector of a.detectors) assert.ok(merged.detectors.includes(detector));
        if (a.rowCap > 0) assert.ok(merged.rowCap > 0 && merged.rowCap <= a.rowCap);
        for (const limit of ["byteCap", "timeoutMillis"] as const) assert.ok(a[limit] === undefined || (merged[limit] ?? Infinity) <= a[limit]);
        assert.ok(a.readOnly === undefined || merged.readOnly === true);
        for (const part of a.record ?? []) assert.equal(merged.record?.includes(part), true);
      }),
    );
  });
});

describe("two obligations", () => {
  it("are the same when they ask for the same, in whatever order", () => {
    const shuffled = written.chain((one) =>
      fc.tuple(
        fc.constant(one),
        fc
          .record({
            maskColumns: fc.shuffledSubarray([...one.maskColumns], { minLength: one.maskColumns.length }),
            detectors: fc.shuffledSubarray([...one.detectors], { minLength: one.detectors.length }),
            rowCap: fc.constant(one.rowCap),
          })
          .map((shuffledLists): Obligations => ({ ...one, ...shuffledLists })),
      ),
    );
    fc.assert(fc.property(shuffled, ([a, b]) => assert.ok(sameObligations(a, b))));
  });

  it("differ when one asks for anything else", () => {
    fc.assert(
      fc.property(anyObligations, anyObligations, (a, b) => {
        assert.equal(sameObligations(a, b), JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});
