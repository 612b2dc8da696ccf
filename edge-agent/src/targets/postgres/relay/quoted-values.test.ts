import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hiddenValues } from "./quoted-values.ts";

type Said = Readonly<Record<string, string>>;

/** What is left of it. */
function left(said: Said, circumstances: { readonly evaluated?: boolean; readonly showsRaised?: boolean } = {}): Said {
  const hidden = hiddenValues(new Map(Object.entries(said)), { evaluated: true, showsRaised: false, ...circumstances });
  const cut = (field: string, text: string): string => {
    const span = hidden(field, text);
    return span === undefined ? text : `${text.slice(0, span.from)}…${text.slice(span.to)}`;
  };
  return Object.fromEntries(Object.entries(said).map(([field, text]) => [field, cut(field, text)]));
}

const message = (C: string, M: string, more: Said = {}): string | undefined => left({ C, M, ...more })["M"];

describe("what an error says where columns are masked", () => {
  it("is all of it where it complains about a place in the client's text", () => {
    for (const [C, M] of [
      ["42P01", 'relation "custmers" does not exist'],
      ["42703", 'column "emial" does not exist'],
      ["22P02", 'invalid input syntax for type integer: "abc"'],
    ] as const) {
      const said = { C, M, P: "15", D: 'Token "x" is invalid.', H: 'Perhaps you meant "email".' };
      assert.deepEqual(left(said), said);
    }
  });

  it("is nothing that is quoted where the place is in a text that code made", () => {
    assert.equal(message("42P01", 'relation "quokka" does not exist', { p: "15", q: "select * from quokka", W: "…" }), 'relation "…" does not exist');
    assert.deepEqual(left({ C: "42P01", M: "x", P: "1", p: "15", q: "table quokka" })["q"], "…");
  });

  it("is nothing that is quoted where the place may be in a value that is read as SQL", () => {
    const said = { C: "42601", P: "3", M: 'syntax error at or near "b"', W: 'invalid type name "a b quokka"' };
    assert.deepEqual(left(said), { ...said, M: 'syntax error at or near "…"', W: "…" });
    const made = { C: "42601", P: "50", M: 'syntax error at or near "retrun"', W: 'compilation of PL/pgSQL function "f" near line 1' };
    assert.deepEqual(left(made), made);
  });

  it("is no name that it may have from a value, of whatever class", () => {
    for (const [C, M, rest] of [
      ["42P01", 'relation "quokka" does not exist', 'relation "…" does not exist'],
      ["42704", 'unrecognized configuration parameter "quokka.x"', 'unrecognized configuration parameter "…"'],
      ["42601", "improper relation name (too many dotted names): quo.k.k.a", "improper relation name …"],
      ["42883", "operator does not exist: quokka", "operator does not exist: …"],
      ["3F000", 'schema "quokka" does not exist', 'schema "…" does not exist'],
      ["0A000", 'cross-database references are not implemented: "quok.k.a"', 'cross-database references are not implemented: "…"'],
      ["58P01", 'could not open file "quokka": No such file or directory', 'could not open file "…": No such file or directory'],
      ["34000", 'cursor "quokka" does not exist', 'cursor "…" does not exist'],
      ["XX000", "cache lookup failed for type 7731", "cache lookup failed for type …"],
      ["55000", 'currval of sequence "quokka" is not yet defined in this session', 'currval of sequence "…" is not yet defined in this session'],
      ["42P01", "la relation « quokka » n'existe pas", "la relation …"],
      ["42P01", "Relation »quokka« existiert nicht", "Relation …"],
      ["00000", 'word "quokka" is ignored', 'word "…" is ignored'],
    ] as const) {
      assert.equal(message(C, M), rest);
    }
  });

  it("loses quotes from its detail and hint, and queries from its context, too", () => {
    assert.deepEqual(
      left({
        C: "08001",
        M: "could not establish connection",
        D: 'missing "=" after "quokka" in connection info string',
        H: "Try quokka: 7731",
        W: 'SQL statement "quokka"',
      }),
      { C: "08001", M: "could not establish connection", D: 'missing "…" in connection info string', H: "Try quokka: …", W: "…" },
    );
  });

  it("keeps the row of a violated check option to itself, as that of a constraint", () => {
    const D = "Failing row contains (1, quokka).";
    assert.deepEqual(left({ C: "44000", M: 'new row violates check option for view "v"', D }), {
      C: "44000",
      M: 'new row violates check option for view "v"',
      D: "Failing row contains (…).",
    });
  });

  it("names tables and settings where nothing was evaluated, unless code of the database ran", () => {
    const said = { C: "42P01", M: 'table "custmers" does not exist' };
    assert.deepEqual(left(said, { evaluated: false }), said);
    assert.equal(left({ ...said, W: "PL/pgSQL function guard() line 3 at EXECUTE" }, { evaluated: false })["M"], 'table "…" does not exist');
    assert.equal(left({ C: "23505", M: "duplicate key", D: "Key (a)=(quokka) already exists." }, { evaluated: false })["D"], "Key (a)=(…) already exists.");
  });

  it("tells of transactions, locks and prepared statements what it always does", () => {
    for (const said of [
      { C: "26000", M: 'prepared statement "s1" does not exist' },
      { C: "55P03", M: 'could not obtain lock on row in relation "customers"' },
      {
        C: "40P01",
        M: "deadlock detected",
        D: "Process 12 waits for ShareLock on transaction 5; blocked by process 13.",
        H: "See server log for query details.",
      },
      { C: "42501", M: "permission denied for table customers" },
    ]) {
      assert.deepEqual(left(said), said);
    }
  });

  it("is nothing of what code raises in its own words, but the line that does", () => {
    const W = "PL/pgSQL function check_balance(integer) line 7 at RAISE\nSQL statement \"select 'quokka'\"";
    for (const raised of [
      { C: "P0001", R: "exec_stmt_raise" },
      { C: "42P01", R: "exec_stmt_raise", P: "" },
      { C: "40001", F: "plpy_elog.c", R: "PLy_elog_impl" },
      { C: "UE001", R: "dblink_res_error" },
      { C: "P0004", R: "exec_stmt_assert" },
    ]) {
      const said = { ...raised, M: "Ann Smith owes", D: "ann", H: "ann", W, c: "ann", n: "ann" };
      assert.deepEqual(left(said), { ...raised, M: "…", D: "…", H: "…", W: "PL/pgSQL function check_balance(integer) line 7 at RAISE\n…", c: "…", n: "…" });
      assert.equal(left(said, { evaluated: false })["M"], "…");
    }
    assert.equal(left({ C: "P0001", M: "Ann Smith owes" }, { showsRaised: true })["M"], "Ann Smith owes");
  });

  it("does not take a query for the line that raised", () => {
    for (const W of ['SQL statement "PL/pgSQL function f() line 1 at RAISE"', 'PL/pgSQL function f() line 1 at RAISE "quokka"', 'invalid type name "quokka"']) {
      assert.equal(left({ C: "42704", M: "x", W })["W"], "…");
    }
  });
});
