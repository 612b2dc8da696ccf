import { SallyportError } from "@sallyport/proto/errors";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import type { Spelling } from "./column-types.ts";
import type { Outbox } from "./outbox.ts";
import type { ResultTally } from "./result-tally.ts";
import type { CellAction, RowPlan } from "./row-plan.ts";

const QUOTE = Buffer.from('"');
const JSONB_VERSION = Buffer.from([1]);
const NULL_LENGTH = -1;

/**
 * DataRow
 *   byte1 'D'  int32 length  int16 columns
 *   each: int32 length (-1: NULL), bytes
 *
 * Masks one row at `from`..`to` and adds it to `out`: where it stands when no cell changes its length, otherwise anew.
 */
export function maskRow(bytes: Buffer, from: number, to: number, plan: RowPlan, masker: CellMasker, out: Outbox, tally: ResultTally): void {
  const { columns, masked } = plan;
  if (from + 7 > to || bytes.readUInt16BE(from + 5) !== columns.length) throw misfit();
  let at = from + 7;
  let size = to - from;
  let changed: Replacement[] | undefined;
  for (let i = 0; i < columns.length; i++) {
    const action = columns[i]?.action;
    if (action === undefined || at + 4 > to) throw misfit();
    const length = readInt32(bytes, at);
    const start = at + 4;
    const end = start + Math.max(length, 0);
    if (length < NULL_LENGTH || end > to) throw misfit();
    if (action.kind !== "keep" && (length !== NULL_LENGTH || (action.kind === "mask" && action.hidesNull))) {
      const cell = action.kind === "scan" ? undefined : maskCell(action, bytes, start, end, masker);
      if (cell !== undefined || masker.scan(bytes, start, end, action.kind === "scan" && action.json) > 0) masked[i] = (masked[i] ?? 0) + 1;
      if (cell?.length === length) copyShort(cell, 0, cell.length, bytes, start);
      else if (cell !== undefined) {
        changed ??= [];
        changed.push({ at, end, cell });
        size += (cell?.length ?? 0) - Math.max(length, 0);
      }
    }
    at = end;
  }
  if (at !== to) throw misfit();
  if (changed === undefined) {
    out.add(bytes, from, to);
    tally.add(bytes, from, to);
  } else rewrite(bytes, from, to, changed, size, out, tally);
}

/** A cell, its length field included, and what comes in its place. */
interface Replacement {
  readonly at: number;
  readonly end: number;
  readonly cell: Buffer | null;
}

function rewrite(source: Buffer, from: number, to: number, changed: readonly Replacement[], size: number, out: Outbox, tally: ResultTally): void {
  const { bytes, at: start } = out.room(size);
  let read = from;
  let write = start;
  for (const { at, end, cell } of changed) {
    write = copyShort(source, read, at, bytes, write);
    writeInt32(bytes, write, cell === null ? NULL_LENGTH : cell.length);
    write += 4;
    if (cell !== null) write = copyShort(cell, 0, cell.length, bytes, write);
    read = end;
  }
  write = copyShort(source, read, to, bytes, write);
  writeInt32(bytes, start + 1, size - 1);
  out.add(bytes, start, write);
  tally.add(bytes, start, write);
}

/** Calling into `Buffer.copy` costs more than this many bytes by hand. */
const SHORT_BYTES = 64;

/** Where the copy ends in the target. */
function copyShort(source: Buffer, from: number, to: number, target: Buffer, at: number): number {
  if (to - from > SHORT_BYTES) return at + source.copy(target, at, from, to);
  for (let i = from, write = at; i < to; i++, write++) target[write] = source[i] ?? 0;
  return at + to - from;
}

function maskCell(action: Exclude<CellAction, { kind: "keep" | "scan" }>, bytes: Buffer, from: number, to: number, masker: CellMasker): Buffer | null {
  if (action.kind === "erase") return null;
  if (action.kind === "typed") return action.mask(bytes.subarray(from, to));
  const { mask, spelling } = action;
  if (spelling === "plain") return mask === "full" ? masker.full : masker.render(mask, bytes.subarray(from, to));
  // A JSON value is no text to keep the end of.
  const text = masker.render(mask === "partial" || mask === "token" ? "full" : mask, bytes.subarray(spelling === "jsonb" ? from + 1 : from, to));
  return text === null ? null : spell(text, spelling);
}

function spell(text: Buffer, spelling: Exclude<Spelling, "plain">): Buffer {
  return Buffer.concat(spelling === "jsonb" ? [JSONB_VERSION, QUOTE, text, QUOTE] : [QUOTE, text, QUOTE]);
}

const readInt32 = (bytes: Buffer, at: number): number =>
  ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);

function writeInt32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

const misfit = (): SallyportError => new SallyportError("wire.malformed", "The target sent a row that does not fit its description.");
