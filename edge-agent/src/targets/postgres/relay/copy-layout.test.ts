import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import type { CopyLayout as StatedLayout } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import fc from "fast-check";
import { CellMasker } from "../../../masking/cell-masker.ts";
import { FieldCopy } from "./copy-fields.ts";
import { readableLayout } from "./copy-layout.ts";
import { ResultTally } from "./result-tally.ts";

/** As PostgreSQL's copyto.c writes a row, whatever its options are. */
function written(row: readonly (string | null)[], { format, delimiter, quote, escape, nullText }: StatedLayout): string {
  const text = (value: string): string =>
    [...value].map((c) => (/[\b\f\n\r\t\v]/.test(c) ? `\\${"bfnrtv"["\b\f\n\r\t\v".indexOf(c)]}` : c === "\\" || c === delimiter ? `\\${c}` : c)).join("");
  const csv = (value: string): string =>
    value === nullText || [...value].some((c) => c === delimiter || c === quote || c === "\n" || c === "\r")
      ? `${quote}${[...value].map((c) => (c === quote || c === escape ? escape + c : c)).join("")}${quote}`
      : value;
  return `${row.map((value) => (value === null ? nullText : format === "csv" ? csv(value) : text(value))).join(delimiter)}\n`;
}

const stated = (more: Partial<StatedLayout>): StatedLayout => ({
  format: "text",
  delimiter: "\t",
  quote: '"',
  escape: '"',
  nullText: "\\N",
  header: false,
  ...more,
});

const marks = fc.constantFrom("|", ",", "\t", "'", '"', "\\", "\n", "\r", "x", "N", "E", ".", "\b", "\x01", ";");
const nulls = fc.constantFrom("\\N", "", "x\\", "\\", "\\\\", "N", '"', "''", "a|b", "null", "\n", "x", "SECRET-1");
const layouts = fc.record({
  format: fc.constantFrom("text", "csv"),
  delimiter: marks,
  quote: marks,
  escape: marks,
  nullText: nulls,
  header: fc.constant(false),
});
const cells = fc.oneof(
  fc.constant(null),
  nulls,
  fc.string({ unit: fc.constantFrom("|", ",", "\t", "'", '"', "\\", "\n", "\r", "x", "N", "E", ".", "a", "7"), maxLength: 5 }),
);
const secrets = fc.constantFrom(null, "SECRET-1", "SECRET|2", 'SECRET"3"', "SECRET\\", "\nSECRET,", "SECRET\r\t");
const masker = new CellMasker({ maskColumns: [{ table: "t", column: "s", kind: "full" }], detectors: [] }, { hash: randomBytes(32), token: randomBytes(32) });

describe("the layout of a COPY", () => {
  it("is used only where rows can be cut into their fields in one way: those beside a masked one come out as they were, that one never", () => {
    let used = 0;
    fc.assert(
      fc.property(layouts, fc.array(fc.tuple(cells, secrets, cells), { minLength: 1, maxLength: 5 }), (asked, rows) => {
        const layout = readableLayout(asked);
        if (layout === undefined) return;
        used++;
        const field = { label: "f", mask: undefined, hidesNull: false, typed: undefined };
        const copy = new FieldCopy([field, { ...field, mask: "full" }, field], layout, masker, new ResultTally());
        for (const row of rows) {
          const bytes = Buffer.from(written(row, asked));
          assert.ok(copy.isRow(bytes, 0, bytes.length));
          const masked = (copy.mask(bytes, 0, bytes.length) ?? bytes).toString();
          const plain = asked.format === "csv" || asked.nullText === "\\N";
          const kept = row[1] === null && plain;
          const stars = asked.format === "csv" ? `${asked.quote}****${asked.quote}` : "****";
          const [before, after] = [written([row[0]], asked).slice(0, -1), written([row[2]], asked).slice(0, -1)];
          assert.equal(masked, `${before}${asked.delimiter}${kept ? asked.nullText : stars}${asked.delimiter}${after}\n`);
        }
      }),
      { numRuns: 3_000 },
    );
    assert.ok(used > 300, `${used} layouts were used`);
  });

  it("is refused when a mark is a line break, no byte, or another mark, or when NULL holds one", () => {
    for (const mark of ["\n", "\r", "", "ab", "é", "\0"])
      for (const name of ["delimiter", "quote", "escape"]) assert.equal(readableLayout(stated({ format: "csv", nullText: "", [name]: mark })), undefined, name);
    for (const more of [{ quote: "," }, { escape: "," }, { nullText: '"' }, { nullText: "a,b" }, { nullText: "a\nb" }])
      assert.equal(readableLayout(stated({ format: "csv", delimiter: ",", nullText: "", ...more })), undefined, JSON.stringify(more));
    for (const more of [{ nullText: "x\\" }, { nullText: "\\\\N" }, { nullText: "\t" }, { delimiter: "\\" }, { delimiter: "n" }, { delimiter: "." }])
      assert.equal(readableLayout(stated(more)), undefined, JSON.stringify(more));
    assert.equal(readableLayout(stated({ format: "binary" })), undefined);
  });

  it("is used with the options of every day", () => {
    for (const more of [{}, { delimiter: "|" }, { delimiter: "\x01", nullText: "" }, { nullText: "NULL" }])
      assert.ok(readableLayout(stated(more)) !== undefined);
    for (const more of [{}, { delimiter: ";" }, { delimiter: "\t" }, { quote: "'", escape: "\\" }, { nullText: "\\N" }])
      assert.ok(readableLayout(stated({ format: "csv", delimiter: ",", nullText: "", ...more })) !== undefined);
  });
});
