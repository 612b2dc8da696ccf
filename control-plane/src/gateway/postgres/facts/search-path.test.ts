import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { schemasIn } from "./search-path.ts";

describe("the schemas of a search path", () => {
  const cases: readonly (readonly [setting: string, schemas: readonly string[] | undefined])[] = [
    ['"$user", public', ["$user", "public"]],
    ["$user,public", ["$user", "public"]],
    [' a ,\tB,\n"C" ', ["a", "b", "C"]],
    ['"a, b", "c""d"', ["a, b", 'c"d']],
    ["", []],
    ["  ", []],
    ['""', []],
    ['"", a', ["a"]],
    ["a b", undefined],
    ["a,", undefined],
    [",a", undefined],
    ['"a', undefined],
    ['"a"b', undefined],
    ["é", undefined],
    ["x".repeat(64), undefined],
    ["x".repeat(63), ["x".repeat(63)]],
  ];
  for (const [setting, schemas] of cases) it(JSON.stringify(setting), () => assert.deepEqual(schemasIn(setting), schemas));
});
