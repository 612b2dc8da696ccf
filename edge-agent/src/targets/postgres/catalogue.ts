import type { Socket } from "node:net";
import type { Obligations } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { SallyportError } from "@sallyport/proto/errors";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import { backend, frontend } from "@sallyport/proto/wire/postgres/message-types";
import { PayloadReader } from "@sallyport/proto/wire/postgres/reader";
import type { ColumnOrigin } from "../../masking/column-rules.ts";
import { serverRefusal } from "./failure.ts";
import { MAX_LOGIN_MESSAGE_BYTES } from "./login.ts";
import { MessageReader } from "./message-reader.ts";
import type { ColumnCatalogue } from "./relay/row-plan.ts";
import type { PostgresResource } from "./resource.ts";

/** Columns of masked tables, partitions included, that a session remembers: about 10 MB. Over it the session is refused, never half masked. */
export const MAX_CATALOGUE_COLUMNS = 100_000;

/** What masks name and has not been looked up: all columns of these tables, and these columns of any table. */
export interface Unlearnt {
  readonly tables: readonly string[];
  readonly columns: readonly string[];
}

/**
 * Where result columns come from, for the tables and columns that masks name, in every schema. RowDescription names a column's origin by the
 * table's OID and the attribute's number; any pair that is not here is of another table, or was made after the last look.
 */
export class Catalogue implements ColumnCatalogue {
  /** Several origins where a partition and its parent are both named. */
  readonly #origins = new Map<string, ColumnOrigin[]>();
  readonly #looked = new Set<string>();
  readonly #masked = new Set<string>();
  #size = 0;

  lookup(tableOid: number, attribute: number): ColumnOrigin | undefined {
    const origins = this.#origins.get(`${tableOid}.${attribute}`);
    if (origins === undefined || origins.length === 1) return origins?.[0];
    return origins.find(({ table, column }) => this.#masked.has(maskKey(table, column)) || this.#masked.has(maskKey(table, "*"))) ?? origins[0];
  }

  /** Takes note of what is masked. Answers what has to be learnt before, undefined for nothing. */
  unlearnt({ maskColumns }: Obligations): Unlearnt | undefined {
    for (const { table, column } of maskColumns) this.#masked.add(maskKey(table, column));
    const names = (list: readonly string[]): string[] => [...new Set(list.map((name) => name.toLowerCase()))];
    const tables = names(maskColumns.flatMap(({ table }) => (table === "" ? [] : [table]))).filter((table) => !this.#looked.has(maskKey(table, "*")));
    // A rule without a table is met by its column's label, or, behind an alias, by its origin.
    const columns = names(maskColumns.flatMap(({ table, column }) => (table === "" && column !== "*" ? [column] : []))).filter(
      (column) => !this.#looked.has(maskKey("", column)),
    );
    return tables.length + columns.length === 0 ? undefined : { tables, columns };
  }

  /** Looks them up on a logged-in connection that is idle and has no other reader. */
  async learn(socket: Socket, resource: PostgresResource, unlearnt: Unlearnt | undefined): Promise<void> {
    if (unlearnt === undefined) return;
    for await (const { oid, attribute, origin } of query(socket, resource, unlearnt)) {
      if (++this.#size > MAX_CATALOGUE_COLUMNS) {
        throw new SallyportError("target.refused", `The masked tables of resource "${resource.name}" have over ${MAX_CATALOGUE_COLUMNS} columns.`, {
          resource: resource.name,
        });
      }
      const key = `${oid}.${attribute}`;
      const known = this.#origins.get(key);
      if (known === undefined) this.#origins.set(key, [origin]);
      else known.push(origin);
    }
    for (const table of unlearnt.tables) this.#looked.add(maskKey(table, "*"));
    for (const column of unlearnt.columns) this.#looked.add(maskKey("", column));
  }
}

const maskKey = (table: string, column: string): string => `${table}\0${column}`.toLowerCase();

/**
 * Everything is spelt with its schema, operators too: the session's search_path is the client's choice. Names travel as bytes of
 * UTF-8 in hexadecimal, so that the client's encoding does not matter either.
 */
const SQL = `
with recursive named(oid, name) as (
  select c.oid, c.relname from pg_catalog.pg_class c
  where c.relkind operator(pg_catalog.=) any ('{r,p,v,m,f}'::pg_catalog."char"[])
    and pg_catalog.lower(c.relname::pg_catalog.text collate pg_catalog."C") operator(pg_catalog.=) any (array(
      select pg_catalog.lower(pg_catalog.convert_from(x, 'UTF8') collate pg_catalog."C") from pg_catalog.unnest($1::pg_catalog.bytea[]) x))
  union
  select i.inhrelid, n.name from pg_catalog.pg_inherits i join named n on n.oid operator(pg_catalog.=) i.inhparent
)
select n.oid, a.attnum,
  pg_catalog.encode(pg_catalog.convert_to(n.name::pg_catalog.text, 'UTF8'), 'hex'),
  pg_catalog.encode(pg_catalog.convert_to(a.attname::pg_catalog.text, 'UTF8'), 'hex')
from named n join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) n.oid
where a.attnum operator(pg_catalog.>) 0 and not a.attisdropped
union
select c.oid, a.attnum,
  pg_catalog.encode(pg_catalog.convert_to(c.relname::pg_catalog.text, 'UTF8'), 'hex'),
  pg_catalog.encode(pg_catalog.convert_to(a.attname::pg_catalog.text, 'UTF8'), 'hex')
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) a.attrelid
where a.attnum operator(pg_catalog.>) 0 and not a.attisdropped
  and c.relkind operator(pg_catalog.=) any ('{r,p,v,m,f}'::pg_catalog."char"[])
  and not exists (select from pg_catalog.pg_namespace s where s.oid operator(pg_catalog.=) c.relnamespace
    and s.nspname::pg_catalog.text operator(pg_catalog.=) any ('{pg_catalog,information_schema}'::pg_catalog.text[]))
  and pg_catalog.lower(a.attname::pg_catalog.text collate pg_catalog."C") operator(pg_catalog.=) any (array(
    select pg_catalog.lower(pg_catalog.convert_from(x, 'UTF8') collate pg_catalog."C") from pg_catalog.unnest($2::pg_catalog.bytea[]) x))
limit ${MAX_CATALOGUE_COLUMNS + 1}`;

interface Row {
  readonly oid: number;
  readonly attribute: number;
  readonly origin: ColumnOrigin;
}

async function* query(socket: Socket, resource: PostgresResource, unlearnt: Unlearnt): AsyncGenerator<Row> {
  using reader = new MessageReader(socket);
  socket.write(encodeLookup(unlearnt));
  for (;;) {
    const frame = await reader.message(MAX_LOGIN_MESSAGE_BYTES);
    if (frame.type === backend.readyForQuery) return;
    if (frame.type === backend.errorResponse) throw serverRefusal(decodeFields(frame.payload), resource.name, resource.host);
    if (frame.type === backend.dataRow) yield decodeRow(frame.payload);
  }
}

function decodeRow(payload: Buffer): Row {
  const reader = new PayloadReader(payload);
  reader.int16();
  const text = (): string => reader.bytes(reader.int32()).toString("latin1");
  const name = (): string => Buffer.from(text(), "hex").toString("utf8");
  return { oid: Number(text()), attribute: Number(text()), origin: { table: name(), column: name() } };
}

/** Unnamed statement and portal, closed again: Parse, Bind with two parameters, Execute, Close, Sync. */
function encodeLookup({ tables, columns }: Unlearnt): Buffer {
  const parameters = [tables, columns].map((names) => {
    const array = Buffer.from(`{${names.map((name) => `"\\\\x${Buffer.from(name).toString("hex")}"`).join(",")}}`);
    const length = Buffer.alloc(4);
    length.writeInt32BE(array.length);
    return Buffer.concat([length, array]);
  });
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
