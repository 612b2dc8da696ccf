import { rawForm } from "../foreign-event.ts";
import type { Ledger, RecordedEvent } from "../ledger.ts";
import { TOMBSTONE_TYPE } from "./wire-values.ts";

/** The stream that holds the metadata of another one: its last event counts. */
export const metastreamOf = (stream: string): string => `$$${stream}`;

const isMetastream = (stream: string): boolean => stream.startsWith("$$");

/** `$tb` of a soft-deleted stream is 2^63 - 1, which no number of JavaScript holds exactly. */
export const SOFT_DELETED_JSON = '{"$tb":9223372036854775807}';

/**
 * What a reader may see of a stream. Nothing is erased: `$all` shows what is hidden here, as it does on a server until it is scavenged.
 * `head` is the last revision that is stored, visible or not.
 */
export type StreamView =
  | { readonly kind: "absent" }
  | { readonly kind: "tombstoned" }
  | { readonly kind: "softDeleted"; readonly head: bigint }
  | { readonly kind: "present"; readonly head: bigint; readonly truncatedBefore: bigint; readonly rules: Rules };

interface Rules {
  readonly truncateBefore: bigint;
  readonly softDeleted: boolean;
  readonly maxCount: bigint | undefined;
  readonly maxAgeMillis: number | undefined;
}

/** The very object, for a stream without metadata. */
export const NO_RULES: Rules = { truncateBefore: 0n, softDeleted: false, maxCount: undefined, maxAgeMillis: undefined };

/** Of metadata only the last word counts. */
const METASTREAM_RULES: Rules = { ...NO_RULES, maxCount: 1n };

export async function viewStream(ledger: Ledger, stream: string): Promise<StreamView> {
  const last = await lastEvent(ledger, stream);
  if (last?.type === TOMBSTONE_TYPE) return { kind: "tombstoned" };
  const rules = isMetastream(stream) ? METASTREAM_RULES : await rulesOf(ledger, stream);
  if (last === undefined) return { kind: "absent" };
  const head = last.revision;
  if (rules.softDeleted) return { kind: "softDeleted", head };
  const kept = rules.maxCount === undefined ? 0n : head - rules.maxCount + 1n;
  return { kind: "present", head, truncatedBefore: kept > rules.truncateBefore ? kept : rules.truncateBefore, rules };
}

export const isExpired = (event: RecordedEvent, { maxAgeMillis }: Rules, now: number): boolean =>
  maxAgeMillis !== undefined && event.recordedAt.getTime() < now - maxAgeMillis;

export async function lastEvent(ledger: Ledger, stream: string): Promise<RecordedEvent | undefined> {
  for await (const event of ledger.readStream(stream, { direction: "backwards", limit: 1 })) return event;
  return undefined;
}

async function rulesOf(ledger: Ledger, stream: string): Promise<Rules> {
  const last = await lastEvent(ledger, metastreamOf(stream));
  return last === undefined ? NO_RULES : parseRules(rawForm(last).data.toString("utf8"));
}

/** What is malformed does not count, as on a server. */
export function parseRules(text: string): Rules {
  const metadata = jsonObject(text);
  const truncateBefore = count(metadata["$tb"]);
  const maxCount = count(metadata["$maxCount"]);
  const maxAgeSeconds = count(metadata["$maxAge"]);
  const softDeleted = truncateBefore !== undefined && truncateBefore > Number.MAX_SAFE_INTEGER;
  return {
    truncateBefore: BigInt(softDeleted ? 0 : (truncateBefore ?? 0)),
    softDeleted,
    maxCount: maxCount === undefined || maxCount === 0 ? undefined : BigInt(maxCount),
    maxAgeMillis: maxAgeSeconds === undefined || maxAgeSeconds === 0 ? undefined : maxAgeSeconds * 1_000,
  };
}

const count = (value: unknown): number | undefined => (typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined);

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
