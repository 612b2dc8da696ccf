import type { ForgottenSubject } from "./bundle-format.ts";
import type { VerifierKey } from "./note.ts";
import type { RemovedByRun } from "./removal.ts";

/** What can be wrong. Names are part of the machine-readable answer. */
export type FindingCode =
  | "event.altered"
  | "event.missing"
  | "event.inserted"
  | "event.reordered"
  | "event.removed"
  | "tail.cut"
  | "checkpoint.forged"
  | "key.replaced"
  | "proof.altered"
  | "key.wrong"
  | "bundle.malformed"
  | "bundle.altered"
  | "witness.differs";

/** The first thing that is wrong. */
export interface Finding {
  readonly code: FindingCode;
  readonly message: string;
  /** First bad leaf: its place in the log, from 0. Absent when it is not an event that is wrong. */
  readonly index?: number;
  /** When only a range can be named: it is in [index, end). */
  readonly end?: number;
  /** Where the ledger has it, or has what stands in its place; only when a ledger was read. */
  readonly position?: string;
  /** Line of the bundle, from 1. */
  readonly line?: number;
}

export interface Verified {
  readonly kind: "verified";
  readonly origin: string;
  /** Events that were read and proven. */
  readonly events: number;
  /** Of them, those whose contents retention removed, by a decision that is in the log. */
  readonly removed: number;
  readonly removals: readonly RemovedByRun[];
  /** Leaves that the last checkpoint covers, with its root and time. */
  readonly treeSize: number;
  readonly root: string;
  readonly signedAt: string;
  /** Read, but recorded after the last checkpoint: nothing vouches for them yet. */
  readonly unsigned: number;
  /** Keys of the log in their order. */
  readonly keys: readonly VerifierKey[];
  /** Whether one of the keys is one that the verifier was given. */
  readonly pinned: boolean;
  /** Checkpoints of a witness that were compared. */
  readonly witnessed: number;
  /** Witness keys whose signature is on the checkpoint. */
  readonly cosigned: readonly string[];
  /** Personal values that the bundle lets its reader open; each was opened. */
  readonly opened?: number;
  /** By the word of whoever exported; their names are in no bundle. */
  readonly forgotten?: readonly ForgottenSubject[];
}

export type Verdict = Verified | { readonly kind: "tampered"; readonly finding: Finding; /** Events proven before it. */ readonly events: number };

/** What a verifier is given beside the log. */
export interface Trust {
  /** Keys from a trusted place. Without any, whoever made the log is believed to be who they say. */
  readonly keys: readonly VerifierKey[];
  /** Data of the key changes that a ledger holds, read beforehand: a given key may be a later one than the log began with. */
  readonly rotations?: readonly object[];
  /** Keys of witnesses that must have signed the checkpoint of a bundle. */
  readonly witnessKeys?: readonly VerifierKey[];
  /** What a witness kept. */
  readonly witness?: AsyncIterable<WitnessRecord> | Iterable<WitnessRecord>;
}

/** A checkpoint as a witness keeps it: the note, and the leaf hash of the event that holds it, with its position in the ledger. */
export interface WitnessRecord {
  readonly checkpoint: string;
  readonly leaf: string;
  readonly position: string;
}

export type OnProgress = (events: number) => void;

/** Progress is told each time after this many events. */
export const PROGRESS_EVENTS = 10_000;
