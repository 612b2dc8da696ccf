import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { CommandQuery, CommandRow, NameFilter, Page, SessionQuery, SessionRow, VisibleRows } from "../../application/projections/read-model-store.ts";
import { matchWords } from "./match-words.ts";

type Condition = readonly [sql: string, ...values: readonly SQLInputValue[]];

/** Nothing beyond what was asked for is read: the key is the order. */
export function sessionPage(db: DatabaseSync, { visible, identity, resource, openOnly, since, until, cursor, limit }: SessionQuery): Page<SessionRow> {
  const conditions = [
    ...whenVisible("", visible),
    ...when("identity = ?", identity),
    ...when("resource = ?", resource),
    ...when("state = ?", openOnly === true ? "open" : undefined),
    ...when("started_at >= ?", since?.toISOString()),
    ...when("started_at < ?", until?.toISOString()),
    ...when("position < ?", cursor),
  ];
  const columns =
    "position, id, state, identity, resource, protocol, application, client_address AS clientAddress, started_at AS startedAt, ended_at AS endedAt, cause, message, emergency";
  return page<SessionRow>(db, `SELECT ${columns} FROM sessions`, conditions, "position", limit);
}

export function commandPage(db: DatabaseSync, { visible, words, identity, resource, since, until, cursor, limit }: CommandQuery): Page<CommandRow> {
  const match = matchWords(words);
  if (match === undefined) return { rows: [] };
  const conditions = [
    ...when("command_text MATCH ?", match),
    ...whenVisible("c.", visible),
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

/** Nobody else's rows at all is the common case, and an index finds those. */
function whenVisible(table: string, visible: VisibleRows | undefined): readonly Condition[] {
  if (visible === undefined) return [];
  const { identity, own, others } = visible;
  const named = ({ only }: NameFilter): string => `${table}resource ${only ? "" : "NOT "}IN (SELECT value FROM json_each(?))`;
  const names = (filter: NameFilter): string => JSON.stringify(filter.names);
  if (others.only && others.names.length === 0) return [[`${table}identity = ? AND ${named(own)}`, identity, names(own)]];
  const sql = `(${table}identity = ? AND ${named(own)} OR ${table}identity <> ? AND ${named(others)})`;
  return [[sql, identity, names(own), identity, names(others)]];
}

function page<Row>(db: DatabaseSync, select: string, conditions: readonly Condition[], key: string, limit: number): Page<Row> {
  const where = conditions.length === 0 ? "" : ` WHERE ${conditions.map(([sql]) => sql).join(" AND ")}`;
  const statement = db.prepare(`${select}${where} ORDER BY ${key} DESC LIMIT ?`);
  statement.setReadBigInts(true);
  // One more than was asked for tells whether there is a next page.
  const found = statement.all(...conditions.flatMap(([, ...values]) => values), limit + 1);
  const rows = found.slice(0, limit);
  const last = rows.at(-1)?.["position"];
  return {
    rows: rows.map(({ position: _, ...row }) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])) as Row),
    ...(found.length > limit && typeof last === "bigint" ? { next: last } : {}),
  };
}

const plain = (value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);
