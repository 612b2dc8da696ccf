import { SallyportError } from "@sallyport/proto/errors";
import { encodeFrame, FRAME_HEADER_BYTES } from "@sallyport/proto/wire/postgres/frames";
import type { CellMasker } from "../../../masking/cell-masker.ts";
import { FULL_MASK } from "../../../masking/mask-value.ts";
import type { Outbox } from "./outbox.ts";
import { type Fields, hiddenValues, isFixed } from "./quoted-values.ts";
import type { ResultTally } from "./result-tally.ts";

/** Under this name the texts are counted that stand in no column. */
export const DIAGNOSTICS = "(message)";

interface Field {
  readonly letter: string;
  readonly start: number;
  readonly end: number;
}

/**
 * ErrorResponse, NoticeResponse
 *   byte1 'E' or 'N'  int32 length  each: byte1 field, string  byte1 0
 *
 * Both repeat cells: `Key (email)=(…) already exists`, RAISE NOTICE. Detectors run over every text; where columns are masked, what may be a
 * value goes too, with its length. `evaluated`: expressions may have been, by whatever it answers.
 */
export function maskDiagnostic(bytes: Buffer, from: number, to: number, evaluated: boolean, masker: CellMasker, out: Outbox, tally: ResultTally): void {
  const fields = fieldsOf(bytes, from + FRAME_HEADER_BYTES, to);
  const textOf = ({ start, end }: Field): string => bytes.toString("latin1", start, end);
  const hidden = masker.hasColumnRules
    ? hiddenValues(new Map(fields.map((field) => [field.letter, textOf(field)])), { evaluated, showsRaised: masker.showsComputed })
    : undefined;
  const parts: Buffer[] = [];
  let kept = from + FRAME_HEADER_BYTES;
  for (const field of fields) {
    if (isFixed(field.letter)) continue;
    const values = hidden?.(field.letter, textOf(field));
    if (values !== undefined) {
      parts.push(bytes.subarray(kept, field.start + values.from), FULL_MASK);
      kept = field.start + values.to;
    }
    if (masker.scan(bytes, field.start, field.end) > 0 || values !== undefined) tally.mask(DIAGNOSTICS, 1);
  }
  if (parts.length === 0) return out.add(bytes, from, to);
  const message = encodeFrame(bytes[from] ?? 0, Buffer.concat([...parts, bytes.subarray(kept, to)]));
  out.add(message, 0, message.length);
}

const INNER: ReadonlySet<string> = new Set(["LOG", "DEBUG"]);

/**
 * What the server tells of its own work, which only a client gets that lowers `client_min_messages`: with `trace_sort` how many messages there
 * are shows how wide the sorted values are. Nothing is left of it where computed values are masked.
 */
export function tellsOfWork(bytes: Buffer, from: number, to: number, { hasColumnRules, showsComputed }: CellMasker): boolean {
  if (!hasColumnRules || showsComputed) return false;
  const severity = fieldsOf(bytes, from + FRAME_HEADER_BYTES, to).find(({ letter }) => letter === "V");
  return severity !== undefined && INNER.has(bytes.toString("latin1", severity.start, severity.end));
}

function fieldsOf(bytes: Buffer, from: number, to: number): readonly Field[] {
  const fields: Field[] = [];
  for (let at = from; at < to && bytes[at] !== 0;) {
    const start = at + 1;
    const end = bytes.indexOf(0, start);
    if (end < 0 || end >= to) throw new SallyportError("wire.malformed", "The target sent an error or notice that is malformed.");
    fields.push({ letter: String.fromCharCode(bytes[at] ?? 0), start, end });
    at = end + 1;
  }
  return fields;
}

/** What is left of a message where no value may show, whatever was evaluated. */
export function withoutValues(fields: Fields): string {
  const message = fields.get("M") ?? "";
  const values = hiddenValues(fields, { evaluated: true, showsRaised: false })("M", message);
  return values === undefined ? message : `${message.slice(0, values.from)}${FULL_MASK.toString()}${message.slice(values.to)}`;
}
