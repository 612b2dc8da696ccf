import type { PreviewRow } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { Reply } from "./conversation.ts";
import { MAX_SAMPLE_BYTES, MAX_SAMPLE_CELL_LENGTH, MAX_SAMPLE_COLUMNS } from "./limits.ts";

/** Of a result what fits: the first columns, the beginning of each cell, and as many rows as there is room for. */
export function sampleOf(rows: Reply["rows"]): PreviewRow[] {
  const sample: PreviewRow[] = [];
  let bytes = 0;
  for (const cells of rows) {
    const row = { cells: cells.slice(0, MAX_SAMPLE_COLUMNS).map((text) => ({ text: text === null ? undefined : cut(text) })) };
    bytes += row.cells.reduce((sum, { text }) => sum + Buffer.byteLength(text ?? ""), 0);
    if (bytes > MAX_SAMPLE_BYTES) break;
    sample.push(row);
  }
  return sample;
}

function cut(text: string): string {
  const characters = Array.from(text.slice(0, 2 * MAX_SAMPLE_CELL_LENGTH));
  return characters.length <= MAX_SAMPLE_CELL_LENGTH ? text : `${characters.slice(0, MAX_SAMPLE_CELL_LENGTH - 1).join("")}…`;
}
