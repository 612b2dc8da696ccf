import { SallyportError } from "@sallyport/proto/errors";
import { encodeFrame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import { FULL_MASK } from "../../../masking/mask-value.ts";
import type { Outbox } from "./outbox.ts";
import type { ResultTally } from "./result-tally.ts";

const code = (letter: string): number => letter.charCodeAt(0);
/** Fields that the server itself makes up: severity, SQLSTATE, positions, and where in its source. */
const FIXED: ReadonlySet<number> = new Set([..."SVCPpFLR"].map(code));
const SQLSTATE = code("C");
const MESSAGE = code("M");
const DETAIL = code("D");
const CONTEXT = code("W");
/** Where the values of a complaint about data stand: detail, context, hint, and the text of a query inside of a function. */
const BESIDE_THE_MESSAGE: ReadonlySet<number> = new Set([..."DWHq"].map(code));
/** Data exceptions quote values anywhere, also without quotes; `chr` does so in exceeding a limit. */
const DATA_CLASSES: ReadonlySet<string> = new Set(["22", "54"]);
const CONSTRAINT_VIOLATION = "23";
/** Under this name the texts are counted that stand in no column. */
export const DIAGNOSTICS = "(message)";

/**
 * ErrorResponse, NoticeResponse
 *   byte1 'E' or 'N'  int32 length  each: byte1 field, string  byte1 0
 *
 * Both repeat cells: `Key (email)=(…) already exists`, RAISE NOTICE. Detectors run over every text; where columns are masked, what a
 * complaint about data may quote goes too, with its length.
 */
export function maskDiagnostic(bytes: Buffer, from: number, to: number, masker: CellMasker, out: Outbox, tally: ResultTally): void {
  const parts: Buffer[] = [];
  let sqlstateClass = "";
  let kept = from + FRAME_HEADER_BYTES;
  let at = kept;
  while (at < to && bytes[at] !== 0) {
    const field = bytes[at] ?? 0;
    const start = at + 1;
    const end = bytes.indexOf(0, start);
    if (end < 0 || end >= to) throw new SallyportError("wire.malformed", "The target sent an error or notice that is malformed.");
    at = end + 1;
    if (field === SQLSTATE) sqlstateClass = bytes.toString("latin1", start, start + 2);
    if (FIXED.has(field)) continue;
    const values = masker.hasColumnRules ? valuesIn(bytes.toString("latin1", start, end), field, sqlstateClass) : undefined;
    if (values !== undefined) {
      parts.push(bytes.subarray(kept, start + values.from), FULL_MASK);
      kept = start + values.to;
    }
    if (masker.scan(bytes, start, end) > 0 || values !== undefined) tally.mask(DIAGNOSTICS, 1);
  }
  if (parts.length === 0) return out.add(bytes, from, to);
  const message = encodeFrame(bytes[from] ?? 0, Buffer.concat([...parts, bytes.subarray(kept, to)]));
  out.add(message, 0, message.length);
}

/**
 * What is left of a message where no value may show. What complains about a place in the text quotes only that; `secret::regclass` complains
 * of a name that stands nowhere in it. A constraint is named by a message, and values by its detail.
 */
export function withoutValues(fields: ReadonlyMap<string, string>): string {
  const message = fields.get("M") ?? "";
  const sqlstateClass = (fields.get("C") ?? "").slice(0, 2);
  const may = DATA_CLASSES.has(sqlstateClass) || (sqlstateClass !== CONSTRAINT_VIOLATION && !fields.has("P"));
  const values = may ? quotedIn(message) : undefined;
  return values === undefined ? message : `${message.slice(0, values.from)}${FULL_MASK.toString()}${message.slice(values.to)}`;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** The part of a field that may hold values: from the first of their marks to the last, as values may hold marks of their own. */
function valuesIn(text: string, field: number, sqlstateClass: string): Span | undefined {
  if (DATA_CLASSES.has(sqlstateClass)) {
    if (BESIDE_THE_MESSAGE.has(field)) return { from: 0, to: text.length };
    return field === MESSAGE ? quotedIn(text) : undefined;
  }
  if (sqlstateClass !== CONSTRAINT_VIOLATION) return undefined;
  // `COPY customers, line 4711` tells which of the values that were sent is there already.
  return field === CONTEXT ? { from: 0, to: text.length } : field === DETAIL ? bracketedIn(text) : undefined;
}

/**
 * What the message says before the first quote or digit is the server's own, and what it ends with where that is behind a quote. In other
 * languages than English (`lc_messages`) quotes are other letters, so that any letter beyond ASCII may be one.
 */
function quotedIn(text: string): Span | undefined {
  const first = text.search(/["\d]|[^\0-\u007f]/);
  if (first < 0) return undefined;
  const last = text.lastIndexOf('"');
  const ending = text[first] === '"' && last > first && !/\d/.test(text.slice(last)) ? last : text.length;
  return { from: text[first] === '"' ? first + 1 : first, to: ending };
}

/** `Key (email)=(…)` keeps the names of its columns, `Failing row contains (…)` nothing. A detail without brackets goes whole. */
function bracketedIn(text: string): Span {
  const key = text.indexOf(")=(");
  const first = key < 0 ? text.indexOf("(") + 1 : key + 3;
  const last = text.lastIndexOf(")");
  return { from: first, to: last < first ? text.length : last };
}
