import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type CommandFacts, plainFacts } from "../facts.ts";
import { isNoMoreThan } from "./no-more-than.ts";

const shown: CommandFacts = {
  ...plainFacts,
  verbs: ["DELETE"],
  riskClass: "write",
  relationsRead: ["orders"],
  relationsWritten: ["orders"],
  functions: ["now"],
  hazards: ["truncate"],
  statementCount: 2,
  fingerprint: "1111111111111111",
  columnsRead: ["orders.id"],
  columnsFiltered: ["orders.id", "orders.note"],
  columnsMatched: ["orders.id"],
  columnsWritten: ["orders.id"],
  columnsCopied: ["orders.id"],
  rowLimit: 100,
  settings: ["timezone"],
};

describe("a command that does no more than another", () => {
  it("is itself, a read of another shape, inside a transaction, with fewer rows, and less of everything", () => {
    for (const less of [
      {},
      { riskClass: "read", fingerprint: "2222222222222222" },
      { transaction: "open" },
      { rowLimit: 99 },
      { riskClass: "read" },
      { statementCount: 1 },
      { verbs: [] },
      { relationsWritten: [] },
      { columnsFiltered: [], columnsMatched: [] },
    ] satisfies Partial<CommandFacts>[])
      assert.ok(isNoMoreThan(shown, { ...shown, ...less }), JSON.stringify(less));
  });

  it("is none that does one thing more", () => {
    const lists = (Object.keys(shown) as (keyof CommandFacts)[]).filter((name) => Array.isArray(shown[name]) && name !== "columnsMatched");
    assert.ok(lists.length >= 10);
    for (const name of lists) {
      const more = { ...shown, [name]: [...(shown[name] as readonly string[]), "more"] };
      assert.ok(!isNoMoreThan(shown, more), name);
    }
    for (const more of [{ riskClass: "destructive" }, { rowLimit: 0 }, { rowLimit: 101 }, { statementCount: 3 }] satisfies Partial<CommandFacts>[])
      assert.ok(!isNoMoreThan(shown, { ...shown, ...more }), JSON.stringify(more));
  });

  it("does not search through a column that the other only looks up", () => {
    assert.ok(!isNoMoreThan(shown, { ...shown, columnsMatched: [] }));
  });

  it("changes no other rows by other conditions on the same columns", () => {
    for (const fingerprint of ["2222222222222222", ""]) assert.ok(!isNoMoreThan(shown, { ...shown, fingerprint }));
    assert.ok(!isNoMoreThan({ ...shown, fingerprint: "" }, { ...shown, fingerprint: "" }));
  });

  it("is like nothing when it administers or defines, of which facts do not tell enough", () => {
    for (const other of [
      { ...shown, riskClass: "administrative" },
      { ...shown, riskClass: "destructive", hazards: ["ddl"] },
    ] satisfies CommandFacts[])
      assert.ok(!isNoMoreThan(other, other));
  });

  it("is like nothing when neither can be classified", () => {
    const opaque: CommandFacts = { ...shown, riskClass: "unclassified" };
    assert.ok(!isNoMoreThan(opaque, opaque));
    assert.ok(!isNoMoreThan(opaque, shown));
    assert.ok(!isNoMoreThan(shown, opaque));
  });

  it("counts a fact that this release does not know", () => {
    assert.ok(!isNoMoreThan({ ...shown, later: ["a"] } as CommandFacts, { ...shown, later: ["a", "b"] } as CommandFacts));
    assert.ok(!isNoMoreThan(shown, { ...shown, later: "a" } as CommandFacts));
  });

  it("is so of whatever that one does no more than", () => {
    const names = fc.subarray(["a", "b", "c"]);
    const some = fc.record({ relationsRead: names, columnsFiltered: names, columnsMatched: names, rowLimit: fc.nat(3) });
    fc.assert(
      fc.property(some, some, some, (first, second, third) => {
        const [a, b, c] = [first, second, third].map((each): CommandFacts => ({ ...plainFacts, ...each })) as [CommandFacts, CommandFacts, CommandFacts];
        assert.ok(isNoMoreThan(a, a));
        if (isNoMoreThan(a, b) && isNoMoreThan(b, c)) assert.ok(isNoMoreThan(a, c));
      }),
    );
  });
});
