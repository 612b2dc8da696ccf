import { stripVTControlCharacters } from "node:util";
import { bold } from "./io.ts";

/** Wider cells are cut, with an ellipsis, so that a line stays a line. */
const MAX_CELL = 80;

// What another system sent must not move the cursor or colour the terminal.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

export const printable = (text: string): string => stripVTControlCharacters(text).replaceAll("\n", "⏎").replaceAll(CONTROL, "·");

/** Columns under bold headings, two spaces apart. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => cut(printable(cell))));
  const widths = headings.map((heading, column) => Math.max(heading.length, ...cells.map((row) => [...(row[column] ?? "")].length)));
  const line = (row: readonly string[], paint: (text: string) => string): string =>
    row
      .map((cell, column) => paint(cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [line(headings, bold), ...cells.map((row) => line(row, (text) => text))];
}

const cut = (text: string): string => ([...text].length > MAX_CELL ? `${[...text].slice(0, MAX_CELL - 1).join("")}…` : text);
