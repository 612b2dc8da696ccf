import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { CommandQuery, CommandRow, Page, SessionQuery, SessionRow } from "../../application/projections/read-model-store.ts";
import { matchWords } from "./match-words.ts";

type Condition = readonly [sql: string, value: SQLInputValue];

/** Nothing beyond what was asked for is read: the key is the order. */
export function sessionPage(db: DatabaseSync, { identity, resource, openOnly, since, until, cursor, limit }: SessionQuery): Page<SessionRow> {
  const conditions = [
    ...when("identity = ?", identity),
    ...when("resource = ?", resource),
    ...(openOnly === true ? [["state = ?", "open"] as const] : []),
    ...when("started_at >= ?", since?.toISOString()),
    ...when("started_at < ?", until?.toISOString()),
    ...when("position < ?", cursor),
  ];
  const columns =
    "position, id, state, identity, resource, protocol, application, client_address AS clientAddress, started_at AS startedAt, ended_at AS endedAt, cause, message, emergency";
  return page<SessionRow>(db, `SELECT ${columns} FROM sessions`, conditions, "position", limit);
}

export function commandPage(db: DatabaseSync, { words, identity, resource, since, until, cursor, limit }: CommandQuery): Page<CommandRow> {
  const match = matchWords(words);
  if (match === undefined) return { rows: [] };
  const conditions = [
    ...when("command_text MATCH ?", match),
    ...when("c.identity = ?", identity),
    ...when("c.resource = ?", resource),
    ...when("c.at >= ?", since?.toISOString()),
    ...when("c.at < ?", until?.toISOString()),
    ...when("t.rowid < ?", cursor),
  ];
  const columns =
    "c.position, s.id AS session, c.command, c.at, c.identity, c.resource, c.state, c.code, c.risk_class AS riskClass, c.policy_version AS policyVersion, c.statement, c.rows";
  // CROSS JOIN fixes the order: the words first, since they select the most, and in the order of their rows, so that nothing is sorted.
  const from = "command_text t CROSS JOIN commands c ON c.position = t.rowid CROSS JOIN sessions s ON s.position = c.session";
  return page<CommandRow>(db, `SELECT ${columns} FROM ${from}`, conditions, "t.rowid", limit);
}

const when = (sql: string, value: SQLInputValue | undefined): readonly Condition[] => (value === undefined ? [] : [[sql, value]]);

function page<Row>(db: DatabaseSync, select: string, conditions: readonly Condition[], key: string, limit: number): Page<Row> {
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.map(([sql]) => sql).join(" AND ")}`;
  const statement = db.prepare(`${select}${where} ORDER BY ${key} DESC LIMIT ?`);
  statement.setReadBigInts(true);
  // One more than was asked for tells whether there is a next page.
  const found = statement.all(...conditions.map(([, value]) => value), limit + 1);
  const rows = found.slice(0, limit);
  const last = rows.at(-1)?.["position"];
  return {
    rows: rows.map(({ position: _, ...row }) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])) as Row),
    ...(found.length > limit && typeof last === "bigint" ? { next: last } : {}),
  };
}

const plain = (value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);
