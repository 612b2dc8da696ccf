import type { RuleTerms } from "../domain/approval/terms.ts";
import type { Detector, MaskColumn, MaskKind, Obligations } from "../domain/decision.ts";
import { canonicalObligations, maskKinds } from "../domain/obligations.ts";
import { readTerms } from "./approval-annotations.ts";

export interface Annotations {
  readonly id: string;
  /** Shown with the decision; may be empty. */
  readonly reason: string;
  readonly obligations: Obligations;
  readonly hasObligations: boolean;
  /** How people must agree; undefined without any of its annotations. */
  readonly terms: RuleTerms | undefined;
  /** Undefined without @maxDuration. */
  readonly maxDurationSeconds: number | undefined;
}

export const detectors = ["email", "card", "ssn", "phone", "iban"] as const satisfies readonly Detector[];

/** An id stands in events, errors and on command lines. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** A reason is shown in one line of an error of the client's protocol. */
export const MAX_REASON_LENGTH = 300;
/** Far above any real result, and still exact as a 32-bit count. */
export const MAX_ROW_CAP = 1_000_000_000;
/** Access that lasts longer is standing access under another name. */
export const MAX_GRANT_SECONDS = 7 * 86_400;
/** Each is matched against every column of a result. */
export const MAX_MASK_COLUMNS = 1_000;

const maskEntry = /^(?<table>\*|[\p{L}_][\p{L}\p{N}_$]*)\.(?<column>\*|[\p{L}_][\p{L}\p{N}_$]*):(?<kind>[a-z]+)$/u;

/** Reads the annotations of one policy. What it does not know, or cannot read, is a problem: an obligation is never dropped. */
export function readAnnotations(written: Readonly<Record<string, string | null>>, problem: (message: string) => void): Annotations {
  // An annotation without a value, `@mask`, comes as null.
  const texts: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(written).map(([name, value]) => [name, value ?? ""]));
  const { id, reason = "", mask, detect, rowCap, maxDuration, ...others } = texts as { readonly [name in string]?: string };
  const { approvals, denyBy, approverHours, approvalTimeout, escalate, ...unknown } = others;
  for (const name of Object.keys(unknown)) {
    const known = "@id, @reason, @mask, @detect, @rowCap, @maxDuration, @approvals, @denyBy, @approverHours, @approvalTimeout and @escalate";
    problem(`Unknown annotation @${name}. Known are ${known}.`);
  }
  if (id === undefined) problem(`The policy has no @id("…").`);
  else if (!idPattern.test(id)) problem(`@id(${JSON.stringify(id)}) is not an id: letters, digits, ".", "_" and "-", at most 100.`);
  if (reason.length > MAX_REASON_LENGTH || /\p{Cc}/u.test(reason)) problem(`@reason must be one line of at most ${MAX_REASON_LENGTH} characters.`);
  return {
    id: id ?? "",
    reason: reason.trim(),
    terms: readTerms({ approvals, denyBy, approverHours, approvalTimeout, escalate }, problem),
    maxDurationSeconds: maxDuration === undefined ? undefined : readDuration(maxDuration, problem),
    hasObligations: (mask ?? detect ?? rowCap) !== undefined,
    obligations: canonicalObligations({
      maskColumns: mask === undefined ? [] : readMask(mask, problem),
      detectors: detect === undefined ? [] : readDetectors(detect, problem),
      rowCap: rowCap === undefined ? 0 : readRowCap(rowCap, problem),
    }),
  };
}

function readMask(written: string, problem: (message: string) => void): MaskColumn[] {
  const entries = words(written);
  if (entries.length > MAX_MASK_COLUMNS) problem(`@mask names ${entries.length} columns; at most ${MAX_MASK_COLUMNS} are allowed.`);
  const columns: MaskColumn[] = [];
  for (const entry of entries) {
    const { table = "", column = "", kind = "" } = maskEntry.exec(entry)?.groups ?? {};
    if (!isMaskKind(kind)) {
      problem(`@mask cannot read ${JSON.stringify(entry)}: write "table.column:kind" or "*.column:kind", with a kind of ${maskKinds.join(", ")}.`);
      continue;
    }
    const named: MaskColumn = { table: table === "*" ? "" : table, column, kind };
    if (columns.some((other) => other.table === named.table && other.column === named.column)) problem(`@mask names ${table}.${column} twice.`);
    columns.push(named);
  }
  return columns;
}

function readDetectors(written: string, problem: (message: string) => void): Detector[] {
  const found: Detector[] = [];
  for (const word of words(written)) {
    const detector = detectors.find((known) => known === word);
    if (detector === undefined) problem(`@detect does not know ${JSON.stringify(word)}. Known are ${detectors.join(", ")}.`);
    else found.push(detector);
  }
  return found;
}

function readRowCap(written: string, problem: (message: string) => void): number {
  const cap = /^[1-9]\d{0,9}$/.test(written) ? Number(written) : 0;
  if (cap === 0 || cap > MAX_ROW_CAP) problem(`@rowCap(${JSON.stringify(written)}) is not a whole number from 1 to ${MAX_ROW_CAP}.`);
  return cap;
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

function readDuration(written: string, problem: (message: string) => void): number {
  const [, number, unit = ""] = /^([1-9]\d{0,5})([smhd])$/.exec(written) ?? [];
  const seconds = Number(number ?? 0) * (unitSeconds[unit] ?? 0);
  if (seconds === 0 || seconds > MAX_GRANT_SECONDS) problem(`@maxDuration(${JSON.stringify(written)}) is not a duration such as "30m" or "8h", at most "7d".`);
  return seconds;
}

/** An empty list yields one empty word, which nothing accepts. */
const words = (list: string): string[] => list.split(",").map((word) => word.trim());

const isMaskKind = (kind: string): kind is MaskKind => maskKinds.some((known) => known === kind);
