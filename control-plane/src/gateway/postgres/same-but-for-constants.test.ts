import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sameButForConstants } from "./same-but-for-constants.ts";

describe("two statements that are the same but for constants", () => {
  const same: readonly (readonly [string, string])[] = [
    ["update t set a = 1 where b = 'x'", "UPDATE t\nSET a = 20 -- more\nWHERE b = E'y'"],
    ["delete from t where id = $1", "delete from t where id = $1"],
    ["delete from t where id in (1, 2)", "delete from t where id in (3, 4)"],
    ["execute p(1)\n-- runs: delete from t where id = $1", "execute p(2)\n-- runs: delete from t where id = $1"],
    [
      "delete from t where id in (select id from s where n = 5 order by id limit 3)",
      "delete from t where id in (select id from s where n = 6 order by id limit 4)",
    ],
  ];
  for (const [shown, now] of same) it(`are: ${shown}`, () => assert.ok(sameButForConstants(shown, now)));

  // The fingerprint of each pair is one and the same, but for the last three.
  const others: readonly (readonly [string, string])[] = [
    ["insert into log (a, b) select name, ssn from c", "insert into log (a, b) select ssn, name from c"],
    ["insert into log (a, b) select name, ssn from c", "insert into log (b, a) select name, ssn from c"],
    ["update t set (a, b) = (select x, y from s)", "update t set (a, b) = (select y, x from s)"],
    ["delete from t where mod(a, b) = 1", "delete from t where mod(b, a) = 1"],
    ["delete from t where x between a and b", "delete from t where x between b and a"],
    ["delete from t where case when a then true when b then false end", "delete from t where case when b then false when a then true end"],
    ["delete from t where i in (select x from (select a as x, b as y from s) u)", "delete from t where i in (select x from (select a as y, b as x from s) u)"],
    ["delete from t where i in (select x from s as u (x, y))", "delete from t where i in (select x from s as u (y, x))"],
    ["delete from t where i = $1 and j = $2", "delete from t where i = $2 and j = $1"],
    ["delete from t where id in (1)", "delete from t where id in (1, 2, 3)"],
    ["delete from t where i in (select i from s order by 1 limit 5)", "delete from t where i in (select i from s order by 2 limit 5)"],
    ["execute p(1)\n-- runs: delete from t where mod(a, b) = $1", "execute p(1)\n-- runs: delete from t where mod(b, a) = $1"],
    ["delete from t where a = 1", 'delete from t where "A" = 1'],
    ["delete from t where a = 1", "delete from t"],
  ];
  for (const [shown, now] of others) it(`are not: ${shown} | ${now}`, () => assert.equal(sameButForConstants(shown, now), false));
});
