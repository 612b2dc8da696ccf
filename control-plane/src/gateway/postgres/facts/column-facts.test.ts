import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { fingerprintSync, loadModule, parseSync } from "libpg-query";
import type { CommandFacts } from "../../../domain/facts.ts";
import { analyseText } from "./extract.ts";

before(() => loadModule());
const factsOf = (sql: string): CommandFacts => analyseText({ parse: parseSync, fingerprint: fingerprintSync }, sql, new Set()).facts;

const values = (count: number): string => Array.from({ length: count }, (_, i) => `'${i}'`).join(", ");

/** Each case: the text, then the columns separated by spaces. */
const holds = (
  list: "columnsRead" | "columnsFiltered" | "columnsMatched" | "columnsWritten" | "columnsCopied",
  cases: Readonly<Record<string, string>>,
): void => {
  for (const [sql, expected] of Object.entries(cases)) it(sql, () => assert.equal(factsOf(sql)[list].join(" "), expected));
};

describe("columns read", () => {
  holds("columnsRead", {
    "select id, lower(c.email) from public.customers c where ssn = $1": "customers.email customers.id customers.ssn",
    "select * from customers": "customers.*",
    "select count(*) from customers": "",
    "table customers": "customers.*",
    'select "Mail.To" from "Weird.Name"': '"Weird.Name"."Mail.To"',
    "with c as (select email from customers) select 1 from c": "customers.email",
    "update customers set name = 'x' where id = 1 returning phone": "customers.id customers.phone",
    "copy customers (id, email) to stdout": "customers.email customers.id",
    "copy (select email from customers) to stdout": "customers.email",
    "explain select email from customers": "customers.email",
    "prepare p as select email from customers": "customers.email",
    "declare c cursor for select email from customers": "customers.email",
    "create view v as select email from customers": "customers.email",
    "selec": "*.*",
  });
});

describe("columns that rows are picked, ordered, grouped or joined by", () => {
  holds("columnsFiltered", {
    "select id from customers where email like 'a%'": "customers.email",
    "select id from customers where email = 'x' or not (ssn between '1' and '2')": "customers.email customers.ssn",
    "select o.id from orders o join customers c on c.id = o.customer_id": "customers.id orders.customer_id",
    "select 1 from a join b using (k)": "a.k b.k",
    "select 1 from a natural join b": "a.* b.*",
    "select count(*) from t group by city having max(age) > 1": "t.age t.city",
    "select city as c, count(*) from t group by 1 order by 1": "t.city",
    // An input column of that name would be meant if the output were not: both count.
    "select city as c, count(*) from t group by city order by c": "t.c t.city",
    "select count(*) from t group by grouping sets ((a), rollup (b, c))": "t.a t.b t.c",
    "select id from t order by ssn desc limit (select max(u.n) from u)": "t.ssn u.n",
    // Too long for its type, or an index.
    "update t set ssn = replace(ssn, '1', '22'), name = upper(name), email = coalesce(lower($1), t.email)": "t.ssn",
    "insert into t (id, ssn) values (1, '2') on conflict (id) do update set ssn = excluded.ssn || t.ssn": "t.id t.ssn",
    "merge into t using u on t.id = u.id when matched then update set ssn = left(t.ssn, 3)": "t.id t.ssn u.id",
    // How wide is what was sorted shows.
    "explain analyze select replace(email, 'a', 'bbb'), name from t": "t.email",
    "explain analyze with c as (select id, upper(email) as e from t) select id from c": "t.email",
    "explain (analyze, serialize) select name, t.* from t": "t.* t.name",
    "explain (analyze, serialize text) values ((select max(name) from t))": "t.name",
    "explain select replace(email, 'a', 'bbb') from t": "",
    "explain analyze select email, t.* from t": "",
    "select distinct email from t": "t.email",
    "select distinct on (email) id from t": "t.email",
    "select email from a union select b.mail from b": "a.email b.mail",
    "select id, email from a union select id, mail from b": "a.email a.id b.id b.mail",
    "select p.id, p.ssn from p intersect select q.id, lpad(g::text, 3, '0') from q, generate_series(0, 500) g": "p.id p.ssn q.g q.id",
    "select p.id, p.ssn from p except all select 1, g::text from generate_series(0, 500) g": "p.id p.ssn",
    "select email from a union all select b.mail from b": "",
    "select case when ssn = '1' then 1 end from t": "t.ssn",
    "select count(*) filter (where ssn like '1%'), rank() over (order by pay) from t": "t.pay t.ssn",
    "select exists (select from c where c.email like 'a%')": "c.email",
    "select id from (select id, lower(email) as e from c) s where s.e like 'a%'": "c.email",
    "with x as (select id from c where email ~ 'a') select 1 from x": "c.email",
    "delete from t where ssn like '1%'": "t.ssn",
    "update t set a = 1 from u where t.id = u.id and u.ssn > '5'": "t.id u.id u.ssn",
    "merge into t using u on t.id = u.id when matched and u.ssn > '1' then delete": "t.id u.id u.ssn",
    "insert into t (id) values (1) on conflict (id) do update set a = 1 where t.ssn > '1'": "t.id t.ssn",
    "create index on t (lower(email))": "t.*",
    "alter table t add constraint c check (email like 'a%')": "t.*",
    "alter table t rename column a to b": "",
    "select id from pg_stats where most_common_vals::text like '%ann%'": "*.* pg_stats.most_common_vals",
    "select id from t where tenant = current_setting('app.tenant')": "t.tenant",
  });
});

describe("columns whose value shows in what fails, or in how many rows there are", () => {
  holds("columnsFiltered", {
    "select ssn::int from t": "t.ssn",
    "select cast(ssn as date) from t": "t.ssn",
    "select 1 / (ascii(ssn) - 81) from t": "t.ssn",
    "select substr('abc', 1, pay) from t": "t.pay",
    "select format(ssn, 'x'), date_part(ssn, now()) from t": "t.ssn",
    "select nullif(ssn, '1') from t": "t.ssn",
    "select unnest(string_to_array(ssn, null)) from t": "t.ssn",
    "select g from t, generate_series(1, ascii(ssn)) g": "t.ssn",
    "select x from t, json_table(t.doc, '$[*]' columns (v text path '$')) x": "t.doc",
    // These answer any value.
    "select upper(ssn) || left(name, 1)::text, md5(ssn), ssn = 'x', count(*), max(ssn), to_jsonb(t) -> 'ssn', concat('x', ssn) from t": "",
    "select now()::date, 1 + 1, substr('abc', 2)": "",
    "select substr(ssn, 1, 3), split_part(ssn, '-', 1), extract(year from born), date_trunc('month', born), format('%s <%s>', name, ssn) from t": "",
    "select jsonb_build_object('ssn', ssn), to_jsonb(t) -> 'ssn' from t": "",
    "select ssn like 'a%', ssn ilike '%b', ssn like 'a!%' escape '!', ssn like any (array['a%', 'b']), ssn similar to 'a%', ssn !~~ 'a' from t": "",
    "select coalesce(ssn, 'x'), greatest(ssn, 'y'), row(ssn, 1), (array[ssn, 'b'])[1], ssn is null, ssn collate \"C\" from t": "",
    "select xmlelement(name x, xmlattributes(ssn), ssn), xmlforest(ssn), json_array(ssn, 1), json_scalar(ssn), to_char(pay, 'FM9') from t": "",
    "select rank() over w from t window w as (partition by id)": "t.id",
    "select (array[ssn, 'b'])[1], ssn = '1'::varchar, date '2020-01-01' < born from t": "",
    "select a || b, a || ' ' || b || c, coalesce(a, '') || b, doc ->> 'x' || b, a || b || c, case when 1 = 1 then 'x' else a end || b from t": "",
    "select substr(lower(ssn), 1, 3) || 'x', regexp_replace(ssn, '[^0-9]+', '', 'g') || 'x', lpad(ssn, 9, '0') = 'x', lag(ssn, 1) over () is null from t": "",
    "select regexp_replace(ssn, '(a|b)', ''), to_char(born, 'DD Mon'), date_part('year', age(born)), extract(dow from born) from t": "",
    "select jsonb_object_agg(id, ssn), jsonb_build_object('a', ssn) from t": "t.id",
    // Anything else does not, or may not.
    "select jsonb_build_object(ssn, 1), jsonb_object_agg(email, 1) from t": "t.email t.ssn",
    "select jsonb_build_object(variadic array[ssn, 'x']) from t": "t.ssn",
    "select (jsonb_build_object('Q', 1) -> ssn) || '{}' from t": "t.ssn",
    "select (jsonb_build_object('Q', 1) -> ssn) || doc from t": "t.doc t.ssn",
    "select x.j || x.k from (select jsonb_build_object('Q', 1) -> ssn as j, '{}'::jsonb as k from t) x": "t.ssn",
    "select (array[1])[1:pay] from t": "t.pay",
    "select lag(id, pay) over () from t": "t.id t.pay",
    "select ssn = 'x' or substr(name, 1, -1) = 'y' from t": "t.name t.ssn",
    // AND, OR and COALESCE evaluate what comes behind their first operand, or not.
    "select ssn = 'x' and json_build_object('a') is null from t": "t.ssn",
    "select json_build_object('a') is null and ssn = 'x' from t": "",
    "select coalesce(ssn, (select 'x')), coalesce(nick, array_agg(1)::text) from t": "t.nick t.ssn",
    "select coalesce(ssn, name, lower(name), substr(name, 1, 3), 'x'), ssn is null or a in ('x', 'y') and b = 'z' from t": "",
    "select ssn = 'x' and '1'::numeric = a, ssn = 'x' or s.f from t, (select '1'::sometype is null as f) s": "t.ssn",
    "select nick = 'x' or '1'::sometype is null from t": "t.nick",
    // Columns of different collations cannot be compared, and some collations know no patterns.
    "select ssn = 'x' or a < b, nick = 'x' and a ilike 'x', pay = 1 and strpos(a, 'x') = 1, born is null or lower(concat(a, b)) = 'x' from t":
      "t.a t.b t.born t.nick t.pay t.ssn",
    // Neither do IN and BETWEEN evaluate all of theirs, nor a comparison of rows, which fails where it comes to what cannot be compared.
    "select ssn in ('x', 'y', name), nick between 'a' and $1 from t": "",
    "select ssn in ('x', a || json_build_object('a')::text) from t": "t.a t.ssn",
    "select ssn between 'x' and json_build_object('a')::text, nick in (lower(a), concat(a, 'x')) from t": "t.ssn",
    "select (ssn, 'a') = ('x', name), (nick, 1) is distinct from (a, 2), row(pay, json_build_object('a')) is null from t": "t.a t.name t.nick t.pay t.ssn",
    "select (ssn, 'a') in (select 'x', 'b'), ssn in (select 'x') from t": "t.ssn",
    "select x.r = row('x', '{}'::json) from (select row(ssn, '{}'::json) as r from t) x": "t.ssn",
    "select max(x.r), greatest(x.r, x.r), count(distinct x.r) from (select row(ssn, '{}'::json) as r from t) x": "t.ssn",
    "select array[row(ssn)] = array[row('x')], '(x)'::sometype = any (array[nick]) from t": "t.nick t.ssn",
    "select t = u from t, u": "t.* t.t t.u u.* u.t u.u",
    "select max(ssn), greatest(ssn, lower(nick)), count(distinct ssn), array[ssn] && '{a,b}'::text[], t is null, array_agg(ssn) = array['x'] from t": "",
    // What is wider than the server takes fails: gathered from many rows, or made wider again and again.
    "select string_agg(ssn, ','), json_agg(t), array_agg(row_to_json(t)), jsonb_agg(json_build_object('a', ssn::text, 'b', 1)) from t": "",
    "select json_agg(x), json_agg(x.*) from (select id, ssn, nick from t) x": "",
    "select string_agg(upper(ssn), ',') from t": "t.ssn",
    "select json_agg(x) from (select 1, lower(ssn) as s from t) x": "t.ssn",
    "select repeat(ssn, 10), lpad(nick, 10) from t": "t.ssn",
    "select replace(replace(ssn, '-', ''), ' ', ''), replace(ssn, 'a', 'bb') || nick, concat(ssn, '-', replace(nick, 'a', 'bb')) from t": "",
    "select replace(ssn || nick, 'a', 'bb'), replace(pay, 'a', $1), to_json(quote_literal(a)) from t": "t.a t.nick t.pay t.ssn",
    "select regexp_replace(regexp_replace(ssn, '.', 'xx', 'g'), '[^0-9]', '', 'g'), regexp_replace(nick, '[^0-9]', '') from t": "",
    "select concat(x.s, x.s), upper(x.n) from (select upper(ssn) as s, lower(nick) as n from t) x": "t.ssn",
    "with recursive r as (select ssn as s from t union all select '' || s || s from r) select s from r": "t.ssn",
    // Words that are too long, or left out, are told.
    "select ssn @@ 'x' from t": "t.ssn",
    // What the encoding does not have makes it fail.
    "copy (select translate(ssn, '4', 'x'), nick from t) to stdout (encoding 'latin1')": "t.ssn",
    "copy (select translate(ssn, '4', 'x') from t) to stdout (format csv)": "",
    "select ascii(translate(ssn, '4', 'x')) from t": "t.ssn",
    "select length(ssn), length(pay, 'UTF8') from t": "t.pay",
    "select doc ->> ssn, '{}'::jsonb -> ssn, '{}' ->> ssn, to_jsonb(t) -> 'x' ->> ssn from t": "",
    'select \'{"a": "\\u0000"}\'::json -> ssn from t': "t.ssn",
    "select j -> ssn from t, (select to_json(1) as j) s": "t.j t.ssn",
    "select ssn = 'x' or name similar to '(' from t": "t.name t.ssn",
    "select ssn = 'x' or regexp_replace(name, '(', '') = 'y' from t": "t.name t.ssn",
    "select ssn = 'x' or split_part(name, ',', 0) = 'y' from t": "t.name t.ssn",
    "select ssn = 'x' or to_char(id, 'DD') = 'y' from t": "t.id t.ssn",
    "select ssn = 'x' or extract(year from localtime) = 1 from t": "t.ssn",
    "select ssn = 'x' or lpad(name, 2000000000) = 'y' from t": "t.name t.ssn",
    "select repeat(ssn, 100000000) from t": "t.ssn",
    "select 'x' like ssn from t": "t.ssn",
    "select 'x' like translate(left(ssn, 1), 'abc', '\\\\\\') from t": "t.ssn",
    "select 'x' ~~ any (array[ssn]), 'x' similar to email from t": "t.email t.ssn",
    "select ssn like 'g\\' from t": "t.ssn",
    "select ssn like 'g!' escape '!' from t": "t.ssn",
    "select ssn like $1 from t": "t.ssn",
    "select ssn like any ('{\"g\\\\\\\\\"}') from t": "t.ssn",
    "select xmlparse(content ssn) from t": "t.ssn",
    "select xmlpi(name a, ssn) from t": "t.ssn",
    "select json(ssn) from t": "t.ssn",
    "select json_value(to_jsonb(ssn), '$ ? (@ starts with \"g\")' error on empty) from t": "t.ssn",
    "select json_query(to_jsonb(ssn), '$.a' error on empty) from t": "t.ssn",
    "select json_object(ssn: 1 with unique keys) from t": "t.ssn",
    "select json_array(ssn format json) from t": "t.ssn",
    "select json_array(ssn returning varchar(4)) from t": "t.ssn",
    "select jsonb_build_array(1) #- array[ssn] from t": "t.ssn",
    "select array[array[a], array[ssn]] from t": "t.a t.ssn",
    "select (ssn).int4 from t": "t.ssn",
    "select ssn::pg_catalog.text, ssn::mine.text from t": "t.ssn",
    "select format('%*s', ssn, 'x') from t": "t.ssn",
    "select format('%I', ssn) from t": "t.ssn",
    "select to_char(1, ssn), percentile_disc(pay) within group (order by id) from t group by id, pay, ssn": "t.id t.pay t.ssn",
    // Refused or masked as what it may be made of, not as what it looks at.
    "select lo_get(1)": "",
  });
});

describe("columns that are only compared with values that the statement holds", () => {
  holds("columnsMatched", {
    "select 1 from t where email = 'x' and lower(phone) = lower($1) and ssn in ('1', '2') and iban is null and '5'::text = pan":
      "t.email t.iban t.pan t.phone t.ssn",
    "select 1 from t where email like 'a' or phone > '1' or ssn <> '1' or left(iban, 1) = 'D' or pan = any($1)": "",
    "select 1 from t where email = 'x' order by email": "",
    "select 1 from t join u on t.email = u.email": "",
    "select 1 from t where exists (select from c where c.email = 'x')": "c.email",
    "select 1 from t where email = (select min(email) from t)": "",
    "select count(*) from t group by id, email": "t.email t.id",
    "select count(*) from t group by email, left(ssn, 1)": "",
    "select distinct id, email from t": "t.email t.id",
    "select distinct * from t": "t.*",
    "select count(*) from t group by email, email": "",
    "select distinct email, t.email from t": "",
    "select count(*) from t group by grouping sets ((email), (id))": "",
    "select count(*) from t group by grouping sets ((email, id), (id, a))": "t.a t.id",
    // What comes before the one that tells rows apart sorts them.
    "select distinct email, id from t": "t.id",
    "select count(*) from t group by city, email": "",
    "select a.id, b.email, b.id from t a, u b group by a.id, b.email, b.id": "t.id u.id",
    "select a.id, b.id, b.email from t a, u b group by 1, 2, 3": "t.id u.email u.id",
    "select distinct s.id, s.email from (select a.id, b.email from t a, u b) s": "",
    "select distinct t_id, email from t": "t.email t.t_id",
    "select distinct u_id, email from t": "",
    "select distinct c.*, o.note from c join o on o.c_id = c.id": "c.*",
    "select count(*) from t group by id, grouping sets ((email), ())": "t.email",
    "select count(*) from t group by rollup (id, email)": "t.email",
    "select count(*) from t group by cube (id, email)": "",
    "select count(*) from t group by (id, email)": "t.email t.id",
    [`select 1 from t where ssn in (${values(21)})`]: "",
    [`select 1 from t where ssn in (${values(20)}) or ssn = '1' or lower(ssn) = '7'::text`]: "t.ssn",
    [`select 1 from t where ${Array.from({ length: 21 }, (_, i) => `ssn = '${i}'`).join(" or ")}`]: "",
    [`select 1 from t where ssn in (${values(20)}); select 1 from t where ssn = $1`]: "",
    [`select 1 from t where ssn in (${values(20)}) and exists (select from t u where u.ssn = '20')`]: "",
    [`select 1 from t where ssn in (${values(20)}) and pan in (${values(20)})`]: "t.pan t.ssn",
  });
});

describe("columns that written values are compared with by ON CONFLICT, or by an index", () => {
  const rows = (count: number): string => Array.from({ length: count }, (_, i) => `(${i}, 'a${i}')`).join(", ");
  // A list of what a command holds is looked up, the rest is searched; plain rows are neither.
  holds("columnsMatched", {
    "insert into t (id, email) values (1, 'x') on conflict (email) do nothing": "t.email",
    "insert into t (id, email) values ($1, lower($2)), (1, default) on conflict (email) do update set email = excluded.email, id = t.id": "t.email",
    "insert into t (id, email) select $1, $2 where $3 = 1 on conflict do nothing": "t.email t.id",
    "insert into t (id, email) values (1, 'x') on conflict on constraint c do nothing": "t.email t.id",
    "insert into t (id, email) values (1, 'x') on conflict (lower(email)) where id > 0 do nothing": "t.email",
    "insert into t values (1, 'x') on conflict (email) do nothing": "t.email",
    "insert into t values (1, 'x') on conflict do nothing": "t.*",
    "insert into t default values on conflict do nothing": "",
    [`insert into t (id, email) values ${rows(20)} on conflict (email) do nothing`]: "t.email",
    [`insert into t (id, email) values ${rows(21)} on conflict (email) do nothing`]: "",
    [`insert into t values ${rows(21)} on conflict (email) do nothing`]: "",
    "insert into t (email) values ('x')": "",
  });
  holds("columnsFiltered", {
    [`insert into t (id, email) values ${rows(21)} on conflict (email) do nothing`]: "t.email",
    [`insert into t (id, email) values ${rows(21)}`]: "",
    "insert into t (id, email) select 1, 'x' || g from generate_series(1, 9) g on conflict (email) do nothing": "t.email",
    "insert into t (id, email) select 1, 'x' || g from generate_series(1, 9) g on conflict do nothing": "t.email t.id",
    "insert into t (id, email) select 1, 'x' || g from generate_series(1, 9) g on conflict (id) do nothing": "t.email t.id",
    "insert into t (id, email) select 1, 'x' || g from generate_series(1, 9) g": "t.email",
    "insert into t select 1, 'x' || g from generate_series(1, 9) g": "t.*",
    "insert into t (email) select 'x' || nextval('s') from u": "t.email",
    "insert into t (id, email, phone) select 2, email, email from t where id = 1": "t.id t.phone",
    "insert into t (email) select 'x' union all select 'y'": "t.email",
    "insert into t (email) values (unnest(array['x', 'y']))": "t.email",
    "insert into t (email) values ((select 'x' || n from u where n = 1))": "t.email u.n",
    "insert into t (email) select * from (values ('x')) v": "t.email",
    "with w as (insert into t (email) select x from u returning 1) select 1": "t.email",
    "merge into t using u on true when matched then update set email = u.x when not matched then insert (phone) values (u.y)": "t.email t.phone",
    "insert into t (id, email) select 1, u.x from u on conflict (id) do update set phone = excluded.email": "t.email t.id t.phone",
    "update t set email = 'x' || id": "t.email",
    "update t set email = v.x from (values (1, 'x')) v(id, x)": "t.email",
    "update t set (email, phone) = (select x, y from u)": "t.email t.phone",
    "update t set email = email || g.email from generate_series(1, 9) g(email)": "t.email",
    "update t set email = 'x', phone = lower($1), ssn = upper(ssn), iban = default, (a, b) = ('x', $2)": "",
  });
});

describe("columns written", () => {
  holds("columnsWritten", {
    "insert into t (a, b) values (1, 2)": "t.a t.b",
    "insert into t default values": "t.*",
    "insert into t select 1": "t.*",
    "insert into s.t (a) values (1) on conflict (a) do update set b = 2": "t.a t.b",
    "update t set a = 1, (b, c) = (select 1, 2)": "t.a t.b t.c",
    "merge into t using u on true when matched then update set a = 1 when not matched then insert (b) values (1)": "t.a t.b",
    "copy t (a, b) from stdin": "t.a t.b",
    "create table t as select 1 as a": "t.*",
    "select 1 into t": "t.*",
    "delete from t": "",
    "explain update t set a = 1": "",
    "explain analyze update t set a = 1": "t.a",
    "with w as (update t set a = 1 returning 1) select * from w": "t.a",
  });
});

describe("columns whose values go elsewhere", () => {
  holds("columnsCopied", {
    "insert into notes (text) select email from customers": "customers.email",
    "update t set note = email, email = lower(email)": "t.email",
    "update customers set email = lower(email)": "",
    "update public.customers set email = lower(email)": "",
    "update customers set email = (select email from other.customers limit 1)": "customers.email",
    "insert into scratch.customers select * from public.customers": "customers.*",
    "insert into scratch.customers (email) select email from public.customers": "customers.email",
    "insert into customers (email) select email from public.customers": "customers.email",
    "insert into customers select * from customers": "customers.*",
    "insert into customers (email) values ('x') on conflict (id) do update set email = excluded.email || customers.email": "",
    "update customers set (email, name) = (select x.name, x.email from customers x)": "customers.email customers.name",
    "create table mine as select c.* from customers c": "customers.*",
    "create materialized view mine as select email from customers": "customers.email",
    "create view mine as select email as e from customers": "customers.email",
    "select email into mine from customers": "customers.email",
    "merge into t using c on t.id = c.id when matched then update set a = c.email": "c.email",
    "copy customers (email) to '/tmp/x'": "customers.email",
    "copy customers (email) to stdout": "",
    "select pg_notify('c', email), set_config('a.b', ssn, true) from t": "t.email t.ssn",
    "select mine(email) from t": "t.email",
    "insert into t (a) values ($1)": "",
    "explain insert into notes select email from customers": "",
  });
});

describe("too many columns", () => {
  it("make a statement unclassified, and may be any", () => {
    const facts = factsOf(`select ${Array.from({ length: 1_200 }, (_, i) => `c${i}`).join(", ")} from t`);
    assert.deepEqual([facts.riskClass, facts.columnsRead], ["unclassified", ["*.*"]]);
  });
  it("are not those of a wide table", () => {
    const names = Array.from({ length: 400 }, (_, i) => `an_ordinary_name_${i}`).join(", ");
    const facts = factsOf(`insert into t (${names}) select ${names} from u where id = 1`);
    assert.deepEqual([facts.riskClass, facts.columnsFiltered], ["write", ["t.*", "u.id"]]);
  });
});
