import { onOneLineWith } from "@sallyport/proto/disruptive";
import { bold, type Io } from "./io.ts";

/** Wider cells are cut, with an ellipsis, so that a line stays a line. */
const MAX_CELL = 80;

/** What another system sent, on one line. */
export const printable = (text: string): string => onOneLineWith(text.replaceAll("\n", "⏎"), () => "·");

const TAB = "    ";

/** A text of somebody else, line by line, as it is: what is read is what is decided on. */
export const printableLines = (text: string): readonly string[] => text.split("\n").map((line) => printable(line.replaceAll("\t", TAB)));

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

export function writeTable(io: Io, headings: readonly string[], rows: readonly (readonly string[])[]): void {
  for (const line of table(headings, rows)) io.out(line);
}

/** Empty where there is none. */
export const instant = (at: Date | undefined): string => at?.toISOString() ?? "";

const cut = (text: string): string => ([...text].length > MAX_CELL ? `${[...text].slice(0, MAX_CELL - 1).join("")}…` : text);
