import { closeSync, existsSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SallyportError } from "@sallyport/proto/errors";
import { LOG_HEAD } from "./queries.ts";
import { APPLICATION_ID, CREATE_LEDGER, SCHEMA_VERSION, TABLES } from "./schema.ts";
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
 * Fails with `ledger.corrupt` when the file is not a ledger of this schema or is visibly damaged; changes no byte of it.
 * Only before anything else in the process has opened the file: see LedgerLock on descriptors and locks.
 */
export function verifyLedgerFile(path: string): void {
  verifyHeader(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    const stored = db.prepare("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name").all();
    const expected = Object.entries(TABLES).map(([name, sql]) => ({ name, sql }));
    const same = stored.length === expected.length && stored.every((row, i) => row["name"] === expected[i]?.name && row["sql"] === expected[i]?.sql);
    if (!same) throw corrupt(path, "its tables are not those of this schema");
    db.prepare(LOG_HEAD).get();
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
  if (version !== SCHEMA_VERSION) throw corrupt(path, `its schema is version ${version}, and this release knows ${SCHEMA_VERSION}`);
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

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function corrupt(path: string, why: string): SallyportError {
  return new SallyportError("ledger.corrupt", `This is no ledger, or a damaged one: ${why}.`, { path });
}
