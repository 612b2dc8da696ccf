import { DatabaseSync } from "node:sqlite";
import { SallyportError } from "@sallyport/proto/errors";
import { failureOf } from "./sqlite-failure.ts";

/**
 * One process writes a ledger. Node has no file locks, SQLite does: an exclusive transaction on an empty database beside the
 * ledger, never committed, which the operating system ends with the process, however it dies.
 *
 * POSIX drops all of a process's locks on a file when it closes *any* descriptor of it: nothing else may open the lock file,
 * nor the ledger file, through node:fs while SQLite has it open.
 */
export class LedgerLock {
  readonly #db: DatabaseSync;

  constructor(ledgerPath: string) {
    const path = `${ledgerPath}.lock`;
    try {
      this.#db = new DatabaseSync(path, { timeout: 0 });
    } catch (error) {
      throw new SallyportError("ledger.unavailable", "The folder of the ledger cannot be written.", { path }, error);
    }
    try {
      this.#db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE"); // without a journal file that would never be used
    } catch (error) {
      this.#db.close();
      const held = failureOf(error).errcode === SQLITE_BUSY;
      const message = held ? "This ledger is already open, here or in another process." : "The ledger's lock file cannot be locked.";
      throw new SallyportError("ledger.unavailable", message, { path }, error);
    }
  }

  release(): void {
    this.#db.close();
  }
}

const SQLITE_BUSY = 5;
