import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { WriteName } from "../../application/projections/change.ts";
import { catalogueFingerprint } from "../../domain/catalogue.ts";
import type { Batch, Checkpoint, CommandQuery, CommandRow, Page, SessionQuery, SessionRow } from "../../application/projections/read-model-store.ts";
import { commandPage, sessionPage } from "./queries.ts";
import { CREATE_READ_MODELS, FILL_COMMAND_TEXT, READ_MODELS_VERSION, readModels } from "./schema.ts";
import { writes } from "./writes.ts";

/** Pages in memory for one connection, as KiB: the hot part of the indexes of some million commands. */
const CACHE_KIB = 32_768;
/** Pages of log before they go into the file: fewer and larger copies than SQLite's own 1,000. */
const CHECKPOINT_PAGES = 8_192;
const BEFORE_ALL = -1;

/**
 * One SQLite file with every read model. Everything here blocks; it lives in a thread of its own.
 *
 * F1. Rows and checkpoint are one transaction. A batch that does not follow the checkpoint is refused.
 * F2. The file may be lost: it is not synced at each commit, and after a power failure it is at an earlier checkpoint, never between two.
 * F3. What left out events of a later release is begun anew by a release that knows others: than the one that left them out, whoever began it.
 */
export class ReadModelFile {
  readonly checkpoint: Checkpoint;
  readonly #db: DatabaseSync;
  readonly #writes: ReadonlyMap<WriteName, StatementSync>;
  readonly #indexCommands: StatementSync;
  readonly #move: StatementSync;
  #position: bigint | undefined;

  /** Throws SQLite's error when the file is damaged. Answers with an empty one where there is none of this version. */
  constructor(path: string) {
    if (existsSync(path) && !isCurrent(path)) removeFile(path);
    const isNew = !existsSync(path);
    if (isNew) closeSync(openSync(path, "wx", 0o600)); // statements are in it; SQLite's further files inherit these rights
    this.#db = new DatabaseSync(path);
    try {
      this.#db.exec(
        // Zeros in place of what retention removes.
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = -${CACHE_KIB}`,
      );
      if (isNew) {
        this.#db.exec(`BEGIN; ${CREATE_READ_MODELS}`);
        this.#db.prepare("INSERT INTO checkpoint (one, events, unreadable, later, catalogue) VALUES (1, 0, 0, 0, ?)").run(catalogueFingerprint);
        this.#db.exec("COMMIT");
      } else this.#db.prepare("UPDATE checkpoint SET catalogue = ?").run(catalogueFingerprint);
      this.checkpoint = readCheckpoint(this.#db);
      this.#position = this.checkpoint.position;
      this.#writes = new Map(Object.entries(writes).map(([name, sql]) => [name as WriteName, this.#db.prepare(sql)]));
      this.#indexCommands = this.#db.prepare(FILL_COMMAND_TEXT);
      this.#move = this.#db.prepare(
        "UPDATE checkpoint SET position = ?, event_position = ?, event_id = ?, recorded_at = ?, events = ?, unreadable = ?, later = ?",
      );
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  apply({ after, changes, checkpoint }: Batch): void {
    if (after !== this.#position) throw new Error(`The read models are at ${String(this.#position)}, and the batch begins after ${String(after)}.`);
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const [name, ...values] of changes) this.#writes.get(name)?.run(...values);
      this.#indexCommands.run(after ?? BEFORE_ALL);
      const { position = null, lastEvent, events, unreadable, later } = checkpoint;
      this.#move.run(position, lastEvent?.position ?? null, lastEvent?.id ?? null, lastEvent?.recordedAt ?? null, events, unreadable, later);
      this.#db.exec("COMMIT");
      this.#position = checkpoint.position;
      if (changes.some(([name]) => removals.has(name))) this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)"); // the log holds it too
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  sessions(query: SessionQuery): Page<SessionRow> {
    return sessionPage(this.#db, query);
  }

  commands(query: CommandQuery): Page<CommandRow> {
    return commandPage(this.#db, query);
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(readModels.map((name) => [name, Number(this.#db.prepare(`SELECT count(*) AS rows FROM ${name}`).get()?.["rows"])]));
  }

  close(): void {
    this.#db.close();
  }
}

const removals: ReadonlySet<WriteName> = new Set(["sessionCommandsRemoved", "sessionRemoved", "approvalRemoved"]);

/** With its write-ahead log, which would be played into whatever file of this name comes next. */
export function removeFile(path: string): void {
  for (const suffix of ["-wal", "-shm", ""]) rmSync(`${path}${suffix}`, { force: true });
}

/** F3. */
function isCurrent(path: string): boolean {
  const db = new DatabaseSync(path);
  try {
    if (db.prepare("PRAGMA user_version").get()?.["user_version"] !== READ_MODELS_VERSION) return false;
    const read = db.prepare("SELECT later, catalogue FROM checkpoint").get();
    return read?.["later"] === 0 || read?.["catalogue"] === catalogueFingerprint;
  } finally {
    db.close();
  }
}

function readCheckpoint(db: DatabaseSync): Checkpoint {
  const read = db.prepare("SELECT position, event_position, event_id, recorded_at, events, unreadable, later FROM checkpoint");
  read.setReadBigInts(true);
  const row = read.get();
  if (row === undefined) throw new Error("The read models have no checkpoint.");
  const position = row["position"];
  const eventPosition = row["event_position"];
  return {
    position: typeof position === "bigint" ? position : undefined,
    lastEvent: typeof eventPosition === "bigint" ? { position: eventPosition, id: String(row["event_id"]), recordedAt: String(row["recorded_at"]) } : undefined,
    events: Number(row["events"]),
    unreadable: Number(row["unreadable"]),
    later: Number(row["later"]),
  };
}
