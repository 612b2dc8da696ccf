import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { loadModule, parseSync } from "libpg-query";
import type { OutputColumn, StatementOutputs } from "../analysis.ts";
import { traitsOf } from "../functions.ts";
import { trace } from "./outputs.ts";

before(() => loadModule());

const vouched = new Set(["similarity"]);
const outputs = (sql: string): readonly StatementOutputs[] =>
  trace(
    (parseSync(sql).stmts ?? []).map(({ stmt }) => stmt),
    (name, kind) => traitsOf(name, kind, vouched),
  ).outputs;

const written = ({ plain, sources, opaque }: OutputColumn): string => {
  const names = sources
    .map(({ table, column }) => `${table}.${column}`)
    .toSorted()
    .join(" ");
  return `${plain ? "plain " : ""}${opaque ? "opaque " : ""}${names}`.trim();
};
const nothingKnown: OutputColumn = { plain: false, sources: [], opaque: true };
const columns = (sql: string): readonly string[] | undefined => outputs(sql)[0]?.columns?.map(written);
const computed = (sql: string): string => written(outputs(sql)[0]?.computed ?? nothingKnown);

const traced = (cases: Readonly<Record<string, readonly string[] | undefined>>): void => {
  for (const [sql, expected] of Object.entries(cases)) it(sql, () => assert.deepEqual(columns(sql), expected));
};

describe("a mere reference is plain, through whatever it comes", () => {
  traced({
    "select id, c.email, public.customers.ssn from public.customers, customers c": ["plain customers.id", "plain customers.email", "plain customers.ssn"],
    "select e from (select email as e from customers) s": ["plain customers.email"],
    "select s.a, s.b from (select email, id from customers) s(a, b)": ["plain customers.email", "plain customers.id"],
    "with c as (select email from customers) select * from c": ["plain customers.email"],
    "with c(e) as (select email from customers) select e from c": ["plain customers.email"],
    "select l.email from orders o, lateral (select c.email from customers c where c.id = o.customer_id) l": ["plain customers.email"],
    "delete from customers where id = 1 returning email": ["plain customers.email"],
    "update customers set name = 'x' returning old.email, new.phone": ["plain customers.email", "plain customers.phone"],
    "with gone as (delete from customers returning email) select email from gone": ["plain customers.email"],
    "copy customers (id, email) to stdout": ["plain customers.id", "plain customers.email"],
    "copy (select email from customers) to stdout": ["plain customers.email"],
  });
});

describe("what is computed is made of every column in it", () => {
  traced({
    // A function of the row, unless the relation has such a column.
    "select c.to_jsonb, s.to_jsonb, s.concat, c.city from customers c, (select a, b as concat from t) s": [
      "customers.* customers.to_jsonb",
      "t.a t.b",
      "plain t.b",
      "plain customers.city",
    ],
    "select lower(email), first || last, ssn::text, -total from customers": [
      "customers.email",
      "customers.first customers.last",
      "customers.ssn",
      "customers.total",
    ],
    "select coalesce(a, b), nullif(c, d), greatest(e, f), array[g], row(h, i), a between b and c, a in (b, 2) from t": [
      "t.a t.b",
      "t.c t.d",
      "t.e t.f",
      "t.g",
      "t.h t.i",
      "t.a t.b t.c",
      "t.a t.b",
    ],
    "select case when ssn = '1' then id end, case kind when 1 then a else b end from t": ["t.id t.ssn", "t.a t.b t.kind"],
    "select now(), 1, count(*), $1, grouping(email), 'x' || 'y' from t group by email": ["", "", "", "", "", ""],
    "select count(*) filter (where email like 'a%'), string_agg(name, sep order by ssn) from t": ["t.email", "t.name t.sep t.ssn"],
    "select percentile_disc(0.5) within group (order by salary) from t": ["t.salary"],
    "select row_number() over (order by ssn), sum(x) over w, rank() over (w order by y) from t window w as (partition by iban)": [
      "t.ssn",
      "t.iban t.x",
      "t.iban t.y",
    ],
    "select count(distinct email) from t": ["t.email"],
    "select lower(e) from (select email || ssn as e from customers) s": ["customers.email customers.ssn"],
    "select email from a union all select name from b": ["a.email b.name"],
    "select id, email from a except select 1, ssn from b": ["a.id", "a.email b.ssn"],
    "select column2 from (values (1, 2)) v": [""],
    "select v.x from t, lateral (values (t.email)) v(x)": ["t.email"],
    "select xmlelement(name e, email), json_object('k': ssn), json_value(doc, '$.a') from t": ["t.email", "t.ssn", "t.doc"],
    "select json_array(select email from customers)": ["customers.email"],
    "select json_arrayagg(id order by email), json_objectagg(id: name) filter (where ssn is null) from t": ["t.email t.id", "t.id t.name t.ssn"],
  });
});

describe("a whole row is all of its columns", () => {
  traced({
    "select c from customers c": ["customers.* customers.c"],
    "select row_to_json(c), to_jsonb(c.*), (c).email, c::text from customers c": [
      "customers.* customers.c",
      "customers.*",
      "customers.* customers.c",
      "customers.* customers.c",
    ],
    "select row_to_json(s) from (select email, 1 as one from customers) s": ["customers.email"],
    "select j from (customers c join orders o on true) j": ["customers.* customers.j orders.* orders.j"],
  });
});

describe("a subquery in an expression is made of what it gives", () => {
  traced({
    "select (select email from customers limit 1)": ["customers.email"],
    "select array(select email from customers)": ["customers.email"],
    "select 'x' in (select email from customers where ssn = '1')": ["customers.email customers.ssn"],
    "select exists (select from customers where email like 'a%')": ["customers.email"],
    "with c as (select 1 from customers where email like 'a%') select exists (select from c)": ["customers.email"],
    "select (select o.email) from customers o": ["customers.email"],
    "select (select s.v from (select c.email as v) s) from customers c": ["customers.email"],
  });
});

describe("functions in FROM give what they are given", () => {
  traced({
    "select x from unnest(array(select email from customers)) x": ["customers.email"],
    "select x.y from customers c, json_each_text(to_json(c)) x(k, y)": ["customers.* customers.c"],
    "select jt.e from customers c, json_table(to_jsonb(c), '$' columns (e text path '$.email')) jt": ["customers.* customers.c"],
    "select x.v from customers c, xmltable('/a' passing c.doc columns v text) x": ["customers.doc"],
    "select g from generate_series(1, 3) g": [""],
    "select regexp_split_to_table from customers, regexp_split_to_table(email, '')": ["customers.email customers.regexp_split_to_table"],
  });
});

describe("a CTE that names itself is made of all rounds", () => {
  traced({
    "with recursive t as (select id, name, 1 as depth from staff union all select s.id, t.name, t.depth + 1 from staff s join t on s.boss = t.id) select * from t":
      ["staff.id", "staff.name", ""],
    "with recursive t(a, b) as (select id, email from staff union all select t.b, t.a from t) select a, b from t": [
      "staff.email staff.id",
      "staff.email staff.id",
    ],
    "with recursive t as (select * from staff union all select s.* from staff s join t on s.boss = t.id) select t.name from t": ["staff.*"],
  });
});

describe("what a statement writes, its RETURNING gives back", () => {
  traced({
    "insert into notes (text, n) select email, 1 from customers returning text, n": ["customers.email notes.text", "plain notes.n"],
    "insert into notes select 1, email from customers returning n": ["customers.email notes.n"],
    "update orders set note = c.email from customers c returning orders.note, orders.total": ["customers.email orders.note", "plain orders.total"],
    "merge into t using s on t.id = s.id when matched then update set a = s.b returning t.a, s.c": ["s.b t.a", "plain s.c"],
    "insert into t (a) values (1) on conflict (a) do update set b = excluded.a || (select c.email from customers c) returning b": ["customers.email t.a t.b"],
  });

  it("says so where a star hides which column it is", () => {
    const [result] = outputs("update orders set note = c.email from customers c returning *");
    assert.equal(result?.columns, undefined);
    assert.equal(result?.originsTell, false);
    assert.match(written(result.computed), /customers\.email/);
    assert.equal(outputs("delete from orders returning *")[0]?.originsTell, true);
  });
});

describe("a star leaves the number of columns open, and what is computed known", () => {
  for (const [sql, expected] of [
    ["select * from customers", ""],
    ["select *, lower(email) from customers", "customers.email"],
    ["select s.* from (select c.*, lower(c.email) from customers c) s", "customers.email"],
    ["select * from a join b using (id)", ""],
    ["select (c).* from customers c", "customers.* customers.c"],
  ] as const) {
    it(sql, () => assert.deepEqual([columns(sql), computed(sql)], [undefined, expected]));
  }
});

describe("what cannot be known is opaque", () => {
  traced({
    "select secret(), similarity(a, b), a <~~> b, gis.area(a) from t": ["opaque", "t.a t.b", "opaque t.a t.b", "opaque t.a"],
    "select current_setting('my.address'), current_setting('server_version')": ["opaque", ""],
    "show my.address": ["opaque"],
    "show server_version": [""],
    "select most_common_vals from pg_stats": ["opaque pg_stats.most_common_vals"],
    "select query from pg_stat_get_activity(null)": ["opaque"],
    "select pg_stat_get_backend_activity(1)": ["opaque"],
    "select pg_stat_get_db_temp_bytes(1), pg_stat_get_db_temp_files(1)": ["opaque", "opaque"],
    "explain select secret()": ["opaque"],
    "explain select email from customers": [""],
    "execute prepared": undefined,
    "fetch all from cursor": undefined,
    "call something()": undefined,
  });

  it("such as queries nested deeper than anyone writes, or a text that leads round and round", () => {
    const deep = `select x from ${"(select x from ".repeat(300)}t${") s".repeat(300)}`;
    const doubling = Array.from({ length: 40 }, (_, i) => `c${i + 1} as (select * from c${i} a, c${i} b)`).join(", ");
    const round = "select sum(1) over w from t window w as (order by sum(2) over w)";
    for (const sql of [deep, round]) assert.deepEqual(computed(sql), "opaque", sql.slice(0, 60));
    assert.equal(computed(`with c0 as (select email, lower(email) as l from t), ${doubling} select * from c40`), "t.email", "in a blink, too");
  });
});

describe("every statement of a text has its own", () => {
  it("in order, with no columns where there is no result", () => {
    const all = outputs("begin; select lower(email) from customers; create table t as select 1; commit").map((one) => one.columns?.map(written));
    assert.deepEqual(all, [[], ["customers.email"], [], []]);
  });
});
