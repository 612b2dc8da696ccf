import { isUtf8 } from "node:buffer";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import type { AnswerMessage } from "./answer-messages.ts";
import { bold, dim, tone } from "./io.ts";
import { printable } from "./table.ts";

/** A cell is shown up to here, so that a row stays a line or two. */
export const MAX_SHOWN_CELL = 120;
const MAX_SHOWN_BINARY_BYTES = 32;

export interface AnswerLine {
  readonly text: string;
  /** Not only what stands around the rows. */
  readonly content: boolean;
}

/** One message of a target's answer as a line for people; none for those that tell nothing. */
export function answerLines(message: AnswerMessage): readonly AnswerLine[] {
  try {
    const line = lineOf(message);
    return line === undefined ? [] : [line];
  } catch {
    return [{ text: dim(`(${message.bytes} bytes that are no message of this kind)`), content: true }];
  }
}

/** One message of COPY data as lines for people: clients put many rows into one, and cut them anywhere. */
export function sentLines({ type, payload, bytes }: AnswerMessage): readonly AnswerLine[] {
  const content = (text: string): AnswerLine => ({ text, content: true });
  if (type === "f") return [content(tone("red", `given up by the client: ${shown(payload.subarray(0, -1), bytes - 1)}`))];
  if (type !== "d") return [];
  if (textOf(payload) === undefined) return [content(shown(payload, bytes))];
  const rest = bytes - payload.length;
  const rows: AnswerLine[] = [];
  for (let at = 0; at < payload.length;) {
    const newline = payload.indexOf(LINE_FEED, at);
    const end = newline < 0 ? payload.length : newline;
    rows.push(content(shown(payload.subarray(at, end), end - at + (newline < 0 ? rest : 0))));
    at = end + 1;
  }
  return rows;
}

const LINE_FEED = 10;

function lineOf({ type, payload, bytes }: AnswerMessage): AnswerLine | undefined {
  const content = (text: string): AnswerLine => ({ text, content: true });
  const heading = (text: string): AnswerLine => ({ text, content: false });
  switch (type) {
    case "T":
      return heading(columnsOf(payload).map(bold).join(" | "));
    case "D":
      return content(cellsOf(payload, bytes).join(" | "));
    case "d":
      return content(shown(payload, bytes).replace(/⏎$/u, ""));
    case "V":
      return content(payload.readInt32BE(0) < 0 ? NULL : shown(payload.subarray(4), bytes - 4));
    case "C":
      return heading(dim(shown(payload.subarray(0, -1), bytes - 1)));
    case "E":
      return content(tone("red", report(payload, bytes)));
    case "N":
      return content(tone("yellow", report(payload, bytes)));
    case "A":
      return content(notification(payload, bytes));
    default:
      return undefined;
  }
}

const NULL = dim("NULL");

function columnsOf(payload: Buffer): string[] {
  const names: string[] = [];
  for (let at = 2; at < payload.length;) {
    const end = payload.indexOf(0, at);
    if (end < 0) break;
    names.push(shown(payload.subarray(at, end), end - at));
    // Table, attribute, type, its size, its modifier, format.
    at = end + 1 + 18;
  }
  return names;
}

/** `total`: of the payload, where only its beginning is here. */
function cellsOf(payload: Buffer, total: number): string[] {
  const cells: string[] = [];
  let at = 2;
  for (let left = payload.readUInt16BE(0); left > 0 && at + 4 <= payload.length; left--) {
    const size = payload.readInt32BE(at);
    at += 4;
    cells.push(size < 0 ? NULL : shown(payload.subarray(at, at + size), size));
    at += Math.max(0, size);
  }
  if (at > payload.length || (payload.length < total && at === payload.length)) cells.push(dim("…"));
  return cells;
}

/** Text as text, and everything else as PostgreSQL writes bytes. `size`: of the whole, whose beginning it may be. */
function shown(bytes: Buffer, size: number): string {
  const text = textOf(bytes);
  if (text === undefined) {
    const digits = bytes.toString("hex", 0, MAX_SHOWN_BINARY_BYTES);
    return size > MAX_SHOWN_BINARY_BYTES ? `\\x${digits}… (${size} bytes)` : `\\x${digits}`;
  }
  const letters = [...text];
  return letters.length > MAX_SHOWN_CELL || bytes.length < size ? `${letters.slice(0, MAX_SHOWN_CELL).join("")}… (${size} bytes)` : text;
}

/** Undefined where it is no text. A character may be cut at the end. */
function textOf(bytes: Buffer): string | undefined {
  for (let cut = 0; cut < 4; cut++) {
    const part = bytes.subarray(0, bytes.length - cut);
    if (isUtf8(part)) return part.includes(0) ? undefined : printable(part.toString("utf8"));
  }
  return undefined;
}

/** int32 process id, string channel, string payload. */
function notification(payload: Buffer, bytes: number): string {
  const end = payload.indexOf(0, 4);
  return `notified on ${shown(payload.subarray(4, end), end - 4)}: ${shown(payload.subarray(end + 1, -1), bytes - end - 2)}`;
}

function report(payload: Buffer, bytes: number): string {
  try {
    const fields = decodeFields(payload);
    return shownReport(fields.get("V") ?? fields.get("S") ?? "", fields.get("C") ?? "", fields.get("M") ?? "");
  } catch {
    // It was cut.
    return `a report of ${bytes} bytes`;
  }
}

const shownReport = (severity: string, code: string, message: string): string => printable(`${severity} ${code}: ${message}`);
