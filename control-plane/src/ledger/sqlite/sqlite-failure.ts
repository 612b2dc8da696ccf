import { SallyportError } from "@sallyport/proto/errors";

/** Primary result codes (sqlite.org/rescode.html) after which a retry cannot help. */
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** A failure as plain values, since an error that crosses threads loses its class and its properties. */
export interface Failure {
  readonly message: string;
  /** SQLite's result code; absent when the failure is not SQLite's, so a defect of ours. */
  readonly errcode?: number;
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error) };
  if (!("errcode" in error) || typeof error.errcode !== "number") return { message: error.stack ?? error.message };
  return { message: error.message, errcode: error.errcode };
}

/** Damage is `ledger.corrupt`; whatever else SQLite says (busy, full, I/O, read-only) may pass: `ledger.unavailable`. */
export function errorOf(failure: Failure, doing: "read" | "write"): SallyportError {
  const cause = new Error(failure.message);
  if (failure.errcode === undefined) return SallyportError.from(cause);
  const primary = failure.errcode & 0xff;
  if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB) {
    return new SallyportError("ledger.corrupt", `The ledger file is damaged: ${failure.message}.`, {}, cause);
  }
  const verb = doing === "read" ? "read" : "written";
  return new SallyportError("ledger.unavailable", `The ledger file cannot be ${verb} now: ${failure.message}.`, { sqlite: String(failure.errcode) }, cause);
}

/** Passes what is already ours; maps what is SQLite's. */
export function readError(error: unknown): SallyportError {
  return error instanceof SallyportError ? error : errorOf(failureOf(error), "read");
}
