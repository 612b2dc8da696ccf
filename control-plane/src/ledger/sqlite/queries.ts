import type { Direction, LedgerFilter } from "../ledger.ts";

/** Every statement that touches events, in one place, so that a test can hold each one to its query plan. */
const COLUMNS = "position, stream, revision, id, type, data, metadata, recorded_at";

export const INSERT_EVENT = "INSERT INTO events (stream_number, stream, revision, id, type, data, metadata, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

export const INSERT_STREAM = "INSERT INTO streams (name) VALUES (?)";

/** No row for an unknown stream. */
export const STREAM_HEAD = `SELECT number, coalesce(
    (SELECT max(revision) FROM events WHERE stream_number = number), (SELECT max(revision) FROM removed WHERE stream_number = number)
  ) AS head FROM streams WHERE name = ?`;

/** By revision, never by id: with `id = ?` beside it SQLite may walk the whole stream for each append. */
export const STORED_AT = "SELECT id, position FROM events WHERE stream_number = ? AND revision > ? AND revision <= ? ORDER BY revision";

export const LOG_HEAD = "SELECT max((SELECT ifnull(max(position), 0) FROM events), (SELECT ifnull(max(position), 0) FROM removed))";

export const DELETE_EVENT = "DELETE FROM events WHERE position = ?";

export const INSERT_TOMBSTONE = "INSERT INTO removed (position, stream_number, revision, leaf) VALUES (?, ?, ?, ?)";

/** What is to be removed, with what its leaf is made of. */
export const REMOVABLE = "SELECT stream_number, stream, revision, id, type, data, metadata FROM events WHERE position = ?";

export const IS_TOMBSTONE = "SELECT 1 FROM removed WHERE position = ? AND leaf = ?";

export const TOMBSTONES = "SELECT position, revision, leaf FROM removed WHERE stream_number = ? AND revision >= ? ORDER BY revision LIMIT ?";

/** Events and tombstones of a range of positions: two tables in one order, merged without a sort. */
export const LOG_ENTRIES = `SELECT ${COLUMNS}, NULL AS leaf FROM events WHERE position >= ?1 AND position <= ?2
  UNION ALL SELECT r.position, s.name, r.revision, '', '', '', '', 0, r.leaf FROM removed r CROSS JOIN streams s ON s.number = r.stream_number
    WHERE r.position >= ?1 AND r.position <= ?2
  ORDER BY position`;

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
