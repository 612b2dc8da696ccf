import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Catalogue, MAX_CATALOGUE_NAMES, nothingUnlearnt } from "./catalogue.ts";
import type { Finding } from "./lookup.ts";

describe("the names that a catalogue remembers", () => {
  it("are bounded, also those of what is not there, and cost no memory of what relations were", async () => {
    let name = "people";
    const findings = (): Finding[] => [
      { kind: "relation", relation: 20_000, name, relationKind: "r" },
      { kind: "column", relation: 20_000, attribute: 1, name: "email", generated: false },
    ];
    const catalogue = new Catalogue(({ relations }) => Promise.resolve(relations.has(20_000) ? findings() : []));
    await catalogue.learn({ ...nothingUnlearnt(), relations: new Set([20_000]) });
    const batch = (from: number): ReadonlySet<string> => new Set(Array.from({ length: 1_000 }, (_, i) => `nowhere_${from + i}`));
    for (let from = 0; from < MAX_CATALOGUE_NAMES; from += 1_000) await catalogue.learn({ ...nothingUnlearnt(), names: new Set(batch(from)) });
    assert.ok(catalogue.isAbsent("nowhere_0"));
    await catalogue.learn({ ...nothingUnlearnt(), names: new Set(batch(MAX_CATALOGUE_NAMES)) });
    assert.equal(catalogue.isAbsent("nowhere_0"), false);
    assert.ok(catalogue.isAbsent(`nowhere_${MAX_CATALOGUE_NAMES}`));
    name = "harmless";
    await catalogue.learn({ ...nothingUnlearnt(), relations: new Set([20_000]) });
    assert.deepEqual(catalogue.column(20_000, 1, nothingUnlearnt()).origins, [{ tables: new Set(["harmless", "people"]), columns: new Set(["email"]) }]);
  });
});

describe("what a catalogue remembers of a table that left its parent", () => {
  it("includes the parent's names also when it heard of the parent's end first", async () => {
    const [parent, child] = [20_000, 20_001];
    let inherited = true;
    const found: Readonly<Record<number, () => Finding[]>> = {
      [parent]: () => (inherited ? [{ kind: "relation", relation: parent, name: "people", relationKind: "r" }] : []),
      [child]: () => [
        { kind: "relation", relation: child, name: "staff", relationKind: "r" },
        { kind: "column", relation: child, attribute: 1, name: "email", generated: false },
        ...(inherited ? [{ kind: "parent", relation: child, parent } as const] : []),
      ],
    };
    const catalogue = new Catalogue(({ relations }) => Promise.resolve([...relations].flatMap((oid) => found[oid]?.() ?? [])));
    await catalogue.learn({ ...nothingUnlearnt(), relations: new Set([child]) });
    inherited = false;
    await catalogue.learn({ ...nothingUnlearnt(), relations: new Set([parent]) });
    await catalogue.learn({ ...nothingUnlearnt(), relations: new Set([child]) });
    assert.deepEqual(catalogue.column(child, 1, nothingUnlearnt()).origins, [{ tables: new Set(["staff", "people"]), columns: new Set(["email"]) }]);
  });
});
