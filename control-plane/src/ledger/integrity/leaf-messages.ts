import type { MessagePort } from "node:worker_threads";
import type { ErrorCode } from "@sallyport/proto/errors";
import type { LedgerPlace } from "../ledger-place.ts";
import type { LeafBatch } from "./leaf-batch.ts";

export interface LeavesSettings {
  readonly ledger: LedgerPlace;
}

/** One reading of the log. Whoever holds the other end of `port` asks by a message of any kind, and ends it by closing. */
export interface LeafReading {
  /** Exclusive; absent is from the first event. */
  readonly after: bigint | undefined;
  /** Goes on after the end of the log. */
  readonly live: boolean;
  readonly port: MessagePort;
}

export type LeavesRequest = LeafReading | "close";

export type LeafAnswer =
  | { readonly kind: "leaves"; readonly batch: LeafBatch }
  | { readonly kind: "end" }
  /** An error that crosses threads loses its class. */
  | { readonly kind: "failure"; readonly code: ErrorCode; readonly message: string; readonly details: Readonly<Record<string, string>> };
