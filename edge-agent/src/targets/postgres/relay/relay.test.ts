import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SallyportError } from "@sallyport/proto/errors";
import { OF_NOTHING } from "./lineage.fixture.ts";
import * as wire from "./messages.fixture.ts";
import { MAX_MASKED_MESSAGE_BYTES } from "./message-splitter.ts";
import { cut, CUSTOMERS, detect, mask, oblige, sizes, start } from "./relay.fixture.ts";

const resultRows = fc.array(fc.tuple(fc.option(fc.string({ unit: "binary" })), fc.constantFrom("ana@example.com", "plain", "4111 1111 1111 1111")), {
  maxLength: 8,
});

describe("a session without obligations", () => {
  it("passes every byte as it came, whatever the chunking", () => {
    fc.assert(
      fc.property(resultRows, sizes, (cells, by) => {
        const stream = Buffer.concat([
          wire.rowDescription({ name: "a" }, { name: "b" }),
          ...cells.map((row) => wire.dataRow(...row)),
          wire.complete(`SELECT ${cells.length}`),
          wire.ready,
        ]);
        const session = start(oblige({}));
        session.client(wire.query("select"));
        for (const chunk of cut(stream, by)) session.relay.fromTarget(chunk);
        assert.deepEqual(session.received(), stream);
        assert.equal(session.reports()[0]?.rows, BigInt(cells.length));
      }),
    );
  });

  it("reports rows, bytes and the digest of the rows, right after the message that ends the command", () => {
    const rows = Buffer.concat([wire.dataRow("a"), wire.dataRow("bb")]);
    const stream = Buffer.concat([wire.rowDescription({ name: "x" }), rows, wire.complete("SELECT 2"), wire.ready]);
    for (const by of [1, 7, stream.length]) {
      const session = start(oblige({}));
      session.client(wire.query("select"));
      for (const chunk of cut(stream, [by])) session.relay.fromTarget(chunk);
      const at = session.happened.findIndex(({ kind }) => kind === "report");
      const before = Buffer.concat(session.happened.slice(0, at).flatMap((one) => (one.kind === "bytes" ? [one.bytes] : [])));
      assert.equal(wire.types(before), "TDDC");
      assert.deepEqual(session.reports(), [
        { rows: 2n, bytes: BigInt(rows.length), masked: [], digest: createHash("sha256").update(rows).digest(), withheldRows: 0n },
      ]);
    }
  });

  it("passes a row that is larger than any bound in pieces, without waiting for its end", () => {
    const session = start(oblige({}));
    session.client(wire.query("select"));
    const head = Buffer.concat([Buffer.from("D"), wire.int32(900 * 1024 * 1024), wire.int16(1)]);
    session.target(head);
    assert.deepEqual(session.received(), head);
    const piece = Buffer.alloc(1 << 16);
    session.relay.fromTarget(piece);
    assert.equal(session.received().length, head.length + piece.length);
  });

  it("does not mind a conversation that it cannot follow", () => {
    const session = start(oblige({}));
    session.target(wire.bindComplete, wire.dataRow("x"), wire.complete("SELECT 1"), wire.ready);
    assert.equal(wire.types(session.received()), "2DCZ");
    assert.equal(session.relay.busy(), false);
  });
});

describe("masking the rows of a simple query", () => {
  it("masks the same for every way of cutting the stream, and keeps rows and columns", () => {
    const obligations = oblige({ ...detect, maskColumns: [mask("secret", "full")] });
    fc.assert(
      fc.property(resultRows, sizes, (cells, by) => {
        const stream = Buffer.concat([
          wire.rowDescription({ name: "secret" }, { name: "note" }),
          ...cells.map((row) => wire.dataRow(...row)),
          wire.complete(`SELECT ${cells.length}`),
          wire.ready,
        ]);
        const [whole, pieces] = [[stream.length], by].map((widths) => {
          const session = start(obligations);
          session.client(wire.query("select"));
          for (const chunk of cut(stream, widths)) session.relay.fromTarget(chunk);
          return session;
        });
        assert.deepEqual(pieces?.received(), whole?.received());
        assert.deepEqual(pieces?.reports(), whole?.reports());
        const masked = wire.texts(pieces?.received() ?? Buffer.alloc(0));
        assert.deepEqual(
          masked.map(([secret]) => secret),
          cells.map(([secret]) => (secret === null ? null : "****")),
        );
        for (const [, note] of masked) assert.ok(["***@*******.***", "plain", "**** **** **** ****"].includes(note ?? ""));
      }),
    );
  });

  it("never throws on a stream that is cut off, and lets no masked byte out early", () => {
    const stream = Buffer.concat([wire.rowDescription({ name: "email" }), wire.dataRow("ana@example.com"), wire.complete("SELECT 1"), wire.ready]);
    for (let end = 0; end <= stream.length; end++) {
      const session = start(detect);
      session.client(wire.query("select"));
      session.relay.fromTarget(Buffer.from(stream.subarray(0, end)));
      assert.ok(!session.received().includes("ana"));
    }
  });

  it("counts masked cells per column and digests what leaves, not what came", () => {
    const session = start(oblige({ maskColumns: [mask("a", "null"), mask("b", "full")] }));
    session.client(wire.query("select"));
    session.target(wire.rowDescription({ name: "a" }, { name: "b" }), wire.dataRow("x", "y"), wire.dataRow(null, "z"), wire.complete("SELECT 2"), wire.ready);
    const left = Buffer.concat([wire.dataRow(null, "****"), wire.dataRow(null, "****")]);
    assert.deepEqual(session.reports()[0]?.masked, [
      { column: "a", cells: 1n },
      { column: "b", cells: 2n },
    ]);
    assert.deepEqual(session.reports()[0]?.digest, createHash("sha256").update(left).digest());
    assert.equal(session.reports()[0]?.bytes, BigInt(left.length));
  });

  it("makes NULL of a masked value whose type cannot hold the mask, in both formats", () => {
    const session = start(oblige({ maskColumns: [mask("*", "full")] }));
    session.client(wire.query("select"));
    session.target(
      wire.rowDescription({ name: "n", type: wire.INT4 }, { name: "b", type: wire.INT4, format: 1 }, { name: "j", type: wire.JSONB, format: 1 }),
      wire.dataRow("7", wire.int32(7), Buffer.from('\x01{"a": 1}', "latin1")),
      wire.complete("SELECT 1"),
    );
    assert.deepEqual(wire.texts(session.received()), [[null, null, '\x01"****"']]);
  });

  it("masks NULL like a value where a column is computed from a masked one, for it tells of that", () => {
    const session = start(oblige({ maskColumns: [mask("email", "full", "customers")] }));
    const computed = { plain: false, sources: [{ table: "customers", column: "email" }], opaque: false };
    session.relay.expectResults({ ...OF_NOTHING, columns: [computed, { ...computed, plain: true }, computed, computed] });
    session.client(wire.query("select lower(email), email, to_jsonb(email), length(email) from customers"));
    session.target(
      wire.rowDescription({ name: "l" }, { name: "e", table: CUSTOMERS, attribute: 2 }, { name: "j", type: wire.JSONB, format: 1 }, { name: "n", type: 23 }),
      wire.dataRow(null, null, null, null),
      wire.dataRow("a", "a", null, "1"),
      wire.complete("SELECT 2"),
    );
    assert.deepEqual(wire.texts(session.received()), [
      ["****", null, '\x01"****"', null],
      ["****", "****", '\x01"****"', null],
    ]);
  });

  it("masks a column under another name by where it comes from", () => {
    const session = start(oblige({ maskColumns: [mask("email", "full", "customers")] }));
    session.client(wire.query("select email as e from customers"));
    session.target(
      wire.rowDescription({ name: "e", table: CUSTOMERS, attribute: 2 }, { name: "id", table: CUSTOMERS, attribute: 1 }),
      wire.dataRow("a@b.co", "1"),
    );
    assert.deepEqual(wire.texts(session.received()), [["****", "1"]]);
  });

  it("scans binary text, and leaves numbers alone", () => {
    const session = start(detect);
    session.client(wire.query("select"));
    session.target(wire.rowDescription({ name: "t", format: 1 }, { name: "n", type: 20 }), wire.dataRow("x 123-45-6789", "4111111111111111"));
    assert.deepEqual(wire.texts(session.received()), [["x ***-**-****", "4111111111111111"]]);
  });

  it("refuses a row that nothing described, one that does not fit, and one too large to hold", () => {
    const begin = (): ReturnType<typeof start> => {
      const session = start(detect);
      session.client(wire.query("select"));
      return session;
    };
    const code = (expected: string) => (error: unknown) => error instanceof SallyportError && error.code === expected;
    assert.throws(() => begin().target(wire.dataRow("x")), code("wire.malformed"));
    assert.throws(() => begin().target(wire.rowDescription({ name: "a" }), wire.dataRow("x", "y")), code("wire.malformed"));
    const huge = Buffer.concat([Buffer.from("D"), wire.int32(MAX_MASKED_MESSAGE_BYTES), wire.int16(1)]);
    assert.throws(() => begin().target(wire.rowDescription({ name: "a" }), huge), code("wire.too_large"));
  });

  it("passes nothing more after a failure", () => {
    const session = start(detect);
    session.client(wire.query("select"));
    assert.throws(() => session.target(wire.dataRow("x")));
    assert.throws(() => session.target(wire.ready));
    assert.equal(session.received().length, 0);
  });

  it("masks cells that errors, notices and notifications repeat", () => {
    const session = start(detect);
    session.client(wire.query("insert"));
    session.target(
      wire.notice({ S: "NOTICE", C: "00000", M: "new row ana@example.com" }),
      wire.errorResponse({ S: "ERROR", C: "23505", M: "duplicate key", D: "Key (email)=(ana@example.com) already exists." }),
      wire.message("A", wire.int32(7), "channel\0call +49 30 1234567\0"),
      wire.ready,
    );
    const text = session.received().toString();
    assert.ok(text.includes("Key (email)=(***@*******.***) already exists."));
    assert.ok(text.includes("new row ***@*******.***") && text.includes("call +** ** *******"));
    assert.deepEqual(session.reports()[0]?.masked, [{ column: "(message)", cells: 2n }]);
  });

  it("leaves out what the server says of its own work where what is computed from columns is masked", () => {
    for (const showComputed of [false, true]) {
      const session = start(oblige({ maskColumns: [mask("salary", "null")], showComputed }));
      session.client(wire.query("select"));
      session.target(
        wire.notice({ S: "PROTOKOLL", V: "LOG", C: "00000", M: "begin tuple sort: nkeys = 1" }),
        wire.notice({ S: "DEBUG", V: "DEBUG", C: "00000", M: "rehashing catalog cache" }),
        wire.notice({ S: "INFO", V: "INFO", C: "00000", M: "vacuuming" }),
        wire.ready,
      );
      const text = session.received().toString();
      assert.ok(text.includes("vacuuming"));
      assert.deepEqual([text.includes("tuple sort"), text.includes("rehashing")], [showComputed, showComputed]);
    }
  });

  it("masks what an error quotes of the data when columns are masked", () => {
    const session = start(oblige({ maskColumns: [mask("salary", "null")] }));
    session.client(wire.query("update"));
    session.target(wire.errorResponse({ S: "ERROR", C: "23514", M: 'violates check "c"', D: "Failing row contains (1, 90000)." }), wire.ready);
    session.client(wire.query("insert"));
    session.target(
      wire.errorResponse({ S: "ERROR", C: "23505", M: "duplicate key", D: "Key (salary)=(9 (x) 1) already exists.", W: "COPY t, line 4711" }),
      wire.ready,
    );
    session.client(wire.query("select"));
    session.target(wire.errorResponse({ S: "ERROR", C: "22P02", M: 'invalid input syntax for type integer: "90000x"' }), wire.ready);
    const text = session.received().toString();
    assert.ok(text.includes("Key (salary)=(****) already exists.") && !text.includes("4711"));
    assert.ok(text.includes("Failing row contains (****).") && text.includes('violates check "c"') && text.includes('type integer: "****"'));
  });

  it("leaves nothing of a complaint about data but how it begins, wherever it quotes a value", () => {
    const session = start(oblige({ maskColumns: [mask("email", "full")] }));
    const said = (fields: Readonly<Record<string, string>>): string => {
      session.client(wire.query("select"));
      session.target(wire.errorResponse({ S: "ERROR", V: "ERROR", ...fields, s: "public", R: "parse_error" }), wire.ready);
      const [error] = wire
        .messages(session.received())
        .filter(({ type }) => type === "E")
        .slice(-1);
      return error?.payload.toString().replaceAll("\0", "|") ?? "";
    };
    assert.equal(
      said({ C: "22P02", M: "invalid input syntax for type json", D: 'Token "ann" is invalid.', W: "JSON data, line 1: ann...", H: "ann?", q: "select 'ann'" }),
      "SERROR|VERROR|C22P02|Minvalid input syntax for type json|D****|W****|H****|q****|spublic|Rparse_error||",
    );
    assert.match(said({ C: "2200N", M: "invalid XML content", D: "line 1: chunk is not well balanced\nAnn Smith (home)\n^" }), /\|D\*{4}\|s/);
    assert.match(said({ C: "22021", M: 'invalid byte sequence for encoding "UTF8": 0x80' }), /encoding "\*{4}\|/);
    assert.match(said({ C: "22P05", M: 'character with byte sequence 0xc3 0xbc in encoding "UTF8" has no equivalent' }), /byte sequence \*{4}\|/);
    assert.match(said({ C: "22003", M: 'value "90000" is out of range for type integer' }), /value "\*{4}" is out of range for type integer\|/);
    assert.match(said({ C: "54000", M: "requested character too large for encoding: 90000" }), /encoding: \*{4}\|/);
    assert.match(said({ C: "42P01", M: 'relation "ann" does not exist' }), /relation "\*{4}" does not exist\|s/);
    assert.match(said({ C: "42P01", P: "15", M: 'relation "nope" does not exist', H: "Perhaps (1) you meant that." }), /"nope" does not exist\|HPerhaps \(1\)/);
  });

  it("lets errors name what they like where nothing is evaluated: by the text, or in answer to Parse", () => {
    const session = start(oblige({ maskColumns: [mask("email", "full")] }));
    const nope = wire.errorResponse({ S: "ERROR", C: "42P01", M: 'table "nope" does not exist' });
    session.client(Buffer.concat([wire.parse(), wire.sync]));
    session.target(nope, wire.ready);
    assert.ok(session.received().includes('table "nope"'));
    session.client(wire.query("drop table nope"));
    session.target(nope, wire.ready);
    assert.ok(session.received().includes('table "****"'));
    session.relay.expectResults({ ...OF_NOTHING, evaluatesNothing: true });
    session.client(wire.query("drop table other"));
    session.target(wire.errorResponse({ S: "ERROR", C: "42P01", M: 'table "other" does not exist' }), wire.ready);
    assert.ok(session.received().includes('table "other"'));
  });

  it("finds the values in the languages that servers speak", () => {
    const session = start(oblige({ maskColumns: [mask("email", "full")] }));
    for (const said of [
      "la syntaxe en entrée est invalide pour le type integer : « ann »",
      "la sintaxis de entrada no es válida para tipo integer: «ann»",
      "ungültige Eingabesyntax für Typ integer: »ann«",
      'неверный синтаксис для типа integer: "ann"',
      "nieprawidłowa składnia wejścia dla typu integer: „ann”",
      "invalid for integer: ‘ann’",
    ]) {
      session.client(wire.query("select"));
      session.target(wire.errorResponse({ S: "FEHLER", V: "ERROR", C: "22P02", M: said, R: "parse_error" }), wire.ready);
      const text = session.received().toString();
      assert.doesNotMatch(text, /ann/);
      assert.ok(text.isWellFormed());
    }
  });

  it("leaves nothing of what a notification says when any column is masked", () => {
    const session = start(oblige({ maskColumns: [mask("email", "full")] }));
    session.target(wire.message("A", wire.int32(7), 'changes\0{"name":"Ann Smith","salary":91234}\0'), wire.message("A", wire.int32(7), "changes\0\0"));
    assert.deepEqual(session.received(), Buffer.concat([wire.message("A", wire.int32(7), "changes\0****\0"), wire.message("A", wire.int32(7), "changes\0\0")]));
  });

  it("makes NULL of a function's result when any column is masked", () => {
    const session = start(oblige({ maskColumns: [mask("email", "full")] }));
    session.client(wire.message("F", wire.int32(1)));
    session.target(wire.message("V", wire.int32(3), "abc"), wire.ready);
    assert.deepEqual(session.received(), Buffer.concat([wire.message("V", wire.int32(-1)), wire.ready]));
  });
});

describe("changing obligations", () => {
  it("is refused while the target is at work, and holds from the next command on", () => {
    const session = start(oblige({}));
    session.client(wire.query("select"));
    assert.equal(session.relay.busy(), true);
    assert.throws(() => session.relay.setObligations(detect));
    session.target(wire.rowDescription({ name: "a" }), wire.dataRow("ana@example.com"), wire.complete("SELECT 1"), wire.ready);
    assert.equal(session.relay.busy(), false);
    session.relay.setObligations(detect);
    session.client(wire.query("select"));
    session.target(wire.rowDescription({ name: "a" }), wire.dataRow("ana@example.com"), wire.complete("SELECT 1"), wire.ready);
    assert.deepEqual(wire.texts(session.received()), [["ana@example.com"], ["***@*******.***"]]);
  });

  it("is refused when it names a mask or a detector that the agent does not know", () => {
    const invalid = (error: unknown) => error instanceof SallyportError && error.code === "policy.invalid";
    assert.throws(() => start(oblige({ detectors: ["passport"] })), invalid);
    assert.throws(() => start(oblige({ maskColumns: [mask("a", "blur")] })), invalid);
  });
});
