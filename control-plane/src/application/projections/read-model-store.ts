import type { Change } from "./change.ts";
import type { CommandState } from "./commands.projection.ts";

/** How far the read models are, stored with their rows. */
export interface Checkpoint {
  /** Everything up to here is in the rows. Undefined while nothing is. */
  readonly position: bigint | undefined;
  /** The last event that was looked at: a ledger that has another one there is another ledger, or an older copy. */
  readonly lastEvent: { readonly position: bigint; readonly id: string; readonly recordedAt: string } | undefined;
  readonly events: number;
  /** Of them, those that nothing could be made of. */
  readonly unreadable: number;
  /** Of these, those that a later release wrote, and will make something of. */
  readonly later: number;
}

export const nothingProjected: Checkpoint = { position: undefined, lastEvent: undefined, events: 0, unreadable: 0, later: 0 };

export interface Batch {
  /** What the store must be at, so that no batch is ever applied twice or left out. */
  readonly after: bigint | undefined;
  readonly changes: readonly Change[];
  readonly checkpoint: Checkpoint;
}

/** Names: only these, or all but these. */
export interface NameFilter {
  readonly only: boolean;
  readonly names: readonly string[];
}

/** Rows that whoever asks may see: of their own those of some resources, of others' those of some. */
export interface VisibleRows {
  readonly identity: string;
  readonly own: NameFilter;
  readonly others: NameFilter;
}

export interface SessionQuery {
  /** All of them when absent. */
  readonly visible?: VisibleRows;
  readonly identity?: string;
  readonly resource?: string;
  readonly openOnly?: boolean;
  /** Requested at or after, and before. */
  readonly since?: Date;
  readonly until?: Date;
  /** From the page before. */
  readonly cursor?: bigint;
  readonly limit: number;
}

export interface SessionRow {
  readonly id: string;
  readonly state: "requested" | "open" | "refused" | "ended";
  readonly identity: string;
  readonly resource: string;
  readonly protocol: string;
  readonly application: string;
  readonly clientAddress: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly cause: string;
  readonly message: string;
  /** 1 when it was opened by break-glass, else 0. */
  readonly emergency: number;
}

export interface CommandQuery {
  /** All of them when absent. */
  readonly visible?: VisibleRows;
  /** As a person types it: words that must all be there, in any order; "quoted words" as they stand; `word*` as a beginning. */
  readonly words: string;
  /** Only this identity's. */
  readonly identity?: string;
  readonly resource?: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly cursor?: bigint;
  readonly limit: number;
}

export interface CommandRow {
  readonly session: string;
  readonly command: number;
  readonly at: string;
  readonly identity: string;
  readonly resource: string;
  readonly state: CommandState;
  readonly code: string;
  readonly riskClass: string;
  readonly policyVersion: string;
  /** Empty when it is too long to stand in its event: it is in the session's recording. */
  readonly statement: string;
  readonly rows: number;
}

/** Newest first. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  /** For the next page; absent on the last. */
  readonly next?: bigint;
}

/** The tables of the read models. One file, written by one batch at a time; the checkpoint is in the same transaction as the rows. */
export interface ReadModelStore {
  /** When it was opened. */
  readonly opened: Checkpoint;
  /** All or nothing. */
  apply(batch: Batch): Promise<void>;
  sessions(query: SessionQuery): Promise<Page<SessionRow>>;
  commands(query: CommandQuery): Promise<Page<CommandRow>>;
  /** Rows of each read model. */
  counts(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

/** Where the tables are kept. They hold nothing that is not in the ledger. */
export interface ReadModelStores {
  /** The one in use. Begun anew when it is missing, of another version, or damaged. */
  open(): Promise<ReadModelStore>;
  /** Begins the one in use anew. It must be closed. */
  discard(): void;
  /** An empty one beside it. */
  draft(): Promise<ReadModelStore>;
  /** Puts the draft in the place of the one in use. Both must be closed. */
  adopt(): void;
}
