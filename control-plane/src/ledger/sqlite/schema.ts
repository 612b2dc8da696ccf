/** "SALY" in ASCII: tells a ledger from any other SQLite file, at byte 68 of its header. */
export const APPLICATION_ID = 0x53_41_4c_59;

/** Raised with every change of the tables; a file with a higher one is refused. */
export const SCHEMA_VERSION = 2;

/**
 * AUTOINCREMENT: a position is never given twice, even after retention removes the last rows, so that a stored checkpoint stays true.
 * Streams are numbered, so that the streams written now share the last pages of events_by_stream: with names in that index each
 * append of a busy group dirties a page of its own, and a commit of 64 took twice as long.
 * Retries are recognised by stream and revision, so event ids need no index.
 * An event is in `events` or in `removed`, which holds what retention leaves of it: its place and its leaf in the Merkle tree.
 */
export const TABLES: Readonly<Record<string, string>> = {
  events: `CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    stream_number INTEGER NOT NULL,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    recorded_at INTEGER NOT NULL
  ) STRICT`,
  events_by_stream: "CREATE UNIQUE INDEX events_by_stream ON events (stream_number, revision)",
  removed: `CREATE TABLE removed (
    position INTEGER PRIMARY KEY,
    stream_number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    leaf BLOB NOT NULL
  ) STRICT`,
  removed_by_stream: "CREATE UNIQUE INDEX removed_by_stream ON removed (stream_number, revision)",
  streams: "CREATE TABLE streams (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
};

/** Everything that makes an empty database a ledger. */
export const CREATE_LEDGER = `
  PRAGMA journal_mode = WAL;
  BEGIN;
  ${Object.values(TABLES).join(";\n  ")};
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
  COMMIT;
`;

/** What each version added, so that a file of an earlier one is brought up to date when it is opened. */
const ADDED_BY_VERSION: Readonly<Record<number, readonly string[]>> = { 2: ["removed", "removed_by_stream"] };

/** The tables as a version had them, by name. */
export function tablesOf(version: number): readonly (readonly [name: string, sql: string])[] {
  const later = new Set(Object.entries(ADDED_BY_VERSION).flatMap(([added, names]) => (Number(added) > version ? names : [])));
  return Object.entries(TABLES).filter(([name]) => !later.has(name));
}
