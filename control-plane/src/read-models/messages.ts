import type { ErrorCode } from "@sallyport/proto/errors";
import type { CommandQuery, CommandRow, Page, SessionQuery, SessionRow } from "../application/projections/read-model-store.ts";
import type { ReadModelsStatus, RebuildProgress } from "../application/projections/read-models.ts";
import type { LedgerPlace } from "../ledger/ledger-place.ts";

export interface ThreadSettings {
  readonly ledger: LedgerPlace;
  /** The file that it reads names with. */
  readonly subjectKeys: string;
  /** Of the read models. */
  readonly file: string;
  readonly logLevel: string;
}

/** What crosses between the read models' thread and the others: plain values that structured clone copies. */
export interface Calls {
  readonly sessions: { readonly argument: SessionQuery; readonly answer: Page<SessionRow> };
  readonly commands: { readonly argument: CommandQuery; readonly answer: Page<CommandRow> };
  readonly status: { readonly argument: undefined; readonly answer: ReadModelsStatus };
  readonly rebuild: { readonly argument: undefined; readonly answer: undefined };
  readonly close: { readonly argument: undefined; readonly answer: undefined };
}

export type CallName = keyof Calls;

export interface Request {
  readonly id: number;
  readonly call: CallName;
  readonly argument: unknown;
}

/** An error that crosses threads loses its class. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, string>>;
}

export type Reply =
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown; readonly leftOut: number }
  | { readonly kind: "failure"; readonly id: number; readonly failure: Failure }
  /** Of a rebuild, before its answer. */
  | { readonly kind: "progress"; readonly id: number; readonly progress: RebuildProgress };
