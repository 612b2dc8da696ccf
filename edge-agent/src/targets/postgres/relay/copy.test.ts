import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Obligations } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { computedFrom } from "../../../masking/lineage.ts";
import { type CopyColumns, type CopyLayout, CSV_LAYOUT, TEXT_LAYOUT } from "./copy-layout.ts";
import { catalogueOf, knowsAll, OF_NOTHING, ofColumn } from "./lineage.fixture.ts";
import * as wire from "./messages.fixture.ts";
import { PostgresRelay } from "./relay.ts";

const email = (kind: string): Partial<Obligations> => ({ maskColumns: [{ column: "email", table: "customers", kind }] });
const detect: Partial<Obligations> = { detectors: ["email", "card"] };
const columns: CopyColumns = ["id", "email", "note"].map((column) => ({ label: column, typeOid: wire.TEXT, lineage: ofColumn("customers", column) }));

interface Copied {
  readonly bytes: Buffer;
  readonly text: string;
  readonly masked: Readonly<Record<string, bigint>>;
  readonly rows: bigint;
  readonly withheld: bigint;
}

/** One COPY OUT; `known` is what the gateway found out about it. */
function copy(obligations: Partial<Obligations>, stream: readonly Buffer[], known?: { columns: CopyColumns; layout?: CopyLayout }, by = 1 << 20): Copied {
  const received: Buffer[] = [];
  let result: Omit<Copied, "bytes" | "text"> | undefined;
  const relay = new PostgresRelay({
    obligations: { maskColumns: [], detectors: [], rowCap: 0n, ...obligations },
    catalogue: catalogueOf({}),
    ...knowsAll,
    maskKeys: { hash: randomBytes(32), token: randomBytes(32) },
    executes: () => {},
    toTarget: () => {},
    toClient: (bytes) => void received.push(Buffer.from(bytes)),
    report: ({ rows, withheldRows, masked }) => {
      result = { rows, withheld: withheldRows, masked: Object.fromEntries(masked.map(({ column, cells }) => [column, cells])) };
    },
  });
  relay.expectResults(OF_NOTHING);
  if (known !== undefined) relay.expectCopyColumns(known.columns, known.layout);
  relay.fromClient(wire.query("copy"));
  const bytes = Buffer.concat(stream);
  for (let at = 0; at < bytes.length; at += by) relay.fromTarget(Buffer.from(bytes.subarray(at, at + by)));
  assert.ok(result);
  const all = Buffer.concat(received);
  const payloads = wire.messages(all).filter(({ type }) => type === "d");
  return { ...result, bytes: all, text: Buffer.concat(payloads.map(({ payload }) => payload)).toString() };
}

const textCopy = (...lines: readonly string[]): Buffer[] => [
  wire.copyOut(3),
  ...lines.map((line) => wire.copyData(line)),
  wire.copyDone,
  wire.complete(`COPY ${lines.length}`),
  wire.ready,
];

describe("COPY OUT as text", () => {
  it("passes byte for byte without obligations", () => {
    const stream = textCopy("1\tana@example.com\tx\n");
    const { bytes, rows } = copy({}, stream, undefined, 3);
    assert.deepEqual(bytes, Buffer.concat(stream));
    assert.equal(rows, 1n);
  });

  it("is scanned by detectors, line breaks of values included", () => {
    const { text, masked } = copy(detect, textCopy("1\tana@example.com\\nbo@example.com\tx\n", "2\t\\N\tcard:\\n4111111111111111\n"));
    assert.equal(text, "1\t***@*******.***\\n**@*******.***\tx\n2\t\\N\tcard:\\n****************\n");
    assert.deepEqual(masked, { "(copy)": 2n });
  });

  it("has the masked column replaced when columns and layout are known", () => {
    const known = { columns, layout: TEXT_LAYOUT };
    assert.equal(copy(email("full"), textCopy("1\ta\\tb\tx\n", "2\t\\N\t\\N\n"), known).text, "1\t****\tx\n2\t\\N\t\\N\n");
    assert.equal(copy(email("null"), textCopy("1\ta\tx\n"), known).text, "1\t\\N\tx\n");
    assert.equal(copy(email("partial"), textCopy("1\tabcdefghijklmno\\t\tx\n"), known).text, "1\t************mno\\t\tx\n");
  });

  it("has NULL masked like a value where the column is computed from a masked one, and kept where it is that one", () => {
    const computed: CopyColumns = [...columns.slice(0, 2), { label: "loud", typeOid: 25, lineage: computedFrom(ofColumn("customers", "email")) }];
    const stream = textCopy("1\ta\tA\n", "2\t\\N\t\\N\n");
    assert.equal(copy(email("full"), stream, { columns: computed, layout: TEXT_LAYOUT }).text, "1\t****\t****\n2\t\\N\t****\n");
    assert.equal(copy(email("null"), stream, { columns: computed, layout: TEXT_LAYOUT }).text, "1\t\\N\t\\N\n2\t\\N\t\\N\n");
    assert.equal(copy(email("full"), textCopy("2,,\n"), { columns: computed, layout: CSV_LAYOUT }).text, '2,,"****"\n');
  });

  it("loses every cell when a column is masked and nothing is known, or columns do not fit", () => {
    const stream = textCopy("1\tana@example.com\tna\\\\me é\n", "2\t\\N\t\\\\N\n");
    const expected = "****\t****\t****\n".repeat(2);
    assert.equal(copy(email("full"), stream).text, expected);
    assert.equal(copy(email("full"), stream, { columns: "unknown", layout: TEXT_LAYOUT }).masked["(copy)"], 6n);
    assert.equal(copy(email("full"), stream, { columns: columns.slice(1), layout: TEXT_LAYOUT }).text.includes("2"), false);
    assert.equal(copy(email("full"), stream, { columns }).text, expected);
  });

  it("passes unmasked columns of a known COPY, and forgets what was known with the next one", () => {
    const other = {
      columns: ["id", "email", "note"].map((column) => ({ label: column, typeOid: wire.TEXT, lineage: ofColumn("orders", column) })),
    };
    assert.equal(copy(email("full"), textCopy("1\ta\tx\n"), other).text, "1\ta\tx\n");
  });

  it("masks the same however messages are spread over chunks", () => {
    const cell = fc.constantFrom("ana@example.com", "plain", "\\N", "tab\\there", "back\\\\slash", "");
    const lines = fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 50 }), (cells, by) => {
        const stream = textCopy(...cells.map((row) => `${row.join("\t")}\n`));
        const obligations = { ...detect, ...email("full") };
        const known = { columns, layout: TEXT_LAYOUT };
        const [whole, pieces] = [copy(obligations, stream, known), copy(obligations, stream, known, by)];
        assert.deepEqual([pieces.text, pieces.rows, pieces.masked], [whole.text, whole.rows, whole.masked]);
        assert.ok(!whole.text.includes("ana@"));
      }),
    );
  });

  it("shows no masked cell however rows are spread over messages", () => {
    const lines = fc.array(fc.tuple(fc.constantFrom("1", "one\\ttwo", "\\N", ""), fc.constantFrom("x", "\\\\", "")), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 50 }), fc.boolean(), (cells, spread, header) => {
        const joined = Buffer.from(cells.map(([id, note]) => `${id}\tSECRET\t${note}\n`).join(""));
        const scattered: Buffer[] = header ? [Buffer.from("id\temail\tnote\n")] : [];
        for (let at = 0; at < joined.length; at += spread) scattered.push(joined.subarray(at, at + spread));
        const { text } = copy(email("full"), [wire.copyOut(3), ...scattered.map(wire.copyData), wire.copyDone, wire.complete("COPY 1"), wire.ready], {
          columns,
          layout: { ...TEXT_LAYOUT, header },
        });
        assert.doesNotMatch(text, /[SECRT]/);
      }),
    );
  });

  it("loses every cell from the first message on that is not one row of so many fields", () => {
    const known = { columns, layout: TEXT_LAYOUT };
    for (const odd of ["1\ta\n", "1\ta\tx\ty\n", "1\ta\tx", "1\ta\tx\n1\ta\tx\n", "1\ta\tx\\\n"]) {
      const { text } = copy(email("full"), textCopy("1\ta\tx\n", odd, "2\tb\ty\n"), known);
      assert.equal(text, `1\t****\tx\n${"****\t****\t****\n".repeat(2)}`);
    }
  });

  it("is cut at the row cap, with notice and tag", () => {
    const { text, bytes, rows, withheld } = copy({ rowCap: 1n }, textCopy("1\ta\tb\n", "2\ta\tb\n"));
    assert.equal(text, "1\ta\tb\n");
    assert.equal(wire.types(bytes), "HdcNCZ");
    assert.ok(bytes.includes(wire.complete("COPY 1")));
    assert.deepEqual([rows, withheld], [1n, 1n]);
  });
});

describe("COPY OUT as CSV", () => {
  const layout = { ...CSV_LAYOUT, header: true };

  it("has the masked column replaced, quotes and line breaks in values understood, header kept", () => {
    const stream = textCopy("id,email,note\n", '1,"a,""b""\n@c",x\n', "2,,\n");
    assert.equal(copy(email("full"), stream, { columns, layout }).text, 'id,email,note\n1,"****",x\n2,,\n');
    assert.equal(copy(email("null"), stream, { columns, layout }).text, "id,email,note\n1,,x\n2,,\n");
  });

  it("does not count the header against the cap", () => {
    const stream = [
      wire.copyOut(3),
      ...["id,email,note\n", "1,a,b\n", "2,a,b\n"].map((line) => wire.copyData(line)),
      wire.copyDone,
      wire.complete("COPY 2"),
      wire.ready,
    ];
    const { text, rows } = copy({ ...email("full"), rowCap: 1n }, stream, { columns, layout });
    assert.equal(text, 'id,email,note\n1,"****",b\n');
    assert.equal(rows, 1n);
  });
});

describe("COPY OUT as binary", () => {
  const head = Buffer.concat([Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), wire.int32(0), wire.int32(0)]);
  const tuple = (...cells: readonly wire.Cell[]): Buffer =>
    Buffer.concat([
      wire.int16(cells.length),
      ...cells.flatMap((cell) => (cell === null ? [wire.int32(-1)] : [wire.int32(Buffer.from(cell).length), Buffer.from(cell)])),
    ]);
  const stream = (...payloads: readonly Buffer[]): Buffer[] => [
    wire.copyOut(3, 1),
    ...payloads.map((payload) => wire.copyData(payload)),
    wire.copyDone,
    wire.complete("COPY 2"),
    wire.ready,
  ];
  const trailer = wire.int16(-1);
  const whole = stream(Buffer.concat([head, tuple(wire.int32(1), "ana@example.com", "x")]), tuple(wire.int32(2), null, "bo@example.com"), trailer);
  const payload = (bytes: Buffer): Buffer =>
    Buffer.concat(
      wire
        .messages(bytes)
        .filter(({ type }) => type === "d")
        .map((one) => one.payload),
    );

  it("has masked columns made NULL and the others scanned", () => {
    const { bytes, rows } = copy({ ...detect, ...email("full") }, whole, { columns });
    assert.deepEqual(payload(bytes), Buffer.concat([head, tuple(wire.int32(1), null, "x"), tuple(wire.int32(2), null, "**@*******.***"), trailer]));
    assert.equal(rows, 2n);
  });

  it("has every cell made NULL when the columns are not known", () => {
    assert.deepEqual(payload(copy(email("full"), whole).bytes), Buffer.concat([head, tuple(null, null, null), tuple(null, null, null), trailer]));
  });

  it("keeps its trailer at the row cap, however it is cut", () => {
    const all = Buffer.concat([head, tuple("a", "b", "c"), tuple("d", "e", "f"), trailer]);
    for (const size of [1, 5, 30, 100]) {
      const parts = Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.subarray(i * size, (i + 1) * size));
      const { bytes, withheld } = copy({ rowCap: 1n }, stream(...parts), undefined, size);
      assert.deepEqual(payload(bytes), Buffer.concat([head, tuple("a", "b", "c"), trailer]));
      assert.equal(withheld, 1n);
    }
  });
});
