import {
  bind,
  closePortal,
  closeStatement,
  copyData,
  copyDone,
  copyFail,
  describePortal,
  describeStatement,
  execute,
  flush,
  functionCall,
  int16,
  int32,
  message,
  parse,
  query,
  sync,
} from "../support/frontend-messages.ts";

/** Bytes to send, and how many messages of which type to wait for before the next. */
export interface Step {
  readonly send: Buffer;
  readonly type: string;
  readonly count: number;
}

const step = (type: string, count: number, ...send: readonly Buffer[]): Step => ({ send: Buffer.concat(send), type, count });
/** Waits for one ReadyForQuery. */
const group = (...send: readonly Buffer[]): Step => step("Z", 1, ...send);

/** Done once, at the target. Scripts leave it as it is. */
export const wireSchema = `
  create table items (id int primary key, name text not null, price numeric(8,2), data jsonb, seen timestamptz, raw bytea);
  insert into items select n, 'item ' || n, n * 1.25, jsonb_build_object('n', n), timestamptz '2026-01-01 UTC' + n * interval '1 hour', decode(lpad(to_hex(n), 4, '0'), 'hex') from generate_series(1, 20) n;
  create table sink (id int, note text);
  create function warn(text) returns int language plpgsql as $$ begin raise notice 'warned: %', $1 using hint = 'none'; return 1; end $$`;

const INT4 = 23;
const TEXT = 25;
/** pg_proc: abs(int4), and upper(text). */
const ABS = 1397;
const UPPER = 871;
const tables = "select id, name, price, data, seen, raw from items";
const bye = query("rollback");
/** As many bytes as the target keeps of a name. */
const longName = "n".repeat(63);

/** Same bytes in must give the same bytes out, with or without a gateway between. Nothing here depends on a process id, a clock or an LSN. */
export const wireScripts: Readonly<Record<string, readonly Step[]>> = {
  "simple queries of many types": [
    group(query(`${tables} order by id`)),
    group(query("select null, true, 'a'::char(3), array[1,2], '1 day'::interval, 'x'::xml is document")),
  ],
  "the empty query": [group(query("")), group(query(";")), group(query("  -- nothing\n")), group(query(" ; ; "))],
  "several statements in one query": [group(query("select 1; select 2 as two; select 'three'")), group(query("select 1;; select 2;"))],
  "several statements, the second of which fails": [group(query("select 1; select 1/0; select 3")), group(query("select 'alive'"))],
  "errors of many kinds, and on": [
    group(query("selec 1")),
    group(query("select * from nowhere")),
    group(query("select 'x'::int")),
    group(query("select $1")),
    group(query("insert into items values (1, 'again')")),
    group(query("select 'alive'")),
  ],
  "bytes that are not UTF-8": [group(message("Q", "select 'a", Buffer.from([0xff, 0xfe]), "'\0")), group(query("select 'alive'"))],
  "notices and warnings": [
    group(query("select warn('one'), warn('two')")),
    group(query("do $$ begin raise warning 'careful' using errcode = '01999'; end $$")),
    group(query("rollback")),
  ],
  "a transaction that fails, and its rollback": [
    group(query("begin")),
    group(query("insert into sink values (1, 'x')")),
    group(query("savepoint a")),
    group(query("select 1/0")),
    group(query("select 'refused'")),
    group(query("rollback to a")),
    group(query("select count(*) from sink")),
    group(query("select nothing")),
    group(query("commit")),
  ],
  "reported settings": [
    group(query("set timezone to 'Asia/Tokyo'; set datestyle to 'german'")),
    group(query("select seen from items where id = 1")),
    group(query("set client_encoding to 'LATIN1'")),
    group(message("Q", "select '", Buffer.from([0xe9]), "' as e\0")),
    group(query("set standard_conforming_strings to off")),
    group(query("select 'a\\\\b'")),
    group(query("reset all")),
    group(query("select 'a\\\\b'")),
  ],
  "SQL's own prepared statements and cursors": [
    group(query("prepare p as select name from items where id = $1")),
    group(query("execute p(3); execute p(4)")),
    group(query("execute p(3, 4)")),
    group(query("deallocate p")),
    group(query("execute p(3)")),
    group(query("begin; declare c scroll cursor for select id, name from items order by id")),
    group(query("fetch 3 from c; fetch backward 1 from c; move 5 in c; fetch next from c")),
    group(query("close c; fetch next from c")),
    group(bye),
  ],
  "LISTEN, NOTIFY and UNLISTEN": [
    group(query("listen news")),
    group(query("notify news, 'hello'; notify news, 'again'")),
    group(query("unlisten news")),
    group(query("notify news, 'nobody'")),
  ],
  "extended: parse, bind, describe, execute": [
    group(parse("select id, name from items where id < $1 order by id", "", [INT4]), bind({ values: ["4"] }), describePortal(), execute(), sync),
    group(parse("select $1::text || $2", "", []), describeStatement(), bind({ values: ["a", null] }), execute(), sync),
    group(parse(""), bind(), describePortal(), execute(), sync),
    group(parse("insert into sink values (1, 'gone')"), describeStatement(), sync),
  ],
  "extended: binary parameters and results": [
    group(
      parse(`${tables} where id <= $1 order by id`, "all", [INT4]),
      bind({ statement: "all", values: [int32(3)], formats: [1], resultFormats: [1] }),
      describePortal(),
      execute(),
      bind({ statement: "all", values: ["2"], resultFormats: [0, 1, 0, 1, 0, 1] }),
      describePortal(),
      execute(),
      sync,
    ),
  ],
  "extended: named statements, used again without Describe, and closed": [
    group(parse("select name from items where id = $1", "s"), describeStatement("s"), sync),
    group(bind({ statement: "s", values: ["5"] }), execute(), sync),
    group(bind({ statement: "s", values: ["6"] }), execute(), bind({ statement: "s", values: ["7"] }), execute(), sync),
    group(parse("select 1", "s"), sync),
    group(closeStatement("s"), parse("select 'other'", "s"), bind({ statement: "s" }), execute(), sync),
    group(closeStatement("s"), closeStatement("never there"), closePortal("nor this"), sync),
    group(bind({ statement: "s" }), execute(), sync),
  ],
  "extended: a portal taken in parts": [
    group(query("begin")),
    group(parse("select id from items order by id"), bind({ portal: "p" }), execute("p", 3), execute("p", 3), sync),
    group(execute("p", 2), describePortal("p"), execute("p", 100), execute("p"), sync),
    group(closePortal("p"), execute("p"), sync),
    group(query("rollback")),
  ],
  "extended: a portal suspended outside a transaction is gone with its Sync": [
    group(parse("select id from items order by id"), bind({ portal: "p" }), execute("p", 2), sync),
    group(execute("p", 2), sync),
  ],
  "extended: Flush in the middle": [
    step("T", 1, parse("select name from items where id = $1", "f"), describeStatement("f"), flush),
    step("C", 1, bind({ statement: "f", values: ["8"] }), execute(), flush),
    step("C", 1, bind({ statement: "f", values: ["9"] }), execute(), flush),
    group(sync),
    step("1", 1, parse("select 1"), flush),
    step("2", 1, bind(), flush),
    step("T", 1, describePortal(), flush),
    step("C", 1, execute(), flush),
    group(sync),
    group(flush, flush, sync),
    step("Z", 2, sync, sync),
  ],
  "extended: an error in the middle of a group skips the rest of it": [
    group(parse("select 1", "ok"), parse("selec", "bad"), parse("select 2", "skipped"), bind({ statement: "ok" }), execute(), sync),
    group(bind({ statement: "ok" }), execute(), sync),
    group(bind({ statement: "skipped" }), execute(), sync),
    group(parse("select 1/$1::int"), bind({ values: ["1"] }), execute(), bind({ values: ["0"] }), execute(), bind({ values: ["2"] }), execute(), sync),
    group(bind({ statement: "ok", values: ["too", "many"] }), execute(), sync),
    group(parse("select 1"), bind({ portal: "x" }), bind({ portal: "x" }), sync),
    group(execute("nowhere"), sync),
    group(describeStatement("nowhere"), describeStatement("ok"), sync),
  ],
  "extended: an error, with Flush before the Sync": [
    step("E", 1, parse("selec"), flush),
    step("Z", 1, bind(), execute(), flush, sync),
    group(query("select 'alive'")),
  ],
  "extended: an implicit transaction is undone as a whole": [
    group(parse("insert into sink values (1, 'a')"), bind(), execute(), parse("select 1/0"), bind(), execute(), sync),
    group(query("select count(*) from sink")),
  ],
  "extended: transactions across groups": [
    group(parse("begin"), bind(), execute(), sync),
    group(parse("insert into sink values ($1, $2) returning *"), bind({ values: ["1", "a"] }), describePortal(), execute(), sync),
    group(parse("rollback"), bind(), execute(), sync),
  ],
  "pipelined groups": [
    step(
      "Z",
      4,
      parse("select 1"),
      bind(),
      execute(),
      sync,
      parse("select 1/0"),
      bind(),
      execute(),
      sync,
      query("select 'between'"),
      parse("select $1::int", "", [INT4]),
      bind({ values: [int32(7)], formats: [1], resultFormats: [1] }),
      execute(),
      sync,
    ),
    step("Z", 100, ...Array.from({ length: 100 }, (_, n) => [parse("select $1::text", "", [TEXT]), bind({ values: [`value ${n}`] }), execute(), sync]).flat()),
    step("Z", 100, ...Array.from({ length: 100 }, (_, n) => query(`select ${n}`))),
  ],
  "a simple query in an extended group that has no Sync": [
    step("Z", 1, parse("select 1"), bind(), execute(), query("select 2")),
    step("Z", 2, parse("select 3", "three"), query("select 4"), bind({ statement: "three" }), execute(), sync),
  ],
  "a simple query behind an error is skipped up to the Sync": [
    step("E", 1, parse("selec"), flush),
    group(query("select 'skipped'"), sync),
    group(parse("selec"), bind(), execute(), query("select 'skipped'"), sync),
    group(query("select 'alive'")),
  ],
  "COPY out as text, CSV and binary": [
    group(query("copy (select id, name, price from items order by id) to stdout")),
    group(query("copy (select id, name from items order by id limit 3) to stdout (format csv, header, force_quote *)")),
    group(query("copy items to stdout (format binary)")),
    group(query("copy (select 1/(id - 3) from items order by id) to stdout")),
    group(parse("copy sink to stdout"), bind(), describePortal(), execute(), sync),
  ],
  "COPY in, in pieces": [
    group(query("begin")),
    step("G", 1, query("copy sink from stdin")),
    group(copyData("1\tone\n2\tt"), copyData("wo\n"), copyData(""), copyData("3\t\\N\n"), copyDone),
    group(query("select * from sink order by id")),
    step("G", 1, query("copy sink from stdin (format csv); select count(*) from sink; copy sink from stdin")),
    step("G", 1, copyData("4,four\n"), copyDone),
    group(copyData("5\tfive\n"), copyDone),
    group(query("select count(*) from sink")),
    group(query("rollback")),
  ],
  "COPY in that fails": [
    step("G", 1, query("copy sink from stdin")),
    group(copyData("1\tone\n"), copyFail("changed my mind")),
    group(query("select count(*) from sink")),
    step("G", 1, query("copy sink from stdin")),
    group(copyData("not a number\tone\n"), copyData("2\ttwo\n"), copyDone),
    group(query("select count(*) from sink")),
    group(copyData("nobody asked\n"), copyDone, query("select 'alive'")),
  ],
  "COPY in by the extended protocol": [
    group(query("begin")),
    step("G", 1, parse("copy sink from stdin"), bind(), describePortal(), execute(), sync),
    group(copyData("1\tone\n"), copyData("2\ttwo\n"), copyDone, sync),
    step("G", 1, parse("copy sink from stdin"), bind(), execute(), flush),
    group(copyData("3\tthree\n"), copyDone, sync),
    group(query("select * from sink order by id")),
    step("G", 1, parse("copy sink from stdin"), bind(), execute(), sync),
    group(copyFail("no"), sync),
    group(query("rollback")),
    step("G", 1, parse("copy sink from stdin"), bind(), execute(), sync),
    group(copyData("no\tnumber\n"), copyDone, sync),
    group(query("select count(*) from sink")),
  ],
  "COPY in, all in one go": [
    step("Z", 3, query("begin"), query("copy sink from stdin"), copyData("1\tone\n"), copyDone, query("select * from sink")),
    step("Z", 2, parse("copy sink from stdin"), bind(), execute(), sync, copyData("2\ttwo\n"), copyDone, sync, query("select * from sink")),
    step("Z", 2, query("copy sink from stdin"), copyData("x\n"), copyData("y\n"), copyDone, query("select 'failed'")),
    group(query("rollback")),
    step("Z", 3, parse("copy nowhere from stdin"), bind(), execute(), sync, copyData("2\ttwo\n"), copyDone, sync, query("select 'alive'")),
    step("Z", 3, query("copy nowhere from stdin"), copyData("2\ttwo\n"), copyDone, query("select 'alive'"), sync),
  ],
  "names shared between SQL and the protocol": [
    group(query("prepare shared as select name from items where id = $1")),
    group(bind({ statement: "shared", values: ["2"] }), execute(), sync),
    group(query("begin; declare cur cursor for select id from items order by id")),
    group(execute("cur", 2), execute("cur", 2), sync),
    group(query("fetch 1 from cur; commit")),
    group(execute("cur"), sync),
    group(query("deallocate shared")),
    group(parse("select 1", "shared"), sync),
    group(query("deallocate all")),
    group(bind({ statement: "shared" }), execute(), sync),
  ],
  "names longer than the target keeps": [
    group(parse("select name from items where id = $1", `${longName}x`), describeStatement(`${longName}y`), sync),
    group(bind({ statement: `${longName}z`, portal: `${longName}1`, values: ["2"] }), describePortal(`${longName}2`), execute(`${longName}3`), sync),
    group(parse("select 1", longName), sync),
    group(query(`execute ${longName}w(3); prepare ${longName}v as select 1`)),
    group(closeStatement(`${longName}u`), parse("select 'other'", `${longName}\u00e9`), bind({ statement: longName }), execute(), sync),
    group(parse("select 'cut in a letter'", `${"n".repeat(62)}\u00e9`), bind({ statement: `${"n".repeat(62)}\u00e8` }), execute(), sync),
    group(execute(`${longName}nowhere`), sync),
    step("Z", 2, query("begin"), query(`declare ${longName}c cursor for select id from items order by id`)),
    group(execute(`${longName}d`, 2), closePortal(`${longName}e`), execute(longName), sync),
    group(bye),
  ],
  "COPY in, binary": [
    group(query("begin")),
    step("G", 1, query("copy sink (id) from stdin (format binary)")),
    group(copyData(Buffer.concat([Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), int32(0), int32(0), int16(1), int32(4), int32(77), int16(-1)])), copyDone),
    group(query("select id from sink")),
    group(query("rollback")),
  ],
  "function calls by OID": [
    group(functionCall(ABS, "-5")),
    group(functionCall(UPPER, "up")),
    group(functionCall(ABS, "x")),
    group(functionCall(99_999_999)),
    group(query("select 'alive'")),
  ],
  "data-changing statements with RETURNING": [
    group(query("begin")),
    group(query("insert into sink select id, name from items where id < 4 returning id, note")),
    group(query("update sink set note = upper(note) where id > 1 returning *")),
    group(query("with gone as (delete from sink returning id) select count(*) from gone")),
    group(query("rollback")),
  ],
  "EXPLAIN, SHOW and VALUES": [
    group(query("explain (costs off) select * from items where id = 1")),
    group(query("show search_path")),
    group(query("values (1, 'a'), (2, 'b')")),
    group(query("table sink")),
  ],
  "a wide and a long result": [
    group(query("select repeat('x', 300000), generate_series(1, 5)")),
    group(query("select g, md5(g::text) from generate_series(1, 5000) g")),
    group(query(`select ${Array.from({ length: 500 }, (_, n) => `${n} as c${n}`).join(", ")}`)),
  ],
  "a long statement and long parameters": [
    group(query(`select length('${"y".repeat(200_000)}')`)),
    group(parse("select length($1), length($2)", "", [TEXT, TEXT]), bind({ values: ["z".repeat(1_500_000), "w".repeat(100_000)] }), execute(), sync),
  ],
};
