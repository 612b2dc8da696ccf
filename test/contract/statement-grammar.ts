import fc from "fast-check";

/**
 * Random SQL over the tables `stock` and `sales` and the sequence `numbers`: reads, writes, and writes dressed as reads, nested
 * in each other. Many are wrong for the server; that is no harm.
 */

/** All of them texts, so that most of what is put together is right for the server. */
const word = fc.constantFrom("id::text", "id::text", "item", "'1'", "'x'", "null::text", "now()::text", "random()::text");
const effect = fc.constantFrom(
  "nextval('numbers')",
  "setval('numbers', 7)",
  "set_config('work_mem', '8MB', false)",
  "set_config('app.x', 'y', true)",
  "pg_advisory_lock(1)",
  "pg_try_advisory_xact_lock(2)",
  "pg_notify('c', 'x')",
  "lo_create(0)",
  "lo_from_bytea(0, 'x')",
  "currval('numbers')",
  "pg_relation_size('stock')",
  "query_to_xml('delete from sales', true, true, '')",
);
const { value, query, change } = fc.letrec<{ value: string; query: string; change: string; from: string; condition: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthIdentifier: "value", withCrossShrink: true },
    // Or hardly one would be a read.
    { weight: 8, arbitrary: word },
    { weight: 1, arbitrary: effect.map((call) => `${call}::text`) },
    fc.tuple(tie("value"), fc.constantFrom("||", "<", "=", "is distinct from", "~"), tie("value")).map(([a, op, b]) => `(${a} ${op} ${b})::text`),
    tie("query").map((q) => `(${q} limit 1)`),
    tie("query").map((q) => `(exists (${q}))::text`),
    tie("query").map((q) => `array(${q})::text`),
    fc.tuple(fc.constantFrom("coalesce", "concat", "max", "count", "array_agg", "to_jsonb", "greatest"), tie("value")).map(([f, v]) => `${f}(${v})::text`),
    fc.tuple(tie("condition"), tie("value"), tie("value")).map(([c, a, b]) => `case when ${c} then ${a} else ${b} end`),
    tie("value").map((v) => `(${v})::text`),
  ),
  condition: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom("true", "id = 1", "1 = 1", "id > 3"),
    fc.tuple(tie("value"), tie("value")).map(([a, b]) => `${a} is not distinct from ${b}`),
    tie("query").map((q) => `id::text in (${q})`),
  ),
  from: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom(
      "stock",
      "sales",
      "cheap",
      "stock s",
      "stock join sales using (id)",
      "only sales",
      "stock",
      "generate_series(1, 3) id",
      "pg_class",
      "numbers",
    ),
    tie("query").map((q) => `(${q}) q`),
    tie("query").map((q) => `stock cross join lateral (${q}) q`),
    tie("value").map((v) => `unnest(array[${v}]) id`),
  ),
  query: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(tie("value"), tie("from"), tie("condition")).map(([v, f, c]) => `select ${v} as id from ${f} where ${c}`),
    fc.tuple(tie("value"), tie("from")).map(([v, f]) => `select ${v} as id from ${f} group by 1 order by 1`),
    tie("value").map((v) => `values (${v})`),
    fc.tuple(tie("query"), fc.constantFrom("union", "union all", "except", "intersect"), tie("query")).map(([a, op, b]) => `${a} ${op} ${b}`),
    fc.tuple(tie("query"), tie("query")).map(([w, q]) => `with w(id) as (${w}) ${q}`),
    fc.tuple(tie("change"), tie("query")).map(([w, q]) => `with w as (${w} returning *) ${q}`),
    fc.tuple(tie("query"), fc.constantFrom("for update", "for share", "for key share")).map(([q, lock]) => `${q} ${lock}`),
    fc.tuple(tie("value"), tie("from")).map(([v, f]) => `select ${v} into made from ${f}`),
  ),
  change: fc.oneof(
    { maxDepth: 2 },
    tie("condition").map((c) => `delete from sales where ${c}`),
    fc.tuple(tie("value"), tie("condition")).map(([v, c]) => `update sales set amount = length(${v}) where ${c}`),
    tie("query").map((q) => `insert into sales (id) select length(x) from (${q}) x(x)`),
    fc
      .tuple(tie("from"), tie("condition"))
      .map(([f, c]) => `merge into sales t using (select 1 as id from ${f}) f on ${c} when matched then delete when not matched then insert (id) values (1)`),
  ),
}));
const top = fc.oneof(query, query, change);

export const statements = fc.oneof(
  { weight: 6, arbitrary: query },
  { weight: 1, arbitrary: change },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          "explain ",
          "explain analyze ",
          "explain (analyze false) ",
          "explain (analyze, verbose) ",
          "prepare p as ",
          "declare c cursor for ",
          "create table made as ",
          "create view made as ",
        ),
        top,
      )
      .map(([before, sql]) => before + sql),
  },
  { weight: 2, arbitrary: fc.tuple(query, top).map(([a, b]) => `${a}; ${b}`) },
  { weight: 1, arbitrary: fc.tuple(top, fc.constantFrom("stdout", "'/dev/null'")).map(([sql, to]) => `copy (${sql}) to ${to}`) },
  { weight: 1, arbitrary: value.map((v) => `select ${v}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "truncate sales",
      "drop table sales",
      "vacuum",
      "lock table stock",
      "lock table stock in access share mode",
      "notify c",
      "listen c",
      "set work_mem = '8MB'",
      "set local work_mem = '8MB'",
      "reset all",
      "discard all",
      "do 'begin delete from sales; end'",
      "call x()",
      "table stock",
      "show all",
      "comment on table stock is 'x'",
      "refresh materialized view x",
      "grant select on stock to public",
    ),
  },
);
