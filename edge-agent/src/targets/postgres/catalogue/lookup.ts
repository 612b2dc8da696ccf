import type { Socket } from "node:net";
import { SallyportError } from "@sallyport/proto/errors";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import { backend, frontend } from "@sallyport/proto/wire/postgres/message-types";
import { PayloadReader } from "@sallyport/proto/wire/postgres/reader";
import { serverRefusal } from "../failure.ts";
import { MessageReader } from "../message-reader.ts";
import type { PostgresResource } from "../resource.ts";
import { FIRST_USER_OID } from "./relations.ts";

/** Rows that the answer to one question may have, each level of views being one: columns, parents, descendants, rules. Over it the lookup fails. */
export const MAX_LOOKUP_ROWS = 200_000;
/** Longest text of a rule that is read, before it is spelt in hexadecimal; what a longer view shows is unknown. */
export const MAX_RULE_BYTES = 1_048_576;
/** A rule in hexadecimal, with its row around it. */
const MAX_ROW_MESSAGE_BYTES = 2 * MAX_RULE_BYTES + 1_024;

/** record, any, anyelement, anynonarray, anycompatible, anycompatiblenonarray: arguments that a row of any relation may be. */
const ANY_ROW_TYPES = "{2249,2276,2283,2776,5077,5080}";
/** Of a function `p`: what it is called with where that is one value; one that takes any number of them takes one. */
const FIRST_ARGUMENT = `case when p.pronargs operator(pg_catalog.=) 1 and p.provariadic operator(pg_catalog.<>) 0::pg_catalog.oid then p.provariadic else p.proargtypes[0] end`;
/** Of a function `p`: it is of the database's own, and can be called with one value. */
const TAKES_ONE = `p.oid operator(pg_catalog.>=) ${FIRST_USER_OID}::pg_catalog.oid and p.pronargs operator(pg_catalog.-) p.pronargdefaults operator(pg_catalog.<=) 1`;

export interface Wanted {
  readonly relations: ReadonlySet<number>;
  /** Names of relations, as the catalogue spells them, in whatever schema. */
  readonly names: ReadonlySet<string>;
  /** Functions that are in question. */
  readonly functions: ReadonlySet<number>;
  readonly lists: ReadonlySet<NameList>;
}

/**
 * Names that are asked for all at once: schemas that have the name of a role that the session's may become, which `$user` in a search path
 * may mean, and functions of the database's own that `alias.name` may call, of whatever relation.
 */
export type NameList = "user_schemas" | "row_functions";

/** A row of what the catalogue says; `relation` is the one that it is about. */
export type Finding =
  | { readonly kind: "relation"; readonly relation: number; readonly name: string; readonly relationKind: string }
  | { readonly kind: "column"; readonly relation: number; readonly attribute: number; readonly name: string; readonly generated: boolean }
  | { readonly kind: "parent"; readonly relation: number; readonly parent: number }
  /** A descendant by inheritance or partitioning, whose rows the relation shows. */
  | { readonly kind: "descendant"; readonly relation: number; readonly name: string }
  | { readonly kind: "generated"; readonly relation: number; readonly attribute: number; readonly from: number }
  | { readonly kind: "rule"; readonly relation: number; readonly event: string; readonly action: string }
  /** What `alias.name` calls with the whole row, where there is no such column; not of the system's own. */
  | { readonly kind: "row_function"; readonly relation: number; readonly name: string }
  /** One whose answer depends on nothing but its arguments, and on what it is told about the database's structure. */
  | { readonly kind: "pure_function"; readonly relation: number }
  | { readonly kind: "listed"; readonly relation: 0; readonly list: NameList; readonly name: string };

/**
 * Everything is spelt with its schema, operators too: the search path of the role is not ours. Names travel as bytes of UTF-8 in
 * hexadecimal, so that neither encodings nor quotes matter. Parameters: OIDs of relations, names, names of tables whose descendants
 * count by name (lower-case), OIDs of functions, whether schemas with names of roles are asked for, and functions of rows. A function that
 * takes a domain takes what that is made of.
 */
const SQL = `
with recursive wanted(oid) as (
  select c.oid from pg_catalog.pg_class c where c.oid operator(pg_catalog.=) any ($1::pg_catalog.oid[])
  union
  select c.oid from pg_catalog.pg_class c where c.relname operator(pg_catalog.=) any (array(
      select pg_catalog.convert_from(x, 'UTF8')::pg_catalog.name from pg_catalog.unnest($2::pg_catalog.bytea[]) x))
    and c.relkind operator(pg_catalog.=) any ('{r,p,v,m,f}'::pg_catalog."char"[])
), descendant(ancestor, oid) as (
  select i.inhparent, i.inhrelid from pg_catalog.pg_inherits i join wanted w on w.oid operator(pg_catalog.=) i.inhparent
  where pg_catalog.cardinality($3::pg_catalog.bytea[]) operator(pg_catalog.>) 0
  union
  select d.ancestor, i.inhrelid from pg_catalog.pg_inherits i join descendant d on d.oid operator(pg_catalog.=) i.inhparent
), takes_one(name, type) as (
  select p.proname, ${FIRST_ARGUMENT} from pg_catalog.pg_proc p where ${TAKES_ONE}
  union all
  select f.name, t.typbasetype from takes_one f
  join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) f.type and t.typtype operator(pg_catalog.=) 'd'::pg_catalog."char"
)
select 'r', c.oid::pg_catalog.int8, 0::pg_catalog.int8, c.relkind::pg_catalog.text, pg_catalog.encode(pg_catalog.convert_to(c.relname::pg_catalog.text, 'UTF8'), 'hex')
from pg_catalog.pg_class c join wanted w on w.oid operator(pg_catalog.=) c.oid
union all
select 'a', a.attrelid::pg_catalog.int8, a.attnum, a.attgenerated::pg_catalog.text, pg_catalog.encode(pg_catalog.convert_to(a.attname::pg_catalog.text, 'UTF8'), 'hex')
from pg_catalog.pg_attribute a join wanted w on w.oid operator(pg_catalog.=) a.attrelid
where a.attnum operator(pg_catalog.>) 0 and not a.attisdropped
union all
select 'p', i.inhrelid::pg_catalog.int8, i.inhparent::pg_catalog.int8, '', ''
from pg_catalog.pg_inherits i join wanted w on w.oid operator(pg_catalog.=) i.inhrelid
union all
select 'd', d.ancestor::pg_catalog.int8, 0, '', pg_catalog.encode(pg_catalog.convert_to(c.relname::pg_catalog.text, 'UTF8'), 'hex')
from descendant d join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) d.oid
where pg_catalog.lower(c.relname::pg_catalog.text collate pg_catalog."C") operator(pg_catalog.=) any (array(
    select pg_catalog.lower(pg_catalog.convert_from(x, 'UTF8') collate pg_catalog."C") from pg_catalog.unnest($3::pg_catalog.bytea[]) x))
union all
select 'g', f.adrelid::pg_catalog.int8, f.adnum, d.refobjsubid::pg_catalog.text, ''
from pg_catalog.pg_attrdef f join wanted w on w.oid operator(pg_catalog.=) f.adrelid
join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) f.adrelid and a.attnum operator(pg_catalog.=) f.adnum
join pg_catalog.pg_depend d on d.refclassid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
  and d.refobjid operator(pg_catalog.=) f.adrelid and d.refobjsubid operator(pg_catalog.<>) f.adnum and d.refobjsubid operator(pg_catalog.>) 0
  and ((d.classid operator(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid and d.objid operator(pg_catalog.=) f.oid)
    or (d.classid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid and d.objid operator(pg_catalog.=) f.adrelid
      and d.objsubid operator(pg_catalog.=) f.adnum))
where a.attgenerated operator(pg_catalog.<>) ''::pg_catalog."char"
union all
select 'v', e.ev_class::pg_catalog.int8, 0, e.ev_type::pg_catalog.text,
  case when pg_catalog.octet_length(e.ev_action::pg_catalog.text) operator(pg_catalog.<=) ${MAX_RULE_BYTES}
    then pg_catalog.encode(pg_catalog.convert_to(e.ev_action::pg_catalog.text, 'UTF8'), 'hex') else '' end
from pg_catalog.pg_rewrite e join wanted w on w.oid operator(pg_catalog.=) e.ev_class
union all
select 'f', p.oid::pg_catalog.int8, 0, '', ''
from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid operator(pg_catalog.=) p.prolang
where p.oid operator(pg_catalog.=) any ($4::pg_catalog.oid[])
  and l.lanname operator(pg_catalog.=) any ('{internal,c}'::pg_catalog.name[])
  and (p.provolatile operator(pg_catalog.<>) 'v'::pg_catalog."char"
    or p.proname operator(pg_catalog.=) any ('{random,clock_timestamp,timeofday,gen_random_uuid,uuidv7,nextval}'::pg_catalog.name[]))
  and p.proname::pg_catalog.text operator(pg_catalog.!~) '_to_xml|^crosstab|^connectby|^xpath_table|^dblink|^pg_mcv|^lo_|^ts_stat|^query_to|^cursor_to'
union all
select 'c', c.oid::pg_catalog.int8, 0, '', pg_catalog.encode(pg_catalog.convert_to(f.name::pg_catalog.text, 'UTF8'), 'hex')
from wanted w join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) w.oid
join takes_one f on f.type operator(pg_catalog.=) c.reltype or f.type operator(pg_catalog.=) any ('${ANY_ROW_TYPES}'::pg_catalog.oid[])
union all
select 's', 0, 0, '', pg_catalog.encode(pg_catalog.convert_to(n.nspname::pg_catalog.text, 'UTF8'), 'hex')
from pg_catalog.pg_namespace n join pg_catalog.pg_roles o on o.rolname operator(pg_catalog.=) n.nspname
where $5::pg_catalog.bool and pg_catalog.pg_has_role(o.oid, 'MEMBER')
union all
select distinct 'w', 0::pg_catalog.int8, 0, '', pg_catalog.encode(pg_catalog.convert_to(f.name::pg_catalog.text, 'UTF8'), 'hex')
from takes_one f join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) f.type
where $6::pg_catalog.bool
  and (t.typtype operator(pg_catalog.=) 'c'::pg_catalog."char" or t.oid operator(pg_catalog.=) any ('${ANY_ROW_TYPES}'::pg_catalog.oid[]))
limit ${MAX_LOOKUP_ROWS + 1}`;

/** Asks on a logged-in connection that is idle and has no other reader. */
export async function lookUp(socket: Socket, resource: PostgresResource, wanted: Wanted, tables: readonly string[]): Promise<readonly Finding[]> {
  using reader = new MessageReader(socket);
  socket.write(encodeLookup(wanted, tables));
  const findings: Finding[] = [];
  let refusal: SallyportError | undefined;
  for (;;) {
    const frame = await reader.message(MAX_ROW_MESSAGE_BYTES);
    if (frame.type === backend.dataRow) findings.push(decodeRow(frame.payload));
    if (frame.type === backend.errorResponse) refusal = serverRefusal(decodeFields(frame.payload), resource.name, resource.host);
    if (findings.length > MAX_LOOKUP_ROWS) throw tooMuch(resource);
    if (frame.type !== backend.readyForQuery) continue;
    if (refusal !== undefined) throw refusal;
    return findings;
  }
}

const tooMuch = ({ name }: PostgresResource): SallyportError =>
  new SallyportError("target.refused", `What a statement reads on resource "${name}" has over ${MAX_LOOKUP_ROWS} columns, descendants and rules.`, {
    resource: name,
  });

function decodeRow(payload: Buffer): Finding {
  const reader = new PayloadReader(payload);
  reader.int16();
  const text = (): string => reader.bytes(reader.int32()).toString("latin1");
  const [kind, relation, number, word, hex] = [text(), Number(text()), Number(text()), text(), text()];
  const name = (): string => Buffer.from(hex, "hex").toString("utf8");
  switch (kind) {
    case "r":
      return { kind: "relation", relation, name: name(), relationKind: word };
    case "a":
      return { kind: "column", relation, attribute: number, name: name(), generated: word !== "" };
    case "p":
      return { kind: "parent", relation, parent: number };
    case "d":
      return { kind: "descendant", relation, name: name() };
    case "g":
      return { kind: "generated", relation, attribute: number, from: Number(word) };
    case "v":
      return { kind: "rule", relation, event: word, action: name() };
    case "f":
      return { kind: "pure_function", relation };
    case "c":
      return { kind: "row_function", relation, name: name() };
    case "w":
      return { kind: "listed", relation: 0, list: "row_functions", name: name() };
    case "s":
      return { kind: "listed", relation: 0, list: "user_schemas", name: name() };
    default:
      throw new SallyportError("wire.malformed", "The target answered a lookup of its catalogue with a row of no known kind.");
  }
}

/** Unnamed statement and portal, closed again: Parse, Bind, Execute, Close, Sync. */
function encodeLookup({ relations, names, functions, lists }: Wanted, tables: readonly string[]): Buffer {
  const oids = (set: ReadonlySet<number>): string => `{${[...set].join(",")}}`;
  const bytes = (list: Iterable<string>): string => `{${[...list].map((name) => `"\\\\x${Buffer.from(name).toString("hex")}"`).join(",")}}`;
  const parameters = [oids(relations), bytes(names), bytes(tables), oids(functions), String(lists.has("user_schemas")), String(lists.has("row_functions"))].map(
    (text) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(Buffer.byteLength(text));
      return Buffer.concat([length, Buffer.from(text)]);
    },
  );
  // string portal, string statement, int16 formats (none), int16 parameters, the parameters, int16 result formats (none)
  const bind = Buffer.concat([Buffer.from([0, 0, 0, 0, 0, parameters.length]), ...parameters, Buffer.alloc(2)]);
  return Buffer.concat([
    encodeFrame(frontend.parse, Buffer.from(`\0${SQL}\0\0\0`)),
    encodeFrame(frontend.bind, bind),
    encodeFrame(frontend.execute, Buffer.alloc(5)),
    encodeFrame(frontend.close, Buffer.from("S\0")),
    encodeFrame(frontend.sync, Buffer.alloc(0)),
  ]);
}
