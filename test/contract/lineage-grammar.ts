import fc from "fast-check";

/**
 * Random queries with the columns `a` and `b` over the tables `c (id, email, ssn)` and `o (oid, cid, memo)`, all of text. What they compute,
 * join, group and write mixes everything that a value can pass through. Many are wrong for the server; that is no harm.
 */
const column = fc.constantFrom("id", "email", "ssn", "email", "ssn", "email", "ssn", "c.email", "c.ssn", "memo", "o.memo", "a", "q.b", "'x'");

const { value, query } = fc.letrec<{ value: string; condition: string; query: string; from: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2, depthIdentifier: "value" },
    { weight: 9, arbitrary: column },
    fc.tuple(tie("value"), tie("value")).map(([a, b]) => `${a} || ${b}`),
    fc.tuple(fc.constantFrom("lower", "md5", "max", "min", "coalesce", "reverse"), tie("value")).map(([f, v]) => `${f}(${v})`),
    fc.tuple(tie("condition"), tie("value"), tie("value")).map(([c, a, b]) => `case when ${c} then ${a} else ${b} end`),
    fc.tuple(tie("value"), tie("value"), tie("value")).map(([a, b, c]) => `case ${a} when ${b} then ${c} end`),
    tie("query").map((q) => `(select max(z.a) from (${q}) z)`),
    tie("query").map((q) => `(select z.b from (${q}) z order by 1 limit 1)`),
    tie("query").map((q) => `exists (${q})::text`),
    tie("query").map((q) => `array_to_string(array(select z.a from (${q}) z order by 1), ',')`),
    fc.constantFrom("c::text", "row_to_json(c)::text", "(c).email", "q::text", "to_jsonb(c.*)::text", "(to_jsonb(q) ->> 'b')", "count(*)::text", "o::text"),
    fc.tuple(tie("value"), tie("value")).map(([v, w]) => `max(${v}) over (partition by ${w})`),
    tie("value").map((v) => `(rank() over (order by ${v}))::text`),
    fc.tuple(tie("value"), tie("condition")).map(([v, c]) => `max(${v}) filter (where ${c})`),
    fc.tuple(tie("value"), tie("value")).map(([v, w]) => `string_agg(${v}, ',' order by ${w})`),
    tie("condition").map((c) => `(${c})::text`),
  ),
  condition: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom("true", "c.id = o.cid", "id < '4'", "email like '%1%'", "ssn = '200'", "id = '2'"),
    fc.tuple(tie("value"), fc.constantFrom("=", "<", "like"), tie("value")).map(([a, op, b]) => `${a} ${op} ${b}`),
    fc.tuple(tie("value"), tie("query")).map(([v, q]) => `${v} in (select z.a from (${q}) z)`),
    tie("query").map((q) => `not exists (${q})`),
    fc.tuple(tie("condition"), tie("condition")).map(([a, b]) => `(${a} or ${b})`),
  ),
  from: fc.oneof(
    { maxDepth: 2 },
    { weight: 8, arbitrary: fc.constantFrom("c, o", "c join o on cid = id", "c left join o on o.cid = c.id", "c", "c join o on true") },
    fc.constantFrom("o", "c t (a, b)"),
    fc.constantFrom(
      "c natural join (select id, ssn as a from c) q",
      "(c join o on cid = id) q",
      "c join (select id, memo as b from o, c) q using (id)",
      "c cross join jsonb_each_text(to_jsonb(c)) q (a, b)",
      "c cross join (values ('1', '2')) q (a, b)",
      "c tablesample system (100)",
    ),
    tie("query").map((q) => `(${q}) q`),
    tie("query").map((q) => `c, (${q}) q`),
    tie("query").map((q) => `c cross join lateral (${q}) q`),
    fc.tuple(tie("query"), tie("condition")).map(([q, on]) => `c left join (${q}) q on ${on}`),
    tie("value").map((v) => `c cross join lateral unnest(array[${v}, 'u']) a`),
    tie("value").map((v) => `c cross join lateral (values (${v}, 'v')) q (a, b)`),
  ),
  query: fc.oneof(
    { maxDepth: 3, depthIdentifier: "query" },
    { weight: 6, arbitrary: fc.tuple(tie("value"), tie("value"), tie("from")).map(([a, b, f]) => `select ${a} as a, ${b} as b from ${f}`) },
    {
      weight: 3,
      arbitrary: fc.tuple(tie("value"), tie("value"), tie("from"), tie("condition")).map(([a, b, f, c]) => `select ${a} as a, ${b} as b from ${f} where ${c}`),
    },
    fc.tuple(tie("value"), tie("from")).map(([a, f]) => `select ${a} as a, count(*)::text as b from ${f} group by 1`),
    fc.tuple(tie("value"), tie("value"), tie("from")).map(([a, b, f]) => `select distinct ${a} as a, ${b} as b from ${f}`),
    fc.tuple(tie("query"), fc.constantFrom("union all", "union", "except", "intersect"), tie("query")).map(([a, op, b]) => `(${a}) ${op} (${b})`),
    tie("query").map((q) => `select * from (${q}) q`),
    fc.tuple(tie("query"), tie("value")).map(([q, v]) => `with q as (${q}) select q.b as a, ${v} as b from q, c`),
    tie("query").map((q) => `with q (b, a) as (${q}) select * from q`),
    fc
      .tuple(tie("value"), tie("value"))
      .map(([a, b]) => `with recursive q as (select ${a} as a, ${b} as b from c union select q.b, q.a from q) select * from q`),
    fc.tuple(tie("value"), tie("value")).map(([a, b]) => `select c.email as a, x.b from c, lateral (select ${a} as a, ${b} as b) x`),
  ),
}));

/** What writes must stand at the top. */
export const tracedStatements = fc.oneof(
  { weight: 8, arbitrary: query },
  query.map((q) => `with n as (insert into o (oid, memo) ${q} returning *) select n.memo as a, n.oid as b from n`),
  query.map((q) => `insert into o (memo, cid) ${q} returning *`),
  fc.tuple(value, value).map(([v, w]) => `update o set memo = ${v}, oid = ${w} from c where c.id = o.cid returning *`),
  fc.tuple(value, value).map(([v, w]) => `update o set (memo, oid) = (select ${v}, ${w} from c where c.id = o.cid) returning memo as a, oid as b`),
  fc.tuple(value, value).map(([v, w]) => `delete from o using c where c.id = o.cid returning ${v} as a, ${w} as b`),
  fc.tuple(value, value).map(([v, w]) => `select *, ${v} as a, ${w} as b from c join o on o.cid = c.id`),
  value.map((v) => `merge into o using c on o.cid = c.id when matched then update set memo = ${v} when not matched then insert (oid) values (c.ssn)`),
);
