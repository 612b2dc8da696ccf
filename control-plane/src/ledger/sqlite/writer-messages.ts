import type { Failure } from "./sqlite-failure.ts";

/** What crosses between the ledger and its writer thread: plain values that structured clone copies. One reply per request, in order. */
export type WriterRequest =
  | { readonly kind: "commit"; readonly appends: readonly EncodedAppend[] }
  | { readonly kind: "remove"; readonly removals: readonly Removal[] }
  | { readonly kind: "purge" }
  | { readonly kind: "close" };

export type WriterReply =
  | { readonly kind: "ready" }
  /** One outcome per append of the request, in its order. */
  | { readonly kind: "committed"; readonly outcomes: readonly AppendOutcome[] }
  /** Nothing of the request is known to be stored. */
  | { readonly kind: "failed"; readonly failure: Failure }
  /** To a removal or a purge. `corrupt` is the position of the first event that is not the one to be removed; nothing is removed then. */
  | { readonly kind: "removed"; readonly corrupt?: number; readonly failure?: Failure };

/** An event that goes, and the leaf that it must have. */
export interface Removal {
  readonly position: number;
  readonly leaf: Uint8Array;
}

/** Revisions are numbers here: a stream has fewer than 2^53 events, and a bigint costs more to copy and to bind. */
export interface EncodedAppend {
  readonly stream: string;
  /** -1: the stream must not exist yet. */
  readonly expected: number;
  readonly events: readonly EncodedEvent[];
  readonly bytes: number;
}

export interface EncodedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: string;
  readonly metadata: string;
}

export type AppendOutcome =
  | { readonly kind: "appended"; readonly revision: number; readonly position: number }
  /** `head` is the revision that the stream really has; -1 when it does not exist. */
  | { readonly kind: "conflict"; readonly head: number };
