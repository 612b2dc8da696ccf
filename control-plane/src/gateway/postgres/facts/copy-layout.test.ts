import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { createStatementAnalyser } from "./analyser.ts";
import type { CopyOutLayout } from "./analysis.ts";

const text: CopyOutLayout = { format: "text", delimiter: "\t", quote: '"', escape: '"', nullText: "\\N", header: false };
const csv: CopyOutLayout = { ...text, format: "csv", delimiter: ",", nullText: "" };

describe("the layout of COPY TO STDOUT", () => {
  const analyser = createStatementAnalyser();
  after(() => analyser.close());
  const layout = async (options: string): Promise<CopyOutLayout | undefined> =>
    (await analyser.analyse(Buffer.from(`copy t to stdout ${options}`))).copyOut?.layout;

  const cases: [string, CopyOutLayout | undefined][] = [
    ["", text],
    ["csv header", { ...csv, header: true }],
    ["with (format csv, delimiter ';', quote '''', null 'NULL')", { ...csv, delimiter: ";", quote: "'", escape: "'", nullText: "NULL" }],
    ["with (format csv, escape '\\', force_quote *, header false)", { ...csv, escape: "\\" }],
    ["(format text, delimiter '|')", { ...text, delimiter: "|" }],
    ["(format binary)", { ...text, format: "binary" }],
    ["(format csv, header 1)", { ...csv, header: true }],
    // What we do not know must not be guessed: the agent then masks every cell.
    ["(encoding 'SJIS')", undefined],
    ["(surprise on)", undefined],
  ];
  for (const [options, expected] of cases) it(options === "" ? "without options" : options, async () => assert.deepEqual(await layout(options), expected));
});
