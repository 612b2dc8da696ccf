import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SallyportError } from "@sallyport/proto/errors";
import { syncFolder } from "../../durable-files.ts";
import { APPLICATION_ID, CREATE_LEDGER, SCHEMA_VERSION, tablesOf } from "./schema.ts";
import { readError } from "./sqlite-failure.ts";

/** SQLite's file header (sqlite.org/fileformat.html, 1.3). */
const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
const PAGE_SIZE_AT = 16;
const PAGE_COUNT_AT = 28;
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;

/**
 * Makes the ledger under another name and renames it, so that a file of that name is a whole ledger from its first moment, and an
 * empty one is damage instead of a ledger that was just created.
 */
export function createLedgerFile(path: string): void {
  if (existsSync(`${path}-wal`)) {
    throw new SallyportError("ledger.corrupt", "The ledger file is missing, but its write-ahead log is there: restore the file.", { path });
  }
  const draft = `${path}.new`;
  for (const leftover of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(leftover, { force: true });
  closeSync(openSync(draft, "wx", 0o600)); // the log and the index of the log inherit these rights
  const db = new DatabaseSync(draft);
  db.exec(CREATE_LEDGER);
  db.close();
  renameSync(draft, path);
  syncFolder(dirname(path));
}

/**
 * Answers the version of its schema. Fails with `ledger.corrupt` when the file is not a ledger of a schema that is known here, or is
 * visibly damaged; changes no byte of it. Only before anything else in the process has opened the file: see LedgerLock on descriptors and locks.
 */
export function verifyLedgerFile(path: string): number {
  verifyHeader(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    const stored = db.prepare("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name").all();
    const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
    const expected = tablesOf(version);
    const same = stored.length === expected.length && stored.every((row, i) => row["name"] === expected[i]?.[0] && row["sql"] === expected[i]?.[1]);
    if (!same) throw corrupt(path, "its tables are not those of this schema");
    db.prepare("SELECT max(position) FROM events").get();
    return version;
  } catch (error) {
    throw readError(error);
  } finally {
    db?.close();
  }
}

/** Brings a file of an earlier version up to date, in one transaction: after a crash it is of the one version or of the other. */
export function migrateLedgerFile(path: string, from: number): void {
  if (from === SCHEMA_VERSION) return;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    const known = new Set(tablesOf(from).map(([name]) => name));
    const added = tablesOf(SCHEMA_VERSION).filter(([name]) => !known.has(name));
    db.exec(`PRAGMA synchronous = FULL; BEGIN IMMEDIATE; ${added.map(([, sql]) => sql).join(";")}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  } catch (error) {
    throw readError(error);
  } finally {
    db?.close();
  }
}

/** Reads the whole file and blocks meanwhile: for tools and tests. Answers the problems found, none when sound. */
export function quickCheck(path: string): readonly string[] {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    const lines = db.prepare("PRAGMA quick_check").all();
    return lines.map((row) => String(row["quick_check"])).filter((line) => line !== "ok");
  } catch (error) {
    const failure = readError(error);
    if (failure.code === "ledger.corrupt") return [failure.message];
    throw failure;
  } finally {
    db?.close();
  }
}

function verifyHeader(path: string): void {
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, "r");
  const status = fstatSync(file);
  try {
    if (!status.isFile()) throw corrupt(path, "it is not a file");
    if (readSync(file, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) throw corrupt(path, "it is shorter than a file header");
  } finally {
    closeSync(file);
  }
  if (header.toString("latin1", 0, MAGIC.length) !== MAGIC) throw corrupt(path, "it is not an SQLite file");
  if (header.readUInt32BE(APPLICATION_ID_AT) !== APPLICATION_ID) throw corrupt(path, "it is an SQLite file of something else");
  const version = header.readUInt32BE(USER_VERSION_AT);
  // Of the file without its write-ahead log, which may hold a later one.
  if (version < 1 || version > SCHEMA_VERSION) throw corrupt(path, `its schema is version ${version}, and this release knows ${SCHEMA_VERSION}`);
  const pages = header.readUInt32BE(PAGE_COUNT_AT);
  // With a write-ahead log the last pages may still be in there; SQLite counts, but takes a part of a page for a whole one.
  const isWhole = existsSync(`${path}-wal`) || status.size >= pages * pageSize(header);
  if (!isWhole) throw corrupt(path, "it is shorter than its header says");
}

/** 65,536 does not fit in the field's 16 bits and is written as 1. */
function pageSize(header: Buffer): number {
  const stored = header.readUInt16BE(PAGE_SIZE_AT);
  return stored === 1 ? 65_536 : stored;
}

function corrupt(path: string, why: string): SallyportError {
  return new SallyportError("ledger.corrupt", `This is no ledger, or a damaged one: ${why}.`, { path });
}
