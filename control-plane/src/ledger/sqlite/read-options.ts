import { SallyportError } from "@sallyport/proto/errors";
import type { Direction, LedgerFilter, ReadStreamOptions } from "../ledger.ts";
import type { Range } from "./event-reader.ts";

/** Each prefix is a comparison per stored event. */
export const MAX_FILTER_PREFIXES = 64;

/** Positions and revisions are numbers inside the adapter; one past what a file can hold is as good as the largest. */
export function toPosition(value: bigint): number {
  if (value < 0n) throw invalid(`Not a position or revision: ${value}.`);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}

export function readBounds({ direction = "forwards", from }: ReadStreamOptions): { readonly direction: Direction; readonly from: number | undefined } {
  return { direction, from: from === undefined ? undefined : toPosition(from) };
}

/** What is left of a range when reading starts at `from`, that one included. */
export function rangeOf(direction: Direction, from: number | undefined, { low, high }: Range): { low: number; high: number } {
  if (from === undefined) return { low, high };
  return direction === "forwards" ? { low: Math.max(low, from), high } : { low, high: Math.min(high, from) };
}

export function requireLimit(limit: number | undefined): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  if (!Number.isSafeInteger(limit) || limit < 0) throw invalid(`Not a limit: ${limit}.`);
  return limit;
}

/** An empty list or an empty prefix would match nothing or everything, which is never what was meant. */
export function requireFilter(filter: LedgerFilter | undefined): void {
  if (filter === undefined) return;
  const { prefixes } = filter;
  if (prefixes.length === 0 || prefixes.length > MAX_FILTER_PREFIXES) throw invalid(`A filter has 1 to ${MAX_FILTER_PREFIXES} prefixes.`);
  if (prefixes.some((prefix) => prefix === "" || !prefix.isWellFormed() || prefix.includes("\0")))
    throw invalid("A filter's prefix is not empty and well-formed.");
}

function invalid(message: string): SallyportError {
  return new SallyportError("input.invalid", message);
}
