import { SallyportError } from "@sallyport/proto/errors";
import type { Conversation } from "./conversation.ts";
import type { Operation, PlannedChange } from "./planned-change.ts";

/** Bits of pg_trigger.tgtype. An INSERT may update what is in conflict with it. */
const TRIGGERED_BY: Readonly<Record<Operation, number>> = { Insert: 4 | 16, Update: 16, Delete: 8, Merge: 4 | 8 | 16 };

/** Volatile by their declaration only: nothing is left behind when they were called. */
const HARMLESS_VOLATILE = ["clock_timestamp", "gen_random_uuid", "random", "timeofday", "uuidv4", "uuidv7"];

/** Reasons listed to somebody; more would not help them. */
const MAX_REASONS = 5;

/**
 * Each row is a reason why running the change could leave something behind although it is rolled back, or set off something else: code
 * that is not the server's own, sequences, other tables, other servers.
 *
 * A function is the server's own when it is built in, or compiled code that says of itself that it changes nothing (only a superuser
 * brings that in). What defaults, generated columns, constraints and indexes call stands in their stored trees; what the statement and
 * views call, in the plan. Operators, casts and aggregates show in neither as calls, so a database that defines any by code of its own
 * has no dry runs. The names are looked up with nothing but pg_catalog on the path.
 */
const REASONS = `
with own(oid, name) as (
  select p.oid, p.proname::text from pg_proc p join pg_language l on l.oid = p.prolang
  where not case when p.pronamespace = 'pg_catalog'::regnamespace then p.provolatile <> 'v' or p.proname = any ($5::text[])
    else p.provolatile <> 'v' and l.lanname in ('internal', 'c') end
), t as (
  select c.* from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2
), trees(what, tree) as (
  select case when a.attgenerated = '' then 'the default of ' else 'the generated column ' end || a.attname, d.adbin::text
  from t join pg_attribute a on a.attrelid = t.oid join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  union all select 'the constraint ' || k.conname, k.conbin::text from t join pg_constraint k on k.conrelid = t.oid where k.conbin is not null
  union all select 'the index ' || i.indexrelid::regclass, concat(i.indexprs::text, i.indpred::text) from t join pg_index i on i.indrelid = t.oid
  union all select 'a domain', k.conbin::text from pg_constraint k where k.contypid <> 0 and k.conbin is not null and k.oid >= 16384
), calls(what, oid) as (
  select what, m[1]::oid from trees, regexp_matches(tree, ':(?:opfuncid|funcid) (\\d+)', 'g') m
  union select what, o.oprcode::oid from trees, regexp_matches(tree, ':opno (\\d+)', 'g') m join pg_operator o on o.oid = m[1]::oid
)
select 'It changes ' || $1 || '.' || $2 || ', which is no plain table of its own.' from t
where relkind <> 'r' or relispartition or relhassubclass or oid < 16384 or relam <> (select oid from pg_am where amname = 'heap')
union all select 'The table has row-level security.' from t where relrowsecurity
union all select 'The trigger ' || g.tgname || ' would fire.' from t join pg_trigger g on g.tgrelid = t.oid
  where not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype & $3::int <> 0
union all select 'The rule ' || r.rulename || ' would act.' from t join pg_rewrite r on r.ev_class = t.oid where r.ev_enabled <> 'D'
union all select 'The foreign key ' || k.conname || ' would change ' || k.conrelid::regclass || '.' from t join pg_constraint k on k.confrelid = t.oid
  where k.contype = 'f' and (k.confdeltype in ('c', 'n', 'd') and $3::int & 8 <> 0 or k.confupdtype in ('c', 'n', 'd') and $3::int & 16 <> 0)
union all select 'The column ' || a.attname || ' takes numbers from a sequence, which are not given back.' from t join pg_attribute a on a.attrelid = t.oid
  where a.attidentity <> '' and not a.attisdropped and $3::int & 4 <> 0
union all select distinct upper(left(what, 1)) || substr(what, 2) || ' calls ' || own.name || '.' from calls join own using (oid)
union all select distinct 'It calls ' || own.name || '.' from own where own.name = any ($4::text[])
union all (select 'The operator ' || o.oprname || ' of this database runs ' || own.name || '.' from pg_operator o join own on own.oid = o.oprcode where o.oid >= 16384 limit 1)
union all (select 'A cast of this database runs ' || own.name || '.' from pg_cast k join own on own.oid = k.castfunc where k.oid >= 16384 limit 1)
union all (select 'The aggregate ' || a.aggfnoid || ' of this database runs ' || own.name || '.' from pg_aggregate a
  join own on own.oid in (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn) where a.aggfnoid >= 16384 limit 1)
union all select 'The table is gone.' where not exists (select from t)
limit ${MAX_REASONS}`;

/** Of the primary key, as it is spelt in SQL. */
const KEY = `
select quote_ident(a.attname) from pg_index i cross join unnest(i.indkey) with ordinality as k(attnum, at)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
where i.indisprimary and n.nspname = $1 and c.relname = $2 order by k.at`;

/** As `select *` gives them; a plus before those that are computed from others. */
const COLUMNS = `
select case when a.attgenerated = '' then '-' else '+' end || a.attname from pg_attribute a
join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where a.attnum > 0 and not a.attisdropped and n.nspname = $1 and c.relname = $2 order by a.attnum`;

/** Rows of it may be locked by the change although they are not changed, which shows no differently from outside. */
const REFERS_TO_ITSELF = `
select 1 from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and k.confrelid = k.conrelid and n.nspname = $1 and c.relname = $2`;

/** Names inside quotes; nothing else ends them. */
const array = (names: readonly string[]): string => `{${names.map((name) => `"${name.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
const text = (value: string): { typeOid: number; binary: false; value: Buffer } => ({ typeOid: 0, binary: false, value: Buffer.from(value) });

export interface ChangedTable {
  readonly key: readonly string[];
  readonly columns: readonly { readonly name: string; readonly generated: boolean }[];
  readonly refersToItself: boolean;
}

/**
 * In a transaction that holds a lock on the table under which nobody can give it a trigger. Fails with `preview.unsafe`, naming why, and
 * leaves the transaction as it was.
 */
export async function requireNoSideEffects(conversation: Conversation, { schema, table, operation, functions }: PlannedChange): Promise<ChangedTable> {
  const ask = async (sql: string, ...values: readonly string[]): Promise<readonly string[]> => {
    const { rows, failure } = await conversation.run(sql, values.map(text));
    if (failure !== undefined) throw new SallyportError("preview.failed", `The catalogue of the target could not be read (${failure.sqlstate}).`);
    return rows.map(([first]) => first ?? "");
  };
  const step = async (sql: string): Promise<void> => {
    const { failure } = await conversation.query(sql);
    if (failure !== undefined) throw new SallyportError("preview.failed", `The target refused a step of the preview (${failure.sqlstate}).`);
  };
  await step("savepoint sallyport_catalogue; set local search_path = pg_catalog");
  const reasons = await ask(REASONS, schema, table, String(TRIGGERED_BY[operation]), array(functions), array(HARMLESS_VOLATILE));
  if (reasons.length > 0) throw new SallyportError("preview.unsafe", reasons.join(" "));
  const key = await ask(KEY, schema, table);
  const columns = (await ask(COLUMNS, schema, table)).map((found) => ({ name: found.slice(1), generated: found.startsWith("+") }));
  const refersToItself = (await ask(REFERS_TO_ITSELF, schema, table)).length > 0;
  // Released as well: what runs inside of a savepoint marks its rows with an id of its own.
  await step("rollback to savepoint sallyport_catalogue; release savepoint sallyport_catalogue");
  return { key, columns, refersToItself };
}
