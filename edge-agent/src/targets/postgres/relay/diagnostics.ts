import { SallyportError } from "@sallyport/proto/errors";
import { FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import type { CellMasker } from "../../../masking/cell-masker.ts";

const code = (letter: string): number => letter.charCodeAt(0);
/** Fields that the server itself makes up: severity, SQLSTATE, positions, and where in its source. */
const FIXED: ReadonlySet<number> = new Set([..."SVCPpFLR"].map(code));
const DETAIL = code("D");
const MESSAGE = code("M");
const SQLSTATE = code("C");
/** Data exceptions quote the value in their message, violated constraints have it in their detail. */
const DATA_EXCEPTION = "22";
const CONSTRAINT_VIOLATION = "23";

/**
 * ErrorResponse, NoticeResponse
 *   byte1 'E' or 'N'  int32 length  each: byte1 field, string  byte1 0
 *
 * Both repeat cells: `Key (email)=(…) already exists`, RAISE NOTICE. Detectors run over every text; where columns are masked, what a
 * complaint about data quotes goes too (its detail, and what stands in quotes). All in place; returns how many texts changed.
 */
export function maskDiagnostic(bytes: Buffer, from: number, to: number, masker: CellMasker): number {
  let masked = 0;
  let sqlstateClass = "";
  let at = from + FRAME_HEADER_BYTES;
  while (at < to && bytes[at] !== 0) {
    const field = bytes[at] ?? 0;
    const start = at + 1;
    const end = bytes.indexOf(0, start);
    if (end < 0 || end >= to) throw new SallyportError("wire.malformed", "The target sent an error or notice that is malformed.");
    at = end + 1;
    if (field === SQLSTATE) sqlstateClass = bytes.toString("latin1", start, start + 2);
    if (FIXED.has(field)) continue;
    const quotes = masker.hasColumnRules && quotesValues(field, sqlstateClass);
    const changed = quotes && obliterateValues(bytes, start, end, field === DETAIL, masker);
    if (masker.scan(bytes, start, end) > 0 || changed) masked++;
  }
  return masked;
}

const quotesValues = (field: number, sqlstateClass: string): boolean =>
  (field === MESSAGE && sqlstateClass === DATA_EXCEPTION) || (field === DETAIL && (sqlstateClass === DATA_EXCEPTION || sqlstateClass === CONSTRAINT_VIOLATION));

/**
 * Of a detail goes what is in brackets (`Key (email)=(…)` keeps the names of its columns, `Failing row contains (…)` nothing), of a
 * message what is in quotes; from the first mark to the last, as the values may hold marks of their own. A detail without any goes whole.
 */
function obliterateValues(bytes: Buffer, from: number, to: number, isDetail: boolean, masker: CellMasker): boolean {
  const text = bytes.toString("latin1", from, to);
  const first = isDetail ? Math.max(text.indexOf(")=(") + 1, text.indexOf("("), 0) : text.indexOf('"');
  const last = text.lastIndexOf(isDetail ? ")" : '"');
  if (first < 0) return false;
  masker.obliterate(bytes, from + first, last > first ? from + last : to);
  return text !== bytes.toString("latin1", from, to);
}

/** NotificationResponse: byte1 'A'  int32 length  int32 pid  string channel  string payload. */
export function maskNotification(bytes: Buffer, from: number, to: number, masker: CellMasker): number {
  const channelEnd = bytes.indexOf(0, from + FRAME_HEADER_BYTES + 4);
  if (channelEnd < 0 || channelEnd + 1 >= to) throw new SallyportError("wire.malformed", "The target sent a notification that is malformed.");
  return masker.scan(bytes, channelEnd + 1, to - 1);
}
