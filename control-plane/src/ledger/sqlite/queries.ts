import type { Direction, LedgerFilter } from "../ledger.ts";

/** Every statement that touches events, in one place, so that a test can hold each one to its query plan. */
const COLUMNS = "position, stream, revision, id, type, data, metadata, recorded_at";

export const INSERT_EVENT = "INSERT INTO events (stream_number, stream, revision, id, type, data, metadata, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

export const INSERT_STREAM = "INSERT INTO streams (name) VALUES (?)";

/** No row for an unknown stream. */
export const STREAM_HEAD = "SELECT number, (SELECT max(revision) FROM events WHERE stream_number = number) AS head FROM streams WHERE name = ?";

/** By revision, never by id: with `id = ?` beside it SQLite may walk the whole stream for each append. */
export const STORED_AT = "SELECT id, position FROM events WHERE stream_number = ? AND revision > ? AND revision <= ? ORDER BY revision";

export const LOG_HEAD = "SELECT max(position) FROM events";

export const streamPage = (direction: Direction): string =>
  `SELECT ${COLUMNS} FROM events WHERE stream_number = ? AND revision >= ? AND revision <= ? ORDER BY revision ${order(direction)}`;

/**
 * The filter compares through `substr`, which no index can serve: a range of positions is walked in order, and nothing else.
 * Should `stream` or `type` ever get an index, a plain range could make SQLite sort a whole category for each page.
 */
export function logPage(direction: Direction, filter: LedgerFilter | undefined): string {
  const column = filter?.by === "type" ? "type" : "stream";
  const matches = filter === undefined ? "" : ` AND (${filter.prefixes.map(() => `substr(${column}, 1, ?) = ?`).join(" OR ")})`;
  return `SELECT ${COLUMNS} FROM events WHERE position >= ? AND position <= ?${matches} ORDER BY position ${order(direction)}`;
}

/** SQLite counts code points, JavaScript UTF-16 units. */
export const filterParameters = (filter: LedgerFilter | undefined): (string | number)[] =>
  filter === undefined ? [] : filter.prefixes.flatMap((prefix) => [Array.from(prefix).length, prefix]);

const order = (direction: Direction): string => (direction === "forwards" ? "ASC" : "DESC");
