import { SallyportError } from "@sallyport/proto/errors";
import type { LedgerFilter, RecordedEvent } from "../ledger.ts";
import { MAX_FILTER_PREFIXES } from "../sqlite/read-options.ts";
import { compilePattern } from "./pattern.ts";

/** Beyond this a client has mistaken a filter for a list of streams; each prefix is a comparison per event. */
export const MAX_PREFIXES = 1_000;

/** A filter of the protocol: what of it the ledger can do, and the whole of it as a test. */
export interface NameFilter {
  /** Everything that passes the test passes this; absent when the ledger must show all. */
  readonly ledger: LedgerFilter | undefined;
  readonly test: ((event: RecordedEvent) => boolean) | undefined;
}

export function nameFilter(by: LedgerFilter["by"], prefixes: readonly string[], regex: string): NameFilter {
  const nameOf = by === "stream" ? (event: RecordedEvent): string => event.stream : (event: RecordedEvent): string => event.type;
  if (regex !== "") {
    if (prefixes.length > 0) throw new SallyportError("input.invalid", "A filter has prefixes or a regular expression, not both.");
    const pattern = compilePattern(regex);
    return { ledger: undefined, test: (event) => pattern(nameOf(event)) };
  }
  if (prefixes.length > MAX_PREFIXES) throw new SallyportError("input.invalid", `A filter has at most ${MAX_PREFIXES} prefixes.`);
  if (prefixes.length === 0 || prefixes.includes("")) return { ledger: undefined, test: undefined };
  if (prefixes.length <= MAX_FILTER_PREFIXES) return { ledger: { by, prefixes }, test: undefined };
  return { ledger: undefined, test: (event) => prefixes.some((prefix) => nameOf(event).startsWith(prefix)) };
}
