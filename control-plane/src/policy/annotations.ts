import type { RuleTerms } from "../domain/approval/terms.ts";
import type { Detector, MaskColumn, MaskKind, Obligations, PolicyAction, Purpose, RecordedPart } from "../domain/decision.ts";
import { canonicalObligations, maskKinds } from "../domain/obligations.ts";
import { approvalAnnotations, readTerms } from "./approval-annotations.ts";

export interface Annotations {
  readonly id: string;
  /** Shown with the decision; may be empty. */
  readonly reason: string;
  readonly obligations: Obligations;
  /** Annotations that are written, by name. */
  readonly written: readonly string[];
  /** What whoever asks must say. */
  readonly requires: readonly (keyof Purpose)[];
  /** Groups. */
  readonly notify: readonly string[];
  /** For the whole set; undefined where it names none. */
  readonly timezone: string | undefined;
  /** How people must agree; undefined without any of its annotations. */
  readonly terms: RuleTerms | undefined;
  /** Undefined without @maxDuration. */
  readonly maxDurationSeconds: number | undefined;
  /** Undefined without @reviewWithin. */
  readonly reviewWithinSeconds: number | undefined;
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
/** After a week nobody remembers what they did, and why. */
export const MAX_REVIEW_SECONDS = 7 * 86_400;
/** Far above any result that a person reads; below it counts are exact. */
export const MAX_BYTE_CAP = 2 ** 40;
/** A command that runs longer is no command of a session. */
export const MAX_TIMEOUT_SECONDS = 86_400;
/** Each is told of every decision of its rule. */
export const MAX_NOTIFIED_GROUPS = 20;
/** Each is matched against every column of a result. */
export const MAX_MASK_COLUMNS = 1_000;

const maskEntry = /^(?<table>\*|[\p{L}_][\p{L}\p{N}_$]*)\.(?<column>\*|[\p{L}_][\p{L}\p{N}_$]*):(?<kind>[a-z]+)$/u;

/** Where an obligation may stand: on permits of one of these actions. Those that are not here may stand on any rule. */
export const annotationPlaces: Readonly<Record<string, readonly PolicyAction[]>> = {
  mask: ["run"],
  computed: ["run"],
  detect: ["run"],
  rowCap: ["run"],
  byteCap: ["run"],
  timeout: ["run"],
  record: ["run"],
  readOnly: ["open"],
  reasonRequired: ["open", "run", "request", "break_glass"],
  ticketRequired: ["open", "run", "request", "break_glass"],
  maxDuration: ["request", "break_glass"],
  reviewWithin: ["break_glass"],
  ...Object.fromEntries(approvalAnnotations.map((name) => [name, ["run", "request"] as const])),
};

const knownAnnotations: readonly string[] = ["id", "reason", ...Object.keys(annotationPlaces), "notify", "timezone"];

/** Reads the annotations of one policy. What it does not know, or cannot read, is a problem: an obligation is never dropped. */
export function readAnnotations(written: Readonly<Record<string, string | null>>, problem: (message: string) => void): Annotations {
  // An annotation without a value, `@mask`, comes as null.
  const texts: { readonly [name in string]?: string } = Object.fromEntries(Object.entries(written).map(([name, value]) => [name, value ?? ""]));
  for (const name of Object.keys(texts))
    if (!knownAnnotations.includes(name)) problem(`Unknown annotation @${name}. Known are ${knownAnnotations.map((known) => `@${known}`).join(", ")}.`);
  const { id, reason = "" } = texts;
  if (id === undefined) problem(`The policy has no @id("…").`);
  else if (!idPattern.test(id)) problem(`@id(${JSON.stringify(id)}) is not an id: letters, digits, ".", "_" and "-", at most 100.`);
  if (reason.length > MAX_REASON_LENGTH || /\p{Cc}/u.test(reason)) problem(`@reason must be one line of at most ${MAX_REASON_LENGTH} characters.`);
  const read = <T>(name: string, how: (text: string, problem: (message: string) => void) => T, otherwise: T): T => {
    const text = texts[name];
    return text === undefined ? otherwise : how(text, problem);
  };
  const flag = (name: string): boolean => read(name, (text) => readFlag(name, text, problem), false);
  const byteCap = read("byteCap", readByteCap, undefined);
  const timeoutMillis = read("timeout", readTimeout, undefined);
  const record = read("record", readRecord, []);
  return {
    id: id ?? "",
    reason: reason.trim(),
    terms: readTerms(texts, problem),
    written: Object.keys(texts),
    maxDurationSeconds: read("maxDuration", durationOf("maxDuration", MAX_GRANT_SECONDS), undefined),
    reviewWithinSeconds: read("reviewWithin", durationOf("reviewWithin", MAX_REVIEW_SECONDS), undefined),
    requires: [...(flag("reasonRequired") ? (["reason"] as const) : []), ...(flag("ticketRequired") ? (["ticket"] as const) : [])],
    notify: read("notify", readGroups, []),
    timezone: read("timezone", readTimezone, undefined),
    obligations: canonicalObligations({
      maskColumns: read("mask", readMask, []),
      detectors: read("detect", readDetectors, []),
      rowCap: read("rowCap", readRowCap, 0),
      ...(read("computed", readComputed, "mask") === "show" ? { computed: "show" } : {}),
      ...(byteCap === undefined ? {} : { byteCap }),
      ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
      ...(flag("readOnly") ? { readOnly: true } : {}),
      ...(record.length === 0 ? {} : { record }),
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

function readComputed(written: string, problem: (message: string) => void): "mask" | "show" {
  if (written !== "mask" && written !== "show") problem(`@computed(${JSON.stringify(written)}) is neither "mask" nor "show".`);
  return written === "show" ? "show" : "mask";
}

function readRowCap(written: string, problem: (message: string) => void): number {
  const cap = /^[1-9]\d{0,9}$/.test(written) ? Number(written) : 0;
  if (cap === 0 || cap > MAX_ROW_CAP) problem(`@rowCap(${JSON.stringify(written)}) is not a whole number from 1 to ${MAX_ROW_CAP}.`);
  return cap;
}

const unitBytes: Readonly<Record<string, number>> = { B: 1, KB: 1_000, MB: 1_000_000, GB: 1_000_000_000, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

function readByteCap(written: string, problem: (message: string) => void): number | undefined {
  const [, number, unit = ""] = /^([1-9]\d{0,12})([KMG]i?B|B)$/.exec(written) ?? [];
  const cap = Number(number ?? 0) * (unitBytes[unit] ?? 0);
  if (cap > 0 && cap <= MAX_BYTE_CAP) return cap;
  problem(`@byteCap(${JSON.stringify(written)}) is not a size such as "10MB" or "512KiB", at most ${MAX_BYTE_CAP} bytes.`);
  return undefined;
}

function readTimeout(written: string, problem: (message: string) => void): number | undefined {
  const [, number, unit = ""] = /^([1-9]\d{0,8})(ms|s|m|h)$/.exec(written) ?? [];
  const millis = Number(number ?? 0) * (unit === "ms" ? 1 : 1_000 * (unitSeconds[unit] ?? 0));
  if (millis > 0 && millis <= MAX_TIMEOUT_SECONDS * 1_000) return millis;
  problem(`@timeout(${JSON.stringify(written)}) is not a time such as "30s" or "5m", at most "24h".`);
  return undefined;
}

const isRecordedPart = (word: string): word is RecordedPart => word === "input" || word === "output";

function readRecord(written: string, problem: (message: string) => void): RecordedPart[] {
  const parts = words(written);
  const known = parts.filter(isRecordedPart);
  if (known.length === 0 || known.length < parts.length)
    problem(`@record(${JSON.stringify(written)}) is not "input", "output" or "input, output": commands themselves are recorded whatever policy says.`);
  return known;
}

function readFlag(name: string, written: string, problem: (message: string) => void): boolean {
  if (written !== "" && written !== "true") problem(`@${name} takes no value: leave the rule without it where it must not hold.`);
  return true;
}

const groupPattern = /^[\p{L}\p{N}][\p{L}\p{N}._@/-]{0,199}$/u;

function readGroups(written: string, problem: (message: string) => void): readonly string[] {
  const groups = words(written);
  if (groups.length > MAX_NOTIFIED_GROUPS) problem(`@notify names ${groups.length} groups; at most ${MAX_NOTIFIED_GROUPS} are allowed.`);
  for (const group of groups) if (!groupPattern.test(group)) problem(`@notify cannot read ${JSON.stringify(group)} as the name of a group.`);
  return groups;
}

function readTimezone(written: string, problem: (message: string) => void): string | undefined {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: written }).resolvedOptions().timeZone;
  } catch {
    problem(`@timezone(${JSON.stringify(written)}) is not a zone such as "Europe/Berlin" or "UTC".`);
    return undefined;
  }
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

const durationOf =
  (name: string, longest: number) =>
  (written: string, problem: (message: string) => void): number => {
    const [, number, unit = ""] = /^([1-9]\d{0,5})([smhd])$/.exec(written) ?? [];
    const seconds = Number(number ?? 0) * (unitSeconds[unit] ?? 0);
    if (seconds === 0 || seconds > longest) problem(`@${name}(${JSON.stringify(written)}) is not a duration such as "30m" or "8h", at most "7d".`);
    return seconds;
  };

/** An empty list yields one empty word, which nothing accepts. */
const words = (list: string): string[] => list.split(",").map((word) => word.trim());

const isMaskKind = (kind: string): kind is MaskKind => maskKinds.some((known) => known === kind);
