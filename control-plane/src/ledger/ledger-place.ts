import { openEventStoreDbLedger } from "./eventstoredb/eventstoredb-ledger.ts";
import type { ReadableLedger } from "./ledger.ts";
import { SqliteLedgerReader } from "./sqlite/ledger-reader.ts";

/** The ledger as another thread opens it. */
export type LedgerPlace = { readonly file: string } | { readonly url: string; readonly deadlineMs: number };

/** A reader of one's own: what it costs is not paid by the thread that appends. */
export async function openForReading(place: LedgerPlace): Promise<ReadableLedger> {
  return "file" in place ? new SqliteLedgerReader(place.file) : openEventStoreDbLedger(place.url, { deadlineMs: place.deadlineMs });
}
