import type { CopyStmt, FetchStmt, Node, SelectStmt } from "@pgsql/types";
import { isRunning } from "./statements-session.ts";

/**
 * The most rows that any statement of the text gives back, where each says so itself with a constant; 0: one does not, or none gives any.
 * LIMIT 0 is none, too: it is rare, and a rule that asks for a limit is none the worse for it.
 */
export function rowLimitOf(statements: readonly (Node | undefined)[]): number {
  let most = 0;
  for (const statement of statements) {
    const limit = statement === undefined ? undefined : limitOf(statement);
    if (limit === undefined) continue;
    if (limit === 0) return 0;
    most = Math.max(most, limit);
  }
  return most;
}

/** Undefined: no rows of a table come back, or no more than the few that describe something (SHOW, a plan). */
function limitOf(statement: Node): number | undefined {
  if ("SelectStmt" in statement) return limitOfQuery(statement.SelectStmt);
  if ("CopyStmt" in statement) return limitOfCopy(statement.CopyStmt);
  if ("PrepareStmt" in statement) return statement.PrepareStmt.query === undefined ? 0 : limitOf(statement.PrepareStmt.query);
  if ("DeclareCursorStmt" in statement) return statement.DeclareCursorStmt.query === undefined ? 0 : limitOf(statement.DeclareCursorStmt.query);
  if ("FetchStmt" in statement) return limitOfFetch(statement.FetchStmt);
  if ("ExecuteStmt" in statement) return 0;
  if ("ExplainStmt" in statement) return isRunning(statement.ExplainStmt.options) ? 0 : undefined;
  if ("InsertStmt" in statement) return returning(statement.InsertStmt);
  if ("UpdateStmt" in statement) return returning(statement.UpdateStmt);
  if ("DeleteStmt" in statement) return returning(statement.DeleteStmt);
  return "MergeStmt" in statement ? returning(statement.MergeStmt) : undefined;
}

const returning = ({ returningClause }: { readonly returningClause?: object }): number | undefined => (returningClause === undefined ? undefined : 0);

/** FETCH FIRST … WITH TIES gives more. */
function limitOfQuery({ limitCount, limitOption }: SelectStmt): number {
  if (limitCount === undefined || limitOption === "LIMIT_OPTION_WITH_TIES" || !("A_Const" in limitCount)) return 0;
  return limitCount.A_Const.ival?.ival ?? 0;
}

function limitOfCopy({ is_from, query }: CopyStmt): number | undefined {
  if (is_from === true) return undefined;
  return query === undefined ? 0 : (limitOf(query) ?? 0);
}

/** FETCH ABSOLUTE and RELATIVE give a single row, whatever the number; FETCH 0 the one where the cursor stands. */
function limitOfFetch({ direction, howMany, ismove }: FetchStmt): number | undefined {
  if (ismove === true) return undefined;
  if (direction === "FETCH_ABSOLUTE" || direction === "FETCH_RELATIVE") return 1;
  const rows = Math.max(1, Math.abs(Number(howMany ?? 0)));
  return rows < ALL_ROWS ? rows : 0;
}

/** What the parser, whose numbers have 32 bits, makes of FETCH ALL. */
const ALL_ROWS = 2_147_483_647;
